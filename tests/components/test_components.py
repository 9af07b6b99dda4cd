"""The prebuilt steps as plain functions: what they promise outside a pipeline."""

from __future__ import annotations

import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

import penstock as ps
from penstock.errors import DataError, DeclarationError, UnknownNameError

ROWS = pa.table(
    {
        "at": [datetime.datetime(2024, 1, 1 + n % 28, tzinfo=datetime.UTC) for n in range(100)],
        "km": [float(n) for n in range(100)],
        "kind": ["long" if n % 3 else "short" for n in range(100)],
    }
)


def test_read_takes_a_path_and_some_columns(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(ROWS, tmp_path / "rows.parquet")
    assert ps.read(str(tmp_path / "*.parquet"), columns=["km"]).column_names == ["km"]


def test_a_split_by_time_keeps_the_future_out_of_training() -> None:
    train, test = ps.split(ROWS, by="at", test=0.25)
    assert train.num_rows + test.num_rows == 100
    assert max(train["at"].to_pylist()) < min(test["at"].to_pylist())


def test_a_split_without_a_column_is_the_same_every_time_and_keeps_equal_rows_together() -> None:
    twice = pa.concat_tables([ROWS, ROWS])
    train, test = ps.split(twice, test=0.3, seed=7)
    assert ps.split(twice, test=0.3, seed=7) == (train, test)
    assert ps.split(twice, test=0.3, seed=8) != (train, test)
    assert not set(train["km"].to_pylist()) & set(test["km"].to_pylist())


def test_a_split_by_a_key_keeps_its_rows_together() -> None:
    table = ROWS.append_column("customer", pa.array([f"c{n % 20}" for n in range(100)]))
    train, test = ps.split(table, by="customer", test=0.3)
    assert test.num_rows
    assert not set(train["customer"].to_pylist()) & set(test["customer"].to_pylist())


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 20])
def test_a_split_refuses_what_is_no_fraction(fraction: float) -> None:
    with pytest.raises(DeclarationError, match="is not a fraction between 0 and 1"):
        ps.split(ROWS, test=fraction)


def test_rows_like_those_of_the_schema_are_valid() -> None:
    rows, report, aside = ps.validate(ROWS, ps.schema(ps.statistics(ROWS)))
    assert rows == ROWS
    assert (report["rows"], report["columns"], report["valid"], report["anomalies"]) == (100, 3, True, [])
    assert aside.num_rows == 0


def test_what_cannot_be_right_stops_and_names_the_column() -> None:
    expected = ps.schema(ps.statistics(ROWS))
    with pytest.raises(DataError, match="1 anomaly in 100 rows: column 'km' is missing") as stopped:
        ps.validate(ROWS.drop_columns(["km"]), expected)
    assert stopped.value.field == "km"
    odd = ROWS.set_column(2, "kind", pa.array(["lnog", *ROWS["kind"].to_pylist()[1:]]))
    with pytest.raises(DataError, match=r"column 'kind' has values never seen before: 'lnog' \(1 row\)"):
        ps.validate(odd, expected)


def test_what_may_be_right_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    reviewed = ps.schema(ps.statistics(ROWS), reviewed={"km": {"max": 90.0}})
    report = ps.validate(ROWS, reviewed).report
    assert [(found["column"], found["count"]) for found in report["anomalies"]] == [("km", 9)]
    assert "warning: column 'km' goes from 0.0 to 99.0, expected 0.0 to 90.0 (9 rows)" in capsys.readouterr().out


def test_with_warn_nothing_stops() -> None:
    report = ps.validate(ROWS.drop_columns(["km"]), ps.schema(ps.statistics(ROWS)), on_anomaly="warn").report
    assert [found["kind"] for found in report["anomalies"]] == ["missing_column"]


@pytest.mark.parametrize(
    ("reviewed", "message"),
    [
        ({"kmm": {"max": 1}}, "no column named 'kmm'.*Did you mean 'km'"),
        ({"km": {"most": 1}}, "no property named 'most'"),
    ],
)
def test_a_review_of_what_is_not_there_is_an_error(reviewed: dict, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        ps.schema(ps.statistics(ROWS), reviewed=reviewed)


def test_fit_evaluate_and_predict_are_plain_functions() -> None:
    model = ps.model("kind", type="logistic_reg", label="kind", features={"km": ps.col("km")})
    graph = ps.fit(model, ROWS)
    assert ps.evaluate(graph, ROWS)["accuracy"] >= 0.5
    assert ps.predict(graph, [{"km": 1.0}]).num_rows == 1


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (lambda: ps.read(3), "a path, a pattern or a declared table, not 3"),
        (lambda: ps.read("in/{date}.csv@latest", span="last 2"), "says already which spans are meant"),
        (lambda: ps.read(["in/{date}.csv"], span="latest"), "is of a path, or of a declared table"),
    ],
)
def test_what_cannot_be_read_says_why(read, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        read()


def test_a_table_of_a_database_has_no_spans(tmp_path: Path) -> None:
    from penstock.tables import resolve

    declared = {"trips": {"url": "sqlite:///x.db", "table": "trips"}}
    with pytest.raises(DeclarationError, match="of a table of a database, which has none"):
        resolve("trips@latest", root=tmp_path, declared=declared)


def test_a_table_of_delta_has_no_spans(tmp_path: Path) -> None:
    deltalake = pytest.importorskip("deltalake")
    from penstock.tables import resolve

    deltalake.write_deltalake(tmp_path / "rides", ROWS)
    assert resolve("rides", root=tmp_path, declared={"rides": "rides"}).format == "delta"
    with pytest.raises(DeclarationError, match="names spans, but 'rides' says none"):
        resolve("rides@latest", root=tmp_path, declared={"rides": "rides"})
