"""Features of every instant in a range of time, and of rows that memory has no room for, equal brute force and whole
answers."""

from __future__ import annotations

import datetime
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feature_oracle import Event, instant, newest
from hypothesis import HealthCheck, given, settings, strategies as st
from test_as_of import ENTITIES, HOUR, KEYS, TIMES, VALUES, rows_of

import penstock as ps
from penstock.errors import DataError, DeclarationError, StorageError
from penstock.features.index import retrieval_index as index

numbers = itertools.count()
UTC = datetime.UTC


def declared(name: str, kind: str, type: str, ttl: int | None = None) -> ps.FeatureSet:
    return ps.feature_set(
        name,
        entities=ENTITIES[kind],
        timestamp="event",
        created="made",
        ttl=None if ttl is None else ttl / 1e6,
        features=[name],
        columns={name: type},
    )


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("type", ["float64", "string", "array<int64>"])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_without_entity_rows_every_instant_of_the_range_is_answered_once(
    shared: ps.Project, monkeypatch: pytest.MonkeyPatch, kind: str, type: str, data: st.DataObject
) -> None:
    monkeypatch.setattr(index, "_SMALL_ROWS", data.draw(st.sampled_from([0, 1000])))
    ttl = data.draw(st.sampled_from([None, 1, HOUR]))
    event = st.builds(Event, st.sampled_from(KEYS[kind]), TIMES, TIMES, VALUES[type])
    every: dict[str, list[Event]] = {}
    for _ in range(data.draw(st.integers(1, 2))):
        name = f"r{next(numbers)}"
        shared.features.apply(made := declared(name, kind, type, ttl))
        every[name] = []
        for _ in range(data.draw(st.integers(1, 3))):
            rows = data.draw(st.lists(event, min_size=1, max_size=8))
            table = rows_of(ENTITIES[kind], rows, type)
            shared.features.ingest(made, table.rename_columns([*table.column_names[:-1], name]))
            every[name] += rows
    start, end = sorted(data.draw(st.tuples(TIMES, TIMES)))
    answer = shared.features.get_historical_features(
        None, [f"{name}:{name}" for name in every], start=instant(start), end=instant(end), statuses=True
    )
    happened = {(e.event, e.key) for events in every.values() for e in events if start <= e.event < end}
    asked = sorted(happened)
    assert answer.column("event_timestamp").to_pylist() == [instant(at) for at, _ in asked]
    keys = zip(*(answer.column(key).to_pylist() for key in ENTITIES[kind]), strict=True)
    assert list(keys) == [key for _, key in asked]
    for name, events in every.items():
        expected = [newest(events, key, at, ttl=ttl) for at, key in asked]
        assert answer.column(name).to_pylist() == [value for value, _ in expected]
        assert answer.column(f"{name}__status").to_pylist() == [status for _, status in expected]


EVENTS = [Event((key,), hour * HOUR, hour * HOUR, hour + key / 10) for hour in range(6) for key in (1, 2, 3)]


@pytest.fixture
def filled(project: ps.Project) -> ps.Project:
    project.features.apply(made := declared("value", "int64", "float64"))
    project.features.ingest(made, rows_of(ENTITIES["int64"], EVENTS, "float64"))
    return project


