"""How loud lists of entries are to a network: shares of words are small numbers, which it would learn from slowly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.models.learning.matrix import Column, Features, Sparse


def loudness(features: Features) -> tuple[float, ...]:
    """Return by what the values of each column are multiplied before a network learns from them.

    A category is a vector of length 1. Lists whose rows are shorter than that, in the root of the mean square of those
    that have entries, are brought to it, all entries alike: how telling a word is stays as it is. Others are left.
    """
    return tuple(map(_factor, features.columns))


def louder(features: Features, factors: Sequence[float]) -> Features:
    """Return the features with their columns multiplied so; what was learned of them is multiplied by the same, and
    then reads them as they were."""
    columns = tuple(
        Sparse(column.rows, column.indices, column.values * factor) if isinstance(column, Sparse) else column
        for column, factor in zip(features.columns, factors, strict=True)
    )
    return Features(features.rows, columns, features.encoded)


def _factor(column: Column) -> float:
    if not isinstance(column, Sparse):
        return 1.0
    counts = np.isfinite(column.values) & (column.values != 0)
    if not counts.any():
        return 1.0
    rows = np.unique(column.rows[counts])
    length = float(np.sqrt((column.values[counts] ** 2).sum() / len(rows)))
    return max(1.0, 1.0 / length)
