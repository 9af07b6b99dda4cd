"""What takes how much room: by kind, by the step that made it, by name; garbage, and what other projects hold too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from penstock.artifacts.collecting import Place, collect
from penstock.artifacts.keeping import Policy, everything
from penstock.artifacts.tidying import bytes_of
from penstock.core.artifact import Artifact
from penstock.core.run import NamedVersion, Run
from penstock.values import COLLECTIONS, closure


@dataclass(frozen=True, slots=True)
class Share:
    """How many artifacts, and how many bytes they have in the store; the same bytes are counted once."""

    count: int
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The room that a store and a project's state take. `store` is all that lies in the store, `project` what this
    project holds of it; of that `by_kind`, `by_step` ("pipeline/step"), `by_name` and what `shared` other projects hold
    too. `garbage` is what `gc` would take from the store now, `recent` what it would but for its grace.
    `features` is what the feature store has in files here: its history, its index, what is online."""

    store: Share
    project: Share
    shared: Share
    garbage: Share
    recent: Share
    by_kind: dict[str, Share] = field(default_factory=dict)
    by_step: dict[str, Share] = field(default_factory=dict)
    by_name: dict[str, Share] = field(default_factory=dict)
    log_bytes: int = 0
    scratch_bytes: int = 0
    metadata_bytes: int = 0
    features: dict[str, int] = field(default_factory=dict)


def usage(
    place: Place, policy: Policy, *, metadata_bytes: int = 0, features: Mapping[str, Path] | None = None
) -> Usage:
    """Return what takes how much room, largest first; `features` are the folders of the feature store."""
    sizes = {blob.digest: blob.size_bytes for blob in place.sweeper.blobs()}
    artifacts = place.metadata.find(Artifact)
    held = {artifact.digest: _blobs_of(artifact, place) & sizes.keys() for artifact in artifacts}
    pipelines = {run.id: run.pipeline for run in place.metadata.find(Run)}
    kinds: defaultdict[str, list[str]] = defaultdict(list)
    steps: defaultdict[str, list[str]] = defaultdict(list)
    names: defaultdict[str, list[str]] = defaultdict(list)
    for artifact in artifacts:
        run, _, step = artifact.made_by.partition("/")
        kinds[artifact.kind].append(artifact.digest)
        steps[f"{pipelines.get(run, 'runs not recorded any more')}/{step}" if step else "given"].append(artifact.digest)
    for version in place.metadata.find(NamedVersion):
        names[version.name].append(version.digest)

    def share(digests: list[str]) -> Share:
        there = [digest for digest in dict.fromkeys(digests) if digest in held]
        return Share(len(there), sum(sizes[blob] for blob in set().union(*(held[digest] for digest in there))))

    own = set().union(*held.values())
    others = set().union(*(everything(other, place.sweeper.looking) for other in place.others))
    found = collect(place, policy)
    return Usage(
        store=Share(len(sizes), sum(sizes.values())),
        project=share(list(held)),
        shared=Share(len(own & others), sum(sizes[blob] for blob in own & others)),
        garbage=Share(sum(not each.shared for each in found.garbage), found.blob_bytes),
        recent=Share(found.recent, found.recent_bytes),
        by_kind=_largest_first({kind: share(digests) for kind, digests in kinds.items()}),
        by_step=_largest_first({step: share(digests) for step, digests in steps.items()}),
        by_name=_largest_first({name: share(digests) for name, digests in names.items()}),
        log_bytes=bytes_of(place.state / "logs"),
        scratch_bytes=sum(bytes_of(path) for path, _ in place.sweeper.scratch()),
        metadata_bytes=metadata_bytes,
        features={name: bytes_of(path) for name, path in (features or {}).items() if path.exists()},
    )


def _blobs_of(artifact: Artifact, place: Place) -> set[str]:
    return set(closure(artifact, place.sweeper.looking)) if artifact.kind in COLLECTIONS else {artifact.digest}


def _largest_first(shares: dict[str, Share]) -> dict[str, Share]:
    return dict(sorted(shares.items(), key=lambda item: (-item[1].size_bytes, item[0])))
