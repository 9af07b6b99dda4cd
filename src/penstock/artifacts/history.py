"""What the records tell of an artifact: who made it, who read it, under which names and in which lists it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property

from penstock.core.artifact import Artifact
from penstock.core.feature import FeatureVersion
from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.core.run import ModelVersion, NamedVersion, Run, StepRun
from penstock.values import COLLECTIONS, named_items


class History:
    """Reads of one question about lineage: each record once. Going down looks through all step runs, once."""

    def __init__(self, metadata: MetadataStore, store: ArtifactStore) -> None:
        self._metadata, self._store = metadata, store
        self._artifacts: dict[str, Artifact | None] = {}
        self._runs: dict[str, Run | None] = {}
        self._steps: dict[str, list[StepRun]] = {}

    def artifact(self, digest: str) -> Artifact | None:
        """Return the record of an artifact, if there is one."""
        if digest not in self._artifacts:
            self._artifacts[digest] = self._metadata.get(Artifact, digest)
        return self._artifacts[digest]

    def pipeline(self, run: str) -> str:
        """Return the pipeline that a run is of; "" where the run is not recorded any more."""
        if run not in self._runs:
            self._runs[run] = self._metadata.get(Run, run)
        found = self._runs[run]
        return found.pipeline if found is not None else ""

    def makers(self, artifact: Artifact, *, read_by: StepRun | None) -> Iterator[StepRun]:
        """Yield what an artifact comes from: in the run of the step that read it the step before that gave it, and
        where there is none, or it only passed it on, its first maker."""
        before = self._before(artifact.digest, read_by) if read_by is not None else None
        if before is not None:
            yield before
        if before is None or artifact.digest in before.inputs.values():
            first = self._first_maker(artifact)
            if first is not None and first != before:
                yield first

    def items(self, artifact: Artifact) -> Iterator[tuple[str, Artifact]]:
        """Yield the items of a list that were made apart from it (by a mapped step, say) and where they stand in it."""
        if artifact.kind not in COLLECTIONS or not self._store.has(artifact.digest):
            return
        for place, item in named_items(artifact, self._store).items():
            if (recorded := self.artifact(item.digest)) is not None:
                yield str(place), recorded

    def readers(self, digest: str) -> Iterator[tuple[StepRun, str]]:
        """Yield the step runs that read an artifact, and as what; of equal ones (equal keys) the one that ran."""
        yield from self._reads[digest].values()

    def versions(self, digest: str) -> Iterator[ModelVersion | NamedVersion]:
        """Yield the versions of models and names that stand for an artifact."""
        yield from self._metadata.find(ModelVersion, digest=digest)
        yield from self._metadata.find(NamedVersion, digest=digest)

    def feature_set(self, name: str) -> FeatureVersion | None:
        """Return the version of a feature set that `rides@2` names."""
        bare, _, version = name.partition("@")
        return self._metadata.get(FeatureVersion, "set", bare, int(version)) if version.isdigit() else None

    def holders(self, digest: str) -> Iterator[tuple[str, Artifact]]:
        """Yield the lists in which an artifact is, and where it stands in them."""
        yield from self._lists[digest]

    def _before(self, digest: str, reader: StepRun) -> StepRun | None:
        if reader.run not in self._steps:
            self._steps[reader.run] = self._metadata.find(StepRun, run=reader.run)
        gave = [step for step in self._steps[reader.run] if digest in step.artifacts.values()]
        return next((step for step in gave if step.step != reader.step and step.position <= reader.position), None)

    def _first_maker(self, artifact: Artifact) -> StepRun | None:
        run, _, step = artifact.made_by.partition("/")
        found = self._metadata.get(StepRun, run, step) if step else None
        return found or next((each for each in self._all_steps if artifact.digest in each.artifacts.values()), None)

    @cached_property
    def _all_steps(self) -> list[StepRun]:
        return sorted(self._metadata.find(StepRun), key=lambda step: (step.started or 0.0, step.position))

    @cached_property
    def _reads(self) -> defaultdict[str, dict[str, tuple[StepRun, str]]]:
        reads: defaultdict[str, dict[str, tuple[StepRun, str]]] = defaultdict(dict)
        for step in self._all_steps:
            for parameter, digest in step.inputs.items():
                same = step.key or f"{step.run}/{step.step}"
                known = reads[digest].get(same)
                if known is None or (known[0].state != "succeeded" and step.state == "succeeded"):
                    reads[digest][same] = (step, parameter)
        return reads

    @cached_property
    def _lists(self) -> defaultdict[str, list[tuple[str, Artifact]]]:
        lists: defaultdict[str, list[tuple[str, Artifact]]] = defaultdict(list)
        for whole in self._metadata.find(Artifact):
            if whole.kind in COLLECTIONS and self._store.has(whole.digest):
                for place, item in named_items(whole, self._store).items():
                    lists[item.digest].append((str(place), whole))
        return lists
