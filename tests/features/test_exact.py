"""Sums of ranges are the exact ones, rounded once: against fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
from hypothesis import example, given, strategies as st

from penstock.features.index.exact import as_int64, as_integers, prefix_sums, rounded

LIMBS = st.one_of(
    st.integers(-(2**60), 2**60),
    st.integers(-(2**33), 2**33),
    st.integers(-3, 3),
    st.sampled_from([0, 2**32 - 1, 2**32, -(2**32), 2**31, 2**61, -(2**61)]),
)
SUMS = st.integers(1, 6).flatmap(lambda count: st.lists(st.lists(LIMBS, min_size=count, max_size=count), min_size=1))
HALVES = st.tuples(st.integers(2**52, 2**53 - 1), st.integers(0, 40), st.integers(-1, 1), st.sampled_from([1, -1]))


def near(sum: int, exponent: int) -> float:
    exact = Fraction(sum) * Fraction(2) ** exponent
    try:
        return float(exact)  # rounded once, ties to even
    except OverflowError:
        return math.inf if exact > 0 else -math.inf


def limbs(sum: int) -> list[int]:
    """Return limbs of 32 bits; the sign is on the last."""
    made = []
    for _ in range(3):
        made.append(sum & 0xFFFFFFFF)
        sum >>= 32
    return [*made, sum]


@given(SUMS, st.sampled_from([-1074, -1060, -500, -52, 0, 3, 900, 960]))
def test_a_sum_is_rounded_once(rows, exponent):
    totals = np.array(rows, dtype=np.int64).T.copy()
    sums = [sum(limb << (32 * place) for place, limb in enumerate(row)) for row in rows]
    assert rounded(totals, exponent).tolist() == [near(sum, exponent) for sum in sums]
    assert as_integers(totals) == sums
    found, beyond = as_int64(totals)
    assert beyond.tolist() == [not -(2**63) <= sum < 2**63 for sum in sums]
    assert [n for n, out in zip(found.tolist(), beyond.tolist(), strict=True) if not out] == [
        sum for sum in sums if -(2**63) <= sum < 2**63
    ]


@given(st.lists(HALVES, min_size=1, max_size=8))
@example([(2**52, 40, 0, 1), (2**53 - 1, 40, 0, -1)])
def test_a_sum_near_the_half_of_a_last_bit_goes_to_the_right_side(halves):
    sums = [sign * ((mantissa * 2 + 1 << shift) + more) for mantissa, shift, more, sign in halves]
    for some in (sums, [sum for sum in sums if abs(sum) < 2**92]):  # of which the second ones take fewer limbs
        totals = np.array([limbs(sum) for sum in some], dtype=np.int64).reshape(-1, 4).T.copy()
        if len(some) and not totals[3].any():
            totals = totals[:3]
        assert rounded(totals, -60).tolist() == [near(sum, -60) for sum in some]


@given(
    st.lists(st.floats(-1e9, 1e9) | st.sampled_from([0.0, -0.0, 0.01, 12.34, 1e-9]), max_size=20),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=10),
)
def test_the_sum_of_a_range_is_that_of_fsum(values, asked):
    sums = prefix_sums(np.array(values, dtype=np.float64))
    if sums is None:  # so far apart that they are added in another way
        return
    ends = [tuple(sorted((min(a, len(values)), min(b, len(values))))) for a, b in asked]
    low, high = (np.array([end[side] for end in ends], dtype=np.int64) for side in (0, 1))
    assert rounded(sums.totals(low, high), sums.exponent).tolist() == [math.fsum(values[a:b]) for a, b in ends]
