"""How good predictions are on rows, how sure that is, and whether one is better than another: the one arithmetic by
which training chooses, reports tell what chance does, and blessings are given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from penstock.models.judging.metrics import log_losses
from penstock.models.judging.redrawn import measured_again, times_drawn
from penstock.models.judging.scores import ROOT, is_rising, measured
from penstock.models.learning.matrix import Floats, Integers


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A metric and the rows that it is measured on: their labels (values, or numbers of `classes`), and of which
    `group` each is (None: each by itself). Rows of one group are not counted as if they told of different things."""

    metric: str
    actual: Floats | Integers
    classes: int
    groups: Integers | None
    seed: int

    def score(self, estimates: Floats) -> float:
        """Return the metric; NaN where it has no value."""
        value = measured(self.actual, estimates, range(self.classes))[self.metric]
        return math.nan if value is None else value

    def scores_again(self, estimates: Floats) -> Floats:
        """Return the metric of rows drawn again: the same for all estimates; NaN where it has no value."""
        drawings = times_drawn(len(self.actual), self.groups, self.seed)
        found = measured_again(self.actual, estimates, range(self.classes), drawings)
        return np.array([each[self.metric] for each in found], dtype=np.float64)

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
    return _spread(judge.scores_again(estimates))


def difference(judge: Judge, better: Floats, other: Floats) -> tuple[float, float]:
    """Return by how much the other is worse on the same rows, and the standard error of that difference."""
    apart = judge.loss(other) - judge.loss(better)
    one, two = _influence(judge, better), _influence(judge, other)
    if one is not None and two is not None:
        return apart, _of_mean(two - one, judge.groups)
    return apart, _spread(judge.scores_again(other) - judge.scores_again(better))


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
            return log_losses(numbers, estimates)
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


def _spread(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(np.std(known, ddof=1)) if len(known) > 1 else math.inf
