"""Which hyperparameters to try next: Optuna's answers, the same each time for the same trials before.

One search for all that is tuned here: the options of a model within one fit, and the parameters of a pipeline over many
runs, whose trials are kept in a database, so that it goes on after it was killed and several processes share it.
"""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.errors import DeclarationError, MissingExtraError
from penstock.models.fitting.axes import Axis, every_point
from penstock.models.fitting.samplers import open_pruner, open_sampler

_PATIENCE = 20
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
    began: float


class Proposer:
    """A search: `ask` proposes hyperparameters, each set once, and `tell` says how good one was.

    The first proposal is the axes' defaults, or what is nearest to them; a grid has no first. With a `storage` of
    Optuna's the trials are those of all processes that search under this `name`, and of those before.
    """

    def __init__(self, search: Search, *, storage: Any = None, name: str | None = None) -> None:
        optuna = load_optuna()
        self._optuna, self._search, self._axes = optuna, search, search.axes
        self._kept = storage is not None
        self._distributions = {name: axis.distribution(optuna) for name, axis in search.axes.items()}
        self._size = math.prod(axis.count for axis in search.axes.values())
        with quiet(optuna):
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
        self._grid: Iterator[tuple[Any, ...]] | None = None
        if search.sampler == "grid":
            points = list(every_point(self._axes))
            if len(points) > search.trials:  # not one corner of the grid alone
                random.Random(search.seed).shuffle(points)  # noqa: S311  # the same each time, no secret
            self._grid = iter(points)
        elif not before:
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
                began=0.0 if trial.datetime_start is None else trial.datetime_start.timestamp(),
            )
            for trial in self._study.get_trials(deepcopy=False)
            if trial.state.name != "WAITING" and _TWICE not in trial.user_attrs
        ]

    @property
    def waiting(self) -> int:
        """How many sets of hyperparameters were interrupted, and are proposed next."""
        trials = self._study.get_trials(deepcopy=False)
        return sum(trial.state.name == "WAITING" and _AGAIN in trial.user_attrs for trial in trials)

    def ask(self, count: int) -> list[Proposal]:
        """Return as many new sets of hyperparameters; fewer where the search spaces have no more."""
        asked: list[Proposal] = []
        for _ in range(count):
            seen = self._seen()
            if len(seen) >= self._size or (trial := self._new(seen)) is None:
                break
            asked.append(Proposal(number=trial.number + 1, chosen=self._decoded(trial.params), trial=trial))
        return asked

    def tell(self, proposal: Proposal, value: float | None, *, pruned: bool = False) -> None:
        """Say how good a proposed set was; None: it failed, or was pruned."""
        states = self._optuna.trial.TrialState
        if pruned:
            self._study.tell(proposal.trial, state=states.PRUNED)
        elif value is None:
            self._study.tell(proposal.trial, state=states.FAIL)
        else:
            self._study.tell(proposal.trial, value)

    def note(self, proposal: Proposal, **notes: Any) -> None:
        """Keep something with a trial."""
        for name, value in notes.items():
            proposal.trial.set_user_attr(name, value)

    def is_hopeless(self, proposal: Proposal, points: Sequence[tuple[int, float]]) -> bool:
        """Tell the pruner new points of a trial's curve, and whether it says that the trial is not worth its end."""
        hopeless = False
        for step, value in points:
            proposal.trial.report(value, step)
            hopeless = hopeless or bool(proposal.trial.should_prune())  # which is about the newest point alone
        return hopeless

    def interrupt(self, number: int) -> None:
        """Say that a trial was not tried to its end, through no fault of its own: it is to be proposed again."""
        [trial] = [each for each in self._study.get_trials(deepcopy=False) if each.number == number - 1]
        self._optuna.trial.Trial(self._study, trial._trial_id).set_user_attr(_INTERRUPTED, True)
        self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL, skip_if_finished=True)
        self._study.enqueue_trial(trial.params, user_attrs={_AGAIN: True})

    def _seen(self, but: int | None = None) -> dict[tuple[Any, ...], Any]:
        """Return what was tried, or is being tried, by its hyperparameters: the first trial of each, `but` one."""
        found: dict[tuple[Any, ...], Any] = {}
        for trial in self._study.get_trials(deepcopy=False):
            whole = len(trial.params) == len(self._axes) and trial.state.name != "WAITING"
            if whole and trial.number != but and not {_INTERRUPTED, _TWICE} & trial.user_attrs.keys():
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
            # Of two processes that ask at once, the one whose trial is written last sees that of the other.
            twin = (self._seen(but=trial.number) if self._kept else seen).get(self._key(trial))
            if twin is None:
                return trial
            self._give_back(trial, twin)
            if twin.state.name == "RUNNING" and self._kept:
                self._study.sampler.reseed_rng()  # or both would go on drawing the same
            if attempt >= _PATIENCE and self._size != math.inf:
                break
        if self._size == math.inf:
            raise DeclarationError("the sampler finds nothing that was not tried; take another, or other search spaces")
        tried = self._seen()
        key = next((key for key in every_point(self._axes) if key not in tried), None)
        return None if key is None else self._fixed(key)

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
