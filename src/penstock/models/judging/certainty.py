"""How good predictions are on rows, how sure that is, and whether one is better than another: the one arithmetic by
which training chooses, reports tell what chance does, and blessings are given."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from penstock.models.judging.scores import ROOT, is_rising, measured
from penstock.models.learning.matrix import Floats, Integers

REPLICATES = 200
"""How often rows are drawn again for the standard error of a metric that is no mean over rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A metric and the rows that it is measured on: their labels (values, or numbers of `classes`), and of which
    `group` each is (None: each by itself). Rows of one group are not counted as if they told of different things."""

    metric: str
    actual: Floats | Integers
    classes: int
    groups: Integers | None
    seed: int

    def score(self, estimates: Floats, rows: Integers | None = None) -> float:
        """Return the metric, of some of the rows if given; NaN where it has no value."""
        actual = self.actual if rows is None else self.actual[rows]
        value = measured(actual, estimates if rows is None else estimates[rows], range(self.classes))[self.metric]
        return math.nan if value is None else value

    def loss(self, estimates: Floats) -> float:
        """Return the metric so that less is better: infinity where it has no value."""
        value = self.score(estimates)
        if math.isnan(value):
            return math.inf
        return -value if is_rising(self.metric) else value


def standard_error(judge: Judge, estimates: Floats) -> float:
    """Return how far the metric would lie from itself on other rows like these."""
    parts = _influence(judge, estimates)
    if parts is not None:
        return _of_mean(parts, judge.groups)
    return _spread([judge.score(estimates, rows) for rows in _drawn(judge)])


def difference(judge: Judge, better: Floats, other: Floats) -> tuple[float, float]:
    """Return by how much the other is worse on the same rows, and the standard error of that difference."""
    apart = judge.loss(other) - judge.loss(better)
    one, two = _influence(judge, better), _influence(judge, other)
    if one is not None and two is not None:
        return apart, _of_mean(two - one, judge.groups)
    drawn = [(judge.score(other, rows), judge.score(better, rows)) for rows in _drawn(judge)]
    return apart, _spread([worse - best for worse, best in drawn])


def simplest(judge: Judge, found: Mapping[str, Floats]) -> tuple[str, dict[str, tuple[float, float]]]:
    """Return the name of the first (they stand in the order of simplicity) that is not worse than the best by more than
    one standard error, and of each by how much it is worse than the best, with that difference's standard error."""
    best = min(found, key=lambda name: judge.loss(found[name]))
    apart = {name: (0.0, 0.0) if name == best else difference(judge, found[best], each) for name, each in found.items()}
    return next(name for name, (worse, error) in apart.items() if worse <= error), apart


def _influence(judge: Judge, estimates: Floats) -> Floats | None:
    """Return numbers of the rows whose mean varies as the metric does, less being better; None for one that is no mean,
    and no smooth function of one."""
    if judge.classes:
        numbers = judge.actual.astype(np.int64)
        if judge.metric == "accuracy":
            return np.asarray(estimates.argmax(axis=1) != numbers, dtype=np.float64)
        if judge.metric == "log_loss":
            tiny = np.finfo(np.float64).eps
            own = np.clip(estimates, tiny, 1 - tiny)[np.arange(len(numbers)), numbers]
            return np.asarray(-np.log(own))
        return None
    error = judge.actual.astype(np.float64) - estimates[:, 0]
    match judge.metric:
        case "mean_absolute_error":
            return np.abs(error)
        case "mean_squared_error":
            return error**2
        case metric if metric == ROOT:  # the root's slope there: half of what is under it, over it
            root = math.sqrt(float(np.mean(error**2)))
            return error**2 / (2.0 * root) if root else error**2
        case "mean_squared_log_error" if min(judge.actual.min(), estimates[:, 0].min()) > -1.0:
            return np.asarray((np.log1p(judge.actual) - np.log1p(estimates[:, 0])) ** 2)
    return None


def _of_mean(values: Floats, groups: Integers | None) -> float:
    """Return the standard error of a mean: of rows, or of groups of them."""
    apart = values - values.mean()
    sums = apart if groups is None else np.bincount(groups, weights=apart)
    if len(sums) < 2:
        return math.inf
    return math.sqrt(float(sums @ sums) * len(sums) / (len(sums) - 1)) / len(values)


def _drawn(judge: Judge) -> Iterator[Integers]:
    return drawn(len(judge.actual), judge.groups, judge.seed)


def drawn(count: int, groups: Integers | None = None, seed: int = 0) -> Iterator[Integers]:
    """Yield rows drawn again, as many with repetition (whole groups): the same for everything that is compared."""
    random = np.random.default_rng(seed)
    if groups is None:
        for _ in range(REPLICATES):
            yield random.integers(count, size=count)
        return
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(groups))[:-1])
    for _ in range(REPLICATES):
        yield np.concatenate([members[at] for at in random.integers(len(members), size=len(members))])


def _spread(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.std(known, ddof=1)) if len(known) > 1 else math.inf
