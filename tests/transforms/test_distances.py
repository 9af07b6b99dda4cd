"""Distances of what is counted in cells: as by hand, as SciPy has them, and with nothing that falls outside."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from penstock.errors import DataError
from penstock.transforms import cells, cells_of_statistics, distance_of_cells, measured
from penstock.transforms.distances import DISTANCES, number_cells, quantile_edges, total

counts = st.lists(st.integers(0, 500), min_size=2, max_size=12).filter(any)
numbers = st.floats(allow_nan=False, allow_infinity=False, width=64) | st.integers(-5, 5).map(float)


def pairs() -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    return st.integers(2, 12).flatmap(
        lambda size: st.tuples(
            *(
                st.lists(st.integers(0, 500), min_size=size, max_size=size)
                .filter(any)
                .map(lambda each: np.array(each, np.float64))
                for _ in range(2)
            )
        )
    )


@settings(deadline=None)
@given(pairs())
def test_distances_of_counts_are_those_of_scipy_and_by_hand(pair):
    p, q = pair
    one, other = p / p.sum(), q / q.sum()
    assert DISTANCES["JENSEN_SHANNON_DIVERGENCE"](p, q) == pytest.approx(jensenshannon(one, other, 2) ** 2, abs=1e-12)
    places = np.arange(len(p))
    exact = stats.ks_2samp(np.repeat(places, p.astype(int)), np.repeat(places, q.astype(int))).statistic
    assert DISTANCES["KS"](p, q) == pytest.approx(exact, abs=1e-12)
    assert DISTANCES["L_INFTY"](p, q) == max(abs(a - b) for a, b in zip(one, other, strict=True))
    half = [(each + 0.5) / (sum(each) + len(each) / 2) for each in (p, q)]
    by_hand = sum((b - a) * math.log(b / a) for a, b in zip(*half, strict=True))
    assert DISTANCES["PSI"](p, q) == pytest.approx(by_hand, abs=1e-12)


@settings(deadline=None)
@given(pairs())
def test_distances_are_symmetric_and_none_is_below_zero(pair):
    for distance in DISTANCES.values():
        assert distance(*pair) == pytest.approx(distance(*reversed(pair)), abs=1e-12)
        assert distance(*pair) >= 0
        assert distance(pair[0], pair[0]) == pytest.approx(0, abs=1e-12)


@settings(deadline=None)
@given(st.lists(numbers, min_size=1, max_size=200), st.lists(numbers, max_size=50))
def test_every_value_has_a_cell_and_those_learned_from_lie_between_the_outer_edges(learned, later):
    values = np.array(learned)
    edges = quantile_edges(values)
    assert edges == sorted(set(edges))
    found = number_cells(values, edges)
    assert sum(found["counts"]) == len(learned)
    assert (found["counts"][0], found["counts"][-1]) == (0, 0)
    assert sum(number_cells(np.array(later), edges)["counts"]) == len(later)


def test_edges_have_about_as_many_values_between_them_and_are_no_values_of_rows():
    values = np.random.default_rng(0).lognormal(3, 2, 20_000)
    found = number_cells(values, quantile_edges(values))
    assert len(found["counts"]) >= 18
    assert all(700 < count < 1300 for count in found["counts"][1:-1])
    assert not set(found["edges"]) & set(values.tolist())


def test_what_lies_outside_of_what_was_learned_from_is_seen():
    learned, beyond = np.full(1000, 7.0), np.full(1000, 7000.0)
    before = number_cells(learned, quantile_edges(learned))
    for metric in ("PSI", "JENSEN_SHANNON_DIVERGENCE", "L_INFTY", "KS"):
        assert distance_of_cells(before, number_cells(beyond, before["edges"]), metric) > 0.99
        assert distance_of_cells(before, number_cells(learned, before["edges"]), metric) == pytest.approx(0)


def test_that_more_values_are_missing_is_a_change():
    rows = pa.table({"km": [1.0, 2.0, 3.0, 4.0] * 50, "city": ["a", "b"] * 100})
    before = cells(rows)
    missing = pa.table({"km": [1.0, None, 3.0, None] * 50, "city": ["a", None] * 100})
    now = cells(missing, {"km": before["km"]["edges"]})
    for name in ("km", "city"):
        assert distance_of_cells(before[name], now[name], "L_INFTY") == pytest.approx(0.5)
        assert total(now[name]) == 200
    odd = cells(pa.table({"km": [math.nan, math.inf, 3.0, 4.0] * 50}), {"km": before["km"]["edges"]})
    assert distance_of_cells(before["km"], odd["km"], "L_INFTY") == pytest.approx(0.5)


def test_a_new_category_is_a_change_and_many_rare_ones_are_not():
    rng = np.random.default_rng(1)
    rare = [f"rare {number}" for number in range(400)]
    drawn = [pa.table({"c": rng.choice(["a", "b", *rare], 4000, p=[0.5, 0.3, *[0.2 / 400] * 400])}) for _ in range(2)]
    before, now = (cells(each)["c"] for each in drawn)
    assert distance_of_cells(before, now, "PSI") < 0.02
    other = cells(pa.table({"c": ["a"] * 50 + ["b"] * 30 + ["new"] * 20}))["c"]
    known = cells(pa.table({"c": ["a"] * 500 + ["b"] * 500}))["c"]
    assert distance_of_cells(known, other, "L_INFTY") == pytest.approx(0.2)
    assert distance_of_cells(known, other, "KS") == pytest.approx(0.2)  # of categories it is L_INFTY


def test_what_a_model_keeps_of_its_rows_is_held_against_rows_that_come_later():
    rng = np.random.default_rng(2)
    learned = pa.table(
        {"km": rng.gamma(2, 3, 5000), "hour": rng.integers(0, 24, 5000), "city": rng.choice(["a", "b"], 5000)}
    )
    kept = {each["name"]: cells_of_statistics(each) for each in measured(learned)}
    edges = {name: each["edges"] for name, each in kept.items() if each["kind"] == "numbers"}
    alike = {"km": rng.gamma(2, 3, 2000), "hour": rng.integers(0, 24, 2000), "city": rng.choice(["a", "b"], 2000)}
    shifted = {"km": rng.gamma(2, 6, 2000), "hour": rng.integers(0, 12, 2000), "city": rng.choice(["b", "c"], 2000)}
    for name in ("km", "hour", "city"):
        same, other = (cells(pa.table({name: each[name]}), edges)[name] for each in (alike, shifted))
        assert distance_of_cells(kept[name], same, "PSI") < 0.05
        assert distance_of_cells(kept[name], other, "PSI") > 0.2
    old = {**measured(learned)[0]}
    del old["cells"]  # as models were kept before
    before = cells_of_statistics(old)
    assert before is not None
    now = cells(pa.table({"km": shifted["km"]}), {"km": before["edges"]})["km"]
    assert distance_of_cells(before, now, "PSI") > 0.2
    assert cells_of_statistics({"name": "photo"}) is None


def test_of_very_many_rows_a_model_keeps_cells_of_as_good_as_all():
    values = np.random.default_rng(3).normal(size=300_000)
    [kept] = measured(pa.table({"x": values}))
    exact = number_cells(values, kept["cells"]["edges"])
    assert abs(sum(kept["cells"]["counts"]) - 300_000) < 20
    apart = np.array(kept["cells"]["counts"]) - np.array(exact["counts"])
    assert np.abs(apart).max() < 0.004 * 300_000


def test_what_cannot_be_compared_is_refused():
    one, other = cells(pa.table({"x": [1.0, 2.0]}))["x"], cells(pa.table({"x": ["a"]}))["x"]
    with pytest.raises(DataError, match="were numbers and are categories now"):
        distance_of_cells(one, other, "PSI")
    with pytest.raises(DataError, match="other edges"):
        distance_of_cells(one, cells(pa.table({"x": [5.0]}))["x"], "PSI")
