"""The search itself: trials proposed, run side by side, judged; stopped where they are not worth it; resumable."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from penstock.core.artifact import Artifact
from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Pipeline
from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, Run, StepRun
from penstock.errors import ConflictError, DeclarationError, PenstockError, RunError, StorageError, UnknownNameError
from penstock.models.fitting.proposing import Proposal, Proposer, Search
from penstock.pipelines import Names, cancel_run, finals_of, find_runs, new_run_id, reap, select
from penstock.studies.asking import Asked, names_of, value_of
from penstock.studies.curves import curve_of
from penstock.studies.events import OnStudyEvent, StudyEnded, StudyStarted, TrialEnded, TrialStarted
from penstock.studies.study import PRUNED, TRIAL, Study, Trial, better

_WATCH_SECONDS = 0.25
_ASKED_SECONDS = 30.0  # a trial without a run is being begun by another process; longer, and that one is gone
_COUNTED = ("succeeded", "failed", "pruned", "running")


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How to search: until there are `trials`, those of an earlier search included; `parallel` at a time; none begins
    after `timeout_seconds`."""

    trials: int = 20
    parallel: int = 1
    sampler: str = "tpe"
    pruner: str = "none"
    seed: int = 0
    timeout_seconds: float | None = None
    tags: Mapping[str, Any] = field(default_factory=dict)


class Start(Protocol):
    """Run a pipeline to its end, in the thread that calls; how it ended, its record says."""

    def __call__(
        self, pipeline: Pipeline, *, run_id: str, until: Names, experiment: str, tags: Mapping[str, Any],
        cause: Mapping[str, Any],
    ) -> None:  # fmt: skip
        """Run it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What a search is handed: the records, Optuna's storage, the root below which logs are, how an artifact is read,
    how a pipeline is run."""

    metadata: MetadataStore
    storage: Any
    root: Path
    load: Callable[[Artifact], Any]
    start: Start


@dataclass(slots=True)
class _UnderWay:
    proposal: Proposal
    trial: Trial
    began: float
    thread: threading.Thread | None = None
    reported: set[int] = field(default_factory=set)
    hopeless: str = ""


def search(asked: Asked, how: How, means: Means, on_event: OnStudyEvent) -> Study:
    """Search until there are as many trials as asked for, then run the whole pipeline once with the best parameters.

    Trials that an earlier search of the same name has left count; those that were interrupted are tried again. Ctrl-C
    stops what runs and goes on as `KeyboardInterrupt`: the same search, asked again, goes on from there. Raises
    `RunError` where every trial failed.
    """
    for name, count in {"trials": how.trials, "parallel": how.parallel}.items():
        if count < 1:
            raise DeclarationError(f"tune: {name}={count}; give 1 or more")
    searching = _Searching(asked, how, means, on_event)
    why = searching.run()
    study = searching.study()
    if study.best is None and (failed := [trial for trial in study.trials if trial.state in ("failed", "pruned")]):
        first = failed[0]
        shown = ", ".join(f"{name}={value!r}" for name, value in first.params.items())
        raise RunError(
            f"none of the {len(failed)} trials of {asked.function.name} has a value of {asked.metric}; the "
            f"first, with {shown}: {first.error}",
            run_id=first.run,
        )
    study = _with_final(study, asked, how, means)
    on_event(StudyEnded(study=study, why=why))
    return study


def _with_final(study: Study, asked: Asked, how: How, means: Means) -> Study:
    """Return the study with the run of the whole pipeline; where trials were whole it is that of the best one."""
    best = study.best
    if best is None:
        return study
    whole = asked.traced(best.params)
    if select(whole, until=asked.until) == select(whole):
        return replace(study, final=best.run)
    run_id = new_run_id(time.time())
    cause = {"kind": "tune", "study": study.name, "trial": best.number}
    tags = {**how.tags, "study": study.name, "trial": f"{best.number} (best)"}
    means.start(whole, run_id=run_id, until=None, experiment=study.experiment, tags=tags, cause=cause)
    return replace(study, final=run_id)


