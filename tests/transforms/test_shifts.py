"""Shifts: what has moved is found by any distance; what chance, ties and long tails make of two samples is none."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import penstock as ps
from penstock.transforms import DISTANCES, edges_of, profile, profile_of_learned, shifts


def found(before, now, **asked):
    """What has shifted of a column `x`: by profiles alone, and by rows counted by the edges of the former."""
    one, other = (pa.table({"x": values}) for values in (before, now))
    base = profile(one)
    apart = shifts(base, profile(other), **asked)
    counted = shifts(base, profile(other, edges=edges_of(base)), **asked)
    return [[each["kind"] for each in side] for side in (apart, counted)]


def sparse(share, seed, rows=5000):
    """Rain: mostly none, else a long tail."""
    random = np.random.default_rng(seed)
    return np.where(random.random(rows) < share, 0.0, random.lognormal(0, 2, rows))


@pytest.mark.parametrize("metric", DISTANCES)
def test_a_few_more_zeros_among_many_are_no_shift(metric):
    for seed in range(5):
        apart, counted = found(sparse(0.96, seed), sparse(0.94, seed + 50), metric=metric, over=0.15)
        assert counted == []
        assert apart == [] or metric == "PSI"  # which sees the ends of tails, of which two histograms know little


@pytest.mark.parametrize("metric", DISTANCES)
def test_half_of_the_zeros_gone_is_a_shift(metric):
    assert found(sparse(0.96, 1), sparse(0.48, 2), metric=metric, over=0.15) == [["skew"], ["skew"]]


@pytest.mark.parametrize("metric", DISTANCES)
def test_a_flag_that_was_rare_and_is_usual_now_is_a_shift(metric):
    before, now = ([int(n % 100 < ones) for n in range(1000)] for ones in (3, 80))
    assert found(before, now, metric=metric, over=0.2) == [["skew"], ["skew"]]
    assert found(before, before, metric=metric, over=0.0) == [[], []]


def test_a_constant_that_is_another_is_a_shift():
    assert found([5.0] * 100, [5.5] * 100) == [["skew"], ["skew"]]
    assert found([5.0] * 100, [5.0] * 30) == [[], []]


@pytest.mark.parametrize("rows", [20, 25, 40, 100, 1000])
@pytest.mark.parametrize("metric", [None, "L_INFTY", "KS"])
def test_a_small_batch_of_the_same_kind_is_no_shift(rows, metric):
    wrong = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        wrong += bool(found(random.lognormal(0, 2, 2000), random.lognormal(0, 2, rows), metric=metric)[1])
    assert wrong <= (3 if rows < 40 else 0)


def test_fewer_rows_than_say_anything_are_not_compared():
    assert found([1.0] * 100, [9.0] * 19) == [[], []]
    assert found(["a"] * 100, ["b"] * 20) == [["skew"], ["skew"]]


def test_a_truth_that_has_turned_is_named():
    before, now = (pa.table({"late": [n % 10 < yes for n in range(100)]}) for yes in (1, 9))
    [each] = shifts(profile(before), profile(now))
    assert "'true' 10.0% -> 90.0%" in each["message"] or "'false' 90.0% -> 10.0%" in each["message"]


ROWS = pa.table(
    {
        "km": [float(n * 37 % 101) / 10 for n in range(600)],
        "stops": [n % 7 for n in range(600)],
        "line": [("bus", "tram", None)[n % 3] for n in range(600)],
        "night": [n % 5 == 0 for n in range(600)],
        "minutes": [float(n * 37 % 101) / 5 for n in range(600)],
    }
)
FEATURES = {name: ps.col(name) for name in ("km", "stops", "line", "night")}
MODEL = ps.model("late", type="linear_reg", label="minutes", features=FEATURES)


@pytest.fixture(scope="module")
def graph():
    return ps.fit(MODEL, ROWS)


def test_a_model_says_of_the_rows_that_it_learned_from_that_nothing_has_shifted(graph):
    base = profile_of_learned(graph.facts["statistics"])
    assert base["rows"] == 600
    assert shifts(base, profile(ROWS, edges=edges_of(base)), over=0.02) == []


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("km", [km * 1000 for km in ROWS["km"].to_pylist()], ("unit_changed", "thousandths: metres")),
        ("km", [km + 7 for km in ROWS["km"].to_pylist()], ("skew", "other values than in training")),
        ("stops", [0] * 600, ("skew", "other values than in training")),
        ("line", ["bus", "bus", None] * 200, ("skew", "'tram' 50.0% -> 0.0%")),
        ("line", ["bus"] * 600, ("skew", "has 0.0% NULLs, 33.3% in training")),
        ("line", [None] * 600, ("skew", "has 100.0% NULLs, 33.3% in training")),
        ("night", [True] * 600, ("skew", "20.0% -> 100.0%")),
    ],
)
def test_what_has_shifted_from_what_a_model_learned_from_is_named(graph, column, values, expected):
    place = ROWS.column_names.index(column)
    now = ROWS.set_column(place, column, pa.array(values, ROWS.schema.field(column).type))
    base = profile_of_learned(graph.facts["statistics"])
    [each] = shifts(base, profile(now, edges=edges_of(base)))
    assert (each["kind"], each["column"]) == (expected[0], column)
    assert expected[1] in each["message"]
