"""What the store tells: runs of a pipeline that have ended, new versions of a model or name, new outputs of a step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, ModelVersion, NamedVersion, Run, StepRun
from penstock.core.trigger import Trigger

Happened = tuple[str, dict[str, Any]]
"""What names something that happened, and the data of its event."""

_FIRST = 32
_SLACK_SECONDS = 300.0  # clocks of several machines may differ by that much


class RecordedNews:
    """What is new in the store for one trigger since it was last asked."""

    def __init__(self, metadata: MetadataStore, trigger: Trigger) -> None:
        self._metadata, self._trigger = metadata, trigger
        self._ended: set[str] = set()
        self._under_way: set[str] = set()
        self._newest: float | None = None

    def look(self) -> list[Happened]:
        """Return what is new; the first time everything since the trigger is as it is."""
        if self._trigger.kind == "run_finished":
            wanted = self._trigger.spec["state"]
            pipeline = self._trigger.spec["pipeline"]
            return [_finished(run) for run in self._newly_ended(pipeline) if wanted in ("any", run.state)]
        pipeline, slash, step = self._trigger.spec["name"].partition("/")
        return list(self._outputs(pipeline, step) if slash else self._versions(pipeline))

    def _versions(self, name: str) -> Iterator[Happened]:
        models = self._metadata.find(ModelVersion, model=name, newest_first=True, limit=_FIRST)
        named = self._metadata.find(NamedVersion, name=name, newest_first=True, limit=_FIRST)
        for sort, versions in (("model", models), ("name", named)):
            for version in versions:
                if version.created > self._trigger.since:
                    data = {sort: name, "version": version.version, "digest": version.digest}
                    yield f"{name}/{version.version} {version.digest}", data

    def _outputs(self, pipeline: str, step: str) -> Iterator[Happened]:
        name, _, output = step.partition(".")
        for run in self._newly_ended(pipeline):
            made = self._metadata.get(StepRun, run.id, name)
            digest = made.artifacts.get(output or "result") if made is not None else None
            if made is not None and digest is not None and made.state == "succeeded":
                yield digest, {"digest": digest, "run": run.id, "step": name, "output": output or "result"}

    def _newly_ended(self, pipeline: str) -> list[Run]:
        """Return the runs that ended since the last time, in the order in which they were begun."""
        runs = {run.id: run for run in self._begun(pipeline)}
        missing = [id for id in self._under_way if id not in runs]
        runs |= {run.id: run for run in self._metadata.find(Run, id=missing)} if missing else {}
        self._under_way = {id for id, run in runs.items() if run.state not in DONE}
        ended = [
            run
            for id, run in runs.items()
            if id not in self._under_way | self._ended and (run.ended or 0.0) > self._trigger.since
        ]
        self._ended.update(run.id for run in ended)
        self._newest = max([run.created for run in runs.values()], default=self._newest)
        return sorted(ended, key=lambda run: (run.created, run.id))

    def _begun(self, pipeline: str) -> list[Run]:
        """Return the runs begun since the newest that was seen, and some before."""
        limit = None if self._newest is None else _FIRST
        while True:
            found = self._metadata.find(Run, pipeline=pipeline, newest_first=True, limit=limit)
            oldest = found[-1].created if found else 0.0
            if limit is None or len(found) < limit or oldest < (self._newest or 0.0) - _SLACK_SECONDS:
                return found
            limit *= 2


def _finished(run: Run) -> Happened:
    return run.id, {
        "run": run.id,
        "pipeline": run.pipeline,
        "state": run.state,
        "params": run.params,
        "experiment": run.experiment,
        "error": run.error,
    }
