"""The history gives rows back in the order in which they came in, and says when what was made of it does not hold."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import penstock as ps
from penstock.features.history import tables as histories
from penstock.features.history.tables import SEQUENCE, History

START = 1_767_225_600_000_000
DAY = 86_400_000_000


def rows(count: int, seed: int = 0) -> pa.Table:
    """Rows of ten days: some days together, some mixed."""
    random = np.random.default_rng(seed)
    days = np.where(np.arange(count) % 3 == 0, random.integers(0, 10, count), np.arange(count) * 10 // count)
    return pa.table(
        {
            "k": random.integers(0, 20, count),
            "at": pa.array(START + days * DAY + random.integers(0, DAY, count), pa.timestamp("us", "UTC")),
            "text": pa.array([None if number % 7 == 0 else f"t{number % 50}" for number in range(count)]),
            "number": random.normal(size=count),
        }
    )


@pytest.mark.parametrize("long_run", [1, 10, 10**9])
def test_rows_come_back_in_the_order_in_which_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, long_run: int
) -> None:
    monkeypatch.setattr(histories, "_LONG_RUN", long_run)
    written, given = History(str(tmp_path / "h")), [rows(500, 1), rows(3, 2), rows(700, 3)]
    for part in given:
        written.append(part, timestamp="at")
    whole = pa.concat_tables(given)
    found = History(str(tmp_path / "h")).read(whole.column_names)
    assert found.column(SEQUENCE).to_pylist() == list(range(1, 1204))
    assert found.drop_columns([SEQUENCE]).equals(whole)
    some = History(str(tmp_path / "h")).read(["text"], after=400, until=600)
    assert some.column(SEQUENCE).to_pylist() == list(range(401, 601))
    assert some.column("text").equals(whole.column("text").slice(400, 200))


def test_rows_just_appended_are_read_as_from_files_until_rows_are_taken_out(tmp_path: Path) -> None:
    mine, other = History(str(tmp_path / "h")), History(str(tmp_path / "h"))
    mine.append(rows(40, 1), timestamp="at")
    mine.append(rows(60, 2), timestamp="at")
    for after, until in [(40, 100), (50, 90), (0, 100), (20, 60)]:
        read = mine.read(["k", "text", "not there"], after=after, until=until)
        assert read.equals(other.read(["k", "text", "not there"], after=after, until=until))
    shutil.copytree(tmp_path / "h", tmp_path / "copy")
    other.remove(np.array([50, 60]))
    assert mine.read(["k"], after=40, until=100).num_rows == 58
    mine.let_go()
    assert mine.read(["k"], after=40, until=100).num_rows == 58


def test_an_index_made_of_rows_in_memory_is_the_one_made_of_files(
    project: ps.Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("penstock.features.index.retrieval_index._SMALL_ROWS", 10)
    declared = ps.feature_set(
        "s", entities={"k": "int64"}, timestamp="at", features=["text", "number"],
        columns={"text": "string", "number": "float64"},
    )  # fmt: skip
    project.features.apply(declared)
    project.features.ingest(declared, rows(2000))
    (made,) = {path.parent for path in project.root.glob(".penstock/index/**/manifest.json")}
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    shutil.rmtree(project.root / ".penstock" / "index")
    asked = pa.table({"k": [1], "event_timestamp": pa.array([START + 20 * DAY], pa.timestamp("us", "UTC"))})
    ps.open(project.root).features.get_historical_features(asked, ["s:text"])
    assert {path.name: path.read_bytes() for path in made.iterdir()} == before
    assert len(before) > 8
