"""Blessings: bounds on metrics, as a whole and in slices, against a baseline, with intervals; each check says why."""

from __future__ import annotations

import math
import random
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import penstock as ps
from penstock.errors import DataError, DeclarationError, UnknownNameError
from penstock.models.keeping import digest_of

MAE = "mean_absolute_error"


def rides(count: int, seed: int = 0, noise: float = 5.0) -> pa.Table:
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        km, city = chance.uniform(1, 50), "abc"[number % 3]
        far = noise * (3 if city == "c" else 1)
        rows.append({"km": km, "city": city, "minutes": 3 * km + chance.gauss(0, far)})
    return pa.Table.from_pylist(rows)


def model(**features: Any) -> Any:
    return ps.model("rides", type="linear_reg", label="minutes", features=features)


@pytest.fixture(scope="module")
def graph() -> ps.ModelGraph:
    return ps.fit(model(km=ps.col("km"), city=ps.col("city")), rides(300))


@pytest.fixture(scope="module")
def worse() -> ps.ModelGraph:
    return ps.fit(model(city=ps.col("city")), rides(300))


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return rides(600, seed=1)


def check(blessing: Any, kind: str, slice: str = "") -> dict[str, Any]:
    (found,) = [each for each in blessing["checks"] if each["kind"] == kind and each["slice"] == slice]
    return found


def test_a_blessing_is_given_where_every_bound_is_kept(graph: ps.ModelGraph, rows: pa.Table):
    blessing = ps.bless(graph, rows, thresholds={MAE: ps.bound(max=9.0), "r2": ps.bound(min=0.5)})
    assert blessing["blessed"]
    assert blessing["graph"] == digest_of(graph)
    assert blessing["metrics"][MAE] == ps.evaluate(graph, rows)[MAE] == check(blessing, "max")["value"]


def test_each_check_that_fails_says_the_value_the_bound_and_on_how_many_rows(graph: ps.ModelGraph, rows: pa.Table):
    blessing = ps.bless(graph, rows, thresholds={MAE: ps.bound(max=1.5)})
    found = check(blessing, "max")
    assert not blessing["blessed"]
    assert not found["passed"]
    assert found["why"] == f"{MAE} is {found['value']:.6g} on 600 rows; it has to be at most 1.5"


def test_a_slice_is_judged_as_its_rows_alone_are(graph: ps.ModelGraph, rows: pa.Table):
    bound = ps.bound(max=9.0, every_slice=True)
    blessing = ps.bless(graph, rows, thresholds={MAE: bound}, slices=["city", "km < 10", ps.col("km") > 40])
    assert [each["slice"] for each in blessing["slices"]][:4] == ["city = a", "city = b", "city = c", "not (km < 10)"]
    for each in blessing["slices"][:3]:
        of_city = rows.filter(pc.equal(rows["city"], each["slice"][-1]))
        assert each["rows"] == of_city.num_rows
        assert each["metrics"][MAE] == pytest.approx(ps.evaluate(graph, of_city)[MAE])
    assert [each["slice"] for each in blessing["checks"] if not each["passed"]] == ["city = c"]


def test_slices_may_differ_by_a_gap_and_no_more(graph: ps.ModelGraph, rows: pa.Table):
    blessing = ps.bless(graph, rows, thresholds={MAE: ps.bound(gap=2.0)}, slices=["city"])
    metrics = {each["slice"]: each["metrics"][MAE] for each in blessing["slices"]}
    found = check(blessing, "gap", "city")
    assert found["value"] == pytest.approx(max(metrics.values()) - min(metrics.values()))
    assert not blessing["blessed"]
    assert "'city = c'" in found["why"]
    assert "it may by 2" in found["why"]


