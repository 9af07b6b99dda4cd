"""A run under way: its loop, from ready steps to the engine and back."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace

from penstock.core.artifact import Artifact
from penstock.core.pipeline import Pipeline, Step
from penstock.core.ports import Engine, Outcome, Task
from penstock.core.run import CacheEntry, Run, State, StepRun
from penstock.errors import PenstockError
from penstock.pipelines import publishing
from penstock.pipelines.events import OnEvent
from penstock.pipelines.leasing import Leases
from penstock.pipelines.lending import borrowed, joined
from penstock.pipelines.loaded import code_parts
from penstock.pipelines.planning import all_up_to_date
from penstock.pipelines.pulse import LISTEN_SECONDS, Pulse
from penstock.pipelines.record import Recorder
from penstock.pipelines.retrying import retry_wait, why_not_again
from penstock.pipelines.scheduling import Schedule
from penstock.pipelines.seeds import seed_of
from penstock.pipelines.selection import lenders
from penstock.pipelines.services import Services
from penstock.pipelines.settling import Chosen, Mapped, Skipped, settle
from penstock.pipelines.verdicts import Judge, Verdict

_BLOCKED_SECONDS = 0.05  # between two looks at what another run is making
_MANY = 8  # ready steps from which one query for all their entries is cheaper


class Execution:
    """A run under way. Steps become ready when all that they wait for has ended; a ready step is settled (skipped, up
    to date, mapped, chosen) at once or queued for the engine; nothing is submitted before the record says so. A step
    whose key another run is just making is blocked until it is there."""

    def __init__(
        self,
        pipeline: Pipeline,
        left_out: Mapping[str, str],
        judge: Judge,
        run: Run,
        services: Services,
        engine: Engine,
        on_event: OnEvent,
        earlier: Mapping[str, StepRun] | None = None,
    ) -> None:
        self.judge, self.services, self.engine = judge, services, engine
        self.left_out, self.lenders = left_out, lenders(pipeline, left_out)
        self.earlier = earlier or {}
        self.schedule = Schedule(pipeline)
        self.record = Recorder(run, pipeline, services, on_event, earlier)
        self.leases = Leases(services.metadata, run.id, clock=services.clock)
        self.pulse = Pulse(run.id, services.metadata, clock=services.clock)
        self.outputs: dict[str, Mapping[str, Artifact]] = {}
        self.lost: set[str] = set()  # steps that gave nothing because something failed: not even an optional input
        self.queue: deque[tuple[str, Verdict]] = deque()
        self.blocked: dict[str, Verdict] = {}
        self.claimed: set[str] = set()  # blocked before, but the lease of their key is theirs now
        self.under_way: dict[str, tuple[str, Verdict]] = {}
        self.again: list[tuple[float, str, Verdict]] = []  # failed steps to try again: when, which
        self.asking: dict[str, Verdict] = {}  # steps that wait for a person

    def run(self) -> Run:
        """Run to the end."""
        self.record.begin()
        try:
            with self.pulse:
                return self._go()
        except BaseException as error:
            self._abandon(error)
            if isinstance(error, KeyboardInterrupt) and self.pulse.cancelled is not None:
                return self.record.run
            raise
        finally:
            self.leases.end()

    def _go(self) -> Run:
        while self.schedule.ready or self.queue or self.blocked or self.under_way or self.again or self._decided():
            if self.pulse.cancelled is not None:
                raise KeyboardInterrupt
            self._settle()
            self._unblock()
            self._submit()
            self._collect()
        return self.record.end()

    def _settle(self) -> None:
        ready = self.schedule.ready
        if len(ready) >= _MANY:
            steps = [self.schedule.steps[name] for name in ready if not self.left_out.get(name)]
            self.judge.foresee([step for step in steps if step.each is None and not step.chooses], self.outputs)
        while ready:
            step = self.schedule.steps[ready.popleft()]
            try:
                self._settle_one(step)
            except PenstockError as error:
                self._end(step, "failed", reason="could not start", error=str(error))

    def _settle_one(self, step: Step) -> None:
        if reason := self.left_out.get(step.name, ""):
            taken = borrowed(step, reason, self.outputs, self.judge) if step.name in self.lenders else None
            found, reason = (taken.outputs, taken.reason) if taken is not None else ({}, reason)
            return self._end(step, "skipped", reason=reason, outputs=found)
        if lost := [name for name in step.upstream() if name in self.lost and not step.chooses]:
            return self._skip(step, f"needs {lost[0]}", lost[0])
        match settle(step, self.outputs, self.judge):
            case Skipped(reason=reason, needs=needs):
                return self._skip(step, reason, needs)
            case Chosen(outputs=outputs, reason=reason):
                return self._end(step, "succeeded", reason=reason, outputs=outputs)
            case Mapped(verdict=verdict, items=items):
                self.record.map(step.name, verdict, [item.name for item in items])
                self.schedule.map(step.name, items)
                return None if items else self._join(step)
            case Verdict(entry=None) as verdict if self._asks_still(step.name, verdict):
                return self._asks(step.name, verdict)
            case Verdict(entry=None) as verdict:
                self.queue.append((step.name, verdict))
                return None
            case Verdict() as verdict:
                return self._up_to_date(step, verdict)

    def _skip(self, step: Step, reason: str, needs: str) -> None:
        if needs:
            reason = f"{reason}, which {_was(self.record.step(needs).state)}"
        if needs in self.lost:
            self.lost.add(step.name)
        self._end(step, "skipped", reason=reason)

    def _up_to_date(self, step: Step, verdict: Verdict) -> None:
        entry = verdict.entry
        assert entry is not None  # noqa: S101  # a hit
        origin = f"{entry.run}/{entry.step}"
        self._end(
            step,
            "up_to_date",
            reason=verdict.reason,
            verdict=verdict,
            outputs=verdict.outputs,
            origin=origin,
        )

    def _unblock(self) -> None:
        """Look again at what others were making: it is there now, or can be made here, or goes on."""
        if self.blocked:
            self.record.flush()  # what this run made itself may be what another of its steps waits for
        for name, verdict in list(self.blocked.items()):
            if self._found(name, verdict):
                del self.blocked[name]
            elif self.leases.take([verdict.key.digest]):
                del self.blocked[name]
                if not self._found(name, verdict):
                    self.claimed.add(name)
                    self.queue.append((name, verdict))

    def _found(self, name: str, verdict: Verdict) -> bool:
        """Tell whether somebody has made a step's outputs since its verdict; then it has ended."""
        if self.judge.recall.entry(verdict.key.digest) is None:
            return False
        step = self.schedule.steps[name]
        again = self.judge.verdict(step, self.outputs)
        if again.entry is not None:
            self.leases.free([verdict.key.digest])
            self._up_to_date(step, again)
        return again.entry is not None

    def _decided(self) -> bool:
        """Take up what a person has decided while other steps ran; tell whether there was anything."""
        self.record.flush()
        before = len(self.asking)
        for name, verdict in list(self.asking.items()):
            now = self.services.metadata.get(StepRun, self.record.run.id, name)
            if now is not None and now.state == "failed":
                step = self.schedule.steps[name]
                self._end(step, "failed", reason=now.reason, verdict=verdict, error=now.error)
            elif not self._found(name, verdict):
                continue
            del self.asking[name]
        return len(self.asking) < before

    def _submit(self) -> None:
        now = self.services.clock()
        due = [item for item in self.again if item[0] <= now]
        self.again = [item for item in self.again if item[0] > now]
        self.queue.extend((name, verdict) for _, name, verdict in due)
        free = max(1, self.engine.slots) - len(self.under_way)
        chosen = [self.queue.popleft() for _ in range(min(free, len(self.queue)))]
        tasks: list[Task] = []
        for name, verdict in self._leased(chosen):
            attempt = self.record.start(name, verdict)
            task = self._task(self.schedule.steps[name], verdict, attempt)
            self.under_way[task.id] = (name, verdict)
            tasks.append(task)
        if tasks:
            self.record.flush()
        for task in tasks:
            self.pulse.interruptible = True
            self.engine.submit(task)
            self.pulse.interruptible = False

    def _leased(self, chosen: list[tuple[str, Verdict]]) -> list[tuple[str, Verdict]]:
        """Return those of the chosen steps that this run makes; others are blocked, or were made meanwhile."""
        keys = [verdict.key.digest for name, verdict in chosen if self.schedule.steps[name].cache is not False]
        if self.leases.made(keys):
            self.record.flush()  # two steps of one key: the second finds what the first has made
        taken = self.leases.take(keys)
        self.judge.recall.expect(taken)
        ours: list[tuple[str, Verdict]] = []
        for name, verdict in chosen:
            if self.schedule.steps[name].cache is False or self.record.step(name).attempts or name in self.claimed:
                ours.append((name, verdict))
            elif verdict.key.digest not in taken:
                self.blocked[name] = verdict
                self.record.blocked(name, verdict)
            elif not self._found(name, verdict):
                ours.append((name, verdict))
                taken.discard(verdict.key.digest)  # a second step of the same key waits for the first
        return ours

    def _task(self, step: Step, verdict: Verdict, attempt: int) -> Task:
        run = self.record.run
        return Task(
            id=f"{run.id}/{step.name}/{attempt}",
            entry=self.services.entry,
            run=run.id,
            step=step,
            arguments=dict(verdict.arguments),
            context=replace(self.services.context, run=run.id, step=step.name, mode=run.mode),
            log=self.record.log(step.name),
            paths=self.services.paths,
            code=code_parts(verdict.key.parts),
            pid=run.pid,
            image=image.digest if (image := self.services.images(step)) is not None else "",
            seed=seed_of(verdict.key.digest),
        )

    def _collect(self) -> None:
        limits = [max(0.0, min(item[0] for item in self.again) - self.services.clock())] if self.again else []
        if self.blocked:
            limits.append(_BLOCKED_SECONDS)
        if not self.under_way:
            if limits and not self.queue and not self.schedule.ready:
                self.record.flush()
                self.services.sleep(min([*limits, LISTEN_SECONDS]))
            return
        self.record.flush()  # the wait may be long
        for outcome in self.engine.wait(min([*limits, LISTEN_SECONDS])):
            name, verdict = self.under_way.pop(outcome.task)
            self._ended(self.schedule.steps[name], verdict, outcome)

    def _ended(self, step: Step, verdict: Verdict, outcome: Outcome) -> None:
        if outcome.state in ("skipped", "waiting"):
            return self._unmade(step, verdict, outcome)
        attempts = self.record.step(step.name).attempts
        if (wait := retry_wait(step.needs, outcome, attempts)) is not None:
            self.record.failed_attempt(step.name, outcome, wait)
            self.again.append((self.services.clock() + wait, step.name, verdict))
            return None
        if outcome.state == "succeeded":
            outputs, now = self._made(step, outcome.outputs), self.services.clock()
            root = self.services.context.root
            entry = publishing.entry(step, self.record.run, verdict, outcome, outputs, root=root, now=now)
            self.leases.done(verdict.key.digest)
        else:
            outputs, entry = {}, None
            if why := why_not_again(step.needs, outcome, attempts):
                verdict = replace(verdict, reason=f"{verdict.reason}; {why}")
            self.leases.free([verdict.key.digest])
        self._end(
            step,
            outcome.state,
            reason=verdict.reason,
            verdict=verdict,
            outputs=outputs,
            error=outcome.error,
            entry=entry,
        )
        return None

    def _unmade(self, step: Step, verdict: Verdict, outcome: Outcome) -> None:
        """A step that gave nothing is skipped; one that waits for a person keeps the steps behind it waiting too."""
        self.leases.free([verdict.key.digest])
        if outcome.state == "skipped":
            return self._end(step, "skipped", reason=outcome.error, verdict=verdict)
        return self._asks(step.name, verdict, outcome.error, self._made(step, outcome.outputs))

    def _asks(self, name: str, verdict: Verdict, reason: str = "", asked: Mapping[str, Artifact] | None = None) -> None:
        self.asking[name] = verdict
        self.record.finish(name, "waiting", reason=reason, verdict=verdict, outputs=asked or {}, error="", origin="")

    def _asks_still(self, name: str, verdict: Verdict) -> bool:
        """Tell whether a person was asked this before the run went on, and has not decided; until when there is time
        for it stays as it was."""
        asked = self.earlier.get(name)
        return asked is not None and asked.state == "waiting" and asked.key == verdict.key.digest

    def _made(self, step: Step, outputs: Mapping[str, Artifact]) -> dict[str, Artifact]:
        by, now = f"{self.record.run.id}/{step.name}", self.services.clock()
        recorded = publishing.made(outputs, self.judge.recall, by=by, now=now)
        for artifact in recorded.values():
            self.record.add(artifact)  # known or not: a garbage collection may have taken the record away meanwhile
        return recorded

    def _join(self, step: Step) -> None:
        """End a mapped step whose items have all ended: its outputs are the lists of theirs."""
        items = self.schedule.items(step.name)
        ended: dict[State, list[str]] = {}
        for item in items:
            ended.setdefault(self.record.step(item).state, []).append(item)
        if bad := [*ended.get("failed", ()), *ended.get("cancelled", ())]:
            first = self.record.step(bad[0]).error.partition("\n")[0]
            error = f"{len(bad)} of {len(items)} {self.record.step(bad[0]).state}; {bad[0]}: {first}"
            return self._end(step, self.record.step(bad[0]).state, reason=f"runs for each of {len(items)}", error=error)
        lists = joined(step, [self.outputs[item] for item in items], self.judge)
        ran = len(ended.get("succeeded", ()))
        state: State = "succeeded" if ran else "up_to_date"
        reason = f"{ran} of {len(items)} ran" if ran else all_up_to_date(items)
        self._end(step, state, reason=reason, outputs=self._made(step, lists))

    def _end(
        self,
        step: Step,
        state: State,
        *,
        reason: str,
        verdict: Verdict | None = None,
        outputs: Mapping[str, Artifact] | None = None,
        error: str = "",
        origin: str = "",
        entry: CacheEntry | None = None,
    ) -> None:
        if outputs:
            self.outputs[step.name] = outputs
        if state in ("failed", "cancelled"):
            self.lost.add(step.name)
        self.record.finish(
            step.name,
            state,
            reason=reason,
            verdict=verdict,
            outputs=outputs or {},
            error=error,
            origin=origin,
        )
        if entry is not None:
            self.record.add(entry)
        if (mapped := self.schedule.end(step.name)) is not None:
            self._join(self.schedule.steps[mapped])

    def _abandon(self, error: BaseException) -> None:
        """Cancel what is under way, and record how far the run came; a second Ctrl-C only ends the wait for it."""
        stopped = isinstance(error, KeyboardInterrupt)
        try:
            self._cancel()
        finally:
            self.record.abandon(
                "cancelled" if stopped else "failed",
                (self.pulse.cancelled or "") if stopped else f"{type(error).__name__}: {error}",
            )

    def _cancel(self) -> None:
        for task_id in self.under_way:
            self.engine.cancel(task_id)
        while self.under_way:
            outcomes = self.engine.wait(10.0)
            for outcome in outcomes:
                name, verdict = self.under_way.pop(outcome.task)
                if outcome.state == "succeeded":  # it had ended before it could be cancelled
                    self._ended(self.schedule.steps[name], verdict, outcome)
            if not outcomes:
                break


def _was(state: State) -> str:
    return {"failed": "failed", "skipped": "was skipped", "cancelled": "was cancelled"}.get(state, f"is {state}")
