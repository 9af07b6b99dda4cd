"""What the stores remember of a pipeline: cache entries, earlier runs of a step, what the newest good run gave."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore, Codec, MetadataStore
from penstock.core.run import CacheEntry, Record, Run, StepRun
from penstock.errors import UnknownNameError
from penstock.values import COLLECTIONS, is_whole, list_artifact, named_items

R = TypeVar("R", bound=Record)

_AT_ONCE = 10_000  # values in one statement; SQLite takes 32,766
_RUNS_BACK = 50
_COMPARED = 6  # runs among which the previous run of a step is looked for, to say what changed
_OPENED = ("json", "metrics", "text")  # small enough to keep while a run lasts


class Recall:
    """Reads of one plan or run: few queries, each answer once. Most keys are those of the newest run, so its entries
    and artifacts are read ahead."""

    def __init__(
        self, pipeline: str, *, metadata: MetadataStore, artifacts: ArtifactStore, codecs: Iterable[Codec]
    ) -> None:
        self._pipeline, self._metadata, self._store = pipeline, metadata, artifacts
        self._codecs = {codec.kind: codec for codec in codecs}
        self._opened: dict[str, Any] = {}
        self._good: dict[str, list[str]] = {}  # modes -> the newest successful runs in them
        self._runs = metadata.find(Run, pipeline=pipeline, newest_first=True, limit=_RUNS_BACK)
        steps = metadata.find(StepRun, run=self._runs[0].id) if self._runs else []
        self._before: dict[str, StepRun] | None = None
        self._newest = {step.step: step for step in steps}
        keys = [step.key for step in steps if step.key]
        self._entries = {entry.key: entry for entry in self._read(CacheEntry, "key", keys)}
        self._missing: set[str] = set()
        self._artifacts: dict[str, Artifact] = {}
        self.artifacts(digest for entry in self._entries.values() for digest in entry.outputs.values())

    def entry(self, key: str) -> CacheEntry | None:
        """Return what a key gave, if it ever did."""
        if key in self._missing:
            self._missing.discard(key)  # once: a later question may find what this run has made since
            return None
        if key not in self._entries:
            found = self._metadata.get(CacheEntry, key)
            if found is None:
                return None
            self._entries[key] = found
        return self._entries[key]

    def expect(self, keys: Iterable[str]) -> None:
        """Read the entries of keys that will be asked for, at once."""
        unknown = [key for key in dict.fromkeys(keys) if key not in self._entries]
        found = self._read(CacheEntry, "key", unknown)
        self._entries |= {entry.key: entry for entry in found}
        self._missing = set(unknown) - {entry.key for entry in found}

    def artifacts(self, digests: Iterable[str]) -> dict[str, Artifact]:
        """Return the records of those artifacts that have one."""
        wanted = list(digests)
        unknown = [digest for digest in dict.fromkeys(wanted) if digest not in self._artifacts]
        found = self._read(Artifact, "digest", unknown)
        self._artifacts |= {item.digest: item for item in found}
        return {digest: self._artifacts[digest] for digest in wanted if digest in self._artifacts}

    def _read(self, kind: type[R], field: str, wanted: Sequence[str]) -> list[R]:
        if len(wanted) == 1:  # one by its identity is several times cheaper than a search
            one = self._metadata.get(kind, wanted[0])
            return [] if one is None else [one]
        parts = (list(wanted[start : start + _AT_ONCE]) for start in range(0, len(wanted), _AT_ONCE))
        return [record for part in parts for record in self._metadata.find(kind, **_equal(field, part))]

    def remember(self, artifact: Artifact) -> None:
        """Keep the record of an artifact made just now."""
        self._artifacts[artifact.digest] = artifact

    def has(self, digest: str) -> bool:
        """Tell whether the bytes of an artifact are there, whole; of a list also those of its items."""
        record = self.artifacts([digest]).get(digest)
        return self._store.has(digest) if record is None else is_whole(record, self._store)

    def listed(self, artifacts: Sequence[Artifact]) -> Artifact:
        """Return the artifact that is the list of these."""
        return list_artifact(artifacts, self._store)

    def save(self, value: Any) -> Artifact:
        """Return a plain value as an artifact."""
        return self._codecs["json"].save(value, self._store)

    def load(self, artifact: Artifact) -> Any:
        """Return the value of an artifact; of a list or mapping of artifacts, those, unopened."""
        if artifact.digest in self._opened:
            return self._opened[artifact.digest]
        if artifact.kind in COLLECTIONS:
            named = named_items(artifact, self._store)
            found = self._opened[artifact.digest] = list(named.values()) if artifact.kind == "list" else named
            return found
        if artifact.kind not in self._codecs:
            raise UnknownNameError("kind of artifact", artifact.kind, self._codecs)
        value = self._codecs[artifact.kind].load(artifact, self._store)
        if artifact.kind in _OPENED:
            self._opened[artifact.digest] = value
        return value

    def previous(self, step: str) -> StepRun | None:
        """Return the newest run of a step, of the last few runs, that got as far as having a key."""
        if step in self._newest and self._newest[step].parts:
            return self._newest[step]
        if self._before is None:
            runs = [run.id for run in self._runs[1:_COMPARED]]
            found = self._metadata.find(StepRun, run=runs) if runs else []
            found.sort(key=lambda item: runs.index(item.run), reverse=True)
            self._before = {item.step: item for item in found if item.parts}
        return self._before.get(step)

    def given(self, step: str, *, modes: Iterable[str], run: str = "") -> StepRun | None:
        """Return the step run of the newest successful run in these modes whose outputs are all there still, or of the
        one `run`, however it ended."""
        runs = [run] if run else self._successful(sorted(modes))
        found = {item.run: item for item in self._metadata.find(StepRun, run=runs, step=step)} if runs else {}
        for run in runs:
            if run in found and found[run].artifacts and all(map(self.has, found[run].artifacts.values())):
                return found[run]
        return None

    def steps(self, run: str) -> dict[str, StepRun]:
        """Return the steps of a run by name, as they are recorded."""
        return {step.step: step for step in self._metadata.find(StepRun, run=run)}

    def _successful(self, modes: list[str]) -> list[str]:
        # Asked for by themselves: of the newest runs all may be of another mode.
        if (of := ",".join(modes)) not in self._good:
            equal: dict[str, Any] = {"pipeline": self._pipeline, "state": "succeeded", "mode": modes}
            runs = self._metadata.find(Run, newest_first=True, limit=_RUNS_BACK, **equal)
            self._good[of] = [run.id for run in runs]
        return self._good[of]


def _equal(field: str, values: Sequence[str]) -> dict[str, Any]:
    return {field: values}
