"""`penstock features`: what modules declare is applied, found, shown and read, on the screen or as JSON."""

from __future__ import annotations

import datetime as dt
import json
import sys
from pathlib import Path
from typing import Any

import click
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

import penstock as ps
from penstock.cli import main
from penstock.cli.features import features as group

DECLARED = """
import penstock as ps

price = ps.feature_service("price", ["rides:fare", "calls:ratio"])
calls = ps.feature_set(
    "calls", entities={"driver_id": "int64"}, timestamp="at", columns={"n": "int64"},
    features={"n": ps.col("n"), "ratio": ps.feature("rides:fare") / ps.feature("calls:n")},
)
rides = ps.feature_set(
    "rides", entities={"driver_id": "int64"}, timestamp="at", ttl="100d", columns={"fare": "float64", "city": "string"},
    features={"fare": ps.col("fare"), "city": ps.col("city")},
    description="What a driver earns", owner="pricing@example.com", tags={"team": "money"},
)
"""
NOW = dt.datetime.now(dt.UTC)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "penstock.toml").write_text('[project]\nmodules = ["declared_sets"]\n')
    (tmp_path / "declared_sets.py").write_text(DECLARED)
    return tmp_path


@pytest.fixture
def filled(root: Path) -> Path:
    call(root, "apply")
    store = ps.open(root).features
    hour = dt.timedelta(hours=1)
    times = [NOW - 2 * hour, NOW - hour, NOW - hour]
    store.ingest(
        "rides", pa.table({"driver_id": [7, 7, 9], "at": times, "fare": [10.0, 20.0, 5.0], "city": list("abc")})
    )
    store.ingest("calls", pa.table({"driver_id": [7], "at": times[:1], "n": [4]}))
    return root


