"""Rows in any form come into a feature set: all or none, however many, and bad ones where they are told to go."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest
from deltalake import write_deltalake

import penstock as ps
from penstock.errors import DataError, DeclarationError
from penstock.features.history.tables import History
from penstock.features.ingest import staging

batching = sys.modules["penstock.tables.batches"]  # its name is also that of the function in it

RIDES = ps.feature_set(
    "rides",
    entities={"driver": "int64"},
    timestamp="event",
    features=["fare", "paid"],
    columns={"fare": "float64", "paid": "string"},
)
START = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def rides(count: int = 5, *, first: int = 0) -> pa.Table:
    numbers = range(first, first + count)
    return pa.table(
        {
            "driver": pa.array(numbers, pa.int64()),
            "event": pa.array([START + dt.timedelta(hours=n) for n in numbers], pa.timestamp("us", "UTC")),
            "fare": [n + 0.5 for n in numbers],
            "paid": ["cash" if n % 2 else None for n in numbers],
        }
    )


def stored(project: ps.Project) -> list[dict[str, Any]]:
    history = History(f"{project.root}/.penstock/history/rides")
    if history.version() is None:
        return []
    return history.read(["driver", "event", "fare", "paid"]).to_pylist()


def expected(rows: pa.Table) -> list[dict[str, Any]]:
    return [{**row, "_sequence": number} for number, row in enumerate(rows.to_pylist(), 1)]


def written(rows: pa.Table, root: Path, kind: str) -> Any:
    path = root / f"rides.{kind}"
    match kind:
        case "parquet":
            pyarrow.parquet.write_table(rows, path)
        case "csv":
            pyarrow.csv.write_csv(rows, path)
        case "jsonl":
            lines = [json.dumps({**row, "event": row["event"].isoformat()}) for row in rows.to_pylist()]
            path.write_text("\n".join(lines))
        case "arrow":
            pyarrow.feather.write_feather(rows, str(path), compression="uncompressed")
        case "delta":
            write_deltalake(str(path), rows)
    return path.name


LIBRARIES = {
    "arrow": lambda rows: rows,
    "reader": lambda rows: rows.to_reader(2),
    "parts": lambda rows: iter([rows.slice(0, 2), rows.slice(2).to_pylist()]),
    "pandas": lambda rows: rows.to_pandas(),
    "polars": pl.from_arrow,
    "lazy polars": lambda rows: pl.from_arrow(rows).lazy(),
    "duckdb": lambda rows: duckdb.from_arrow(rows),
    "dicts": lambda rows: rows.to_pylist(),
}


@pytest.mark.parametrize("library", LIBRARIES)
def test_rows_of_every_library_are_the_same_rows(project: ps.Project, library: str) -> None:
    project.features.apply(RIDES)
    done = project.features.ingest(RIDES, LIBRARIES[library](rides()))
    assert done.rows == 5
    assert stored(project) == expected(rides())


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl", "arrow", "delta"])
def test_files_are_the_same_rows_by_path_and_as_the_source(project: ps.Project, kind: str) -> None:
    path = written(rides(), project.root, kind)
    project.features.apply(RIDES)
    assert project.features.ingest(RIDES, path).rows == 5
    assert project.features.ingest(RIDES, project.root / path).rows == 5
    assert stored(project)[:5] == expected(rides())
    sourced = ps.feature_set("sourced", entities={"driver": "int64"}, timestamp="event", source=path)
    project.features.apply(sourced)
    assert project.features.ingest(sourced).rows == 5


def test_a_query_reads_the_projects_tables(tmp_path: Path) -> None:
    written(rides(), tmp_path, "parquet")
    (tmp_path / "penstock.toml").write_text('[tables]\ntrips = "rides.parquet"\n')
    project = ps.open(tmp_path)
    project.features.apply(RIDES)
    project.features.ingest(RIDES, "trips")
    project.features.ingest(RIDES, "SELECT driver, event, fare + 1 AS fare, paid FROM trips WHERE driver > 2")
    assert [row["fare"] for row in stored(project)] == [0.5, 1.5, 2.5, 3.5, 4.5, 4.5, 5.5]


@pytest.mark.server
def test_a_table_and_a_query_of_postgresql_are_sources(tmp_path: Path, postgres: str) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as database:
        database.execute("DROP TABLE IF EXISTS trips")
        database.execute("CREATE TABLE trips (driver int, event timestamptz, fare float8, paid text)")
        with database.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO trips VALUES (%(driver)s, %(event)s, %(fare)s, %(paid)s)", rides().to_pylist()
            )
    (tmp_path / "penstock.toml").write_text(
        f'[tables]\ntrips = {{url = "{postgres}", table = "trips"}}\n'
        f'late = {{url = "{postgres}", query = "SELECT * FROM trips WHERE driver > 2 ORDER BY driver"}}\n'
    )
    project = ps.open(tmp_path)
    project.features.apply(RIDES)
    assert project.features.ingest(RIDES, "trips").rows == 5
    assert project.features.ingest(RIDES, "late").rows == 2
    assert [row["driver"] for row in stored(project)] == [0, 1, 2, 3, 4, 3, 4]


def test_a_stream_of_batches_passes_through_without_being_held(
    project: ps.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staging, "_MEMORY_BYTES", 1 << 20)
    project.features.apply(RIDES)
    held = []
    size = rides(20_000).nbytes

    def parts() -> Iterator[pa.Table]:
        for number in range(20):
            held.append(pa.total_allocated_bytes() - before)
            yield rides(20_000, first=number * 20_000)

    before = pa.total_allocated_bytes()
    assert project.features.ingest(RIDES, parts()).rows == 400_000
    assert max(held) < 5 * size  # of 20 parts
    history = History(f"{project.root}/.penstock/history/rides")
    assert history.version() == 0  # one commit
    read = history.read(["driver"])
    assert read.column("driver").to_pylist() == list(range(400_000))
    assert read.column("_sequence").to_pylist() == list(range(1, 400_001))


@pytest.mark.parametrize("staged", [0, 1 << 30])
def test_a_bad_row_in_a_late_batch_leaves_nothing(
    project: ps.Project, monkeypatch: pytest.MonkeyPatch, staged: int
) -> None:
    monkeypatch.setattr(staging, "_MEMORY_BYTES", staged)
    monkeypatch.setattr(batching, "BATCH_ROWS", 3)
    project.features.apply(RIDES)
    bad = pa.concat_tables(
        [rides(7), pa.table({"driver": [None], "event": [START], "fare": [1.0], "paid": ["x"]}).cast(rides().schema)]
    )
    with pytest.raises(DataError, match="row 7: 'driver' is NULL"):
        project.features.ingest(RIDES, bad)
    assert stored(project) == []
    assert project.features.get_online_features(["rides:fare"], {"driver": [1]}, statuses=True).column(
        "fare__status"
    ).to_pylist() == ["NOT_FOUND"]


def test_an_iterator_that_fails_on_the_way_leaves_nothing(project: ps.Project) -> None:
    project.features.apply(RIDES)

    def parts() -> Iterator[pa.Table]:
        yield rides()
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        project.features.ingest(RIDES, parts())
    assert stored(project) == []


def bad_rows() -> list[dict[str, Any]]:
    good = rides(4).to_pylist()
    return [good[0], {**good[1], "driver": None}, good[2], {**good[3], "event": None}]


@pytest.mark.parametrize("size", [1, 2, 100])
def test_rows_that_cannot_be_stored_come_back(project: ps.Project, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(batching, "BATCH_ROWS", size)
    project.features.apply(RIDES)
    done = project.features.ingest(RIDES, pa.Table.from_pylist(bad_rows(), rides().schema), on_bad="set_aside")
    assert done.rows == 2
    assert done.set_aside.to_pylist() == [bad_rows()[1], bad_rows()[3]]
    assert done.reasons == ("'driver' is NULL", "'event' is NULL")


@pytest.mark.parametrize("size", [1, 3, 100])
def test_dead_letters_are_kept_once_with_reason_and_place(
    project: ps.Project, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(batching, "BATCH_ROWS", size)
    project.features.apply(RIDES)
    assert project.features.dead_letters.read("rides").num_rows == 0
    rows = pa.Table.from_pylist(bad_rows(), rides().schema)
    done = project.features.ingest(RIDES, rows, on_bad="dead_letter", batch="monday")
    assert (done.rows, done.dead_letters, done.reasons) == (2, 2, ())
    assert project.features.ingest(RIDES, rows, on_bad="dead_letter", batch="monday").repeated
    kept = project.features.dead_letters.read("rides").to_pylist()
    assert [(each["position"], each["reason"]) for each in kept] == [(1, "'driver' is NULL"), (3, "'event' is NULL")]
    assert {(each["feature_set"], each["batch"]) for each in kept} == {("rides@1", "monday")}
    assert json.loads(kept[0]["row"]) == {
        "driver": None,
        "event": "2026-11-01T01:00:00+00:00",
        "fare": 1.5,
        "paid": "cash",
    }
    assert project.features.dead_letters.clear("rides") == 2
    assert project.features.dead_letters.count("rides") == 0


def test_an_ingest_that_died_between_dead_letters_and_history_is_repeated_whole(
    project: ps.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.features.apply(RIDES)
    rows = pa.Table.from_pylist(bad_rows(), rides().schema)
    append = History.append

    def dies(self: History, *given: Any, **more: Any) -> Any:
        if self.uri.endswith("/rides"):
            raise KeyboardInterrupt
        return append(self, *given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(History, "append", dies)
        with pytest.raises(KeyboardInterrupt):
            project.features.ingest(RIDES, rows, on_bad="dead_letter", batch="monday")
    assert project.features.ingest(RIDES, rows, on_bad="dead_letter", batch="monday").rows == 2
    assert project.features.dead_letters.count("rides") == 2


def test_progress_is_told_and_ends_at_what_was_stored(project: ps.Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "BATCH_ROWS", 2)
    project.features.apply(RIDES)
    told: list[Any] = []
    done = project.features.ingest(RIDES, rides(), on_progress=told.append)
    assert [(each.stage, each.rows, each.total) for each in told if each.stage == "checking"] == [
        ("checking", 2, 5), ("checking", 4, 5), ("checking", 5, 5),
    ]  # fmt: skip
    assert [each.rows for each in told if each.stage == "storing"] == [2, 4, 5]
    assert told[-1].stage == "done"
    assert told[-1].rows == 5
    assert "5 rows stored in" in done.message
    assert "rows/s" in done.message


def test_only_a_stream_is_followed(project: ps.Project) -> None:
    project.features.apply(RIDES)
    with pytest.raises(DeclarationError, match="only a stream can be followed"):
        project.features.ingest(RIDES, rides(), follow=True)


def test_a_pandas_frame_with_an_integer_that_became_a_float_is_told_exactly(project: ps.Project) -> None:
    project.features.apply(RIDES)
    frame = rides().to_pandas()
    frame["driver"] = frame["driver"].astype(float)
    assert project.features.ingest(RIDES, frame).rows == 5
    frame.loc[3, "driver"] = 3.5
    with pytest.raises(DataError, match="row 3: 'driver' is no int64 exactly"):
        project.features.ingest(RIDES, frame)
    assert isinstance(frame, pd.DataFrame)
