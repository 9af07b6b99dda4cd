"""`execute`: run what is stale, in dependency order, and record everything."""

from __future__ import annotations

import os
import secrets
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.core.artifact import Artifact
from penstock.core.pipeline import Pipeline, Step
from penstock.core.ports import Engine, Outcome, Task
from penstock.core.run import CacheEntry, Run, State
from penstock.errors import PenstockError
from penstock.pipelines.arguments import decide
from penstock.pipelines.events import OnEvent
from penstock.pipelines.evidence import evidence
from penstock.pipelines.liveness import driving
from penstock.pipelines.loaded import code_parts
from penstock.pipelines.planning import Planner, borrowed, new_judge
from penstock.pipelines.record import Recorder
from penstock.pipelines.retrying import retry_wait
from penstock.pipelines.secrecy import check_secrets
from penstock.pipelines.seeds import seed_of
from penstock.pipelines.selection import Names, lenders, select
from penstock.pipelines.services import Services
from penstock.pipelines.tagging import checked_tags
from penstock.pipelines.validation import checked
from penstock.pipelines.verdicts import Judge, Verdict

_MANY = 8  # ready steps from which one query for all their entries is cheaper


def execute(
    pipeline: Pipeline,
    services: Services,
    *,
    engine: Engine,
    engine_name: str = "local",
    only: Names = None,
    since: Names = None,
    until: Names = None,
    mode: str = "train",
    experiment: str = "",
    tags: Mapping[str, Any] | None = None,
    notes: str = "",
    cause: Mapping[str, Any] | None = None,
    run_id: str | None = None,
    on_event: OnEvent | None = None,
) -> Run:
    """Run a pipeline and return how the run ended; a step that fails makes a failed run, not an exception.

    What is up to date does not run. A failed step leaves branches that do not need it alone. Ctrl-C cancels what is
    under way, records that, and goes on as `KeyboardInterrupt`.
    """
    pipeline = checked(pipeline)
    left_out = select(pipeline, only=only, since=since, until=until, mode=mode)
    check_secrets(pipeline, left_out, services.context.secrets)
    judge = new_judge(pipeline, services)
    if any(left_out.values()):
        Planner(pipeline, left_out, judge).plan()  # what the steps left out cannot give is said before anything runs
    run = Run(
        id=run_id or new_run_id(services.clock()),
        pipeline=pipeline.name,
        state="running",
        params=dict(pipeline.params),
        experiment=experiment,
        tags=checked_tags(tags or {}),
        notes=notes,
        mode=mode,
        engine=engine_name,
        cause=dict(cause or {"kind": "manual"}),
        created=services.clock(),
        pid=os.getpid(),
    )
    execution = _Execution(pipeline, left_out, judge, run, services, engine, on_event or (lambda event: None))
    with driving(run.id):
        return execution.run()


