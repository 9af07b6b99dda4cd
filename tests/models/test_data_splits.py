"""Data splits: BigQuery ML's rules, the same rows each time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from penstock.errors import DataError, DeclarationError
from penstock.models.splits import held_out


def split(rows, method, fraction=0.2, column=None):
    values = None if column is None else pa.chunked_array([column])
    return held_out(rows, {"data_split_method": method, "data_split_eval_fraction": fraction}, values)


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
