"""One hyperparameter as a search goes along it: Optuna's distribution, and the values that its numbers stand for."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from penstock.models.learning.options import Option
from penstock.models.learning.search import Candidates, Range, Space, size

_ABOVE_ZERO = 1e-14  # where a range by logarithms begins that is said to begin at 0, as in BigQuery


@dataclass(frozen=True, slots=True)
class Axis:
    """A hyperparameter: its search space, whether it is `int`, `float` or anything else, and what it is by default
    (None: that says nothing)."""

    space: Space
    type: str
    default: Any = None

    @property
    def points(self) -> tuple[Any, ...]:
        """The candidates, which a search goes through by their position, numbers in order; none of a range."""
        match self.space:
            case Candidates(values) if self._ordered:
                return tuple(sorted(values))
            case Candidates(values):
                return values
        return ()

    @property
    def count(self) -> float:
        """How many values there are; infinity of a range of any numbers."""
        return size(self.space, whole=self.type == "int")

    @property
    def _ordered(self) -> bool:
        return self.type in ("int", "float")

    def distribution(self, optuna: Any) -> Any:
        """Return what Optuna draws from."""
        kinds, space = optuna.distributions, self.space
        match space:
            case Candidates() if self._ordered:
                return kinds.IntDistribution(0, len(self.points) - 1)
            case Candidates():
                return kinds.CategoricalDistribution(tuple(range(len(self.points))))
        if self.type == "int":
            return kinds.IntDistribution(
                int(space.low), int(space.high), log=space.log and space.low >= 1, step=int(space.step or 1)
            )
        low = max(space.low, _ABOVE_ZERO) if space.log else space.low
        return kinds.FloatDistribution(low, space.high, log=space.log, step=space.step)

    def start(self) -> Any:
        """Return what is nearest to the default, as Optuna draws it; None where that says nothing."""
        points, default, space = self.points, self.default, self.space
        match space:
            case Candidates() if default in points:
                return points.index(default)
            case Candidates() if self._ordered and default is not None:
                return min(range(len(points)), key=lambda at: (abs(points[at] - default), at))
            case Candidates():
                return None
        if default is None:
            return None
        if space.step is not None:
            return min(self.every(), key=lambda value: (abs(value - default), value))
        least = _ABOVE_ZERO if self.type == "float" and space.log else space.low
        return min(max(default, space.low, least), space.high)

    def every(self) -> Iterator[Any]:
        """Yield all that Optuna may draw, of an axis whose values can be counted."""
        if isinstance(self.space, Candidates):
            return iter(range(len(self.points)))
        return (self._stepped(at) for at in range(int(self.count)))

    def exact(self, drawn: Any) -> Any:
        """Return what was drawn, of steps that are no whole numbers always by the same digits: 0.3, whatever 0.1 + 2 *
        0.1 is."""
        if isinstance(self.space, Range) and self.space.step is not None and self.type != "int":
            return self._stepped(round((drawn - self.space.low) / self.space.step))
        return drawn

    def value(self, drawn: Any) -> Any:
        """Return the hyperparameter that a drawn number stands for."""
        return self.points[drawn] if isinstance(self.space, Candidates) else self.exact(drawn)

    def _stepped(self, at: int) -> float:
        assert isinstance(self.space, Range)  # noqa: S101  # candidates have positions
        value = self.space.low + at * (self.space.step or 1)
        return value if isinstance(value, int) else float(f"{value:.12g}")


def axes_of(spaces: Mapping[str, Space], known: Mapping[str, Option]) -> dict[str, Axis]:
    """Return the axes along which options of a learner are searched, each on the scale that is usual for it."""
    return {name: _axis(space, known[name]) for name, space in spaces.items()}


def _axis(space: Space, option: Option) -> Axis:
    usual = option.tuned is not None and option.tuned.log
    if isinstance(space, Range) and usual and space.step is None:
        space = dataclasses.replace(space, log=True)
    return Axis(space, option.type, option.default)


def every_point(axes: Mapping[str, Axis]) -> Iterator[tuple[Any, ...]]:
    """Yield every combination of what may be drawn."""
    return itertools.product(*(axis.every() for axis in axes.values()))
