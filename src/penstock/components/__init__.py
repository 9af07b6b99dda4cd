"""Prebuilt steps: from reading rows to promoting a model. Inside a pipeline they are steps, outside plain functions."""

from penstock.components.data import read, split
from penstock.components.learning import evaluate, fit, predict, push
from penstock.components.naming import name, named
from penstock.components.validation import schema, statistics, validate

__all__ = ["evaluate", "fit", "name", "named", "predict", "push", "read", "schema", "split", "statistics", "validate"]