def call(root: Path, *arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(main, ["-C", str(root), "features", *arguments])
    assert done.exit_code == code, done.output
    return done


def told(root: Path, *arguments: str) -> Any:
    return json.loads(call(root, *arguments, "--json").stdout)


def test_every_command_of_the_group_has_help() -> None:
    assert isinstance(group, click.Group)
    for name in group.commands:
        done = CliRunner().invoke(main, ["features", name, "--help"])
        assert done.exit_code == 0
        assert len(done.output.splitlines()) > 4


def test_what_modules_declare_is_applied_each_after_what_it_reads(root: Path) -> None:
    assert [each["name"] for each in told(root, "apply")] == ["rides", "calls", "price"]
    assert [each["new"] for each in told(root, "apply")] == [False] * 3
    assert "nothing changed" in call(root, "apply", "rides").output


def test_one_set_or_one_module_is_applied_by_its_name(root: Path) -> None:
    assert [each["name"] for each in told(root, "apply", "rides")] == ["rides"]
    assert len(told(root, "apply", "declared_sets")) == 3
    assert "Did you mean 'rides'?" in call(root, "apply", "ride", code=2).output


def test_a_changed_declaration_is_the_next_version_which_says_what_changed(root: Path) -> None:
    call(root, "apply")
    (root / "declared_sets.py").write_text(DECLARED.replace('"fare": ps.col("fare"), ', '"fare": ps.col("fare") * 2, '))
    del sys.modules["declared_sets"]
    first = told(root, "apply", "rides")[0]
    assert (first["version"], first["new"], len(first["changes"])) == (2, True, 1)
    newest, oldest = told(root, "versions", "rides")
    assert (newest["version"], newest["changes"], oldest["changes"]) == (2, first["changes"], [])
    assert told(root, "show", "rides@1")["version"] == 1


def test_sets_are_listed_shown_and_searched(filled: Path) -> None:
    assert [each["name"] for each in told(filled, "list")] == ["calls", "rides"]
    shown = call(filled, "show", "rides").output
    for text in ("rides@1", "What a driver earns", "pricing@example.com", "team=money", "driver_id int64", "100d"):
        assert text in shown
    assert "3 of 1 ingest," in shown
    fare, city = shown.splitlines()[-2:]
    assert fare.split() == ["fare", "float64", "stored", "0.0%", "5", "11.6667", "20"]
    assert city.split()[:4] == ["city", "string", "stored", "0.0%"]
    assert "a 33%, b 33%, c 33%" in city
    counted = told(filled, "show", "rides")["statistics"]
    assert (counted["rows"], counted["features"]["city"]["top"]) == (3, [["a", 1], ["b", 1], ["c", 1]])
    lineage = told(filled, "show", "rides")["lineage"]
    assert (lineage["sets"], lineage["services"], lineage["models"]) == (["calls@1"], ["price@1"], [])
    assert told(filled, "show", "calls")["lineage"]["reads"] == ["rides@1:fare"]
    [hit] = told(filled, "search", "fare", "EARNS")
    assert (hit["name"], hit["found"]) == ("rides", [["feature", "fare"], ["description", "What a driver earns"]])
    assert told(filled, "search", "fare", "weather") == []
    assert "no feature set has" in call(filled, "search", "weather").output
    assert "Did you mean 'rides'?" in call(filled, "show", "ride", code=2).output


def test_a_stale_set_is_shown_as_stale(root: Path) -> None:
    (root / "declared_sets.py").write_text(DECLARED.replace('ttl="100d"', 'freshness="90m"'))
    sys.modules.pop("declared_sets", None)
    call(root, "apply", "rides")
    assert "90m" in call(root, "show", "rides").output
    assert "stale" not in call(root, "show", "rides").output
    old = pa.table({"driver_id": [7], "at": [NOW - dt.timedelta(hours=5)], "fare": [1.0], "city": ["a"]})
    ps.open(root).features.ingest("rides", old)
    assert "the newest event is 5 h old" in call(root, "show", "rides").output
    freshness = told(root, "show", "rides")["freshness"]
    assert (freshness["stale"], freshness["freshness_seconds"]) == (True, 5400.0)
    assert "stale" in call(root, "list").output.splitlines()[1]
    ps.open(root).features.ingest("rides", old.set_column(1, "at", pa.array([NOW])))
    assert told(root, "show", "rides")["freshness"]["stale"] is False


def test_rows_get_features_as_of_their_time(filled: Path, tmp_path: Path) -> None:
    rows = pa.table({"driver_id": [7, 7, 1], "event_timestamp": [NOW - dt.timedelta(minutes=90), NOW, NOW]})
    pq.write_table(rows, tmp_path / "rows.parquet")
    found = told(filled, "history", "rides", str(tmp_path / "rows.parquet"), "fare", "calls:ratio")
    assert [(row["fare"], row["ratio"]) for row in found] == [(10.0, 2.5), (20.0, 5.0), (None, None)]
    assert list(found[0]) == ["driver_id", "event_timestamp", "fare", "ratio"]
    everything = told(filled, "history", "rides", str(tmp_path / "rows.parquet"), "--statuses")
    assert {"fare", "city", "fare__status", "city__status"} < set(everything[0])
    call(filled, "history", "rides", str(tmp_path / "rows.parquet"), "fare", "-o", str(tmp_path / "out.parquet"))
    assert pq.read_table(tmp_path / "out.parquet").column("fare").to_pylist() == [10.0, 20.0, None]


def test_online_features_of_entities_by_their_keys(filled: Path) -> None:
    rows = told(filled, "online", "rides", "calls:ratio", "--key", "driver_id=7", "--key", "driver_id=1", "--statuses")
    assert rows[0]["driver_id"] == 7
    assert (rows[0]["fare"], rows[0]["city"], rows[0]["ratio"]) == (20.0, "b", 5.0)
    assert rows[1]["fare__status"] == "NOT_FOUND"
    assert (
        "the key 'driver_id' is int64, and 'x' is none"
        in call(filled, "online", "rides", "-k", "driver_id=x", code=3).output
    )
    assert "Did you mean 'driver_id'?" in call(filled, "online", "rides", "-k", "driver=1", code=2).output
    assert "which entity?" in call(filled, "online", "rides", code=2).output


def test_rows_are_taken_out_only_when_that_was_said_twice(filled: Path) -> None:
    call(filled, "forget", "rides", "--key", "driver_id=7", code=1)  # nobody answers
    assert told(filled, "online", "rides", "--key", "driver_id=7")[0]["fare"] == 20.0
    assert told(filled, "forget", "rides", "--key", "driver_id=7", "--yes") == {
        "rows": 2,
        "online": 1,
        "dead_letters": 0,
    }
    assert told(filled, "online", "rides", "--key", "driver_id=7")[0]["fare"] is None
    assert "NOT_FOUND" in call(filled, "online", "rides", "--key", "driver_id=7").output
    assert told(filled, "expire", "rides", "--before", "2100-01-01", "--yes") == {"rows": 1}


def test_compact_and_materialize_change_no_answer(filled: Path) -> None:
    ps.open(filled).features.ingest(
        "calls", pa.table({"driver_id": [9], "at": [NOW - dt.timedelta(hours=2)], "n": [1]})
    )
    before = told(filled, "online", "calls:n", "-k", "driver_id=7", "-k", "driver_id=9")
    assert told(filled, "compact", "calls")["files_fewer"] >= 0
    assert told(filled, "materialize", "calls") == {"entities": 0}
    assert told(filled, "online", "calls:n", "-k", "driver_id=7", "-k", "driver_id=9") == before


def test_declarations_of_modules_are_applied_where_the_project_is(root: Path) -> None:
    done = CliRunner().invoke(main, ["-C", "http://127.0.0.1:1", "features", "apply"])
    assert done.exit_code == 2
    assert "applying what modules declare is done where the project is" in done.output


def test_a_file_is_ingested_with_its_bad_rows_as_dead_letters(root: Path) -> None:
    call(root, "apply")
    lines = ["driver_id,at,fare,city", "7,2026-11-01T08:00:00Z,1.5,a", ",2026-11-01T08:00:00Z,2.5,b"]
    (root / "rides.csv").write_text("\n".join(lines))
    assert "'driver_id' is NULL" in call(root, "ingest", "rides", "rides.csv", code=3).output
    done = told(root, "ingest", "rides", "rides.csv", "--batch", "monday", "--on-bad", "dead_letter")
    assert (done["rows"], done["dead_letters"], done["repeated"]) == (1, 1, False)
    assert "there already" in call(root, "ingest", "rides", "rides.csv", "--batch", "monday").output
    (letter,) = told(root, "dead-letters", "rides")
    assert (letter["reason"], letter["position"], letter["batch"]) == ("'driver_id' is NULL", 1, "monday")
    assert told(root, "dead-letters", "rides", "--clear") == {"cleared": 1}
    assert "no dead letters" in call(root, "dead-letters", "rides").output
    assert "only a stream can be followed" in call(root, "ingest", "rides", "rides.csv", "--follow", code=2).output
