"""A served model over time: metrics, slices, skew and drift, breaches; against doing it by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from log_worlds import rows_of
from sklearn import metrics as sk

import penstock as ps
from penstock.core.run import ModelVersion
from penstock.errors import DeclarationError, SqlError, UnknownNameError
from penstock.production import monitoring_from_json
from penstock.production.records import RecordForm
from penstock.production.request_log import RequestLog

DAY = 86400.0
START = datetime(2013, 6, 1, tzinfo=UTC).timestamp()
KM = ps.model("km", type="linear_reg", label="y", features={"a": ps.col("a"), "b": ps.col("b"), "city": ps.col("city")})
LATE = ps.model("late", type="logistic_reg", label="late", features={"a": ps.col("a"), "city": ps.col("city")})


def world(rows: int, seed: int, *, shift: float = 0.0) -> pa.Table:
    rng = np.random.default_rng(seed)
    a, b, city = rng.normal(shift, 1, rows), rng.gamma(2, 2, rows), rng.choice(["x", "y", "z"], rows, p=[0.6, 0.3, 0.1])
    y = 3 * a + b + (city == "x") + rng.normal(0, 0.3, rows)
    late = np.where(a + rng.normal(0, 0.5, rows) > 0, "late", "in time")
    return pa.table({"a": a, "b": b, "city": city, "y": y, "late": late})


def serve(
    project: ps.Project, model: str, version: int, rows: pa.Table, *, day: float, mark: str, seconds: float = DAY
):
    """Log rows as if a version had answered them, spread over a day; return their ids."""
    graph = project.models[model].load(version)
    form = RecordForm(graph, version, f"d{version}")
    inputs = list(graph.signature.inputs.names)
    predicted = graph.predict(rows.select(inputs)).select(list(graph.signature.outputs.names)).to_pylist()
    ids = [f"{mark}-{number}" for number in range(rows.num_rows)]
    moments = [START + day * DAY + number * DAY / rows.num_rows for number in range(rows.num_rows)]
    instances = rows.select(inputs).to_pylist()
    log = RequestLog(project.config.requests, 1 << 30)
    log.add(rows_of(form, zip(ids, moments, instances, predicted, strict=True)))
    log.close()
    return ids


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ps.Project:
    """Two models; each was asked 600 rows a day for three days, on the third of them others than before."""
    project = ps.open(tmp_path_factory.mktemp("monitored"))
    for model in (KM, LATE):
        project.fit(model, world(3000, seed=0))
    project.fit(KM, world(2000, seed=9))
    for day in range(3):
        rows = world(600, seed=day + 1, shift=1.0 if day == 2 else 0.0)
        for model, label in (("km", "y"), ("late", "late")):
            ids = serve(project, model, 1, rows, day=day, mark=f"{model}{day}")
            known = rows.slice(0, 600 if day < 2 else 150)
            told = pa.table({"id": ids[: known.num_rows], label: known[label]})
            assert project.add_labels(model, told, now=START + (day + 1) * DAY) == known.num_rows
    return project


NOW = START + 3 * DAY + 100


def whole(found) -> list[dict]:
    return [row for row in found.performance.to_pylist() if row["slice"] == ""]


def test_metrics_over_time_are_those_of_what_was_answered(project):
    found = project.monitor("km", now=NOW)
    days = whole(found)
    assert [row["window_start"].timestamp() for row in days] == [START + day * DAY for day in range(3)]
    assert [(row["rows"], row["labelled"], row["complete"], row["version"]) for row in days] == [
        (600, 600, True, 1), (600, 600, True, 1), (600, 150, True, 1),
    ]  # fmt: skip
    assert days[2]["labelled_share"] == 0.25
    graph = project.models["km"].load(1)
    for day, row in enumerate(days):
        rows = world(600, seed=day + 1, shift=1.0 if day == 2 else 0.0).slice(0, row["labelled"])
        predicted, actual = (
            graph.predict(rows.drop_columns(["y", "late"]))["predicted_y"].to_numpy(),
            rows["y"].to_numpy(),
        )
        assert row["mean_absolute_error"] == pytest.approx(sk.mean_absolute_error(actual, predicted))
        assert row["root_mean_squared_error"] == pytest.approx(math.sqrt(sk.mean_squared_error(actual, predicted)))
        assert row["r2_score"] == pytest.approx(sk.r2_score(actual, predicted))
    assert (found.rows, found.model) == (1800, "km")


def test_a_classifier_is_judged_by_the_probabilities_that_it_answered(project):
    days = whole(project.monitor("late", now=NOW))
    rows, graph = world(600, seed=1), project.models["late"].load(1)
    listed = graph.predict(rows.select(["a", "city"]))["predicted_late_probs"].to_pylist()
    late = np.array([next(each["prob"] for each in row if each["label"] == "late") for row in listed])
    actual = np.array(rows["late"].to_pylist()) == "late"
    assert days[0]["roc_auc"] == pytest.approx(sk.roc_auc_score(actual, late))
    assert days[0]["log_loss"] == pytest.approx(sk.log_loss(actual, late))
    assert days[0]["accuracy"] == pytest.approx(np.mean((late > 0.5) == actual))


def test_slices_are_by_any_expression_and_add_up(project):
    found = project.monitor("km", by=["city", "a > 0", "predicted_y > y"], now=NOW).performance.to_pylist()
    first = [row for row in found if row["window_start"].timestamp() == START]
    rows = world(600, seed=1)
    counts = {row["value"]: row["rows"] for row in first if row["slice"] == "city"}
    assert counts == {city: rows["city"].to_pylist().count(city) for city in "xyz"}
    for name in ("a > 0", "predicted_y > y"):
        parts = [row for row in first if row["slice"] == name]
        assert {row["value"] for row in parts} == {"true", "false"}
        assert sum(row["rows"] for row in parts) == 600
        errors = sum(row["rows"] * row["mean_absolute_error"] for row in parts) / 600
        [all_rows] = [row for row in first if row["slice"] == ""]
        assert errors == pytest.approx(all_rows["mean_absolute_error"])
    with pytest.raises(SqlError):
        project.monitor("km", by="SUM(a)", now=NOW)


def test_versions_are_told_apart(project):
    serve(project, "km", 2, world(200, seed=8), day=6, mark="new")
    serve(project, "km", 1, world(100, seed=7), day=6, mark="old")
    found = project.monitor("km", windows=1, now=START + 7 * DAY)
    assert [(row["version"], row["rows"], row["labelled"], row.get("r2_score")) for row in whole(found)] == [
        (1, 100, 0, None), (2, 200, 0, None),
    ]  # fmt: skip
    versions = {row["version"] for row in found.changes.to_pylist() if row["against"] == "training"}
    assert versions == {1, 2}


def test_the_window_under_way_is_shown_and_not_judged(project):
    found = project.monitor("km", windows=1, now=START + 2.5 * DAY)
    assert [(row["complete"], row["rows"]) for row in whole(found)] == [(True, 600), (False, 600)]
    assert found.breaches == ()  # what has changed, has changed in the window that is under way
    above = [row for row in found.changes.to_pylist() if row["is_above"]]
    assert {row["complete"] for row in above} == {False}


def test_skew_is_against_training_and_drift_against_the_window_before(project):
    changes = project.monitor("km", now=NOW).changes.to_pylist()
    for against in ("training", "before"):
        rows = [row for row in changes if row["against"] == against]
        assert {row["feature"] for row in rows} == {"a", "b", "city", "predicted_y"}
        for row in rows:
            third = row["window_start"].timestamp() == START + 2 * DAY
            assert row["is_above"] == (third and row["feature"] in ("a", "predicted_y")), row
    assert {row["rows_before"] for row in changes if row["against"] == "training"} == {3000}
    classes = {row["feature"] for row in project.monitor("late", now=NOW).changes.to_pylist()}
    assert classes == {"a", "city", "predicted_late", "predicted_late_prob"}


def test_breaches_are_of_the_newest_window_that_has_ended(project):
    found = project.monitor("km", now=NOW)
    assert {(each["feature"], each["against"]) for each in found.breaches} == {
        (feature, against) for feature in ("a", "predicted_y") for against in ("training", "before")
    }
    assert project.monitor("km", now=NOW, minimum=601).breaches == ()
    assert project.monitor("km", now=NOW, over=50.0).breaches == ()
    own = project.monitor("km", now=NOW, over=50.0, thresholds={"b": 0.0}).breaches
    assert {each["feature"] for each in own} == {"b"}
    assert project.monitor("km", now=NOW - DAY).breaches == ()
    for metric in ("JENSEN_SHANNON_DIVERGENCE", "L_INFTY", "KS"):
        found = project.monitor("km", now=NOW, metric=metric, over=0.12)
        assert {each["feature"] for each in found.breaches} == {"a", "predicted_y"}


def test_a_version_that_was_hardly_asked_yet_hides_no_breach(tmp_path: Path):
    project = ps.open(tmp_path)
    for seed in (0, 1):
        project.fit(KM, world(1000, seed=seed))
    serve(project, "km", 1, world(600, seed=2, shift=1.0), day=0, mark="old")
    serve(project, "km", 2, world(20, seed=3), day=0, mark="new")
    found = project.monitor("km", windows=1, now=START + DAY + 60)
    assert {(each["feature"], each["version"]) for each in found.breaches} == {("a", 1), ("predicted_y", 1)}


def test_versions_that_read_other_columns_are_looked_at_together(tmp_path: Path):
    project = ps.open(tmp_path)
    project.fit(KM, world(1000, seed=0))
    numbered = world(1000, seed=1)
    numbered = numbered.set_column(2, "city", pa.array(range(1000), pa.int64())).append_column("wet", numbered["b"])
    features = {name: ps.col(name) for name in ("a", "city", "wet")}
    project.fit(ps.model("km", type="linear_reg", label="y", features=features), numbered)
    for day, version in ((0, 1), (1, 1), (1, 2)):
        rows = world(600, seed=day) if version == 1 else numbered.slice(0, 600)
        serve(project, "km", version, rows, day=day, mark=f"{day}-{version}")
    found = project.monitor("km", windows=1, by=["city", "wet > 1"], now=START + 2 * DAY + 60)
    drifted = {each["feature"]: each["rows"] for each in found.changes.to_pylist() if each["against"] == "before"}
    assert drifted == {"a": 1200, "b": 600, "predicted_y": 600}  # a city that is a number is another city
    sliced = {(each["version"], each["slice"]) for each in found.performance.to_pylist()}
    assert sliced == {(1, ""), (1, "city"), (2, ""), (2, "city"), (2, "wet > 1")}


@pytest.mark.parametrize("windows", [0, -1, 1001])
def test_so_many_windows_are_none(project, windows: int):
    with pytest.raises(DeclarationError, match=f"windows is {windows}; give how many are looked at, 1 to 1,000"):
        project.monitor("km", windows=windows, now=NOW)


def test_what_is_asked_wrongly_is_named(project):
    with pytest.raises(UnknownNameError, match=r"no feature .*'c'"):
        project.monitor("km", thresholds={"c": 0.1}, now=NOW)
    with pytest.raises(UnknownNameError, match="Did you mean 'PSI'"):
        project.monitor("km", metric="PS", now=NOW)
    with pytest.raises(DeclarationError, match="'over' is -1"):
        project.monitor("km", over=-1, now=NOW)
    with pytest.raises(UnknownNameError, match="'kn'"):
        project.monitor("kn", now=NOW)


def test_monitoring_comes_back_from_json(project):
    found = project.monitor("km", by=["city"], now=NOW)
    assert monitoring_from_json(found.to_json()) == found


def test_a_model_that_nobody_asked_has_nothing_to_show(tmp_path: Path):
    project = ps.open(tmp_path)
    project.fit(KM, world(200, seed=0))
    found = project.monitor("km")
    assert (found.rows, found.breaches, found.changes.num_rows) == (0, (), 0)
    assert monitoring_from_json(found.to_json()) == found


@pytest.mark.parametrize(
    ("type", "label"),
    [("logistic_reg", "kind"), ("logistic_reg", "flag"), ("logistic_reg", "step"), ("linear_reg", "a")],
)
def test_whatever_a_model_predicts_is_judged_as_evaluate_judges(tmp_path: Path, type: str, label: str):
    def rows(count: int, seed: int) -> pa.Table:
        rng = np.random.default_rng(seed)
        x = rng.normal(size=count)
        near = x + rng.normal(0, 0.4, count)
        kinds = np.select([near > 0.5, near < -0.5], ["big", "small"], "middle")
        steps = np.digitize(near, [-0.5, 0.5])
        return pa.table({"x": x, "kind": kinds, "flag": near > 0, "step": steps, "a": near})

    project = ps.open(tmp_path)
    project.fit(ps.model("m", type=type, label=label, features={"x": ps.col("x")}), rows(800, 0))
    asked = rows(300, 1)
    ids = serve(project, "m", 1, asked, day=0, mark="m")
    project.add_labels("m", pa.table({"id": ids, label: asked[label]}), now=START + DAY)
    [found] = whole(project.monitor("m", windows=1, now=START + DAY + 60))
    expected = project.evaluate("m", asked)
    assert {name: found[name] for name in expected} == pytest.approx(expected)


def test_a_class_that_nobody_knew_is_an_error_of_the_model(tmp_path: Path):
    project = ps.open(tmp_path)
    project.fit(LATE, world(800, seed=0))
    ids = serve(project, "late", 1, world(200, seed=1), day=0, mark="m")
    project.add_labels("late", pa.table({"id": ids, "late": ["cancelled"] * 50 + ["late"] * 150}), now=START + DAY)
    [found] = whole(project.monitor("late", windows=1, now=START + DAY + 60))
    assert found["labelled"] == 200
    assert found["accuracy"] < 0.75


def test_a_version_that_was_dropped_is_left_out(tmp_path: Path):
    project = ps.open(tmp_path)
    for seed in (0, 1):
        project.fit(KM, world(300, seed=seed))
        serve(project, "km", seed + 1, world(60, seed=7), day=0, mark=f"v{seed}")
    project.metadata.delete(ModelVersion, model="km", version=1)
    found = ps.open(tmp_path).monitor("km", windows=1, now=START + DAY + 60)
    assert [(row["version"], row["rows"]) for row in whole(found)] == [(2, 60)]


def test_what_another_version_says_of_the_same_rows_is_no_drift(tmp_path: Path):
    project = ps.open(tmp_path)
    project.fit(KM, world(800, seed=0))
    other = world(800, seed=0)
    project.fit(KM, other.set_column(other.column_names.index("y"), "y", pa.array(other["y"].to_numpy() + 50)))
    for day, version in enumerate((1, 2, 2)):
        serve(project, "km", version, world(600, seed=day), day=day, mark=f"d{day}")

    def drifting(day: int, **more: object) -> dict[str, bool]:
        found = project.monitor("km", windows=1, now=START + day * DAY + 60, **more).changes.to_pylist()
        return {row["feature"]: row["is_above"] for row in found if row["against"] == "before" and row["complete"]}

    assert drifting(2) == {"a": False, "b": False, "city": False}  # what both say of it is not compared
    assert drifting(3) == {"a": False, "b": False, "city": False, "predicted_y": False}
    assert drifting(2, thresholds={"predicted_y": 0.1}) == {"a": False, "b": False, "city": False}