def new_run_id(now: float) -> str:
    """Return an id that sorts by time and that a person can read out."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{secrets.token_hex(3)}"


class _Execution:
    """A run under way. Steps become ready when all that they need has ended; a ready step is settled (skipped, up to
    date) at once or queued for the engine; nothing is submitted before the record says so."""

    def __init__(
        self,
        pipeline: Pipeline,
        left_out: Mapping[str, str],
        judge: Judge,
        run: Run,
        services: Services,
        engine: Engine,
        on_event: OnEvent,
    ) -> None:
        self.judge, self.services, self.engine = judge, services, engine
        self.left_out, self.lenders = left_out, lenders(pipeline, left_out)
        self.steps = {step.name: step for step in pipeline.steps}
        self.record = Recorder(run, pipeline, services, on_event)
        self.outputs: dict[str, Mapping[str, Artifact]] = {}
        self.needs = {step.name: set(step.upstream()) for step in pipeline.steps}
        self.users: dict[str, list[str]] = {name: [] for name in self.steps}
        for name, needs in self.needs.items():
            for needed in needs:
                self.users[needed].append(name)
        self.ready = deque(name for name, needs in self.needs.items() if not needs)
        self.queue: deque[tuple[str, Verdict]] = deque()
        self.under_way: dict[str, tuple[str, Verdict]] = {}
        self.again: list[tuple[float, str, Verdict]] = []  # failed steps to try again: when, which

    def run(self) -> Run:
        """Run to the end."""
        self.record.begin()
        try:
            while self.ready or self.queue or self.under_way or self.again:
                self._settle()
                self._submit()
                self._collect()
        except BaseException as error:
            self._abandon(error)
            raise
        return self.record.end()

    def _settle(self) -> None:
        if len(self.ready) >= _MANY:
            runnable = [self.steps[name] for name in self.ready if not self.left_out[name]]
            known = (step for step in runnable if all(name in self.outputs for name in step.upstream()))
            self.judge.foresee(known, self.outputs)
        while self.ready:
            step = self.steps[self.ready.popleft()]
            try:
                self._settle_one(step)
            except PenstockError as error:
                self._end(step, "failed", reason="could not start", error=str(error))

    def _settle_one(self, step: Step) -> None:
        if reason := self.left_out[step.name]:
            taken = borrowed(step, reason, self.outputs, self.judge) if step.name in self.lenders else None
            found, reason = taken or ({}, reason)
            return self._end(step, "skipped", reason=reason, outputs=found)
        if gone := [name for name in step.upstream() if name not in self.outputs]:
            state = self.record.state(gone[0])
            return self._end(step, "skipped", reason=f"needs {gone[0]}, which {_was(state)}")
        if not decide(step.when, self.outputs, self.judge.recall.load):
            return self._end(step, "skipped", reason=f"its condition {step.when!r} does not hold")
        verdict = self.judge.verdict(step, self.outputs)
        if verdict.entry is None:
            self.queue.append((step.name, verdict))
            return None
        log = self.record.log(verdict.entry.step, run=verdict.entry.run)
        return self._end(step, "up_to_date", reason=verdict.reason, verdict=verdict, outputs=verdict.outputs, log=log)

    def _submit(self) -> None:
        now = self.services.clock()
        due = [item for item in self.again if item[0] <= now]
        self.again = [item for item in self.again if item[0] > now]
        self.queue.extend((name, verdict) for _, name, verdict in due)
        tasks: list[Task] = []
        while self.queue and len(self.under_way) < max(1, self.engine.slots):
            name, verdict = self.queue.popleft()
            attempt = self.record.start(name, verdict)
            task = self._task(self.steps[name], verdict, attempt)
            self.under_way[task.id] = (name, verdict)
            tasks.append(task)
        if tasks:
            self.record.flush()
        for task in tasks:
            self.engine.submit(task)

    def _task(self, step: Step, verdict: Verdict, attempt: int) -> Task:
        run = self.record.run
        return Task(
            id=f"{run.id}/{step.name}/{attempt}",
            entry=self.services.entry,
            run=run.id,
            step=step,
            arguments=dict(verdict.arguments),
            context=replace(self.services.context, run=run.id, step=step.name),
            log=self.record.log(step.name),
            paths=self.services.paths,
            code=code_parts(verdict.key.parts),
            pid=run.pid,
            image=image.digest if (image := self.services.images(step)) is not None else "",
            seed=seed_of(verdict.key.digest),
        )

    def _collect(self) -> None:
        if not self.under_way:
            if self.again and not self.queue:
                self.record.flush()
                self.services.sleep(max(0.0, min(item[0] for item in self.again) - self.services.clock()))
            return
        self.record.flush()  # the wait may be long
        timeout = max(0.0, min(item[0] for item in self.again) - self.services.clock()) if self.again else None
        for outcome in self.engine.wait(timeout):
            name, verdict = self.under_way.pop(outcome.task)
            self._ended(self.steps[name], verdict, outcome)

    def _ended(self, step: Step, verdict: Verdict, outcome: Outcome) -> None:
        attempts = self.record.attempts(step.name)
        if (wait := retry_wait(step.needs, outcome, attempts)) is not None:
            self.record.failed_attempt(step.name, outcome, wait)
            self.again.append((self.services.clock() + wait, step.name, verdict))
            return
        outputs = self._made(step, outcome) if outcome.state == "succeeded" else {}
        entry = self._entry(step, verdict, outcome, outputs)
        reason = verdict.reason
        self._end(
            step, outcome.state, reason=reason, verdict=verdict, outputs=outputs, error=outcome.error, entry=entry
        )

    def _made(self, step: Step, outcome: Outcome) -> dict[str, Artifact]:
        """Return the outputs as they are recorded: equal bytes keep the record of their first maker."""
        known = self.judge.recall.artifacts(artifact.digest for artifact in outcome.outputs.values())
        made = {}
        for name, artifact in outcome.outputs.items():
            made_by, created = f"{self.record.run.id}/{step.name}", self.services.clock()
            if earlier := known.get(artifact.digest):
                made_by, created = earlier.made_by, earlier.created
            made[name] = replace(artifact, made_by=made_by, created=created)
            self.judge.recall.remember(made[name])
            self.record.add(made[name])  # known or not: a garbage collection may have taken the record away meanwhile
        return made

    def _entry(
        self, step: Step, verdict: Verdict, outcome: Outcome, outputs: Mapping[str, Artifact]
    ) -> CacheEntry | None:
        if outcome.state != "succeeded" or step.cache is False:
            return None
        now = self.services.clock()
        return CacheEntry(
            key=verdict.key.digest,
            pipeline=self.record.run.pipeline,
            step=step.name,
            outputs={name: artifact.digest for name, artifact in outputs.items()},
            parts=verdict.key.parts,
            observed=evidence(verdict.key, outcome.observed, self.services.context.root),
            expires=None if step.cache is True else now + step.cache,
            run=self.record.run.id,
            created=now,
        )

    def _end(
        self,
        step: Step,
        state: State,
        *,
        reason: str,
        verdict: Verdict | None = None,
        outputs: Mapping[str, Artifact] | None = None,
        error: str = "",
        log: Path | None = None,
        entry: CacheEntry | None = None,
    ) -> None:
        if outputs:
            self.outputs[step.name] = outputs
        self.record.finish(
            step.name, state, reason=reason, verdict=verdict, outputs=outputs or {}, error=error, log=log
        )
        if entry is not None:
            self.record.add(entry)
        for user in self.users[step.name]:
            self.needs[user].discard(step.name)
            if not self.needs[user]:
                self.ready.append(user)

    def _abandon(self, error: BaseException) -> None:
        """Cancel what is under way, and record how far the run came; a second Ctrl-C only ends the wait for it."""
        stopped = isinstance(error, KeyboardInterrupt)
        try:
            self._cancel()
        finally:
            self.record.abandon(
                "cancelled" if stopped else "failed", "" if stopped else f"{type(error).__name__}: {error}"
            )

    def _cancel(self) -> None:
        for task_id in self.under_way:
            self.engine.cancel(task_id)
        while self.under_way:
            outcomes = self.engine.wait(10.0)
            for outcome in outcomes:
                name, verdict = self.under_way.pop(outcome.task)
                if outcome.state == "succeeded":  # it had ended before it could be cancelled
                    self._ended(self.steps[name], verdict, outcome)
            if not outcomes:
                break


def _was(state: State) -> str:
    return {"failed": "failed", "skipped": "was skipped", "cancelled": "was cancelled"}.get(state, f"is {state}")
