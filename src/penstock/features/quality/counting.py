"""Statistics kept as rows come in: each ingest records what its rows were like, with the numbers that they got.

So a batch that is ingested again counts once, and what an ingest that was killed did not record is seen to be missing:
it is counted when somebody looks. Records of many small ingests are put together; the newest are kept apart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from penstock.core.feature import IngestStatistics
from penstock.core.ports import MetadataStore
from penstock.errors import ConflictError
from penstock.features.declared.versions import Registered
from penstock.features.history.tables import Commit, History
from penstock.features.index.retrieval_index import microseconds, stored_values
from penstock.features.quality.sketches import merge_all, sketch_rows

_ROWS = 1 << 22  # that are looked at together
KEPT = 64
"""How many of the newest ingests are kept apart; there are at most twice as many before older ones are put together."""


def count_commit(
    metadata: MetadataStore, registered: Registered, history: History, commit: Commit, *, batch: str = ""
) -> None:
    """Keep what the rows of a commit are like. Called right after it, nothing is read again: the history has them."""
    [made] = _counted(registered, history, (commit.first, commit.last), ())
    metadata.write(replace(made, batch=batch))
    if commit.version % KEPT == 0:
        count_missing(metadata, registered, history)


def count_missing(metadata: MetadataStore, registered: Registered, history: History) -> list[IngestStatistics]:
    """Return the statistics of a set's history, ingest by ingest, the oldest first; what is missing is counted now.

    Rows that came together are counted together, as far as a record of another version says which did.
    """
    found = metadata.find(IngestStatistics, history=registered.record.history)
    own = [each for each in found if each.digest == registered.definition.values_digest and each.rows >= 0]
    chosen, gaps = _cover(own, history.sequence_at())
    made = [record for gap in gaps for record in _counted(registered, history, gap, found)]
    if made:
        metadata.write(*made)
    return _put_together(metadata, sorted([*chosen, *made], key=lambda each: each.first))


@contextmanager
def counted_anew(
    metadata: MetadataStore, versions: Sequence[Registered], history_of: Callable[[Registered], History]
) -> Iterator[None]:
    """Drop what is known of the rows of a set's versions before some are taken out; count those that are left after it.

    Which rows came together stays.
    """
    newest = {registered.record.history: registered for registered in versions}
    for history in newest:
        found = metadata.find(IngestStatistics, history=history)
        if found:
            metadata.write(*(replace(each, rows=-1, features={}) for each in found))
    yield
    for registered in newest.values():
        left = history_of(registered)
        if left.version() is not None:
            count_missing(metadata, registered, left)


def merged(records: Sequence[IngestStatistics]) -> IngestStatistics:
    """Return the statistics of several ingests, given the oldest first, as those of one."""
    events = [each for each in records if each.last_event is not None]
    # An event from the future says no more than that it came.
    newest = max(
        events,
        key=lambda each: (min((each.last_event or 0) / 1_000_000, each.reached), -each.reached),
        default=records[-1],
    )
    return replace(
        records[-1],
        first=records[0].first,
        ingests=sum(each.ingests for each in records),
        batch="" if len(records) > 1 else records[0].batch,
        rows=sum(each.rows for each in records),
        first_event=min((each.first_event for each in events if each.first_event is not None), default=None),
        last_event=max((each.last_event for each in events if each.last_event is not None), default=None),
        features=merge_all(each.features for each in records),
        reached=newest.reached,
        created=max(each.created for each in records),
    )


def _cover(records: Sequence[IngestStatistics], last: int) -> tuple[list[IngestStatistics], list[tuple[int, int]]]:
    """Return records none of which has rows of another, and the ranges up to `last` that they leave out."""
    chosen, gaps, covered = [], [], 0
    for record in sorted(records, key=lambda each: (each.first, -each.last)):
        if record.first <= covered or record.last > last:  # of those put together, or of another history
            continue
        if record.first > covered + 1:
            gaps.append((covered + 1, record.first - 1))
        chosen.append(record)
        covered = record.last
    return chosen, [*gaps, (covered + 1, last)] if covered < last else gaps


def _counted(
    registered: Registered, history: History, gap: tuple[int, int], known: Sequence[IngestStatistics]
) -> Iterator[IngestStatistics]:
    """Yield the statistics of the rows of a gap, cut where another record says that an ingest ends."""
    first, last = gap
    same = {(each.first, each.last): each for each in known}
    for end in sorted({last, *(each.last for each in known if first <= each.last < last)}):
        parts = [
            _part(registered, history, start, min(start + _ROWS - 1, end)) for start in range(first, end + 1, _ROWS)
        ]
        made = merged(parts)
        told = same.get((first, end))
        if told is not None:
            made = replace(made, batch=told.batch, reached=told.reached, created=told.created)
        yield replace(made, ingests=1 if told is None else told.ingests)
        first = end + 1


def _part(registered: Registered, history: History, first: int, last: int) -> IngestStatistics:
    definition, now = registered.definition, time.time()
    rows = history.read([*definition.columns.names], after=first - 1, until=last)
    events = microseconds(rows.column(definition.set.timestamp))
    return IngestStatistics(
        history=registered.record.history,
        digest=definition.values_digest,
        first=first,
        last=last,
        rows=rows.num_rows,
        first_event=int(events.min()) if len(events) else None,
        last_event=int(events.max()) if len(events) else None,
        features=sketch_rows(stored_values(definition, rows), definition.stored_schema),
        reached=now,
        created=now,
    )


def _put_together(metadata: MetadataStore, records: list[IngestStatistics]) -> list[IngestStatistics]:
    if len(records) <= 2 * KEPT:
        return records
    older, newest = records[:-KEPT], records[-KEPT:]
    whole = merged(older)
    try:
        metadata.insert(whole)
    except ConflictError:  # another process did it
        return [whole, *newest]
    for each in older:  # until they are gone, whoever looks takes the one that covers them
        metadata.delete(IngestStatistics, history=each.history, digest=each.digest, first=each.first, last=each.last)
    return [whole, *newest]
