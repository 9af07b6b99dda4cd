"""How records become rows: the table, identity and order of every kind of record, in one literal mapping."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite

from penstock.core.artifact import Artifact
from penstock.core.feature import FeatureVersion, IngestStatistics
from penstock.core.run import (
    AliasChange,
    Attempt,
    CacheEntry,
    Cancellation,
    Heartbeat,
    Lease,
    Metric,
    ModelVersion,
    NameChange,
    NamedVersion,
    Record,
    Run,
    StartRequest,
    StepRun,
)
from penstock.core.trigger import Firing, Pause, Trigger
from penstock.errors import DataError, UnknownNameError

R = TypeVar("R", bound=Record)


_DIALECT = sqlite.dialect()


class RecordTable(Generic[R]):
    """One kind of record as a table: a column for each field, JSON text where the field is a dict or a tuple.

    The statements that each step of a run needs are texts as the database's driver takes them; the others are
    SQLAlchemy's.
    """

    def __init__(self, kind: type[R], name: str, *, identity: tuple[str, ...], order: tuple[str, ...]) -> None:
        self.kind, self.name, self.identity, self.order = kind, name, identity, order
        hints = typing.get_type_hints(kind)
        self.fields = tuple(field.name for field in dataclasses.fields(kind))
        self.decoders = {
            field: msgspec.json.Decoder(hints[field])
            for field in self.fields
            if typing.get_origin(hints[field]) in (dict, tuple)
        }
        self.table = sa.table(name, *(sa.column(field) for field in self.fields))

    @cached_property
    def insert(self) -> str:
        """The statement that inserts a `row`."""
        return _text(sa.insert(self.table))

    @cached_property
    def upsert(self) -> str:
        """The statement that inserts a `row`, or replaces the one of its identity."""
        statement = sqlite.insert(self.table)  # PostgreSQL has the same clause, in its own dialect's `insert`
        rest = {field: statement.excluded[field] for field in self.fields if field not in self.identity}
        return _text(statement.on_conflict_do_update(index_elements=list(self.identity), set_=rest))

    @cached_property
    def select_one(self) -> str:
        """The statement that finds the row of an identity."""
        return _text(
            sa.select(self.table).where(*(self.table.c[field] == sa.bindparam(field) for field in self.identity))
        )

    def row(self, record: R) -> tuple[Any, ...]:
        """Return the columns of a record."""
        row = {field: getattr(record, field) for field in self.fields}
        for field in self.decoders:
            try:
                row[field] = msgspec.json.encode(row[field]).decode()
            except (TypeError, OverflowError) as error:
                raise DataError(f"{self.kind.__name__}.{field} cannot be recorded as JSON: {error}") from error
        return tuple(row.values())

    def record(self, row: Iterable[Any]) -> R:
        """Return the record of a row."""
        values: dict[str, Any] = dict(zip(self.fields, row, strict=True))
        for field, decoder in self.decoders.items():
            values[field] = decoder.decode(values[field])
        return self.kind(**values)

    def condition(self, equal: Mapping[str, Any]) -> sa.ColumnElement[bool]:
        """Return the condition that fields equal values, or any of a list of values."""
        clauses = []
        for field, value in equal.items():
            if field not in self.fields or field in self.decoders:
                plain = [name for name in self.fields if name not in self.decoders]
                raise UnknownNameError("field", field, plain, within=self.kind.__name__)
            column = self.table.c[field]
            clauses.append(column.in_(value) if isinstance(value, list | tuple | set) else column == value)
        return sa.and_(sa.true(), *clauses)

    def ordering(self, *, newest_first: bool) -> Sequence[sa.ColumnElement[Any]]:
        """Return what rows are sorted by; the identity breaks ties, so that an order is always the same."""
        columns = [self.table.c[field] for field in self._ordered_by]
        return [column.desc() for column in columns] if newest_first else columns

    def behind(self, record: R, *, newest_first: bool) -> sa.ColumnElement[bool]:
        """Return the condition that a row comes after a record in the order of `ordering`."""
        columns = sa.tuple_(*(self.table.c[field] for field in self._ordered_by))
        values = sa.tuple_(*(getattr(record, field) for field in self._ordered_by))
        return columns < values if newest_first else columns > values

    @property
    def _ordered_by(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.order, *self.identity)))


def _text(statement: sa.ClauseElement) -> str:
    return str(statement.compile(dialect=_DIALECT))


RECORDS: dict[type, RecordTable[Any]] = {
    kind: RecordTable(kind, name, identity=identity, order=order)
    for kind, name, identity, order in (
        (Run, "runs", ("id",), ("created",)),
        (StepRun, "step_runs", ("run", "step"), ("position",)),
        (Artifact, "artifacts", ("digest",), ("created",)),
        (CacheEntry, "cache_entries", ("key",), ("created",)),
        (ModelVersion, "model_versions", ("model", "version"), ("created",)),
        (AliasChange, "alias_changes", ("model", "alias", "sequence"), ("created",)),
        (Attempt, "attempts", ("run", "step", "number"), ("number",)),
        (Heartbeat, "heartbeats", ("run",), ("beat",)),
        (Lease, "leases", ("key",), ("created",)),
        (Cancellation, "cancellations", ("run",), ("created",)),
        (Metric, "metrics", ("run", "step", "name", "sequence"), ("sequence",)),
        (Trigger, "triggers", ("name",), ("created",)),
        (Pause, "pauses", ("trigger",), ("created",)),
        (Firing, "firings", ("trigger", "occurrence"), ("created",)),
        (NamedVersion, "named_versions", ("name", "version"), ("created",)),
        (NameChange, "name_changes", ("name", "alias", "sequence"), ("created",)),
        (StartRequest, "start_requests", ("key",), ("created",)),
        (FeatureVersion, "feature_versions", ("kind", "name", "version"), ("created",)),
        (IngestStatistics, "ingest_statistics", ("history", "digest", "first", "last"), ("created",)),
    )
}
"""A new kind of record is a line here and a migration that makes its table."""
