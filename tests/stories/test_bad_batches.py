"""A bad batch is stopped where it comes in, by what is wrong with it; nothing is learned from it and nothing pushed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

import penstock as ps

late = ps.model("late", type="linear_reg", label="minutes", features={"km": ps.col("km"), "line": ps.col("line")})


@ps.pipeline
def trips(source: str, reference: dict | None = None):
    rows = ps.read(source)
    seen = ps.statistics(rows)
    expected = ps.schema(seen, file="schemas/trips.json", label="minutes", rules=[ps.rule(unique="trip")])
    checked = ps.validate(rows, expected, statistics=reference, severity={"extra_column": "error"})
    graph = ps.fit(late, checked.rows)
    ps.push(graph, name="late")


@ps.pipeline
def answering(source: str):
    rows = ps.read(source)
    trained = ps.statistics.configured(name="trained", modes={"train"})(rows)
    checked = ps.validate(rows, ps.schema(trained, label="minutes"), "set_aside", statistics=trained)
    graph = ps.fit(late, checked.rows)
    ps.push(graph, name="answers")
    ps.predict(graph, checked.rows)


def batch(begin: int = 0, rows: int = 200) -> dict[str, list]:
    """Trips as they should be; the first two times the same in all but the number."""
    numbers = range(begin, begin + rows)
    km = [1.0 + n * 37 % 100 / 10 for n in numbers]
    return {
        "trip": list(numbers),
        "line": [("bus", "tram", "train")[n % 3] for n in numbers],
        "km": km,
        "minutes": [3 + 2 * each for each in km],
    }


def write(root: Path, name: str, columns: dict[str, list]) -> str:
    pyarrow.parquet.write_table(pa.table(columns), root / name)
    return name


BAD: dict[str, tuple[Callable[[dict[str, list]], dict[str, list]], tuple[str, str | None], str]] = {
    "a missing column": (
        lambda rows: {name: rows[name] for name in rows if name != "km"},
        ("missing_column", "km"),
        "column 'km' is missing",
    ),
    "a new category": (
        lambda rows: {**rows, "line": ["boat", *rows["line"][1:]]},
        ("out_of_domain", "line"),
        r"'boat' \(1 row\)",
    ),
    "NULLs": (
        lambda rows: {**rows, "km": [None, None, *rows["km"][2:]]},
        ("unexpected_null", "km"),
        r"has 2 NULLs, where none were",
    ),
    "keys that come twice": (
        lambda rows: {**rows, "trip": [*rows["trip"][:-1], rows["trip"][0]]},
        ("duplicates", None),
        r"\(trip\) comes twice",
    ),
    "a range that has shifted": (
        lambda rows: {**rows, "km": [km + 25 for km in rows["km"]]},
        ("skew", "km"),
        r"'km' has other values than in training .* median 5.9 -> 30.9",
    ),
    "another unit": (
        lambda rows: {**rows, "minutes": [minutes * 60 for minutes in rows["minutes"]]},
        ("unit_changed", "minutes"),
        "'minutes' is about 60 times what it was in training .*seconds instead of minutes",
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ps.Project:
    root = tmp_path_factory.mktemp("trips")
    project = ps.open(root)
    assert project.run(trips, source=write(root, "good.parquet", batch())).state == "succeeded"  # in processes
    return project


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_batch_is_stopped_and_nothing_is_learned_from_it(project: ps.Project, bad: str) -> None:
    spoil, expected, said = BAD[bad]
    champion = project.models["late"].alias("champion").version
    reference = project.runs(pipeline="trips", state="succeeded")[-1].artifact("statistics").load()
    source = write(project.root, "bad.parquet", spoil(batch(begin=200)))
    run = project.run(trips, source=source, reference=reference, engine="inline")
    assert run.state == "failed"
    assert run.steps["validate"].state == "failed"
    assert run.steps["fit"].state == "skipped"
    assert run.steps["push"].state == "skipped"
    assert project.models["late"].alias("champion").version == champion
    rows = pa.table(spoil(batch(begin=200)))
    held = json.loads((project.root / "schemas" / "trips.json").read_text())
    with pytest.raises(ps.errors.DataError, match=said):
        ps.validate(rows, held, statistics=reference)
    found = ps.validate(rows, held, "warn", statistics=reference).report["anomalies"]
    errors = [(each["kind"], each["column"]) for each in found if each["severity"] == "error"]
    assert errors == [expected]


def test_a_good_batch_goes_through_and_a_reviewed_schema_is_held_to(project: ps.Project) -> None:
    source = write(project.root, "good.parquet", batch(begin=200))
    again = project.run(trips, source=source, engine="inline")
    assert again.state == "succeeded"
    assert project.plan(trips, source=source).step("schema").state == "up_to_date"

    file = project.root / "schemas" / "trips.json"
    before = file.read_text()
    file.write_text(before.replace('"max": 399', '"max": 10').replace('"domain": ["bus", ', '"domain": ['))
    assert "trips.json" in project.plan(trips, source=source).step("schema").reason
    run = project.run(trips, source=source, engine="inline")
    assert "values never seen before: 'bus'" in run.steps["validate"].log()
    file.write_text(before)
    assert project.run(trips, source=source, engine="inline").state == "succeeded"


def test_in_inference_new_rows_are_held_to_what_training_saw(project: ps.Project) -> None:
    good = write(project.root, "answering.parquet", batch())
    assert project.run(answering, source=good, engine="inline").state == "succeeded"
    unlabelled = {name: values for name, values in batch(begin=200, rows=60).items() if name != "minutes"}
    odd = {**unlabelled, "line": ["boat", *unlabelled["line"][1:]]}
    run = project.run(answering, source=write(project.root, "new.parquet", odd), mode="infer", engine="inline")
    assert run.state == "succeeded"
    assert run.artifact("validate", "aside").load()["trip"].to_pylist() == [200]
    assert run.steps["validate"].metrics["set_aside"][-1][1] == 1
    assert "set aside 1 of 60 rows" in run.steps["validate"].log()
    predicted = run.artifact("predict").load()
    assert predicted.num_rows == 59
    assert "minutes" not in predicted.column_names

    metres = {**unlabelled, "km": [km * 1000 for km in unlabelled["km"]]}
    run = project.run(answering, source=write(project.root, "new.parquet", metres), mode="infer", engine="inline")
    assert run.steps["predict"].state == "skipped"
    assert "about 1000 times what it was in training" in run.steps["validate"].log()
