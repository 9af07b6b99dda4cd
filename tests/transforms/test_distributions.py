"""Distributions that are kept, and how far two are apart."""

from __future__ import annotations

import math
import random
from typing import Any

import pyarrow as pa
import pytest

from penstock.transforms import Distribution, distance, distributions


def distribution(values: Any, **settings: int) -> Distribution:
    return distributions(pa.table({"x": values}), **settings)["x"]


def divergence(one: Any, other: Any) -> float:
    found = distance(distribution(one), distribution(other), "JENSEN_SHANNON_DIVERGENCE")
    assert found == pytest.approx(distance(distribution(other), distribution(one), "JENSEN_SHANNON_DIVERGENCE"))
    return found


def test_numbers_are_counted_in_buckets_of_equal_width() -> None:
    assert distribution([0, 1, 4, 5, 10, None, float("nan"), float("inf")], buckets=2) == {
        "kind": "numbers",
        "edges": [0.0, 5.0, 10.0],
        "counts": [3, 2],
    }


def test_texts_are_ranked_and_the_rest_is_counted_together() -> None:
    assert distribution(["b", "a", "a", "c", None], ranks=1) == {
        "kind": "categories",
        "counts": [["a", 2]],
        "others": 2,
    }


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ([5, 5], [5, 5, 5], 0.0),
        ([5, 5], [6], 1.0),
        ([6], [5], 1.0),
        ([6] * 5, [5] + [6] * 99, 0.01),
        ([5] * 5, [6] + [5] * 99, 0.01),
        ([1e308, -1e308], [1e308, -1e308], 0.0),
        (["a", "b"], ["b", "a"], 0.0),
        (["a"], ["b"], 1.0),
        ([1.0], [float("nan")], 1.0),
        ([float("nan")], [float("nan")], 0.0),
    ],
)
def test_divergence_is_0_of_equals_and_1_of_strangers(one: Any, other: Any, apart: float) -> None:
    assert divergence(one, other) == pytest.approx(apart, abs=0.005)


def test_the_divergence_of_shares_is_that_of_the_formula() -> None:
    p, q = (0.75, 0.25), (0.25, 0.75)
    by_hand = sum(
        (a * math.log2(a / m) + b * math.log2(b / m)) / 2
        for a, b, m in ((a, b, (a + b) / 2) for a, b in zip(p, q, strict=True))
    )
    assert divergence(["a", "a", "a", "b"], ["a", "b", "b", "b"]) == pytest.approx(by_hand, abs=1e-15)


def test_l_infinity_is_the_greatest_difference_of_a_share() -> None:
    one, other = distribution(["a"] * 6 + ["b"] * 4), distribution(["a"] * 3 + ["b"] * 4 + ["c"] * 3)
    assert distance(one, other, "L_INFTY") == pytest.approx(0.3)


def test_a_value_lumped_with_others_on_one_side_is_not_taken_for_missing() -> None:
    values = [f"v{number:02}" for number in range(100)]
    assert distance(distribution(values, ranks=50), distribution(values, ranks=60), "L_INFTY") == 0.0
    assert distance(distribution(values, ranks=50), distribution(values[:50]), "L_INFTY") == pytest.approx(0.5)


def test_draws_of_one_distribution_are_near_and_a_shift_is_far() -> None:
    draw = random.Random(3)
    one, other, shifted = ([draw.gauss(mean, 1) for _ in range(2000)] for mean in (0, 0, 3))
    assert divergence(one, other) < 0.03
    assert divergence(one, shifted) > 0.6
