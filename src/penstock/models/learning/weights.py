"""The weights of a linear model, and how they predict many rows, and one."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from penstock.errors import DataError
from penstock.models.learning.learner import Attributions, Estimator, RowLines, Weights
from penstock.models.learning.matrix import Column, Features, Floats, Sparse

WEIGHTS_FILE = "weights.json"
"""`Weights` as JSON, which keeps every float exactly."""


def weights_of(estimator: Estimator) -> Weights:
    """Return the weights of a fitted estimator; the last few that were read are kept."""
    return read_weights(estimator.files[WEIGHTS_FILE])


def estimate(estimator: Estimator, features: Features) -> Floats:
    """Return the value, or the probability of each class, of each row."""
    totals = scores(weights_of(estimator), features)
    return probabilities(totals) if estimator.classes else totals


def row_lines(estimator: Estimator, entering: Sequence[str]) -> RowLines:
    """Return the value of one row, or the probability of each class."""
    lines, names, totals = addition_lines(estimator, entering)
    names = {**names, "_logistic": logistic, "_softmax": softmax}
    match estimator.classes, totals:
        case 0, _:
            return RowLines(lines=[*lines, "estimate = t0"], names=names)
        case _, [total]:
            return RowLines(lines=[*lines, f"estimate = _logistic({total})"], names=names)
    return RowLines(lines=[*lines, f"estimate = _softmax([{', '.join(totals)}])"], names=names)


def addition_lines(estimator: Estimator, entering: Sequence[str]) -> tuple[list[str], dict[str, Any], list[str]]:
    """Add up weights times features, in the order in which batches do; return the lines, the globals that they read,
    and the names of the totals."""
    weights = weights_of(estimator)
    names: dict[str, Any] = {}
    lines = []
    for output, (constant, by_feature) in enumerate(zip(weights.constants, weights.weights, strict=True)):
        lines.append(f"t{output} = {constant!r}")
        for position, (name, kind, values) in enumerate(zip(entering, estimator.kinds, by_feature, strict=True)):
            table = f"_w{output}_{position}"
            if kind != "number":
                names[table] = values
            lines += addition(f"t{output}", name, kind, values, table)
    return lines, names, [f"t{output}" for output in range(len(weights.constants))]


def addition(total: str, name: str, kind: str, values: Sequence[float], table: str) -> list[str]:
    """Write what adds a feature's value, weighted, to a total; `table` is the name of the weights in the globals."""
    match kind:
        case "number":
            return [f"{total} += {values[0]!r} * {name}"]
        case "category":
            return [f"{total} += {table}[{name}] if {name} < {len(values)} else 0.0"]
    entry = f"{table}[entry['index']] if entry['index'] < {len(values)} else 0.0"
    return [f"for entry in {name} or ():", f"    {total} += ({entry}) * entry['value']"]


def logistic(total: float) -> float:
    """Return the probability of the second of two classes for its log-odds."""
    try:
        return 1.0 / (1.0 + math.exp(-total))
    except OverflowError:
        return 0.0


def softmax(totals: Sequence[float]) -> list[float]:
    """Return the probability of each class for its total."""
    most = max(totals)
    powers = [math.exp(total - most) for total in totals]
    whole = sum(powers)
    return [power / whole for power in powers]


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


def with_means(learned: Weights, features: Features) -> Weights:
    """Return weights that know what each column adds in the mean of some rows."""
    means = tuple(
        tuple(
            float(_part(column, values, features.rows).mean())
            for column, values in zip(features.columns, by_feature, strict=True)
        )
        for by_feature in learned.weights
    )
    return dataclasses.replace(learned, means=means)


def attributions(estimator: Estimator, features: Features, *, steps: int) -> Attributions:
    """Return the Shapley values of a sum: what each column adds, less what it adds in the mean of the training rows.

    The baseline is the score of a row where every column is at its mean: that of a number adds nothing, as numbers are
    scaled, so without categories it is the constant.
    """
    learned = weights_of(estimator)
    if learned.means is None:
        raise DataError(
            "this model was learned by a penstock that did not keep what its features add in the mean, against which "
            "an explanation is set; learn it again"
        )
    parts = np.empty((features.rows, len(learned.constants), len(features.columns)))
    for output, (by_feature, means) in enumerate(zip(learned.weights, learned.means, strict=True)):
        for at, (column, values, mean) in enumerate(zip(features.columns, by_feature, means, strict=True)):
            parts[:, output, at] = _part(column, values, features.rows) - mean
    baselines = [constant + math.fsum(means) for constant, means in zip(learned.constants, learned.means, strict=True)]
    return Attributions(baselines=np.array(baselines), scores=scores(learned, features), parts=parts)


def _part(column: Column, values: Sequence[float], rows: int) -> Floats:
    part = np.zeros(rows)
    _add(part, column, np.array((*values, 0.0)))
    return part


def _add(total: Floats, column: Column, values: Floats) -> None:
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


@lru_cache(maxsize=16)
def read_weights(content: bytes) -> Weights:
    """Return the weights that a file holds."""
    return msgspec.json.decode(content, type=Weights)
