"""`validate`: what passes goes on, what is wrong stops the run or is set aside, and the report says what to do."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import DataError, DeclarationError, UnknownNameError

ROWS = pa.table(
    {
        "id": range(400),
        "minutes": [float(5 + n * 7 % 90) for n in range(400)],
        "kind": [("bus", "tram", "train")[n % 3] for n in range(400)],
        "late": [n % 11 == 0 for n in range(400)],
    }
)
SCHEMA = ps.schema(ps.statistics(ROWS), label="late")


def changed(**columns):
    return pa.table({**dict(zip(ROWS.column_names, ROWS.columns, strict=True)), **columns})


def kinds(validated):
    return [(each["kind"], each["column"]) for each in validated.report["anomalies"]]


def test_rows_that_are_wrong_by_themselves_are_set_aside_with_why():
    kind = ["bus"] * 397 + ["boat", None, "bus"]
    minutes = [7.0] * 398 + [7.0, None]
    rows, report, aside = ps.validate(changed(kind=kind, minutes=pa.array(minutes)), SCHEMA, on_anomaly="set_aside")
    assert aside["id"].to_pylist() == [397, 398, 399]
    assert aside["set_aside_because"].to_pylist() == [
        "out_of_domain kind",
        "unexpected_null kind",
        "unexpected_null minutes",
    ]
    assert rows["id"].to_pylist() == list(range(397))
    assert rows.schema == ROWS.schema
    assert (report["kept"], report["set_aside"], report["valid"]) == (397, 3, False)


def test_of_rows_with_one_key_the_first_is_kept():
    twice = pa.concat_tables([ROWS, ROWS.slice(10, 5)])
    rows, _, aside = ps.validate(twice, SCHEMA, "set_aside", rules=[ps.rule(unique="id")])
    assert rows == ROWS
    assert aside["id"].to_pylist() == [10, 11, 12, 13, 14]


def test_of_rows_with_one_key_the_first_with_which_nothing_else_is_wrong_is_kept():
    late = changed(minutes=pa.array([None, *ROWS["minutes"].to_pylist()[1:]])).slice(0, 1)
    twice = pa.concat_tables([late, ROWS, ROWS.slice(0, 1)])
    rows, _, aside = ps.validate(twice, SCHEMA, "set_aside", rules=[ps.rule(unique="id")])
    assert rows == ROWS
    assert aside["set_aside_because"].to_pylist() == ["unexpected_null minutes", "duplicates"]


def test_rows_of_a_stream_that_can_be_read_only_once_go_on():
    stream = pa.RecordBatchReader.from_batches(ROWS.schema, ROWS.to_batches())
    assert ps.validate(stream, SCHEMA).rows == ROWS


@pytest.mark.parametrize("choice", [{"on_anomaly": "halt"}, {"metric": "KL", "previous": {"rows": 0, "columns": []}}])
def test_a_choice_that_there_is_not_is_an_error(choice):
    with pytest.raises(DeclarationError, match="is none of"):
        ps.validate(ROWS, SCHEMA, **choice)


def test_rows_are_set_aside_for_what_another_table_lacks():
    rule = ps.rule(column="kind", found_in="kinds.name")
    known = {"kinds": pa.table({"name": ["bus", "tram"]})}
    rows, _, aside = ps.validate(ROWS, SCHEMA, "set_aside", rules=[rule], tables=known)
    assert set(rows["kind"].to_pylist()) == {"bus", "tram"}
    assert set(aside["kind"].to_pylist()) == {"train"}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (ROWS.drop_columns(["minutes"]), "'minutes' is missing"),
        (changed(minutes=ROWS["kind"]), "has the type string instead of float64"),
        (changed(kind=["boat"] * 400), "values never seen before: 'boat'"),  # no row is left
    ],
)
def test_a_fault_of_the_whole_table_stops_where_rows_are_set_aside_too(rows, message):
    with pytest.raises(DataError, match=message):
        ps.validate(rows, SCHEMA, on_anomaly="set_aside")


def test_warnings_set_nothing_aside_unless_they_are_made_errors():
    wide = changed(minutes=[*ROWS["minutes"].to_pylist()[:-1], 500.0])
    assert ps.validate(wide, SCHEMA, on_anomaly="set_aside").rows == wide
    severity = {"out_of_range": "error"}
    assert ps.validate(wide, SCHEMA, "set_aside", severity=severity).aside["id"].to_pylist() == [399]
    with pytest.raises(DataError, match=r"goes from 5\.0 to 500\.0"):
        ps.validate(wide, SCHEMA, severity=severity)
    assert kinds(ps.validate(wide, SCHEMA, severity={"out_of_range": "ignore"})) == []
    with pytest.raises(UnknownNameError, match="no kind of anomaly named 'range'"):
        ps.validate(ROWS, SCHEMA, severity={"range": "error"})


def test_in_mode_infer_the_label_is_absent_or_taken_out():
    unlabelled = ROWS.drop_columns(["late"])
    with pytest.raises(DataError, match="column 'late' is missing"):
        ps.validate(unlabelled, SCHEMA)
    assert ps.validate(unlabelled, SCHEMA, mode="infer").rows == unlabelled
    assert ps.validate(ROWS, SCHEMA, mode="infer").rows == unlabelled


def test_each_anomaly_says_what_to_do():
    report = ps.validate(changed(kind=["boat"] * 400), SCHEMA, on_anomaly="warn").report
    [anomaly] = report["anomalies"]
    assert (anomaly["examples"], anomaly["count"]) == (["boat"], 400)
    assert "add them to the domain" in anomaly["do"]


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (lambda old: old * 60, ("unit_changed", "seconds instead of minutes")),
        (lambda old: old / 60, ("unit_changed", "the other way round: seconds instead of minutes")),
        (lambda old: old * 1000, ("unit_changed", "thousandths: metres instead of kilometres")),
        (lambda old: old * 7.3, ("unit_changed", "is about 7.3 times what it was")),
        (lambda old: old + 60, ("skew", "median 49 -> 109")),
        (lambda old: None, ("skew", "has 100.0% NULLs, 0.0% in training")),
    ],
)
def test_a_shift_from_the_training_statistics_stops_and_a_wrong_unit_is_named(minutes, expected):
    trained = ps.statistics(ROWS)
    moved = changed(minutes=pa.array([minutes(old) for old in ROWS["minutes"].to_pylist()], pa.float64()))
    assert kinds(ps.validate(ROWS, SCHEMA, statistics=trained)) == []
    relaxed = {"unexpected_null": "ignore"}
    with pytest.raises(DataError, match=expected[1]) as stopped:
        ps.validate(moved, SCHEMA, statistics=trained, severity=relaxed)
    assert stopped.value.field == "minutes"
    validated = ps.validate(moved, SCHEMA, "warn", statistics=trained, severity=relaxed)
    assert (expected[0], "minutes") in kinds(validated)


def test_a_wrong_unit_is_named_though_the_values_are_others_too_where_all_are_its_multiples():
    january = pa.table({"delay": [n % 40 - 9 for n in range(400)]})
    july = pa.table({"delay": [(n % 97 - 12) * 60 for n in range(400)]})
    held = ps.schema(ps.statistics(january))
    [_, found] = ps.validate(july, held, "warn", statistics=ps.statistics(january)).report["anomalies"]
    assert (found["kind"], found["found"]) == ("unit_changed", 60.0)


def test_other_shares_of_categories_are_skew_and_against_an_earlier_span_drift():
    other = changed(kind=["bus"] * 300 + ["tram"] * 100)
    before = ps.statistics(ROWS)
    assert kinds(ps.validate(other, SCHEMA, "warn", statistics=before)) == [("skew", "kind")]
    validated = ps.validate(other, SCHEMA, "warn", previous=before)
    assert kinds(validated) == [("drift", "kind")]
    assert "'bus' 33.5% -> 75.0%" in validated.report["anomalies"][0]["message"]
    assert kinds(ps.validate(other, SCHEMA, "warn", previous=before, drift=0.5)) == []
    for metric, value in (("KS", 0.415), ("L_INFTY", 0.415), ("PSI", 2.2), ("JENSEN_SHANNON_DIVERGENCE", 0.25)):
        [found] = ps.validate(other, SCHEMA, "warn", previous=before, drift=0.2, metric=metric).report["anomalies"]
        assert found["found"] == pytest.approx(value, rel=0.1), metric
    assert kinds(ps.validate(other, SCHEMA, "warn", previous=before, drift={"kind": 0.5})) == []
    with pytest.raises(UnknownNameError, match="no column named 'kin'"):
        ps.validate(other, SCHEMA, "warn", previous=before, drift={"kin": 0.5})


def test_freshness_is_judged_by_the_clock_that_is_given():
    rows = pa.table({"at": [datetime.date(2024, 5, 1)]})
    fresh = [ps.rule(fresh="at", within="2d")]
    ps.validate(rows, ps.schema(ps.statistics(rows)), rules=fresh, now=datetime.datetime(2024, 5, 3))
    with pytest.raises(DataError, match="newest value at 2024-05-01, more than 2d before 2024-05-09"):
        ps.validate(rows, ps.schema(ps.statistics(rows)), rules=fresh, now=datetime.datetime(2024, 5, 9))


def test_check_looks_at_files_and_gives_the_report_alone(tmp_path):
    pa.parquet.write_table(ROWS, tmp_path / "rows.parquet")
    report = ps.check(str(tmp_path / "*.parquet"), SCHEMA)
    assert (report["rows"], report["valid"]) == (400, True)
    with pytest.raises(DataError, match="'id' is not expected"):
        ps.check(
            str(tmp_path / "rows.parquet"),
            {"columns": SCHEMA["columns"][1:]},
            severity={"extra_column": "error"},
        )


@ps.pipeline
def checking(source: str):
    expected = ps.schema(ps.statistics(ps.read(source)), rules=["minutes > 0"])
    ps.check(source, expected)


def test_in_a_pipeline_files_are_checked_without_a_table_between(tmp_path):
    pa.parquet.write_table(ROWS, tmp_path / "rows.parquet")
    project = ps.open(tmp_path)
    run = project.run(checking, source="rows.parquet", engine="inline")
    assert run.artifact("check").load()["valid"] is True
    assert project.plan(checking, source="rows.parquet").up_to_date


LATE = ps.model("late", type="linear_reg", label="minutes", features={"kind": ps.col("kind"), "id": ps.col("id")})
SKEWED = pa.table({**{name: ROWS[name] for name in ("id", "minutes", "late")}, "kind": ["tram"] * 400})


def test_rows_are_held_against_what_a_model_has_learned_from():
    graph = ps.fit(LATE, ROWS)
    assert kinds(ps.validate(ROWS, SCHEMA, model=graph)) == []
    with pytest.raises(DataError, match="column 'kind' has other values than in training"):
        ps.validate(SKEWED, SCHEMA, model=graph)
    with pytest.raises(DeclarationError, match="leave one out"):
        ps.validate(ROWS, SCHEMA, model=graph, statistics=ps.statistics(ROWS))
    with pytest.raises(DeclarationError, match="which only a step of a project finds"):
        ps.validate(ROWS, SCHEMA, model="late@champion")
    with pytest.raises(DeclarationError, match="no model graph and no name"):
        ps.validate(ROWS, SCHEMA, model=7)


@ps.pipeline
def promoted(source: str):
    rows = ps.read(source)
    expected = ps.schema(ps.statistics(rows), label="minutes")
    checked = ps.validate(rows, expected, model="late@champion").rows
    graph = ps.fit(LATE, checked)
    ps.push(graph, name="late")
    ps.predict(graph, checked)


def test_rows_are_held_against_the_model_that_is_promoted(tmp_path):
    pa.parquet.write_table(ROWS, tmp_path / "rows.parquet")
    pa.parquet.write_table(SKEWED.drop_columns(["minutes"]), tmp_path / "skewed.parquet")
    project = ps.open(tmp_path)
    first = project.run(promoted, source="rows.parquet", engine="inline")
    assert "there is no 'late@champion' yet, so skew is not judged" in first.steps["validate"].log()
    again = project.run(promoted, source="rows.parquet", engine="inline")
    assert again.state == "succeeded"
    assert again.steps["validate"].state == "succeeded"  # there is a champion now, which is news
    assert project.plan(promoted, source="rows.parquet").up_to_date
    skewed = project.run(promoted, source="skewed.parquet", mode="infer", engine="inline")
    assert "column 'kind' has other values than in training" in skewed.steps["validate"].log()
    assert skewed.steps["predict"].state == "skipped"


def test_statistics_of_the_very_rows_and_too_few_rows_say_nothing_and_that_is_said(capsys):
    own = ps.statistics(ROWS)
    ps.validate(ROWS, SCHEMA, statistics=own)
    assert "very rows" not in capsys.readouterr().out
    ps.validate(
        ROWS.drop_columns(["late"]), SCHEMA, statistics=ps.statistics(ROWS.drop_columns(["late"])), mode="infer"
    )
    assert "the statistics are those of these very rows" in capsys.readouterr().out
    ps.validate(ROWS.slice(0, 5), SCHEMA, statistics=own)
    assert "skew is not judged by 5 rows; it takes 20" in capsys.readouterr().out


def test_what_the_code_asks_for_and_a_schema_in_a_file_does_not_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    told = ps.statistics(ROWS)
    ps.schema(told, file="rows.json", rules=["minutes > 0"], label="late")
    assert ps.schema(told, file="rows.json", rules=["minutes > 0"], label="late")["rules"][0]["holds"] == "minutes > 0"
    assert "says all" not in capsys.readouterr().out
    ps.schema(told, file="rows.json", rules=["id > 5"], reviewed={"id": {"unique": True}})
    said = capsys.readouterr().out
    assert "rows.json says all, and this, which the code asks for, not: + rule id > 5" in said
    assert "not: ~ id unique: none -> true" in said
