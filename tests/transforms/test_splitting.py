"""Rows apart: by time and by hash."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from penstock.errors import DataError, DeclarationError, UnknownNameError
from penstock.transforms import split_at_random, split_by_hash, split_by_time, split_stratified

fractions = st.floats(0.05, 0.95)


def times_of(table):
    return table["t"].to_pylist()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 10) | st.none(), min_size=2, max_size=40), fractions)
def test_no_test_row_is_older_than_a_training_row(times, fraction):
    rows = pa.table({"t": pa.array(times, pa.int64()), "id": range(len(times))})
    known = {time for time in times if time is not None}
    if len(known) < 2:
        with pytest.raises(DataError, match="'t'"):
            split_by_time(rows, "t", fraction)
        return
    train, test = split_by_time(rows, "t", fraction)
    assert sorted(train["id"].to_pylist() + test["id"].to_pylist()) == list(range(len(times)))
    assert None not in times_of(test)
    assert max(time for time in times_of(train) if time is not None) < min(times_of(test))


def test_the_fraction_is_met_where_times_differ():
    rows = pa.table({"t": [datetime.datetime(2024, 1, day) for day in (5, 3, 9, 1, 7, 2, 8, 4, 6, 10)]})
    train, test = split_by_time(rows, "t", 0.2)
    assert [time.day for time in times_of(test)] == [9, 10]
    assert [time.day for time in times_of(train)] == [5, 3, 1, 7, 2, 8, 4, 6]


def test_rows_of_one_time_stay_together():
    train, test = split_by_time([{"t": 1}, {"t": 2}, {"t": 2}, {"t": 2}], "t", 0.25)
    assert (times_of(train), times_of(test)) == ([1], [2, 2, 2])


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 100), min_size=1, max_size=60), fractions, st.integers(0, 5))
def test_equal_keys_are_on_one_side_wherever_they_stand(keys, fraction, seed):
    train, test = split_by_hash(pa.table({"k": keys}), "k", fraction, seed)
    assert not set(train["k"].to_pylist()) & set(test["k"].to_pylist())
    again, _ = split_by_hash(pa.table({"k": keys[::-1]}), "k", fraction, seed)
    assert again["k"].to_pylist() == train["k"].to_pylist()[::-1]


def test_a_hash_split_is_the_same_on_every_machine():
    _, test = split_by_hash(pa.table({"k": [f"customer {at}" for at in range(20)]}), "k", 0.3, seed=7)
    assert test["k"].to_pylist() == [f"customer {at}" for at in (0, 4, 5, 12, 16)]


def test_the_fraction_is_about_met_and_the_seed_matters():
    rows = pa.table({"k": range(10_000)})
    for by in ("k", None):
        parts = [set(split_by_hash(rows, by, 0.2, seed)[1]["k"].to_pylist()) for seed in (0, 1)]
        assert all(1_850 < len(part) < 2_150 for part in parts)
        assert len(parts[0] & parts[1]) < 600


def test_several_columns_are_one_key():
    rows = pa.table({"a": ["ab", "a", None, "n"] * 50, "b": ["c", "bc", "n", None] * 50, "id": range(200)})
    sides = [{row["id"] % 4 for row in split_by_hash(rows, ["a", "b"], 0.5, seed)[1].to_pylist()} for seed in range(20)]
    assert all(any((one in side) != (other in side) for side in sides) for one in range(4) for other in range(one))


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.sampled_from("abc") | st.none(), st.integers(0, 3)), min_size=1, max_size=60),
    fractions,
    st.integers(0, 3),
)
def test_strata_are_kept_and_the_same_rows_are_judged_in_whatever_order(rows, fraction, seed):
    table = pa.table({"kind": [kind for kind, _ in rows], "size": [size for _, size in rows], "id": range(len(rows))})
    for by in ("kind", ["kind", "size"]):
        train, test = split_stratified(table, by, fraction, seed)
        assert sorted(train["id"].to_pylist() + test["id"].to_pylist()) == list(range(len(rows)))
        names = [by] if isinstance(by, str) else by
        of = lambda part, names=names: [tuple(row[name] for name in names) for row in part.to_pylist()]  # noqa: E731
        for stratum in set(of(table)):
            assert abs(of(test).count(stratum) - of(table).count(stratum) * fraction) <= 1
        assert abs(test.num_rows - len(rows) * fraction) <= 0.5 + 1e-9
        _, again = split_stratified(table.take(pa.array(range(len(rows)))[::-1]), by, fraction, seed)
        assert set(again["id"].to_pylist()) == set(test["id"].to_pylist())


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 80), fractions, st.integers(0, 3))
def test_at_random_the_fraction_is_met_and_order_is_kept(count, fraction, seed):
    table = pa.table({"id": range(count)})
    train, test = split_at_random(table, fraction, seed)
    assert sorted(train["id"].to_pylist() + test["id"].to_pylist()) == list(range(count))
    assert abs(test.num_rows - count * fraction) <= 0.5 + 1e-9
    assert test["id"].to_pylist() == sorted(test["id"].to_pylist())
    assert split_at_random(table, fraction, seed) == (train, test)


def test_what_cannot_be_split_says_why():
    with pytest.raises(DeclarationError, match="between 0 and 1; it is 20"):
        split_by_time([{"t": 1}], "t", 20)
    with pytest.raises(UnknownNameError, match="Did you mean 'start_date'"):
        split_by_hash([{"start_date": 1}], "start_dat", 0.2)
    with pytest.raises(DataError, match="same 't', 1; split them with a hash"):
        split_by_time([{"t": 1}, {"t": 1}], "t", 0.5)
