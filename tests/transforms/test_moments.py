"""Means and deviations: rounded once, and the same whatever the order and the pieces of the rows."""

from __future__ import annotations

import math
import random
import statistics
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from penstock.transforms.moments import mean_and_deviation

floats = st.floats(allow_nan=False, allow_infinity=False)


def column(values, pieces: int = 1, type: pa.DataType | None = None) -> pa.ChunkedArray:
    size = -(-len(values) // pieces) or 1
    parts = [pa.array(values[at : at + size], type or pa.float64()) for at in range(0, len(values), size)]
    return pa.chunked_array(parts, type or pa.float64())


def both(values, pieces: int = 1, type: pa.DataType | None = None) -> tuple[float | None, float | None]:
    return mean_and_deviation(column(values, pieces, type))


@settings(deadline=None, max_examples=300)
@given(st.lists(floats | st.none(), max_size=30), st.randoms(), st.integers(1, 5))
def test_neither_the_order_nor_the_pieces_matter(values, random, pieces):
    assert both(values) == both(random.sample(values, len(values)), pieces)


@settings(deadline=None, max_examples=300)
@given(st.lists(floats, min_size=1, max_size=30))
def test_the_mean_is_the_exact_one_rounded(values):
    exact = sum(map(Fraction, values)) / len(values)
    assert abs(Fraction(both(values)[0]) - exact) <= abs(exact) / 2**53 + Fraction(max(map(abs, values))) / 2**80


@settings(deadline=None, max_examples=200)
@given(st.lists(st.floats(-1e150, 1e150), min_size=2, max_size=30))
def test_the_deviation_is_that_of_the_values_from_the_mean(values):
    middle, found = both(values)
    squares = [Fraction((value - middle) ** 2) for value in values]
    assert found == pytest.approx(math.sqrt(sum(squares) / (len(values) - 1)), rel=1e-14)


def test_many_rows_of_very_different_size_are_added_without_an_error():
    draw = random.Random(2)
    values = [draw.lognormvariate(0, 9) * draw.choice([1, -1]) for _ in range(100_000)]
    middle, found = both(values, 7)
    assert middle == float(sum(map(Fraction, values)) / len(values))
    assert found == pytest.approx(statistics.stdev(values), rel=1e-13)
    draw.shuffle(values)
    assert both(values, 3) == (middle, found)


@pytest.mark.parametrize("value", [0.1, 1e308, -5e-324, 1 / 3, 0.0])
def test_a_column_of_one_value_has_that_mean_and_no_deviation(value):
    assert both([value] * 30_001, 4) == (value, 0.0)


def test_whole_numbers_are_added_exactly():
    values = [2**62, 2**62 + 512, 2**62 + 1024, -3]
    assert both(values, 2, pa.int64())[0] == float(Fraction(sum(values), 4))
    assert both([1, 2, 3, None], 1, pa.int64()) == (2.0, 1.0)


@pytest.mark.parametrize(
    ("values", "middle", "found"),
    [
        ([], None, None),
        ([None], None, None),
        ([2.0, None], 2.0, None),
        ([-0.0, -0.0], 0.0, 0.0),
        ([math.inf, 1.0], math.inf, math.nan),
        ([math.inf, -math.inf], math.nan, math.nan),
        ([math.nan, 1.0], math.nan, math.nan),
        ([1e200, -1e200], 0.0, math.inf),
        ([1e308, 1e308], 1e308, 0.0),
    ],
)
def test_what_is_at_the_edges(values, middle, found):
    assert np.array_equal(np.array(both(values), float), np.array((middle, found), float), equal_nan=True)
    assert math.copysign(1, both(values)[0] or 1.0) == 1.0