def questions(count: int) -> pa.Table:
    return pa.table(
        {
            "k": [number % 5 for number in range(count)],
            "event_timestamp": pa.array(
                [instant(number * HOUR // 3) for number in range(count)], pa.timestamp("us", "UTC")
            ),
            "label": [f"row {number}" for number in range(count)],
        }
    )


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["penstock.tables.batches"], "BATCH_ROWS", 4)


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("form", ["table", "path", "relation", "rows"])
def test_what_is_written_is_what_is_returned(filled: ps.Project, tmp_path: Path, form: str) -> None:
    asked = questions(18)
    pq.write_table(asked, tmp_path / "asked.parquet")
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    relation = connection.from_arrow(asked)
    given = {"table": asked, "path": tmp_path / "asked.parquet", "relation": relation, "rows": asked.to_pylist()}[form]
    to = filled.features.write_historical_features(tmp_path / "out.parquet", given, ["value:value"], statuses=True)
    written = pq.read_table(to)
    assert written.equals(filled.features.get_historical_features(asked, ["value:value"], statuses=True))
    assert {path.name for path in tmp_path.glob("*.parquet")} == {"asked.parquet", "out.parquet"}


@pytest.mark.usefixtures("small_batches")
def test_a_range_is_written_as_it_is_returned(filled: ps.Project, tmp_path: Path) -> None:
    to = filled.features.write_historical_features(
        tmp_path / "out.parquet", None, ["value:*"], start=instant(HOUR), end=instant(4 * HOUR)
    )
    returned = filled.features.get_historical_features(None, ["value:*"], start=instant(HOUR), end=instant(4 * HOUR))
    assert pq.read_table(to).equals(returned)
    assert returned.num_rows == 9


def test_no_rows_are_a_file_without_rows(filled: ps.Project, tmp_path: Path) -> None:
    to = filled.features.write_historical_features(tmp_path / "out.parquet", questions(0), ["value:value"])
    assert pq.read_table(to).schema.names == ["k", "event_timestamp", "label", "value"]


@pytest.mark.usefixtures("small_batches")
def test_the_file_is_whole_or_as_it_was(filled: ps.Project, tmp_path: Path) -> None:
    to, asked = tmp_path / "out" / "out.parquet", questions(12)
    to.parent.mkdir()

    def breaking() -> Iterator[pa.RecordBatch]:
        yield from asked.to_batches(max_chunksize=4)
        raise OSError("the disk is gone")

    def write() -> None:
        reader = pa.RecordBatchReader.from_batches(asked.schema, breaking())
        filled.features.write_historical_features(to, reader, ["value:value"])

    with pytest.raises((DataError, StorageError), match="the disk is gone"):
        write()
    assert list(to.parent.iterdir()) == []
    to.write_bytes(b"before")
    with pytest.raises((DataError, StorageError), match="the disk is gone"):
        write()
    assert to.read_bytes() == b"before"
    assert list(to.parent.iterdir()) == [to]


@pytest.mark.usefixtures("small_batches")
def test_all_batches_are_answered_as_of_one_state_of_the_history(filled: ps.Project, tmp_path: Path) -> None:
    asked = questions(12)
    before = filled.features.get_historical_features(asked, ["value:value"])

    def ingesting() -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(asked.to_batches(max_chunksize=4)):
            yield batch
            late = [Event((key,), 0, 10**12 + number, 100.0) for key in range(5)]
            filled.features.ingest(
                "value", rows_of(ENTITIES["int64"], late, "float64").rename_columns(["k", "event", "made", "value"])
            )

    reader = pa.RecordBatchReader.from_batches(asked.schema, ingesting())
    to = filled.features.write_historical_features(tmp_path / "out.parquet", reader, ["value:value"])
    assert pq.read_table(to).equals(before)
    assert not filled.features.get_historical_features(asked, ["value:value"]).equals(before)


def test_sets_of_other_entities_cannot_be_asked_for_without_entity_rows(filled: ps.Project) -> None:
    filled.features.apply(made := declared("text", "string", "float64"))
    filled.features.ingest(
        made,
        rows_of(ENTITIES["string"], [Event(("a",), 0, 0, 1.0)], "float64").rename_columns(
            ["k", "event", "made", "text"]
        ),
    )
    with pytest.raises(DeclarationError, match="'value' is of k: int64, 'text' is of k: string"):
        filled.features.get_historical_features(None, ["value:value", "text:text"])


def test_a_range_is_for_questions_without_rows_and_has_a_zone(filled: ps.Project, tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match="without entity rows"):
        filled.features.get_historical_features(questions(1), ["value:value"], start=instant(0))
    with pytest.raises(DataError, match="has no zone"):
        filled.features.get_historical_features(None, ["value:value"], end=datetime.datetime(2026, 1, 1))
    with pytest.raises(StorageError, match="cannot be written"):
        filled.features.write_historical_features(tmp_path / "no" / "x.parquet", questions(1), ["value:value"])
    with pytest.raises(DataError, match="no column 'asked'"):
        filled.features.get_historical_features(questions(1), ["value:value"], known_at="asked")


def test_as_of_an_older_version_there_are_only_its_instants(filled: ps.Project) -> None:
    version = 0
    filled.features.ingest("value", rows_of(ENTITIES["int64"], [Event((9,), 1, 1, 1.0)], "float64"))
    now = filled.features.get_historical_features(None, ["value:value"])
    then = filled.features.get_historical_features(None, ["value:value"], as_of=version)
    assert (now.num_rows, then.num_rows) == (19, 18)
    assert 9 not in then.column("k").to_pylist()
