"""Garbage collection: what nothing needs any more goes, first its records, then its bytes; safe while runs go on.

Three things keep a run and a collection out of each other's way. A cache entry goes before what it stands for: a run
finds both, or a miss. Whatever a run puts into the store, or asks for and finds there, is in use from that moment, and
nothing goes that was used since the oldest run under way began. The last look at that, the deletion of the record and
that of the bytes are one short piece, during which nobody can come to use a blob (see `Sweeper`).
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from penstock.artifacts.keeping import Kept, Policy, Recorded, everything, recorded, what_is_kept
from penstock.artifacts.tidying import bytes_of, remove, stale_records, stray_files
from penstock.core.artifact import Artifact
from penstock.core.ports import MetadataStore
from penstock.core.run import Attempt, CacheEntry, Cancellation, Heartbeat, Lease, Metric, Run, StepRun
from penstock.core.trigger import Firing
from penstock.monitor import old_firings
from penstock.pipelines import drives, reap
from penstock.stores import Sweeper

OnProgress: TypeAlias = Callable[[str, int, int], None]
"""Told what is being done, how much of it is, of how much."""

_LAG_SECONDS = 0.05  # times of files lag behind the clock by a tick of the kernel's
_BATCH = 200  # blobs for which others wait at once
_UNDER_WAY = ["running"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbage:
    """Something that nothing needs: an artifact, or bytes that no record speaks of (then `kind` is ""). The bytes of
    one that another project holds stay (`shared`)."""

    digest: str
    size_bytes: int
    kind: str = ""
    made_by: str = ""
    shared: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """What a garbage collection took away, or with `dry_run` would take away. `recent` counts what nothing needs but
    was used too lately; `kept_blobs` is what stays in the store, for all its projects."""

    dry_run: bool
    garbage: tuple[Garbage, ...] = ()
    entries: int = 0
    runs: tuple[str, ...] = ()
    firings: int = 0
    files: tuple[str, ...] = ()
    file_bytes: int = 0
    records: int = 0
    recent: int = 0
    recent_bytes: int = 0
    kept_blobs: int = 0
    kept_bytes: int = 0

    @property
    def blob_bytes(self) -> int:
        """How many bytes of blobs go."""
        return sum(each.size_bytes for each in self.garbage if not each.shared)

    @property
    def size_bytes(self) -> int:
        """How many bytes go in all."""
        return self.blob_bytes + self.file_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a collection works on: a project's records, its store, its state folder and its own one, and the records of
    the other projects that keep artifacts in that store."""

    metadata: MetadataStore
    sweeper: Sweeper
    state: Path
    root: Path
    others: Sequence[MetadataStore] = ()
    clock: Callable[[], float] = field(default=time.time)


def collect(
    place: Place, policy: Policy, *, dry_run: bool = True, on_progress: OnProgress = lambda what, done, of: None
) -> Collection:
    """Take away (with `dry_run`: find) what the policy does not keep. Ended at any point, what is left is whole."""
    metadata, now = place.metadata, place.clock()
    if not dry_run:
        reap(metadata)
    own = _going(metadata)  # before anything else is read
    going = [*own, *(run for other in place.others for run in _going(other))]
    unused_since = min([now - policy.grace_seconds, *(run.created for run in going)])
    on_progress("looking", 0, 1)
    known = recorded(metadata)
    kept = what_is_kept(metadata, known, place.sweeper.looking, policy, now)
    entries = [entry for entry in metadata.find(CacheEntry) if not kept.entry(entry, now)]
    held = set().union(*(everything(other, place.sweeper.looking) for other in place.others))
    garbage, recent, stays = _sorted_out(place, known, kept, held, unused_since)
    if own:  # they may have read the records of shared blobs already, and would find the bytes
        garbage = [each for each in garbage if not each.shared]
    before = now - policy.grace_seconds - _LAG_SECONDS
    files = [*stray_files(place.state, known, before=before, runs_going=bool(going))]
    files += [path for path, changed in place.sweeper.scratch() if changed < before]
    leases, wishes = stale_records(metadata)
    firings = _spare_firings(place, policy, now)
    found = Collection(
        dry_run=dry_run,
        garbage=tuple(garbage),
        entries=len(entries),
        runs=kept.old_runs,
        firings=len(firings),
        files=tuple(map(str, files)),
        file_bytes=sum(map(bytes_of, files)),
        records=len(leases) + len(wishes),
        recent=len(recent),
        recent_bytes=sum(recent),
        kept_blobs=len(stays),
        kept_bytes=sum(stays),
    )
    on_progress("looking", 1, 1)
    if dry_run:
        return found
    _forget_runs(metadata, kept.old_runs)
    _forget_firings(metadata, firings)
    for batch in _batches([entry.key for entry in entries]):
        metadata.delete(CacheEntry, key=batch)
    for lease in leases:
        metadata.delete(Lease, key=lease.key, run=lease.run)
    metadata.delete(Cancellation, run=[wish.run for wish in wishes])
    went = _sweep(place, garbage, held, unused_since, on_progress)
    remove(files)
    return _as_it_went(found, went)


