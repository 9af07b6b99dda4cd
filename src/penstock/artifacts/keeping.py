"""What is kept: the runs that the policy names, and every artifact that they, names and models reach."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from penstock.artifacts.names import expired
from penstock.artifacts.versions import MODELS, names, pointers
from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.core.run import DONE, CacheEntry, ModelVersion, NamedVersion, Run, StepRun
from penstock.values import COLLECTIONS, closure


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a garbage collection leaves. Without `keep_runs` and `older_than_seconds` every recorded run is kept; with
    them the newest `keep_runs` runs of each pipeline, and those younger than `older_than_seconds`. Always kept are runs
    under way, the newest successful run of each pipeline in each mode, those that promoted what an alias points at, and
    all that names and models need.

    Records of runs are deleted only with `runs_older_than_seconds`, of runs that are older and not kept; firings of
    triggers only with `firings_older_than_seconds`, those that are older and not among the newest `keep_firings` of
    their trigger. Nothing goes that was put or used within `grace_seconds`.
    """

    keep_runs: int | None = None
    older_than_seconds: float | None = None
    runs_older_than_seconds: float | None = None
    firings_older_than_seconds: float | None = None
    keep_firings: int = 100
    grace_seconds: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a project has recorded, read once: of tens of thousands of runs that is what a collection takes longest for.
    What comes to be recorded afterwards is in use, and stays for that."""

    runs: list[Run]
    steps: list[StepRun]
    artifacts: list[Artifact]


def recorded(metadata: MetadataStore) -> Recorded:
    """Read the records that say what is kept; runs first, so that none has steps that are not known."""
    runs = metadata.find(Run)
    return Recorded(runs=runs, steps=metadata.find(StepRun), artifacts=metadata.find(Artifact))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What stays: ids of runs, digests of artifacts. `old_runs` are those whose records may go."""

    runs: frozenset[str]
    digests: frozenset[str]
    old_runs: tuple[str, ...] = ()

    def entry(self, entry: CacheEntry, now: float) -> bool:
        """Tell whether a cache entry stays: all that it gives does, and its time is not over."""
        return (entry.expires is None or entry.expires > now) and self.digests.issuperset(entry.outputs.values())


def what_is_kept(metadata: MetadataStore, known: Recorded, store: ArtifactStore, policy: Policy, now: float) -> Kept:
    """Return what a policy keeps of a project, as it is recorded now."""
    kept = {run.id for run in _kept_runs(known.runs, policy, now)} | _promoted(metadata)
    old = tuple({run.id: None for run in _old_runs(known.runs, kept, policy, now)}.keys() - _told_of(metadata))
    runs = frozenset(kept.difference(old))
    digests = set(_roots(metadata, known.steps, runs, now))
    for artifact in known.artifacts:
        if artifact.digest in digests and artifact.kind in COLLECTIONS:
            digests.update(closure(artifact, store))
    return Kept(runs=runs, digests=frozenset(digests), old_runs=old)


def _old_runs(runs: list[Run], kept: set[str], policy: Policy, now: float) -> Iterator[Run]:
    """Yield the runs whose records may go: old enough, and not kept by the other limits, if there are any."""
    if policy.runs_older_than_seconds is None:
        return
    limited = policy.keep_runs is not None or policy.older_than_seconds is not None
    stay = kept if limited else {run.id for run in _newest(runs)}
    for run in runs:
        if run.created < now - policy.runs_older_than_seconds and run.state in DONE and run.id not in stay:
            yield run


def _told_of(metadata: MetadataStore) -> set[str]:
    """Return the runs that versions of models and names say they come from: their records are lineage."""
    versions: list[ModelVersion | NamedVersion] = [*metadata.find(ModelVersion), *metadata.find(NamedVersion)]
    return {version.lineage.get("run", "") for version in versions}


def everything(metadata: MetadataStore, store: ArtifactStore) -> set[str]:
    """Return every digest that a project holds: of each artifact it has a record of, and of their items."""
    held: set[str] = set()
    for artifact in metadata.find(Artifact):
        held.add(artifact.digest)
        if artifact.kind in COLLECTIONS:
            held.update(closure(artifact, store))
    return held


def _kept_runs(runs: list[Run], policy: Policy, now: float) -> Iterator[Run]:
    if policy.keep_runs is None and policy.older_than_seconds is None:
        yield from runs
        return
    yield from _newest(runs)
    count: dict[str, int] = defaultdict(int)
    for run in sorted(runs, key=lambda run: (run.created, run.id), reverse=True):
        count[run.pipeline] += 1
        among_newest = policy.keep_runs is not None and count[run.pipeline] <= policy.keep_runs
        young = policy.older_than_seconds is not None and run.created >= now - policy.older_than_seconds
        if run.state not in DONE or among_newest or young:
            yield run


def _newest(runs: Iterable[Run]) -> Iterator[Run]:
    """Yield the newest successful run of each pipeline and mode: parts of pipelines take what it gave."""
    newest: dict[tuple[str, str], Run] = {}
    for run in runs:
        if run.state == "succeeded":
            of_kind = newest.setdefault((run.pipeline, run.mode), run)
            newest[run.pipeline, run.mode] = max(of_kind, run, key=lambda run: (run.created, run.id))
    yield from newest.values()


def _promoted(metadata: MetadataStore) -> set[str]:
    """Return the runs whose models aliases point at: what infers takes its states from them."""
    pointed = _pointed(metadata)
    versions = metadata.find(ModelVersion)
    return {str(each.lineage.get("run", "")) for each in versions if (each.model, each.version) in pointed} - {""}


def _pointed(metadata: MetadataStore) -> set[tuple[str, int]]:
    return {(name, number) for name in names(metadata, MODELS) for number in pointers(metadata, MODELS, name).values()}


def _roots(metadata: MetadataStore, steps: Iterable[StepRun], runs: frozenset[str], now: float) -> Iterator[str]:
    for step in steps:
        if step.run in runs:
            yield from step.artifacts.values()
            yield from step.inputs.values()
    for named in metadata.find(NamedVersion):
        if not expired(named, now):
            yield named.digest
    pointed = _pointed(metadata)
    for version in metadata.find(ModelVersion):
        yield version.digest
        if (version.model, version.version) in pointed:  # `verify` replays the rows that it learned from
            run, _, step = version.lineage.get("graph", "").partition("/")
            made = metadata.get(StepRun, run, step)
            yield from made.inputs.values() if made is not None else ()
