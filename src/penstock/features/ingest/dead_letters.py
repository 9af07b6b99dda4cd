"""Dead letters: rows and messages that could not be stored, kept by the project with the reason, so that none is lost
when nobody looks at what an ingest returns."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from penstock.errors import StorageError
from penstock.features.history.histories import Histories
from penstock.features.history.tables import SEQUENCE, Commit, History, Move, Rows
from penstock.features.history.times import zoned
from penstock.features.ingest.checking import Checked
from penstock.features.ingest.letter_owners import owner_check
from penstock.operations.notation import value_to_json
from penstock.tables import schema_of

_SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("us", "UTC")),
        ("feature_set", pa.string()),
        ("source", pa.string()),
        ("batch", pa.string()),
        ("position", pa.int64()),
        ("reason", pa.string()),
        ("row", pa.string()),
    ]
)
"""`time` is when it was refused, `feature_set` the version that refused it (`rides@2`), `source` the stream it came
from, `position` which row of the batch it was, or which message of the stream, from 0; `row` is JSON, or what came."""


class DeadLetters:
    """The dead letters of a project's feature sets: `project.features.dead_letters.read("rides")`. Those of a set are a
    Delta table beside its history, `rides__dead_letters`."""

    def __init__(self, histories: Histories) -> None:
        self._histories = histories

    def read(self, feature_set: str) -> pa.Table:
        """Return the dead letters of a feature set, the oldest first."""
        history = self._history(feature_set)
        if history.version() is None:
            return _SCHEMA.empty_table()
        return history.read(_SCHEMA.names).select(_SCHEMA.names)

    def count(self, feature_set: str) -> int:
        """Return how many there are."""
        return int(self.read(feature_set).num_rows)

    def clear(self, feature_set: str, *, before: datetime.datetime | None = None) -> int:
        """Take dead letters out for good, all or those of before an instant; return how many."""
        until = datetime.datetime.now(datetime.UTC) if before is None else zoned(before, "before")
        history = self._history(feature_set)
        if history.version() is None:
            return 0
        return history.remove_before("time", until)

    def forget(self, feature_set: str, entities: pa.Table) -> int:
        """Take the dead letters of entities out for good; return how many. Raises `StorageError` if one is left."""
        history, theirs = self._history(feature_set), owner_check(entities)
        if history.version() is None:
            return 0

        def found() -> np.ndarray[Any, np.dtype[np.int64]]:
            letters = history.read(["row"])
            mine = [theirs(row) for row in letters.column("row").to_pylist()]
            return np.asarray(letters.column(SEQUENCE).to_numpy()[np.array(mine, dtype=bool)])

        count = history.remove(found()) if len(found()) else 0
        if left := len(found()):
            raise StorageError(f"{left} dead letters of these entities came in meanwhile; forget them again")
        return count

    def add(
        self, feature_set: str, rows: Rows, *, batch: str = "", moves: Mapping[str, Move] | None = None
    ) -> Commit | None:
        """Keep rows of dead letters, once for each batch."""
        return self._history(feature_set).append(rows, timestamp="time", batch=batch, moves=moves)

    def sources(self, feature_set: str, names: list[str]) -> dict[str, int]:
        """Return up to which sequence the bad messages of each source are kept here."""
        return self._history(feature_set).sources(names)

    def _history(self, feature_set: str) -> History:
        return self._histories.open(f"{feature_set}__dead_letters")


def letters(name: str, checked: Checked, *, first: int, batch: str, now: int) -> pa.Table:
    """Return the rows that a check refused as dead letters; `first` is the number of the first row that was checked."""
    return dead_letters(
        name,
        positions=(checked.positions + first).tolist(),
        reasons=list(checked.reasons),
        rows=as_json(checked.refused),
        batch=batch,
        now=now,
    )


def dead_letters(
    name: str,
    *,
    positions: list[int],
    reasons: list[str],
    rows: list[str],
    now: int,
    source: str = "",
    batch: str = "",
) -> pa.Table:
    """Return a table of dead letters."""
    count = len(rows)
    columns = [np.full(count, now), [name] * count, [source] * count, [batch] * count, positions, reasons, rows]
    return pa.table(
        [pa.array(values, pa.int64()).view(field.type) if field.name == "time" else pa.array(values, field.type)
         for values, field in zip(columns, _SCHEMA, strict=True)],
        schema=_SCHEMA,
    )  # fmt: skip


def as_json(rows: pa.Table) -> list[str]:
    """Return rows as JSON objects."""
    types = {field.name: field.type for field in schema_of(rows.schema)}
    return [
        msgspec.json.encode({name: value_to_json(value, types[name]) for name, value in row.items()}).decode()
        for row in rows.to_pylist()
    ]