class _Searching:
    """A search under way. All that it knows of trials is in Optuna's storage; the runs are recorded like any other."""

    def __init__(self, asked: Asked, how: How, means: Means, on_event: OnStudyEvent) -> None:
        self._asked, self._how, self._means, self._tell = asked, how, means, on_event
        given = Search(
            axes=asked.axes,
            trials=how.trials,
            maximize=asked.maximize,
            sampler=how.sampler,
            pruner=how.pruner,
            seed=how.seed,
        )
        self._proposer = Proposer(given, storage=means.storage, name=asked.name)
        self._running: dict[int, _UnderWay] = {}
        self._ended: SimpleQueue[tuple[int, BaseException | None]] = SimpleQueue()
        self._exhausted = False
        self._best: Trial | None = None  # that this process knows of: asking the storage costs as much as a record
        self._limit = None if how.timeout_seconds is None else time.monotonic() + how.timeout_seconds

    def run(self) -> str:
        """Search; return what stopped it, "" where all trials are there."""
        again = self._settle_earlier()
        self._tell(StudyStarted(study=self.study(), wanted=self._how.trials, again=again, others=self._other_studies()))
        try:
            return self._go()
        except BaseException as error:
            self._stop()
            self._leave()
            why = "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}"
            self._tell(StudyEnded(study=self.study(), why=why))
            raise

    def study(self) -> Study:
        """Return the study as it is now."""
        asked = self._asked
        return Study(
            name=asked.name,
            pipeline=asked.function.name,
            experiment=asked.experiment,
            metric=asked.metric,
            maximize=asked.maximize,
            spaces=FrozenMap(asked.spaces),
            trials=tuple(
                Trial(
                    number=each.number,
                    params=FrozenMap(each.chosen),
                    state=each.state,
                    value=each.value,
                    run=each.notes.get("run", ""),
                    seconds=each.notes.get("seconds"),
                    error=each.notes.get("error", ""),
                )
                for each in self._proposer.found
            ),
        )

    def _go(self) -> str:
        while True:
            while self._has_room() and not self._timed_out():
                proposals = self._proposer.ask(1)
                if not proposals:
                    self._exhausted = True
                    break
                self._begin(proposals[0])
            if not self._running:
                return self._why()
            with suppress(Empty):
                self._finish(*self._ended.get(timeout=_WATCH_SECONDS))
            self._watch()

    def _has_room(self) -> bool:
        if self._exhausted or len(self._running) >= self._how.parallel:
            return False
        return sum(each.state in _COUNTED for each in self._proposer.found) < self._how.trials

    def _timed_out(self) -> bool:
        return self._limit is not None and time.monotonic() > self._limit

    def _why(self) -> str:
        if self._exhausted:
            return "the search spaces have no more"
        there = sum(each.state in _COUNTED for each in self._proposer.found)
        return f"the time was over, with {there} of {self._how.trials} trials" if there < self._how.trials else ""

    def _begin(self, proposal: Proposal) -> None:
        run_id = new_run_id(time.time())
        self._proposer.note(proposal, run=run_id)
        trial = Trial(number=proposal.number, params=FrozenMap(proposal.chosen), state="running", run=run_id)
        self._running[trial.number] = _UnderWay(proposal, trial, time.monotonic())
        self._tell(TrialStarted(trial=trial))
        try:
            pipeline = self._asked.traced(proposal.chosen)
        except PenstockError as error:  # these parameters do not go together
            self._ended.put((trial.number, error))
            return
        work = threading.Thread(target=self._work, args=(trial, pipeline), name=f"penstock-trial-{run_id}", daemon=True)
        self._running[trial.number].thread = work
        work.start()

    def _work(self, trial: Trial, pipeline: Pipeline) -> None:
        asked = self._asked
        try:
            self._means.start(
                pipeline,
                run_id=trial.run,
                until=asked.until,
                experiment=asked.experiment,
                tags={**self._how.tags, "study": asked.name, "trial": str(trial.number)},
                cause={"kind": TRIAL, "study": asked.name, "trial": trial.number, **asked.told},
            )
        except BaseException as error:  # told to the thread that searches
            self._ended.put((trial.number, error))
        else:
            self._ended.put((trial.number, None))

    def _finish(self, number: int, error: BaseException | None) -> None:
        if error is not None and (isinstance(error, StorageError) or not isinstance(error, PenstockError)):
            raise error
        under_way = self._running.pop(number)
        proposal, trial = under_way.proposal, under_way.trial
        value, why = self._judged(trial, error)
        self._report(under_way)
        pruned = bool(under_way.hopeless) and value is None
        if pruned:
            why = under_way.hopeless
        seconds = time.monotonic() - under_way.began
        self._proposer.note(proposal, seconds=seconds, **({"error": why} if why else {}))
        self._proposer.tell(proposal, value, pruned=pruned)
        state = "pruned" if pruned else "failed" if value is None else "succeeded"
        ended = replace(trial, state=state, value=value, error=why, seconds=seconds)
        self._best = better(self._best, ended, maximize=self._asked.maximize)
        self._tell(TrialEnded(trial=ended, best=self._best))

    def _judged(self, trial: Trial, error: BaseException | None) -> tuple[float | None, str]:
        """Return how good a trial was, or why it has no value."""
        if error is not None:
            return None, str(error)
        metadata, metric = self._means.metadata, self._asked.metric
        run = metadata.get(Run, trial.run)
        if run is None or run.state != "succeeded":
            return None, _failure(metadata, trial.run)
        finals = finals_of(metadata, [trial.run], self._means.load)[trial.run]
        value = value_of(finals, metric)
        if value is None:
            known = dict.fromkeys(names_of(*place)[1] for place in finals)
            if not any(each.state == "succeeded" for each in self._proposer.found):
                raise UnknownNameError(
                    "metric", metric, known, within=f"run {trial.run} of {self._asked.function.name}"
                )
            return None, f"it has no value of {metric}"
        return (None, f"{metric} is NaN") if value != value else (value, "")

    def _watch(self) -> None:
        """Have trials stopped that the pruner gives up."""
        for under_way in self._running.values() if self._how.pruner != "none" else ():
            if not under_way.hopeless and self._report(under_way):
                run = self._means.metadata.get(Run, under_way.trial.run)
                step = max(under_way.reported)
                if run is not None and run.state not in DONE:
                    under_way.hopeless = (
                        f"given up at step {step} of {self._asked.prune_by} (pruner {self._how.pruner})"
                    )
                    with suppress(ConflictError):  # it has just ended: then its value counts
                        cancel_run(self._means.metadata, run, reason=f"{PRUNED}{under_way.hopeless}")

    def _report(self, under_way: _UnderWay) -> bool:
        if self._how.pruner == "none":
            return False
        asked, means = self._asked, self._means
        curve = curve_of(means.metadata, means.root, under_way.trial.run, asked.prune_by, maximize=asked.maximize)
        new = sorted((step, value) for step, value in curve.items() if step not in under_way.reported)
        under_way.reported.update(step for step, _ in new)
        return self._proposer.is_hopeless(under_way.proposal, new)

    def _stop(self) -> None:
        """Have everything stopped that runs, and wait for it to end."""
        told: set[int] = set()
        while alive := [each for each in self._running.values() if each.thread is not None and each.thread.is_alive()]:
            for each in alive:
                run = self._means.metadata.get(Run, each.trial.run)
                if run is not None and each.trial.number not in told:
                    told.add(each.trial.number)
                    with suppress(ConflictError):  # it has ended meanwhile
                        cancel_run(self._means.metadata, run, reason="the search was interrupted")
            thread = alive[0].thread
            assert thread is not None  # noqa: S101  # it is alive
            thread.join(_WATCH_SECONDS)

    def _leave(self) -> None:
        """Keep what the stopped trials came to; those without a value are tried again by the next search."""
        for number, under_way in list(self._running.items()):
            value, _ = self._judged(under_way.trial, None)
            if value is not None:
                self._proposer.tell(under_way.proposal, value)
            else:
                self._proposer.interrupt(number)
            del self._running[number]

    def _settle_earlier(self) -> int:
        """Say of trials that are recorded as running, but whose process is gone, that they were interrupted; return
        how many are to be tried again."""
        metadata = self._means.metadata
        reap(metadata)
        for each in self._proposer.found:
            if each.state != "running":
                continue
            run = metadata.get(Run, each.notes.get("run", ""))
            if run is None and time.time() - each.began < _ASKED_SECONDS:
                continue
            if run is None or run.state in DONE:
                self._proposer.interrupt(each.number)
        return self._proposer.waiting

    def _other_studies(self) -> tuple[str, ...]:
        """Return the studies of the same pipeline in this experiment that are of something else."""
        asked = self._asked
        runs = find_runs(self._means.metadata, experiment=asked.experiment, pipeline=asked.function.name)
        found = dict.fromkeys(run.cause.get("study", "") for run in runs if run.cause.get("kind") == TRIAL)
        return tuple(name for name in found if name and name != asked.name)


def _failure(metadata: MetadataStore, run_id: str) -> str:
    run = metadata.get(Run, run_id)
    if run is None:
        return "it was never recorded as a run"
    failed = [step for step in metadata.find(StepRun, run=run_id) if step.state == "failed"]
    if failed:
        return f"step '{failed[0].step}': {failed[0].error.strip().partition(chr(10))[0]}"
    return f"{run.state}: {run.error}" if run.error else run.state