def test_a_change_is_held_against_the_baseline_on_the_same_rows(
    graph: ps.ModelGraph, worse: ps.ModelGraph, rows: pa.Table
):
    thresholds = {MAE: ps.bound(better_by=1.0), "r2_score": ps.bound(better_by=0.1)}
    good = ps.bless(graph, rows, thresholds=thresholds, baseline=worse)
    found = next(each for each in good["checks"] if each["name"] == MAE)
    assert good["blessed"]
    assert good["baseline"] == digest_of(worse)
    assert found["value"] == pytest.approx(worse.evaluate(rows)[MAE] - graph.evaluate(rows)[MAE])
    assert not ps.bless(worse, rows, thresholds=thresholds, baseline=graph)["blessed"]


def test_without_a_baseline_or_against_itself_no_change_is_asked(graph: ps.ModelGraph, rows: pa.Table):
    thresholds = {MAE: ps.bound(better_by=1.0)}
    alone = ps.bless(graph, rows, thresholds=thresholds)
    itself = ps.bless(graph, rows, thresholds=thresholds, baseline=graph)
    assert alone["blessed"]
    assert itself["blessed"]
    assert not alone["checks"]
    assert not itself["checks"]
    assert any("no baseline" in said for said in alone["notes"])
    assert any("this very graph" in said for said in itself["notes"])


def test_a_slice_of_few_rows_is_told_and_held_to_nothing(graph: ps.ModelGraph, rows: pa.Table):
    few = rows.slice(0, 60)
    bound = ps.bound(max=0.001, every_slice=True)
    blessing = ps.bless(graph, few, thresholds={MAE: bound}, slices=["city"], min_rows=30)
    assert len(blessing["slices"]) == 3
    assert [each["slice"] for each in blessing["checks"]] == [""]
    assert "has 20 rows, fewer than min_rows=30" in blessing["notes"][0]


@pytest.mark.parametrize("intervals", ["bootstrap", "normal"])
def test_an_interval_is_where_the_metric_of_other_rows_lies(graph: ps.ModelGraph, intervals: Any):
    others = [graph.evaluate(rides(600, seed=seed))[MAE] for seed in range(2, 42)]
    found = ps.bless(graph, rides(600, seed=1), thresholds={MAE: ps.bound(max=9.0)}, intervals=intervals)
    low, high = found["intervals"][MAE]
    mean = sum(others) / len(others)
    spread = math.sqrt(sum((each - mean) ** 2 for each in others) / (len(others) - 1))
    assert high - low == pytest.approx(2 * 1.96 * spread, rel=0.35)
    assert low < found["metrics"][MAE] < high


def test_rows_of_one_group_are_one_witness(graph: ps.ModelGraph):
    once = rides(200, seed=3).append_column("rider", pa.array([f"r{number}" for number in range(200)]))
    often = pa.concat_tables([once] * 9)
    how: dict[str, Any] = {"thresholds": {MAE: ps.bound(max=9.0)}, "intervals": "normal"}
    (low, high), grouped, alone = (
        ps.bless(graph, rows, groups=groups, **how)["intervals"][MAE]
        for rows, groups in ((once, None), (often, "rider"), (often, None))
    )
    assert grouped[1] - grouped[0] == pytest.approx(high - low, rel=0.25)
    assert alone[1] - alone[0] == pytest.approx((high - low) / 3, rel=0.25)
    with pytest.raises(UnknownNameError, match="no column named 'driver' in the rows, to group them by"):
        ps.bless(graph, once, groups="driver", **how)


def test_a_bound_that_has_to_be_kept_surely_is_held_against_the_worse_end(graph: ps.ModelGraph, rows: pa.Table):
    value = ps.evaluate(graph, rows)[MAE]
    assert ps.bless(graph, rows, thresholds={MAE: ps.bound(max=value + 0.05)})["blessed"]
    surely = ps.bless(graph, rows, thresholds={MAE: ps.bound(max=value + 0.05, sure=True)})
    assert not surely["blessed"]
    assert "surely between" in surely["checks"][0]["why"]


def test_classes_are_judged_in_slices_too():
    rows = pa.Table.from_pylist([{"x": n % 17, "late": n % 17 > 8, "city": "ab"[n % 2]} for n in range(200)])
    late = ps.model("late", type="logistic_reg", label="late", features={"x": ps.col("x")})
    thresholds = {"roc_auc_score": ps.bound(min=0.9, every_slice=True), "accuracy_score": ps.bound(min=0.5)}
    blessing = ps.bless(ps.fit(late, rows), rows, thresholds=thresholds, slices=["city"])
    assert blessing["blessed"]
    assert [each["name"] for each in blessing["checks"]] == ["roc_auc"] * 3 + ["accuracy"]


