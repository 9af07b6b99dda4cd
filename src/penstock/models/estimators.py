"""Estimators over many rows: from feature columns to a number, or to the probability of each class."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from penstock.core.graph import ModelGraph
from penstock.models import nodes
from penstock.models.boosters import load_booster
from penstock.models.matrix import Features, Floats, dense
from penstock.models.trees import MODEL_FILE
from penstock.models.weights import WEIGHTS_FILE, Weights, probabilities, read_weights, scores

_ROWS_AT_ONCE = 1 << 25  # numbers in one dense matrix: 256 MiB


def estimate(graph: ModelGraph, features: Features) -> Floats:
    """Return one column of predictions, or the probability of each class in a column."""
    return estimate_from(
        nodes.form(graph), dict(graph.blobs), nodes.concat(graph).params["widths"], len(nodes.classes(graph)), features
    )


def estimate_from(
    form: str, files: dict[str, bytes], widths: tuple[int, ...], classes: int, features: Features
) -> Floats:
    """Return what the estimator that these files hold says of the features; `classes` is 0 in a regression."""
    if form == "linear":
        totals = scores(_weights(files[WEIGHTS_FILE]), features)
        return probabilities(totals) if classes else totals
    booster = load_booster(files[MODEL_FILE], outputs=classes if classes > 2 else 1)
    outputs = booster.predict(dense(features, widths))
    return np.hstack([1.0 - outputs, outputs]) if classes == 2 else outputs


_weights = lru_cache(maxsize=16)(read_weights)
