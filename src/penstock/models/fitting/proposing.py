"""Which hyperparameters to try next: Optuna's answers, the same each time for the same trials before.

One search for all that is tuned here: the options of a model within one fit, and the parameters of a pipeline over many
runs, whose trials are kept in a database, so that it goes on after it was killed and several processes share it.
"""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from penstock.errors import DeclarationError, MissingExtraError
from penstock.models.fitting.axes import Axis, every_point
from penstock.models.fitting.samplers import open_pruner, open_sampler

_PATIENCE = 20
_LARGEST_GRID = 1_000_000
_TWICE, _INTERRUPTED, _AGAIN = "penstock:twice", "penstock:interrupted", "penstock:again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How to search along axes: by which sampler and pruner, for about so many trials, up or down."""

    axes: Mapping[str, Axis]
    trials: int
    maximize: bool
    sampler: str = "tpe"
    pruner: str = "none"
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A set of hyperparameters to try; `trial` is Optuna's."""

    number: int
    chosen: Mapping[str, Any]
    trial: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A trial that is in the study: succeeded, failed, pruned, interrupted or running."""

    number: int
    chosen: Mapping[str, Any]
    state: str
    value: float | None
    notes: Mapping[str, Any]


class Proposer:
    """A search: `ask` proposes hyperparameters, each set once, and `tell` says how good one was.

    The first proposal is the axes' defaults, or what is nearest to them; a grid has no first. With a `storage` of
    Optuna's the trials are those of all processes that search under this `name`, and of those before; `alone` keeps
    these processes away while trials are looked at and changed by what was seen.
    """

    def __init__(
        self,
        search: Search,
        *,
        storage: Any = None,
        name: str | None = None,
        alone: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        optuna = load_optuna()
        self._optuna, self._search, self._axes = optuna, search, search.axes
        self._kept, self._alone = storage is not None, alone
        self._distributions = {name: axis.distribution(optuna) for name, axis in search.axes.items()}
        self._size = math.prod(axis.count for axis in search.axes.values())
        self._grid = _grid(search, self._size) if search.sampler == "grid" else None
        with quiet(optuna), alone():
            self._study = optuna.create_study(
                storage=storage,
                study_name=name,
                load_if_exists=True,
                direction="maximize" if search.maximize else "minimize",
            )
            before = len(self._study.get_trials(deepcopy=False))
            # that many further: a search that goes on draws other numbers than it began with
            self._study.sampler = open_sampler(optuna, search.sampler, search.seed + before, search.trials)
            self._study.pruner = open_pruner(optuna, search.pruner)
            if self._grid is None and not before:
                starts = {name: axis.start() for name, axis in search.axes.items()}
                self._study.enqueue_trial({name: at for name, at in starts.items() if at is not None})

    @property
    def found(self) -> list[Found]:
        """All trials, those that were proposed twice left out."""
        return [
            Found(
                number=trial.number + 1,
                chosen=self._decoded(trial.params),
                state=_state(trial),
                value=trial.value if trial.state.name == "COMPLETE" else None,
                notes=trial.user_attrs,
            )
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state.name != "WAITING" and _TWICE not in trial.user_attrs
        ]

    @property
    def waiting(self) -> int:
        """How many sets of hyperparameters were interrupted, and are proposed next."""
        trials = self._study.get_trials(deepcopy=False)
        return sum(trial.state.name == "WAITING" and _AGAIN in trial.user_attrs for trial in trials)

    def ask(self, count: int, *, most: int | None = None, **notes: Any) -> list[Proposal]:
        """Return as many new sets of hyperparameters, and keep the notes with each; fewer where the search spaces have
        no more, or there are `most` trials already, those that were interrupted left out."""
        asked: list[Proposal] = []
        with self._alone():
            for _ in range(count):
                seen = self._seen()
                if len(seen) >= self._size or (most is not None and len(seen) >= most):
                    break
                if (trial := self._new(seen)) is None:
                    break
                for name, value in notes.items():
                    trial.set_user_attr(name, value)
                asked.append(Proposal(number=trial.number + 1, chosen=self._decoded(trial.params), trial=trial))
        return asked

    def tell(self, number: int, value: float | None, *, pruned: bool = False, **notes: Any) -> None:
        """Say how good a trial was (None: it failed, or was pruned), and keep the notes with it. Of two processes that
        say it, because one took the other for gone, the first counts."""
        states = self._optuna.trial.TrialState
        with self._alone():
            trial = self._trial(number)
            if trial.state.is_finished():
                return
            for name, note in notes.items():
                self._note(trial, name, note)
            if value is None:
                self._study.tell(trial.number, state=states.PRUNED if pruned else states.FAIL)
            else:
                self._study.tell(trial.number, value)

    def is_hopeless(self, proposal: Proposal, points: Sequence[tuple[int, float]]) -> bool:
        """Tell the pruner new points of a trial's curve, and whether it says that the trial is not worth its end."""
        hopeless = False
        with self._alone():
            if self._trial(proposal.number).state.is_finished():
                return False
            for step, value in points:
                proposal.trial.report(value, step)
                hopeless = hopeless or bool(proposal.trial.should_prune())  # which is about the newest point alone
        return hopeless

    def interrupt(self, number: int) -> None:
        """Say that a trial was not tried to its end, through no fault of its own: it is to be proposed again."""
        with self._alone():
            trial = self._trial(number)
            if trial.state.is_finished():
                return
            self._note(trial, _INTERRUPTED, True)
            self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)
            if len(trial.params) == len(self._axes):  # fewer: who asked for it died before it had them all
                self._study.enqueue_trial(trial.params, user_attrs={_AGAIN: True})

    def _trial(self, number: int) -> Any:
        [trial] = [each for each in self._study.get_trials(deepcopy=False) if each.number == number - 1]
        return trial

    def _note(self, trial: Any, name: str, value: Any) -> None:
        self._study._storage.set_trial_user_attr(trial._trial_id, name, value)

    def _seen(self) -> dict[tuple[Any, ...], Any]:
        """Return what was tried, or is being tried, by its hyperparameters: the first trial of each."""
        found: dict[tuple[Any, ...], Any] = {}
        for trial in self._study.get_trials(deepcopy=False):
            whole = len(trial.params) == len(self._axes) and trial.state.name != "WAITING"
            if whole and not {_INTERRUPTED, _TWICE} & trial.user_attrs.keys():
                found.setdefault(self._key(trial), trial)
        return found

    def _new(self, seen: Mapping[tuple[Any, ...], Any]) -> Any:
        """Return a trial of Optuna that was not there before; where it does not find one by itself, the next of all."""
        if self._grid is not None:
            if self.waiting:
                return self._study.ask(self._distributions)
            key = next((key for key in self._grid if key not in seen), None)
            return None if key is None else self._fixed(key)
        for attempt in range(2 * _PATIENCE):
            trial = self._study.ask(self._distributions)
            twin = seen.get(self._key(trial))
            if twin is None:
                return trial
            self._give_back(trial, twin)
            if twin.state.name == "RUNNING" and self._kept:
                self._study.sampler.reseed_rng()  # another process began with the same seed: not all of its again
            if attempt >= _PATIENCE and self._size != math.inf:
                break
        if self._size == math.inf:
            raise DeclarationError("the sampler finds nothing that was not tried; take another, or other search spaces")
        return self._fixed(next(key for key in every_point(self._axes) if key not in seen))

    def _give_back(self, trial: Any, twin: Any) -> None:
        """End a trial that was there before: the sampler is told again what that one came to."""
        if self._kept:
            trial.set_user_attr(_TWICE, True)
        if twin.state.name == "COMPLETE":
            self._study.tell(trial, twin.value)
        else:
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def _fixed(self, key: tuple[Any, ...]) -> Any:
        self._study.enqueue_trial(dict(zip(self._axes, key, strict=True)))
        return self._study.ask(self._distributions)

    def _key(self, trial: Any) -> tuple[Any, ...]:
        return tuple(axis.exact(trial.params[name]) for name, axis in self._axes.items())

    def _decoded(self, params: Mapping[str, Any]) -> dict[str, Any]:
        return {name: axis.value(params[name]) for name, axis in self._axes.items() if name in params}


