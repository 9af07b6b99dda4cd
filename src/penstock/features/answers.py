"""Historical features of entity rows in any form, or of every instant in a range of time: as a table, or, where memory
has no room for them, a batch at a time into one Parquet file."""

from __future__ import annotations

import datetime
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import pyarrow as pa
import pyarrow.parquet as pq

from penstock.errors import DataError, DeclarationError, StorageError
from penstock.features.declared.references import Wanted
from penstock.features.declared.versions import Registered
from penstock.features.index.retrieval_index import FeatureIndex
from penstock.features.online.retrieval import Retrieval
from penstock.features.past.historical import EVENT_TIMESTAMP, IndexOf, get_historical_features
from penstock.features.past.instants import every_instant
from penstock.tables import TableLike, batches, resolve, to_arrow


class Asking(TypedDict, total=False):
    """How features are asked for: what `get_historical_features` takes by name."""

    timestamp: str | None
    known_at: str | None
    as_of: int | datetime.datetime | None
    start: datetime.datetime | None
    end: datetime.datetime | None
    full_feature_names: bool
    statuses: bool


@dataclass(frozen=True, slots=True)
class Question:
    """Features that are asked for, of which entity rows (None: of every instant in a range), and how; `until` is the
    number up to which rows of a set's history count."""

    retrieval: Retrieval
    index_of: IndexOf
    entity_rows: TableLike | None
    options: Asking
    until: Callable[[Registered], int | None]


def answer(question: Question) -> pa.Table:
    """Return the entity rows with features behind their columns; without any, every instant of the range with them."""
    return _answered(question, to_arrow(_rows(question)))


def write_answers(question: Question, to: Path) -> Path:
    """Write what `answer` returns to a Parquet file, a batch at a time, all as of one state of the histories.

    The file is whole or not there: it is written beside its place and moved there at the end, over one that is there.
    Raises `StorageError` where it cannot be written, `DeclarationError` for the name of another kind of file.
    """
    check_parquet(to)
    live, pinned = question.index_of, dict[str, FeatureIndex]()

    def index_of(registered: Registered) -> FeatureIndex:
        if registered.name not in pinned:
            pinned[registered.name] = live(registered).pinned()
        return pinned[registered.name]

    question = replace(question, index_of=index_of)
    _write_whole((_answered(question, part) for part in batches(_rows(question))), to.absolute())
    return to


def check_parquet(to: Path) -> None:
    """Raise `DeclarationError` where a file that is to be Parquet is named as one of another kind."""
    if to.suffix not in ("", ".parquet", ".pq"):
        better = to.with_suffix(".parquet").name
        raise DeclarationError(f"'{to.name}' would be Parquet, whatever its name says; call it '{better}'")


def _rows(question: Question) -> TableLike:
    rows, options = question.entity_rows, question.options
    if rows is None:
        return _instants(question)
    if options.get("start") is not None or options.get("end") is not None:
        raise DeclarationError("start and end say for when features are asked for without entity rows; leave them out")
    return resolve(str(rows), root=Path.cwd()) if isinstance(rows, str | Path) else rows


def _instants(question: Question) -> pa.Table:
    retrieval, options = question.retrieval, question.options
    sets = {each.registered.name: each.registered for each in (*retrieval.wanted, *retrieval.looked_up)}
    return every_instant(
        list(sets.values()),
        question.index_of,
        start=options.get("start"),
        end=options.get("end"),
        timestamp=options.get("timestamp") or EVENT_TIMESTAMP,
        until=question.until,
    )


def _answered(question: Question, rows: pa.Table) -> pa.Table:
    options = question.options

    def look_up(wanted: Sequence[Wanted], told: bool) -> pa.Table:
        return get_historical_features(
            rows,
            wanted,
            question.index_of,
            timestamp=options.get("timestamp"),
            known=options.get("known_at"),
            statuses=told,
            until=question.until,
        )

    return question.retrieval.table(rows, look_up, statuses=options.get("statuses", False))


def _write_whole(answers: Iterable[pa.Table], to: Path) -> None:
    try:
        with tempfile.TemporaryDirectory(dir=to.parent, prefix=f".{to.name}-", ignore_cleanup_errors=True) as folder:
            partial = Path(folder) / to.name
            _write(answers, partial)
            os.replace(partial, to)
    except OSError as error:
        raise StorageError(f"'{to}' cannot be written: {error}") from error


def _write(answers: Iterable[pa.Table], path: Path) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for made in answers:
            if writer is None:
                writer = pq.ParquetWriter(path, made.schema, compression="zstd", compression_level=1)
            elif made.schema != writer.schema:
                raise DataError(f"the entity rows change on the way, from {writer.schema} to {made.schema}")
            writer.write_table(made)
    finally:
        if writer is not None:
            writer.close()
