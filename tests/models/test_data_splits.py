"""Data splits: BigQuery ML's rules, the same rows each time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import penstock.models as models
from penstock.errors import DataError, DeclarationError
from penstock.models.fitting.splits import JUDGE, TEST, purposes


def parts(rows, method, fraction=0.2, column=None, test=None):
    values = None if column is None else pa.chunked_array([column])
    options = {
        "data_split_method": method, "data_split_eval_fraction": fraction, "data_split_test_fraction": test
    }  # fmt: skip
    return purposes(rows, options, values)


def split(rows, method, fraction=0.2, column=None):
    return parts(rows, method, fraction, column) == JUDGE


@pytest.mark.parametrize(
    ("rows", "kept_back"), [(499, 0), (500, 100), (50_000, 10_000), (50_001, 10_000), (80_000, 10_000)]
)
def test_auto_split_keeps_back_what_bigquery_does(rows, kept_back):
    assert split(rows, "AUTO_SPLIT").sum() == kept_back


def test_no_split_keeps_nothing_back():
    assert not split(1000, "NO_SPLIT").any()


def test_a_random_split_is_the_same_each_time_and_spread_out():
    mask = split(10_000, "RANDOM", 0.3)
    assert (mask == split(10_000, "RANDOM", 0.3)).all()
    assert mask.sum() == 3000
    assert all(abs(part.mean() - 0.3) < 0.05 for part in np.split(mask, 10))


def test_a_sequential_split_keeps_back_the_largest_values():
    assert split(5, "SEQ", 0.4, pa.array([3, 9, None, 5, 1])).tolist() == [False, True, False, True, False]


def test_a_custom_split_keeps_back_true_and_null():
    assert split(3, "CUSTOM", column=pa.array([True, None, False])).tolist() == [True, True, False]


def test_a_custom_split_needs_a_bool():
    with pytest.raises(DataError, match="CUSTOM needs a bool"):
        split(2, "CUSTOM", column=pa.array([1, 0]))


@pytest.mark.parametrize("method", ["SEQ", "CUSTOM"])
def test_a_split_by_a_column_needs_the_column(method):
    with pytest.raises(DeclarationError, match="needs data_split_col"):
        split(2, method)


def test_a_split_column_that_would_not_be_read_is_an_error():
    with pytest.raises(DeclarationError, match="no meaning"):
        split(2, "RANDOM", column=pa.array([1, 0]))


def test_a_part_to_test_is_neither_learned_from_nor_judged_by():
    found = parts(10_000, "RANDOM", 0.2, test=0.1)
    assert np.bincount(found).tolist() == [7000, 2000, 1000]
    assert not (found == TEST)[split(10_000, "RANDOM", 0.0)].any()


def test_in_a_sequence_the_largest_values_are_tested_and_those_before_them_judged():
    assert parts(5, "SEQ", 0.4, pa.array([3, 9, 0, 5, 1]), test=0.2).tolist() == [1, 2, 0, 1, 0]


def test_a_custom_split_takes_words():
    assert parts(4, "CUSTOM", column=pa.array(["TRAIN", "EVAL", "test", "Train"])).tolist() == [0, 1, 2, 0]
    with pytest.raises(DataError, match="data_split_col holds 'dev'; CUSTOM takes the words TRAIN, EVAL, TEST"):
        parts(2, "CUSTOM", column=pa.array(["TRAIN", "dev"]))
    with pytest.raises(DataError, match="data_split_col holds None"):
        parts(2, "CUSTOM", column=pa.array(["TRAIN", None]))


@pytest.mark.parametrize("method", ["NO_SPLIT", "AUTO_SPLIT"])
def test_a_part_to_test_needs_a_split_that_knows_it(method):
    with pytest.raises(DeclarationError, match="data_split_test_fraction goes with RANDOM or SEQ, not with"):
        parts(1000, method, test=0.1)


def test_a_model_tells_how_good_it_is_on_the_part_to_test(flights, declare):
    options = {
        "data_split_method": "SEQ", "data_split_col": "scheduled", "data_split_eval_fraction": 0.2,
        "data_split_test_fraction": 0.25,
    }  # fmt: skip
    graph = models.fit(declare("linear_reg", options=options), flights)
    ordered = flights.sort_by("scheduled")
    assert graph.facts["rows"] == {"train": 220, "held_out": 80, "test": 100, "without_label": 0}
    assert graph.facts["test_evaluation"] == pytest.approx(graph.evaluate(ordered.slice(300)), nan_ok=True)
    assert graph.facts["evaluation"] == pytest.approx(graph.evaluate(ordered.slice(220, 80)), nan_ok=True)