def test_what_makes_no_sense_is_refused_by_name(graph: ps.ModelGraph, rows: pa.Table):
    with pytest.raises(UnknownNameError, match="no metric named 'mae'"):
        ps.bless(graph, rows, thresholds={"mae": ps.bound(max=1)})
    with pytest.raises(DeclarationError, match="an error with its sign turned; name it 'mean_absolute_error'"):
        ps.bless(graph, rows, thresholds={"neg_mean_absolute_error": ps.bound(min=-1)})
    with pytest.raises(UnknownNameError, match="no part named 'atmost' in the bound of 'mean_absolute_error'"):
        ps.bless(graph, rows, thresholds={MAE: {"atmost": 3}})
    with pytest.raises(DeclarationError, match=r"asks for nothing"):
        ps.bound()
    with pytest.raises(DeclarationError, match=r"has gap=2.0, and there are no slices"):
        ps.bless(graph, rows, thresholds={MAE: ps.bound(gap=2.0)})
    with pytest.raises(DataError, match="slice 'km' has 600 values"):
        ps.bless(graph, rows, thresholds={MAE: ps.bound(max=2)}, slices=["km"])
    with pytest.raises(DeclarationError, match="only a step of a project finds"):
        ps.bless(graph, rows, thresholds={MAE: ps.bound(max=2)}, baseline="rides@champion")


def test_no_bound_is_lost_and_none_passes_by_its_name(graph: ps.ModelGraph, rows: pa.Table):
    with pytest.raises(DeclarationError, match="'r2' is r2_score, which has a bound already"):
        ps.bless(graph, rows, thresholds={"r2_score": ps.bound(min=0.999), "r2": ps.bound(min=0.1)})
    with pytest.raises(DeclarationError, match="would bless any model"):
        ps.bless(graph, rows, thresholds={})
    few = pa.Table.from_pylist([{"x": n % 17, "late": n % 17 > 8} for n in range(40)])
    late = ps.fit(ps.model("late", type="logistic_reg", label="late", features={"x": ps.col("x")}), few)
    with pytest.raises(DeclarationError, match="'neg_log_loss' is an error with its sign turned; name it 'log_loss'"):
        ps.bless(late, few, thresholds={"neg_log_loss": ps.bound(min=-0.001)})


def test_where_nothing_is_sure_a_bound_that_has_to_be_kept_surely_is_not(graph: ps.ModelGraph, rows: pa.Table):
    value = ps.evaluate(graph, rows.slice(0, 1))[MAE]
    assert value is not None
    for sure in (False, True):
        blessing = ps.bless(graph, rows.slice(0, 1), thresholds={MAE: ps.bound(max=value + 1, sure=sure)})
        assert blessing["blessed"] is not sure
    assert blessing["checks"][0]["why"] == (
        f"{MAE} is {value:.6g}, and how sure that is cannot be told, on 1 rows; it has to be at most {value + 1:g}"
    )


def test_of_a_slice_in_which_a_metric_has_no_value_the_gap_tells_nothing_and_that_is_said():
    rows = pa.Table.from_pylist([{"x": n % 17, "late": n % 17 > 8, "city": "ab"[n % 2]} for n in range(200)])
    rows = pa.concat_tables([rows, pa.table({"x": [1] * 40, "late": [False] * 40, "city": ["c"] * 40})])
    late = ps.fit(ps.model("late", type="logistic_reg", label="late", features={"x": ps.col("x")}), rows)
    blessing = ps.bless(late, rows, thresholds={"roc_auc": ps.bound(gap=0.1)}, slices=["city"])
    assert blessing["blessed"]
    assert blessing["notes"] == ["roc_auc has no value where city = c: the gap is that of the other slices"]
