"""Principal components: the directions in which rows differ most, from the eigenvectors of their covariance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from penstock.errors import DataError, DeclarationError
from penstock.models.learning.design import design_of
from penstock.models.learning.learner import Estimator, Learned, Lesson, RowLines, Weights
from penstock.models.learning.matrix import Features, Floats, Sparse
from penstock.models.learning.weights import WEIGHTS_FILE, addition_lines, scores, weights_of

_MOST_COLUMNS = 8192  # the covariance of more takes 0.5 GiB, its eigenvectors minutes


def fit_pca(lesson: Lesson) -> Learned:
    """Find the components of the centred columns; each has its largest entry above 0, as scikit-learn has it.

    A component is kept as weights: the score of a row is a constant and a weighted sum of its numbers.
    """
    centred, shift = _centred(lesson.train.features, lesson.widths)
    design = design_of(centred, lesson.widths)
    rows, columns = design.matrix.shape
    if columns > _MOST_COLUMNS:
        raise DataError(
            f"the features give {columns:,} columns, a number or a category each; pca takes {_MOST_COLUMNS:,}: "
            "leave the features with the most categories out"
        )
    means = np.asarray(design.matrix.mean(axis=0)).ravel()
    covariance = ((design.matrix.T @ design.matrix).toarray() - rows * np.outer(means, means)) / max(rows - 1, 1)
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1].T
    count = _how_many(lesson, values, most=min(rows, columns))
    largest = np.abs(vectors).argmax(axis=1)
    vectors = vectors * np.where(vectors[np.arange(columns), largest] < 0.0, -1.0, 1.0)[:, np.newaxis]
    constants = -(vectors[:count] @ (means + shift[design.kept]))
    learned = Weights(tuple(constants.tolist()), tuple(design.unflatten(vector) for vector in vectors[:count]))
    facts = {"components": _components(values, count)}
    return Learned(files={WEIGHTS_FILE: msgspec.json.encode(learned)}, outputs=count, facts=facts)


def _centred(features: Features, widths: Sequence[int]) -> tuple[Features, Floats]:
    """Return the features with the mean taken from each number, so that no sum of squares loses digits to it, and what
    was taken from each column of the design."""
    taken = [
        np.zeros(width) if isinstance(column, Sparse) or column.dtype == np.int64 else np.array([column.mean()])
        for column, width in zip(features.columns, widths, strict=True)
    ]
    columns = [
        column if isinstance(column, Sparse) or column.dtype == np.int64 else column - mean
        for column, mean in zip(features.columns, taken, strict=True)
    ]
    return Features(features.rows, tuple(columns)), np.concatenate(taken)


def _how_many(lesson: Lesson, values: Floats, *, most: int) -> int:
    count, ratio = (lesson.options[name] for name in ("num_principal_components", "pca_explained_variance_ratio"))
    if (count is None) == (ratio is None):
        raise DeclarationError("pca needs one of num_principal_components and pca_explained_variance_ratio")
    if ratio is not None:
        explained = np.cumsum(values) / (values.sum() or 1.0)
        return min(int(np.searchsorted(explained, ratio)) + 1, most)
    if count > most:
        raise DataError(f"num_principal_components is {count}; these rows and features have {most} components at most")
    return int(count)


def _components(values: Floats, count: int) -> list[dict[str, Any]]:
    """Return what is known of each component, by the names of ML.PRINCIPAL_COMPONENT_INFO."""
    ratios = values / (values.sum() or 1.0)
    return [
        {
            "principal_component_id": at + 1,
            "eigenvalue": float(values[at]),
            "explained_variance_ratio": float(ratios[at]),
            "cumulative_explained_variance_ratio": float(ratios[: at + 1].sum()),
        }
        for at in range(count)
    ]


def estimate(estimator: Estimator, features: Features) -> Floats:
    """Return the score of each row in each component."""
    return scores(weights_of(estimator), features)


def row_lines(estimator: Estimator, entering: Sequence[str]) -> RowLines:
    """Add up the scores of one row."""
    lines, names, totals = addition_lines(estimator, entering)
    return RowLines(lines=[*lines, f"estimate = [{', '.join(totals)}]"], names=names)


def judge(estimator: Estimator, features: Features, estimates: Floats) -> dict[str, float]:
    """Return which part of the variance of the rows their scores have."""
    whole = sum(
        _variance(column, kind, width, features.rows)
        for column, kind, width in zip(features.columns, estimator.kinds, estimator.widths, strict=True)
    )
    explained = float(estimates.var(axis=0).sum())
    return {"total_explained_variance_ratio": explained / whole if whole > 0.0 else float("nan")}


def _variance(column: Any, kind: str, width: int, rows: int) -> float:
    """Return the variance of a feature's numbers, added up."""
    if isinstance(column, Sparse):
        sums, squares = (
            np.bincount(column.indices, weights=values, minlength=width) for values in (column.values, column.values**2)
        )
        return float((squares / rows - (sums / rows) ** 2).sum())
    if kind == "category":
        shares = np.bincount(column, minlength=width)[1:] / rows  # what training never saw is no entry
        return float((shares * (1.0 - shares)).sum())
    return float(column.var())
