"""The weights of a linear model, and how they predict many rows."""

from __future__ import annotations

import msgspec
import numpy as np

from penstock.models.matrix import Features, Floats, Integers, Sparse

WEIGHTS_FILE = "weights.json"


class Weights(msgspec.Struct, frozen=True):
    """What a linear model learned: for each output a constant and, for each feature, a weight for each of its numbers
    (one for a number, one for each index otherwise). JSON keeps every float exactly."""

    constants: tuple[float, ...]
    weights: tuple[tuple[tuple[float, ...], ...], ...]


def scores(weights: Weights, features: Features) -> Floats:
    """Return the weighted sums, a column for each output, added in the order of the features: the row form adds in
    the same order, so both give the same bits."""
    totals = np.empty((features.rows, len(weights.constants)))
    for output, (constant, by_feature) in enumerate(zip(weights.constants, weights.weights, strict=True)):
        total = np.full(features.rows, constant)
        for column, values in zip(features.columns, by_feature, strict=True):
            _add(total, column, np.array((*values, 0.0)))
        totals[:, output] = total
    return totals


def _add(total: Floats, column: Floats | Integers | Sparse, values: Floats) -> None:
    beyond = len(values) - 1  # an index that training never gave has weight 0
    if isinstance(column, Sparse):
        np.add.at(total, column.rows, values[np.minimum(column.indices, beyond)] * column.values)
    elif column.dtype == np.int64:
        total += values[np.minimum(column, beyond)]
    else:
        total += values[0] * column


def probabilities(totals: Floats) -> Floats:
    """Return the probability of each class: one total is the log-odds of the second of two classes."""
    with np.errstate(over="ignore"):  # exp(800) is inf, and 1 / inf is the right answer
        if totals.shape[1] == 1:
            positive = 1.0 / (1.0 + np.exp(-totals))
            return np.hstack([1.0 - positive, positive])
        powers = np.exp(totals - totals.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def read_weights(content: bytes) -> Weights:
    """Return the weights that a file holds."""
    return msgspec.json.decode(content, type=Weights)
