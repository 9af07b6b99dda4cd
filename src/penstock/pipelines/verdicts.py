"""The verdict on one step whose upstream is known: up to date or to be run, with which key, and why in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias

from penstock.core.artifact import Artifact, Named
from penstock.core.pipeline import Step
from penstock.core.run import CacheEntry, StepRun
from penstock.errors import PenstockError
from penstock.pipelines.arguments import Outputs, given, read_by, resolve
from penstock.pipelines.changes import NEVER_RAN, change, observed_change
from penstock.pipelines.keys import Key, Keys
from penstock.pipelines.observed import located
from penstock.pipelines.recall import Recall
from penstock.pipelines.resuming import Resumed
from penstock.pipelines.services import Services
from penstock.pipelines.used_codecs import codec_digest

Override: TypeAlias = Mapping[str, Mapping[str, Artifact]]
"""Outputs that a run is handed instead of running the steps: step -> output -> artifact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is known of a step before it runs. `entry` is the hit; without one the step has to run. `inputs` are the
    digests of all that it reads: its lineage."""

    key: Key
    reason: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    entry: CacheEntry | None = None
    outputs: Mapping[str, Artifact] = field(default_factory=dict)


class Judge:
    """Gives the verdicts of one plan or run."""

    def __init__(
        self,
        services: Services,
        recall: Recall,
        keys: Keys,
        *,
        override: Override | None = None,
        resumed: Resumed | None = None,
        states_from: Mapping[str, str] | None = None,
    ) -> None:
        self._services, self.recall, self.keys = services, recall, keys
        self.override, self._resumed = override or {}, resumed or Resumed()
        self.states_from = dict(states_from or {})
        self._foreseen: dict[str, tuple[dict[str, Any], Key]] = {}

    def arguments(self, step: Step, outputs: Outputs) -> dict[str, Any]:
        """Return a step's arguments: references replaced by artifacts, texts that name rows by `Source`s."""
        found = {}
        for name, declared in step.inputs.items():
            value = resolve(declared, outputs, self.recall.load)
            found[name] = self._outside(step, name, value) if isinstance(value, str) else value
        return found

    def _outside(self, step: Step, name: str, text: str) -> Any:
        """Return what a text stands for outside the pipeline, where a step asks for that."""
        match step.kinds.get(name):
            case "source":
                return self.keys.source(text)
            case "named":
                return Named(name=text, artifact=self._services.named(text))
        return given(step, name, text)

    def verdict(self, step: Step, outputs: Outputs) -> Verdict:
        """Judge a step whose upstream outputs are all known."""
        foreseen = self._foreseen.pop(step.name) if step.name in self._foreseen else None
        arguments, key = foreseen or self._keyed(step, outputs)
        made = partial(Verdict, key=key, arguments=arguments, inputs=read_by(step, arguments, outputs))
        if (earlier := self._resumed.made(step.name, key.digest)) and (hit := self._taken_over(step, key, earlier)):
            return replace(hit, arguments=arguments, inputs=read_by(step, arguments, outputs))
        if step.cache is False:
            return made(reason="cache=False: it always runs")
        entry = self.recall.entry(key.digest)
        if entry is None:
            return made(reason=self._why_new(step, key))
        found, problem = self._opened(step, entry)
        if problem:
            return made(reason=problem)
        reason = f"made by run {entry.run}"
        return made(reason=reason, entry=entry, outputs=found)

    def _taken_over(self, step: Step, key: Key, made: StepRun) -> Verdict | None:
        """Return what the run that is resumed made of a step, also where it is never cached, if it is there still."""
        found = self.given(step, made.artifacts)
        if set(found) != set(step.outputs) or not all(self.recall.has(each.digest) for each in found.values()):
            return None
        run, _, name = (made.origin or f"{made.run}/{made.step}").partition("/")
        entry = CacheEntry(key=key.digest, pipeline="", step=name, outputs=made.artifacts, run=run)
        reason = f"made by run {made.run}, which this one resumes"
        return Verdict(key=key, reason=reason, entry=entry, outputs=found)

    def stored(self, value: Any, outputs: Outputs) -> Artifact:
        """Return an input as an artifact: what a reference stands for, or a plain value, which is stored."""
        found = resolve(value, outputs, self.recall.load)
        return found if isinstance(found, Artifact) else self.recall.save(found)

    def whole(self, step: Step, outputs: Outputs) -> Verdict:
        """Return what is known of a mapped step as a whole, whose items are judged one by one."""
        arguments, key = self._keyed(step, outputs)
        return Verdict(key=key, arguments=arguments, inputs=read_by(step, arguments, outputs), reason="")

    def foresee(self, steps: Iterable[Step], outputs: Outputs) -> None:
        """Make the keys of steps that are all about to be judged, and look their entries up in one query."""
        for step in steps:
            with suppress(PenstockError):  # its own verdict will say so
                self._foreseen[step.name] = self._keyed(step, outputs)
        self.recall.expect([key.digest for _, key in self._foreseen.values()])

    def _keyed(self, step: Step, outputs: Outputs) -> tuple[dict[str, Any], Key]:
        arguments = self.arguments(step, outputs)
        return arguments, self.keys.key(step, arguments)

    def given(self, step: Step, artifacts: Mapping[str, str]) -> dict[str, Artifact]:
        """Return the artifacts of recorded outputs, each of the kind that the step declares."""
        records = self.recall.artifacts(artifacts.values())
        return {
            name: _of_kind(records[digest], step.outputs.get(name, "any"))
            for name, digest in artifacts.items()
            if digest in records
        }

    def _opened(self, step: Step, entry: CacheEntry) -> tuple[dict[str, Artifact], str]:
        """Return the outputs of a hit, or why it is none."""
        if entry.expires is not None and entry.expires <= self._services.clock():
            return {}, f"its result of run {entry.run} is older than cache={step.cache:g} s allows"
        for name, value in entry.observed.items():
            now = self._observed(name)
            if now != value:
                return {}, observed_change(name, value, now)
        found = self.given(step, entry.outputs)
        for name in step.outputs:
            if name not in found or not self.recall.has(found[name].digest):
                return {}, f"its output '{name}' is missing from the store"
        return found, ""

    def _observed(self, name: str) -> str:
        kind, _, what = name.partition(":")
        if kind == "codec":
            return codec_digest(what)
        return self._services.observe(located(name, self._services.context.root))

    def _why_new(self, step: Step, key: Key) -> str:
        previous = self.recall.previous(step.name)
        if previous is None:
            return NEVER_RAN
        return change(step.name, key.parts, previous.parts) or _unfinished(previous)


def _unfinished(previous: StepRun) -> str:
    match previous.state:
        case "failed":
            return f"failed in run {previous.run}"
        case "succeeded" | "up_to_date":
            return "its key is made in another way now, or its cache entry is gone"
    return f"did not finish in run {previous.run}"


_AS_THEY_ARE = ("text", "json", "metrics", "bytes", "file", "figure")


def _of_kind(artifact: Artifact, kind: str) -> Artifact:
    # Equal bytes are one artifact, so its record may say what another step declared them to be: "1" is text and JSON.
    readable = kind in _AS_THEY_ARE and artifact.kind in _AS_THEY_ARE
    return replace(artifact, kind=kind) if readable and kind != artifact.kind else artifact
