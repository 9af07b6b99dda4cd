"""Cascades: models that route to models, trained on what the router really predicts, retrained and deployed as one."""

from penstock.cascades.declare import Cascade, cascade, confidence, probability, route
from penstock.cascades.fitting import fit
from penstock.cascades.reporting import plot_cascade
from penstock.cascades.training import (
    feature_references,
    historical_features,
    train,
    training_pipeline,
    with_features,
)
from penstock.cascades.value import Route, models_of

__all__ = [
    "Cascade",
    "Route",
    "cascade",
    "confidence",
    "feature_references",
    "fit",
    "historical_features",
    "models_of",
    "plot_cascade",
    "probability",
    "route",
    "train",
    "training_pipeline",
    "with_features",
]