def _grid(search: Search, size: float) -> Iterator[tuple[Any, ...]]:
    """Return the points of a grid in the order in which they are tried, the same each time."""
    if size > _LARGEST_GRID:
        wide = max(search.axes, key=lambda name: search.axes[name].count)
        shown = "no end" if size == math.inf else f"{size:,.0f} points"
        raise DeclarationError(
            f"a grid over {', '.join(search.axes)} has {shown}; give '{wide}' steps or candidates, or take the sampler "
            "random, qmc or tpe"
        )
    points = list(every_point(search.axes))
    if len(points) > search.trials:  # not one corner of the grid alone
        random.Random(search.seed).shuffle(points)  # noqa: S311  # the same each time, no secret
    return iter(points)


def _state(trial: Any) -> str:
    if _INTERRUPTED in trial.user_attrs:
        return "interrupted"
    return {"COMPLETE": "succeeded", "FAIL": "failed", "PRUNED": "pruned"}.get(trial.state.name, "running")


@contextlib.contextmanager
def quiet(optuna: Any) -> Iterator[None]:
    """Keep Optuna from telling on stderr that it has begun."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def load_optuna() -> Any:
    """Return Optuna; `MissingExtraError` where it is not installed."""
    try:
        import optuna  # takes half a second: only where something is tuned
    except ImportError as error:
        raise MissingExtraError("optuna", extra="tune", purpose="tuning") from error
    return optuna