def _going(metadata: MetadataStore) -> list[Run]:
    """Return the runs under way. One of another machine counts: whether its process lives cannot be seen from here."""
    here = ("", socket.gethostname())
    return [run for run in metadata.find(Run, state=_UNDER_WAY) if run.host not in here or drives(run)]


def _sorted_out(
    place: Place, known: Recorded, kept: Kept, held: set[str], unused_since: float
) -> tuple[list[Garbage], list[int], list[int]]:
    """Return the garbage, and the sizes of blobs that are none: used too lately, and needed."""
    records = {artifact.digest: artifact for artifact in known.artifacts}
    garbage: list[Garbage] = []
    recent: list[int] = []
    stays: list[int] = []
    for blob in place.sweeper.blobs():
        record = records.pop(blob.digest, None)
        if blob.digest in kept.digests or (record is None and blob.digest in held):
            stays.append(blob.size_bytes)
        elif blob.used >= unused_since:
            recent.append(blob.size_bytes)
        else:
            garbage.append(_garbage(blob.digest, blob.size_bytes, record, shared=blob.digest in held))
            if blob.digest in held:
                stays.append(blob.size_bytes)
    lost = [record for digest, record in records.items() if digest not in kept.digests]
    return [*garbage, *(_garbage(record.digest, 0, record) for record in lost)], recent, stays


def _garbage(digest: str, size_bytes: int, record: Artifact | None, *, shared: bool = False) -> Garbage:
    kind, made_by = ("", "") if record is None else (record.kind, record.made_by)
    return Garbage(digest=digest, size_bytes=size_bytes, kind=kind, made_by=made_by, shared=shared)


def _forget_runs(metadata: MetadataStore, runs: Sequence[str]) -> None:
    for batch in _batches(runs):
        for kind in (Attempt, Metric, Heartbeat, Cancellation, Lease, StepRun):
            metadata.delete(kind, run=batch)
        metadata.delete(Run, id=batch)  # last: ended before, the next collection goes on from it


def _spare_firings(place: Place, policy: Policy, now: float) -> list[Firing]:
    if policy.firings_older_than_seconds is None:
        return []
    before = now - max(policy.firings_older_than_seconds, policy.grace_seconds)
    return old_firings(place.metadata, place.root, keep=policy.keep_firings, before=before)


def _forget_firings(metadata: MetadataStore, firings: Sequence[Firing]) -> None:
    of_trigger: dict[str, list[str]] = {}
    for firing in firings:
        of_trigger.setdefault(firing.trigger, []).append(firing.occurrence)
    for trigger, occurrences in of_trigger.items():
        for batch in _batches(occurrences):
            metadata.delete(Firing, trigger=trigger, occurrence=batch)


def _sweep(
    place: Place, garbage: Sequence[Garbage], held: set[str], unused_since: float, on_progress: OnProgress
) -> set[str]:
    """Take the garbage away that is still unused; return the digests of what went."""
    went: set[str] = set()

    def forget(digests: list[str]) -> None:
        if digests:
            place.metadata.delete(Artifact, digest=digests)
        went.update(digests)

    digests = [each.digest for each in garbage]
    for position, batch in enumerate(_batches(digests)):
        on_progress("deleting", position * _BATCH, len(digests))
        place.sweeper.sweep(batch, unused_since=unused_since, keep=held, forget=forget)
    on_progress("deleting", len(digests), len(digests))
    return went


def _as_it_went(found: Collection, went: set[str]) -> Collection:
    """Return the account of what really went: what came to be used meanwhile is not in it."""
    saved = [each for each in found.garbage if each.digest not in went]
    return replace(
        found,
        garbage=tuple(each for each in found.garbage if each.digest in went),
        recent=found.recent + len(saved),
        recent_bytes=found.recent_bytes + sum(each.size_bytes for each in saved),
    )


def _batches(items: Sequence[str]) -> list[list[str]]:
    return [list(items[start : start + _BATCH]) for start in range(0, len(items), _BATCH)]
