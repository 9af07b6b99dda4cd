"""The metrics of rows that are drawn again hundreds of times (the bootstrap): what is the same in all drawings, errors
and the order of scores, is found once, and each drawing only weighs it by how often each row was drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias

import numpy as np

from penstock.models.judging import metrics
from penstock.models.judging.scores import finite, measured
from penstock.models.learning.matrix import Flags, Floats, Integers

REPLICATES = 200
"""How often rows are drawn again."""
_AT_ONCE = 1 << 16  # numbers that are weighed together: more than a cache holds are slower
_FLAT = 1e-12  # labels that vary by less, in parts of what they are from their mean, may all be equal

Weighed: TypeAlias = Callable[[Integers], dict[str, Floats]]
"""Gives metrics of drawings: of each (a row) how often every row was drawn."""


def times_drawn(count: int, groups: Integers | None = None, seed: int = 0) -> Iterator[Integers]:
    """Yield of drawings with repetition how often each row was drawn, with `groups` whole groups: the same for
    everything that is compared."""
    random = np.random.default_rng(seed)
    many = count if groups is None else int(groups.max()) + 1
    for _ in range(REPLICATES):
        times = np.bincount(random.integers(many, size=many), minlength=many)
        yield times if groups is None else times[groups]


def measured_again(
    labels: Any, estimates: Floats, classes: Sequence[Any], drawings: Iterable[Integers]
) -> list[dict[str, float | None]]:
    """Return for each drawing what `measured` gives of the rows that it drew."""
    if not len(labels):
        return [{} for _ in drawings]
    weighed = _classification(labels, estimates) if classes else _regression(labels, estimates[:, 0])
    found: list[dict[str, float | None]] = []
    drawn = iter(drawings)
    while block := list(islice(drawn, max(1, _AT_ONCE // len(labels)))):
        if weighed is None:
            found += [measured(labels[rows], estimates[rows], classes) for rows in map(rows_of, block)]
            continue
        times = np.asarray(block)
        columns = weighed(times.astype(np.uint8 if times.max() < 256 else np.int32))  # of few bytes, many fit a cache
        found += [
            finite(dict(zip(columns, values, strict=True))) for values in np.array([*columns.values()]).T.tolist()
        ]
    return found


def rows_of(times: Integers) -> Integers:
    """Return the numbers of the rows drawn, in order."""
    return np.repeat(np.arange(len(times)), times)


def _regression(actual: Floats, predicted: Floats) -> Weighed | None:
    """Return what weighs the errors; None where their squares are no numbers, which cannot be weighed by 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        error, apart = actual - predicted, actual - actual.mean()
        shifted = error - error.mean()
        squares = [error**2, apart**2, shifted**2]
    if not np.isfinite(squares).all():
        return None
    low = np.minimum(actual, predicted) <= -1.0
    logs = np.square(np.log1p(np.where(low, 0.0, actual)) - np.log1p(np.where(low, 0.0, predicted)))
    parts = np.stack([np.abs(error), *squares, apart, shifted, logs, low.astype(np.float64)], axis=1)
    sizes = np.abs(error)
    order = np.argsort(sizes, kind="stable")
    ordered = sizes[order]

    def weighed(times: Integers) -> dict[str, Floats]:
        rows = times.sum(axis=1, dtype=np.float64)
        absolute, square, spread, unexplained, moved, biased, log, odd = (times.astype(np.float64) @ parts).T
        flat = spread - moved**2 / rows <= _FLAT * spread
        varying = np.where(flat, 1.0, spread - moved**2 / rows)
        found = {
            "mean_absolute_error": absolute / rows,
            "mean_squared_error": square / rows,
            "mean_squared_log_error": np.where(odd > 0, np.nan, log / rows),
            "median_absolute_error": _medians(ordered, times[:, order]),
            "r2_score": 1.0 - square / varying,
            "explained_variance": 1.0 - (unexplained - biased**2 / rows) / varying,
        }
        for number in np.flatnonzero(flat):  # whether they are equal, only themselves say exactly
            drawn = rows_of(times[number])
            for name, value in metrics.regression(actual[drawn], predicted[drawn]).items():
                found[name][number] = value
        return found

    return weighed


def _medians(values: Floats, times: Integers) -> Floats:
    """Return the medians of sorted values, each so many times there."""
    found = []
    for each in np.cumsum(times, axis=1, dtype=np.int32):
        rows = int(each[-1])
        ends = np.searchsorted(each, [(rows - 1) // 2, rows // 2], side="right")
        found.append(values[ends].mean())
    return np.array(found)


def _classification(actual: Integers, probabilities: Floats) -> Weighed:
    classes = probabilities.shape[1]
    actual = actual.astype(np.int64, copy=False)
    cells = actual * classes + metrics.predicted_classes(probabilities)
    losses = metrics.log_losses(actual, probabilities)
    judged = [1] if classes == 2 else list(range(classes))
    areas = [_area(actual == number, probabilities[:, number]) for number in judged]

    def weighed(times: Integers) -> dict[str, Floats]:
        rows = times.sum(axis=1, dtype=np.float64)
        counted = [np.bincount(cells, weights=each, minlength=classes**2) for each in times]
        counts = np.array(counted).reshape(-1, classes, classes)
        right, there, said = np.einsum("bii->bi", counts)[:, judged], counts.sum(2)[:, judged], counts.sum(1)[:, judged]
        # of two classes the second, of more those that are there, or are said to be
        counting = np.ones_like(right) if classes == 2 else (said + there > 0).astype(np.float64)
        shares = (right / np.maximum(said, 1), right / np.maximum(there, 1), 2 * right / np.maximum(said + there, 1))
        precision, recall, f1 = (np.sum(each * counting, axis=1) / counting.sum(axis=1) for each in shares)
        return {
            "precision": precision,
            "recall": recall,
            "accuracy": np.trace(counts, axis1=1, axis2=2) / rows,
            "f1_score": f1,
            "log_loss": times.astype(np.float64) @ losses / rows,
            "roc_auc": np.mean([area(times) for area in areas], axis=0),
        }

    return weighed


def _area(positive: Flags, score: Floats) -> Callable[[Integers], Floats]:
    """Return what gives the areas under the curve, as `metrics.area` does, a tie counting half."""
    order = np.argsort(score, kind="stable")
    holds, ordered = positive[order], score[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])

    def areas(times: Integers) -> Floats:
        drawn = times[:, order]
        yes = drawn * holds
        no = drawn - yes
        if len(starts) < len(ordered):
            yes, no = (np.add.reduceat(each, starts, axis=1, dtype=np.int32) for each in (yes, no))
        below = np.cumsum(no, axis=1, dtype=np.int32)
        above = np.einsum("bi,bi->b", yes.astype(np.float64), below - no / 2)
        pairs = yes.sum(axis=1, dtype=np.float64) * below[:, -1]
        return np.where(pairs > 0, above / np.maximum(pairs, 1), np.nan)

    return areas
