"""Which hyperparameters to try next: Optuna's answers, the same each time for the same trials before."""

from __future__ import annotations

import contextlib
import itertools
import math
import random
from collections.abc import Iterator, Mapping
from typing import Any

from penstock.errors import MissingExtraError
from penstock.models.learning.options import Option
from penstock.models.learning.search import Candidates, Space
from penstock.models.learning.settings import size

_ABOVE_ZERO = 1e-14  # where a range by logarithms begins that is said to begin at 0, as in BigQuery
_PATIENCE = 20


class Proposer:
    """A search: `ask` proposes hyperparameters, each set once, and `tell` says how good one was.

    The first proposal is the options' defaults, or what is nearest to them; a grid has no first.
    """

    def __init__(
        self, spaces: Mapping[str, Space], known: Mapping[str, Option], *, settings: Mapping[str, Any], maximize: bool
    ) -> None:
        optuna = _optuna()
        self._optuna, self._spaces = optuna, spaces
        self._points = {name: _points(name, space, known[name]) for name, space in spaces.items()}
        self._distributions = {
            name: _distribution(optuna, space, known[name], self._points[name]) for name, space in spaces.items()
        }
        counts = [size(space, known[name]) for name, space in spaces.items()]
        self._left = math.prod(counts)
        self._seen: dict[tuple[Any, ...], float | None] = {}
        self._open: dict[tuple[Any, ...], Any] = {}
        with quiet(optuna):
            self._study = optuna.create_study(
                direction="maximize" if maximize else "minimize", sampler=self._sampler(settings)
            )
        self._grid: Iterator[tuple[Any, ...]] | None = None
        if settings["hparam_tuning_algorithm"] == "GRID_SEARCH":
            points = list(self._all())
            if len(points) > settings["num_trials"]:  # not one corner of the grid alone
                random.Random(settings.get("seed", 0)).shuffle(points)  # noqa: S311  # the same each time, no secret
            self._grid = iter(points)
        else:
            starts = {name: _start(space, known[name], self._points[name]) for name, space in spaces.items()}
            self._study.enqueue_trial({name: at for name, at in starts.items() if at is not None})

    def ask(self, count: int) -> list[dict[str, Any]]:
        """Return as many new sets of hyperparameters; fewer where the search spaces have no more."""
        found = []
        for _ in range(count if self._left == math.inf else min(count, int(self._left))):
            trial = self._new()
            key = self._key(trial)
            self._open[key], self._seen[key] = trial, None
            self._left -= 1
            found.append(self._decoded(trial.params))
        return found

    def tell(self, chosen: Mapping[str, Any], value: float | None) -> None:
        """Say how good a proposed set was; None: it failed."""
        key = next(key for key, trial in self._open.items() if self._decoded(trial.params) == chosen)
        self._close(self._open.pop(key), value)
        self._seen[key] = value

    def _new(self) -> Any:
        """Return a trial of Optuna that was not there before; where it does not find one by itself, the next of all."""
        if self._grid is not None:
            return self._fixed(next(self._grid))
        for _ in range(_PATIENCE):
            trial = self._study.ask(self._distributions)
            if self._key(trial) not in self._seen:
                return trial
            self._close(trial, self._seen[self._key(trial)])
        return self._fixed(next(key for key in self._all() if key not in self._seen))

    def _fixed(self, key: tuple[Any, ...]) -> Any:
        self._study.enqueue_trial(dict(zip(self._spaces, key, strict=True)))
        return self._study.ask(self._distributions)

    def _all(self) -> Iterator[tuple[Any, ...]]:
        return itertools.product(*(self._every(name) for name in self._spaces))

    def _every(self, name: str) -> Iterator[Any]:
        if self._points[name]:
            return iter(range(len(self._points[name])))
        return iter(range(self._distributions[name].low, self._distributions[name].high + 1))

    def _close(self, trial: Any, value: float | None) -> None:
        if value is None:
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
        else:
            self._study.tell(trial, value)

    def _key(self, trial: Any) -> tuple[Any, ...]:
        return tuple(trial.params[name] for name in self._spaces)

    def _decoded(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {name: self._points[name][params[name]] if self._points[name] else params[name] for name in self._spaces}

    def _sampler(self, settings: Mapping[str, Any]) -> Any:
        samplers, seed = self._optuna.samplers, settings.get("seed", 0)
        if settings["hparam_tuning_algorithm"] != "VIZIER_DEFAULT":
            return samplers.RandomSampler(seed=seed)
        return samplers.TPESampler(seed=seed, n_startup_trials=min(10, max(3, settings["num_trials"] // 3)))


def _points(name: str, space: Space, option: Option) -> tuple[Any, ...]:
    """Return the candidates that a search goes through by their position, numbers in order; none of a range."""
    match space:
        case Candidates(values) if option.type in ("int", "float"):
            return tuple(sorted(values))
        case Candidates(values):
            return values
    return ()


def _distribution(optuna: Any, space: Space, option: Option, points: tuple[Any, ...]) -> Any:
    distributions, log = optuna.distributions, option.tuned is not None and option.tuned.log
    match space:
        case Candidates() if option.type in ("int", "float"):
            return distributions.IntDistribution(0, len(points) - 1)
        case Candidates():
            return distributions.CategoricalDistribution(tuple(range(len(points))))
    if option.type == "int":
        return distributions.IntDistribution(space.low, space.high, log=log and space.low >= 1)
    return distributions.FloatDistribution(max(space.low, _ABOVE_ZERO) if log else space.low, space.high, log=log)


def _start(space: Space, option: Option, points: tuple[Any, ...]) -> Any:
    """Return what is nearest to the option's default; None where that says nothing."""
    default = option.default
    match space:
        case Candidates() if default in points:
            return points.index(default)
        case Candidates() if option.type in ("int", "float") and default is not None:
            return min(range(len(points)), key=lambda at: (abs(points[at] - default), at))
        case Candidates():
            return None
    if default is None:
        return None
    least = _ABOVE_ZERO if option.type == "float" and option.tuned is not None and option.tuned.log else space.low
    return min(max(default, space.low, least), space.high)


@contextlib.contextmanager
def quiet(optuna: Any) -> Iterator[None]:
    """Keep Optuna from telling on stderr that it has begun."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _optuna() -> Any:
    try:
        import optuna  # takes half a second: only where something is tuned
    except ImportError as error:
        raise MissingExtraError("optuna", extra="tune", purpose="tuning a model") from error
    return optuna
