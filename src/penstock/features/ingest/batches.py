"""Ingest: rows that pass the checks go into the history as one commit; those that do not, where they were told to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from penstock.features.declared.definition import Definition
from penstock.features.history.tables import Commit, History
from penstock.features.ingest.checking import Checked, OnBad, check_rows
from penstock.features.ingest.dead_letters import DeadLetters, letters
from penstock.features.ingest.staging import Staging
from penstock.tables import Batched, arrow_type, batches, known_rows

Stage = Literal["checking", "storing", "serving", "done"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an ingest is: rows that were checked, then stored; how many there are in all, if that is known; how many
    could not be stored; and how long it has taken."""

    stage: Stage
    rows: int
    total: int | None
    refused: int
    seconds: float

    @property
    def rows_per_second(self) -> float:
        """How many rows of this stage a second has had so far, from the beginning of the ingest."""
        return self.rows / self.seconds if self.seconds else 0.0


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingest did: rows stored, rows set aside with the reason for each, columns that no feature reads, and the
    version of the history that has the rows (None: nothing was added). `repeated`: the batch was there already.
    `dead_letters` is how many rows went to the table of dead letters. `seconds` is how long it took."""

    feature_set: str
    rows: int
    set_aside: pa.Table = field(repr=False)
    reasons: tuple[str, ...]
    unread: tuple[str, ...]
    version: int | None
    repeated: bool = False
    dead_letters: int = 0
    seconds: float = 0.0

    @property
    def message(self) -> str:
        """One line for a person."""
        if self.repeated:
            return f"{self.feature_set}: the batch is there already; nothing was stored"
        speed = f" in {self.seconds:.1f} s ({self.rows / self.seconds:,.0f} rows/s)" if self.seconds else ""
        aside = f"; {len(self.reasons):,} rows set aside" if self.reasons else ""
        dead = f"; {self.dead_letters:,} dead letters" if self.dead_letters else ""
        return f"{self.feature_set}: {self.rows:,} rows stored{speed}{aside}{dead}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where the rows of a feature set go; `name` is that of its version, `staging` a folder for what does not fit into
    memory, `count` keeps what the rows of a commit are like, `serve` brings up what is made of the history."""

    name: str
    definition: Definition
    history: History
    dead_letters: DeadLetters
    staging: Path
    count: Callable[[Commit, str], object]
    serve: Callable[[], object]


def ingest_rows(
    target: Target,
    rows: Batched,
    *,
    batch: str = "",
    on_bad: OnBad = "fail",
    on_progress: OnProgress | None = None,
) -> Ingested:
    """Store rows in the history: all that pass the checks, in one commit, or none. They go through a batch at a time.

    Raises `DataError` where a value does not fit, unless `on_bad` says where such rows go.
    """
    clock = _Clock(on_progress)
    if batch and target.history.has_batch(batch):
        target.serve()  # the ingest before may have been killed between the two
        return Ingested(target.name, 0, pa.table({}), (), (), None, repeated=True)
    clock.total = known_rows(rows)
    with ExitStack() as stack:
        memory = 1 << 62 if isinstance(rows, pa.Table) else None  # what is in memory already needs no file
        good = stack.enter_context(Staging(target.staging, memory_bytes=memory))
        bad = stack.enter_context(Staging(target.staging))
        aside: list[Checked] = []
        unread: tuple[str, ...] = ()
        for first, checked in _checked(target.definition, rows, on_bad):
            good.add(with_created(target.definition, checked.rows, clock.now))
            unread = tuple(dict.fromkeys([*unread, *checked.unread]))
            if on_bad == "dead_letter" and checked.reasons:
                bad.add(letters(target.name, checked, first=first, batch=batch, now=clock.now))
            elif checked.reasons or not aside:
                aside.append(checked)
            clock.told("checking", first + checked.rows.num_rows + len(checked.reasons), bad.num_rows)
        if bad.num_rows:  # first, so that none is lost; a repetition of the batch does not add them again
            target.dead_letters.add(target.definition.name, bad, batch=batch)
        commit = None
        if good.num_rows:
            clock.total = good.num_rows
            commit = target.history.append(
                good.table() or good,
                timestamp=target.definition.set.timestamp,
                batch=batch,
                tell=lambda stored: clock.told("storing", stored, bad.num_rows),
            )
        if commit is not None:
            target.count(commit, batch)
        clock.told("serving", good.num_rows, bad.num_rows)
        target.serve()
        stored = 0 if commit is None else good.num_rows
        clock.told("done", stored, bad.num_rows)
        return Ingested(
            target.name,
            stored,
            pa.concat_tables([each.refused for each in aside]) if aside else pa.table({}),
            tuple(reason for each in aside for reason in each.reasons),
            unread,
            None if commit is None else commit.version,
            repeated=commit is None and good.num_rows > 0,
            dead_letters=bad.num_rows,
            seconds=clock.seconds,
        )


def _checked(definition: Definition, rows: Batched, on_bad: OnBad) -> Iterator[tuple[int, Checked]]:
    """Yield the rows of each batch, checked, with the number of the first."""
    first = 0
    for table in batches(rows):
        yield first, check_rows(definition, table, on_bad=on_bad, first=first)
        first += table.num_rows


def with_created(definition: Definition, rows: pa.Table, now: int) -> pa.Table:
    """Return rows with the time at which they became known, where they have none of their own."""
    if definition.set.created is not None:
        return rows
    created = np.full(rows.num_rows, now, dtype=np.int64)
    return rows.append_column(definition.created, pa.array(created).view(arrow_type("timestamp")))


class _Clock:
    """When an ingest began, by which rows without a time of their own were created, and who hears how far it is."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self.now = time.time_ns() // 1000
        self.total: int | None = None
        self._began = time.monotonic()
        self._on_progress = on_progress

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def told(self, stage: Stage, rows: int, refused: int) -> None:
        if self._on_progress is not None:
            self._on_progress(Progress(stage=stage, rows=rows, total=self.total, refused=refused, seconds=self.seconds))
