"""Estimators over many rows: from feature columns to a number, or to the probability of each class."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from penstock.core.graph import ModelGraph
from penstock.models import nodes
from penstock.models.boosters import MODEL_FILE, load_booster
from penstock.models.matrix import Features, Floats, dense
from penstock.models.weights import WEIGHTS_FILE, probabilities, read_weights, scores


def estimate(graph: ModelGraph, features: Features) -> Floats:
    """Return one column of predictions, or the probability of each class in a column."""
    classes = len(nodes.classes(graph))
    if nodes.form(graph) == "linear":
        totals = scores(_weights(graph.blobs[WEIGHTS_FILE]), features)
        return probabilities(totals) if classes else totals
    booster = load_booster(graph.blobs[MODEL_FILE], outputs=classes if classes > 2 else 1)
    outputs = booster.predict(dense(features, nodes.concat(graph).params["widths"]))
    return np.hstack([1.0 - outputs, outputs]) if classes == 2 else outputs


_weights = lru_cache(maxsize=16)(read_weights)
