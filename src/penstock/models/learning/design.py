"""Features as one sparse matrix, a column for each number: what linear algebra learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.errors import MissingExtraError
from penstock.models.learning.matrix import Features, Floats, Integers, Sparse


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """The training matrix: sparse rows, one column for each number of each feature that can have a weight at all."""

    matrix: Any  # scipy.sparse.csr_matrix
    kept: Integers  # positions of these columns among all
    widths: tuple[int, ...]

    def unflatten(self, coefficients: Floats) -> tuple[tuple[float, ...], ...]:
        """Return the coefficients feature by feature; columns that were left out have weight 0."""
        flat = np.zeros(sum(self.widths))
        flat[self.kept] = coefficients
        parts = np.split(flat, np.cumsum(self.widths)[:-1])
        return tuple(tuple(part.tolist()) for part in parts)


def design_of(features: Features, widths: Sequence[int], *, drop_most_frequent: bool = False) -> Design:
    """Return the matrix of some features. A column without an entry is left out, and, if asked for, that of the most
    frequent index of each category."""
    sparse = scipy_sparse()
    blocks, kept, start = [], [], 0
    for column, width in zip(features.columns, widths, strict=True):
        block = block_of(column, width, features.rows)
        counts = np.diff(block.indptr)
        used = counts > 0 if width > 1 else np.ones(1, dtype=bool)
        is_category = not isinstance(column, Sparse) and column.dtype == np.int64
        if is_category and drop_most_frequent:
            used[np.argmax(counts)] = False
        blocks.append(block[:, np.flatnonzero(used)])
        kept.append(start + np.flatnonzero(used))
        start += width
    return Design(
        matrix=sparse.hstack(blocks, format="csr"), kept=np.concatenate(kept).astype(np.int64), widths=tuple(widths)
    )


def block_of(column: Floats | Integers | Sparse, width: int, rows: int) -> Any:
    """Return the columns of the matrix that one feature gives."""
    sparse = scipy_sparse()
    if isinstance(column, Sparse):
        return sparse.csc_matrix((column.values, (column.rows, column.indices)), shape=(rows, width))
    if column.dtype == np.int64:
        return sparse.csc_matrix((np.ones(rows), (np.arange(rows), column)), shape=(rows, width))
    return sparse.csc_matrix(column.reshape(-1, 1))


def scipy_sparse() -> Any:
    """Return scipy's module; raises `MissingExtraError` where it is not installed."""
    try:
        from scipy import sparse
    except ImportError as error:
        raise MissingExtraError("scipy", extra="learners", purpose="learning from a matrix") from error
    return sparse
