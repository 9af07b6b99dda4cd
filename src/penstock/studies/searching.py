"""The search itself: trials proposed, run side by side, judged; stopped where they are not worth it; resumable."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from typing import Any

import msgspec

from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Pipeline
from penstock.core.run import DONE, Run
from penstock.errors import ConflictError, DeclarationError, PenstockError, RunError, StorageError, UnknownNameError
from penstock.models.fitting.proposing import Found, Proposal, Proposer, Search
from penstock.pipelines import HOST, alive, cancel_run, driving, finals_of, find_runs, new_run_id, reap
from penstock.studies.asking import Asked, names_of
from penstock.studies.curves import curve_of
from penstock.studies.events import StudyEnded, StudyStarted, TrialEnded, TrialStarted
from penstock.studies.final import WATCH_SECONDS, stop_runs, with_final
from penstock.studies.judging import PRUNED, Outcome, no_value, outcomes
from penstock.studies.means import How, Means
from penstock.studies.recording import SearchRecord
from penstock.studies.study import TRIAL, Study, Trial, better


@dataclass(slots=True)
class _UnderWay:
    proposal: Proposal
    trial: Trial
    began: float
    driven: ExitStack
    thread: threading.Thread | None = None
    reported: set[int] = field(default_factory=set)
    given_up: bool = False


def search(asked: Asked, how: How, means: Means, record: SearchRecord) -> tuple[Study, str]:
    """Search until there are as many trials as asked for, then run the whole pipeline once with the best parameters;
    return the study, and what stopped the search before: "" where all trials are there.

    Trials that an earlier search of the same name has left count, and those that another process makes meanwhile are
    waited for; those that were interrupted are tried again. Ctrl-C stops what runs and goes on as `KeyboardInterrupt`,
    a cancellation as `RunError`: the same search, asked again, goes on from there. Raises `RunError` where every trial
    failed.
    """
    for name, count in {"trials": how.trials, "parallel": how.parallel}.items():
        if count < 1:
            raise DeclarationError(f"tune: {name}={count}; give 1 or more")
    searching = _Searching(asked, how, means, record)
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
    return with_final(study, asked, how, means, record), why


class _Searching:
    """A search under way. All that it knows of trials is in Optuna's storage; the runs are recorded like any other."""

    def __init__(self, asked: Asked, how: How, means: Means, record: SearchRecord) -> None:
        self._asked, self._how, self._means, self._record = asked, how, means, record
        given = Search(
            axes=asked.axes,
            trials=how.trials,
            maximize=asked.maximize,
            sampler=how.sampler,
            pruner=how.pruner,
            seed=how.seed,
        )
        kept = means.storage
        self._proposer = Proposer(given, storage=kept.optuna, name=asked.name, alone=kept.alone)
        self._running: dict[int, _UnderWay] = {}
        self._ended: SimpleQueue[tuple[int, BaseException | None]] = SimpleQueue()
        self._best: Trial | None = None  # that this process knows of: asking the storage costs as much as a record
        self._limit = None if how.timeout_seconds is None else time.monotonic() + how.timeout_seconds

    def run(self) -> str:
        """Search; return what stopped it, "" where all trials are there."""
        self._settle()
        study, again = self.study(), self._proposer.waiting
        self._best = study.best
        others, wanted = self._other_studies(), self._how.trials
        self._record.tell(StudyStarted(study=study, wanted=wanted, again=again, others=others, run=self._record.run))
        try:
            return self._go()
        except BaseException as error:
            under_way = self._running.values()
            stop_runs(
                self._means.metadata, {each.trial.run: each.thread for each in under_way if each.thread is not None}
            )
            self._leave()
            why = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error) or type(error).__name__
            self._record.tell(StudyEnded(study=self.study(), why=why))
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
            trials=tuple(map(_trial, self._proposer.found)),
        )

    def _go(self) -> str:
        while True:
            self._record.heed()
            while len(self._running) < self._how.parallel and not self._timed_out() and (new := self._ask()):
                self._begin(new)
            if self._running:
                with suppress(Empty):
                    self._finish(*self._ended.get(timeout=WATCH_SECONDS))
                self._watch()
            elif self._timed_out() or not any(each.state == "running" for each in self._proposer.found):
                return self._why()
            else:  # another process makes the last ones; where it dies, they are tried here
                time.sleep(WATCH_SECONDS)
                self._settle()

    def _timed_out(self) -> bool:
        return self._limit is not None and time.monotonic() > self._limit

    def _why(self) -> str:
        there = sum(each.state != "interrupted" for each in self._proposer.found)
        if there >= self._how.trials:
            return ""
        if self._timed_out():
            return f"the time was over, with {there} of {self._how.trials} trials"
        return "the search spaces have no more"

    def _ask(self) -> _UnderWay | None:
        """Return a new trial. Whoever sees it sees who drives it: the run is recorded a moment later."""
        now = time.time()
        driver = _Driver(run=new_run_id(now), pid=os.getpid(), host=HOST, created=now)
        with ExitStack() as driven:
            driven.enter_context(driving(driver.run))
            for new in self._proposer.ask(1, most=self._how.trials, driver=msgspec.to_builtins(driver)):
                trial = Trial(number=new.number, params=FrozenMap(new.chosen), state="running", run=driver.run)
                return _UnderWay(new, trial, time.monotonic(), driven.pop_all())
        return None

    def _begin(self, new: _UnderWay) -> None:
        proposal, trial = new.proposal, new.trial
        self._running[trial.number] = new
        self._record.tell(TrialStarted(trial=trial))
        try:
            pipeline = self._asked.traced(proposal.chosen)
        except PenstockError as error:  # these parameters do not go together
            self._ended.put((trial.number, error))
            return
        name = f"penstock-trial-{trial.run}"
        new.thread = threading.Thread(target=self._work, args=(trial, pipeline), name=name, daemon=True)
        new.thread.start()

    def _work(self, trial: Trial, pipeline: Pipeline) -> None:
        asked = self._asked
        cause = {"kind": TRIAL, "study": asked.name, "trial": trial.number, **asked.told}
        try:
            self._means.start(
                pipeline,
                run_id=trial.run,
                until=asked.until,
                experiment=asked.experiment,
                tags={**self._how.tags, "study": asked.name, "trial": str(trial.number)},
                cause={**cause, "whole": asked.is_whole(pipeline)},
            )
        except BaseException as error:  # told to the thread that searches
            self._ended.put((trial.number, error))
        else:
            self._ended.put((trial.number, None))

    def _finish(self, number: int, error: BaseException | None) -> None:
        if error is not None and (isinstance(error, StorageError) or not isinstance(error, PenstockError)):
            raise error
        under_way = self._running[number]
        trial = under_way.trial
        outcome = self._judged(trial.run) if error is None else Outcome(state="failed", error=str(error))
        self._check_metric(outcome, trial.run)
        self._report(under_way)
        self._forget(number)
        seconds = time.monotonic() - under_way.began
        self._settled(number, outcome, seconds)
        ended = replace(trial, state=outcome.state, value=outcome.value, error=outcome.error, seconds=seconds)
        self._best = better(self._best, ended, maximize=self._asked.maximize)
        self._record.tell(TrialEnded(trial=ended, best=self._best))

    def _settled(self, number: int, outcome: Outcome, seconds: float | None = None) -> None:
        """Keep what a trial came to; one that was interrupted is tried again."""
        if outcome.state in ("interrupted", "running"):
            self._proposer.interrupt(number)
            return
        notes: dict[str, Any] = {"seconds": outcome.seconds if seconds is None else seconds}
        notes |= {"error": outcome.error} if outcome.error else {}
        self._proposer.tell(number, outcome.value, pruned=outcome.state == "pruned", **notes)

    def _judged(self, run_id: str) -> Outcome:
        run = self._means.metadata.get(Run, run_id)
        if run is None:
            return Outcome(state="interrupted", error="it was never recorded as a run")
        return outcomes(self._means.metadata, [run], self._asked.metric, self._means.load)[run_id]

    def _check_metric(self, outcome: Outcome, run_id: str) -> None:
        """Raise an error where the metric seems to be none: no trial will have a value."""
        metric = self._asked.metric
        if outcome.error == no_value(metric) and not any(each.state == "succeeded" for each in self._proposer.found):
            finals = finals_of(self._means.metadata, [run_id], self._means.load)[run_id]
            known = dict.fromkeys(names_of(*place)[1] for place in finals)
            raise UnknownNameError("metric", metric, known, within=f"run {run_id} of {self._asked.function.name}")

    def _watch(self) -> None:
        """Have trials stopped that the pruner gives up."""
        for under_way in self._running.values():
            if under_way.given_up or not self._report(under_way):
                continue
            run = self._means.metadata.get(Run, under_way.trial.run)
            if run is not None and run.state not in DONE:
                under_way.given_up = True
                why = (
                    f"given up at step {max(under_way.reported)} of {self._asked.prune_by} (pruner {self._how.pruner})"
                )
                with suppress(ConflictError):  # it has just ended: then its value counts
                    cancel_run(self._means.metadata, run, reason=f"{PRUNED}{why}")

    def _report(self, under_way: _UnderWay) -> bool:
        if self._how.pruner == "none":
            return False
        asked, means = self._asked, self._means
        curve = curve_of(means.metadata, means.root, under_way.trial.run, asked.prune_by, maximize=asked.maximize)
        new = sorted((step, value) for step, value in curve.items() if step not in under_way.reported)
        under_way.reported.update(step for step, _ in new)
        return self._proposer.is_hopeless(under_way.proposal, new)

    def _leave(self) -> None:
        """Keep what the stopped trials came to; those without an end are tried again by the next search."""
        for number, under_way in list(self._running.items()):
            self._settled(number, self._judged(under_way.trial.run))
            self._forget(number)

    def _forget(self, number: int) -> None:
        self._running.pop(number).driven.close()

    def _settle(self) -> None:
        """Keep what trials came to that other processes have begun, and are gone or have not said so yet."""
        metadata = self._means.metadata
        reap(metadata)
        begun = {each.number: _driver(each) for each in self._proposer.found if each.state == "running"}
        runs = (
            {run.id: run for run in metadata.find(Run, id=[driver.run for driver in begun.values()])} if begun else {}
        )
        came_to = outcomes(metadata, list(runs.values()), self._asked.metric, self._means.load)
        for number, driver in begun.items():
            if number in self._running:
                continue
            run = runs.get(driver.run) or driver.beginning()
            if run.state in DONE or not alive(run, metadata):
                self._settled(number, came_to.get(run.id, Outcome(state="interrupted")))

    def _other_studies(self) -> tuple[str, ...]:
        """Return the studies of the same pipeline in this experiment that are of something else."""
        asked = self._asked
        runs = find_runs(self._means.metadata, experiment=asked.experiment, pipeline=asked.function.name)
        found = dict.fromkeys(run.cause.get("study", "") for run in runs if run.cause.get("kind") == TRIAL)
        return tuple(name for name in found if name and name != asked.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Driver:
    """Who drives a trial, kept with it from the moment in which it is proposed."""

    run: str = ""
    pid: int | None = None
    host: str = ""
    created: float = 0.0

    def beginning(self) -> Run:
        """Return the run as it will be recorded."""
        return Run(id=self.run, pipeline="", state="running", pid=self.pid, host=self.host, created=self.created)


def _driver(found: Found) -> _Driver:
    return msgspec.convert(found.notes.get("driver", {}), _Driver)


def _trial(found: Found) -> Trial:
    return Trial(
        number=found.number,
        params=FrozenMap(found.chosen),
        state=found.state,
        value=found.value,
        run=_driver(found).run,
        seconds=found.notes.get("seconds"),
        error=found.notes.get("error", ""),
    )
