"""Metrics of rows drawn again: weighing each row by how often it was drawn gives what judging the drawn rows gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from penstock.models.judging.redrawn import REPLICATES, measured_again, rows_of, times_drawn
from penstock.models.judging.scores import measured

CHANCE = np.random.default_rng(7)
VALUES = CHANCE.normal(10, 3, 120)
SOFT = CHANCE.dirichlet(np.ones(3), 90)


def two(scores: Any) -> Any:
    return np.stack([1 - scores, scores], axis=1)


CASES: dict[str, tuple[Any, Any, list[Any]]] = {
    "values": (VALUES, (VALUES + CHANCE.normal(0, 2, 120))[:, None], []),
    "values of few rows, of which many drawings have one alone": (
        np.array([4.0, 4.0, 4.1]), np.array([[4.0], [3.5], [4.0]]), [],
    ),
    "values predicted without error": (VALUES, VALUES[:, None], []),
    "values that are all equal": (np.full(30, 0.1), CHANCE.normal(0, 1, (30, 1)), []),
    "values of which some are below -1": (np.r_[-3.0, VALUES], np.r_[1.0, VALUES + 1][:, None], []),
    "values whose squares are no numbers": (np.r_[1e200, VALUES], np.r_[-1e200, VALUES][:, None], []),
    "large values that vary little": (1e9 + VALUES, (1e9 + VALUES + 1)[:, None], []),
    "two classes": (CHANCE.integers(0, 2, 150), two(CHANCE.uniform(size=150)), [False, True]),
    "two classes with ties": (CHANCE.integers(0, 2, 150), two(CHANCE.integers(0, 6, 150) / 5), [False, True]),
    "one of a class, which most drawings lack": (np.r_[1, np.zeros(40, int)], two(CHANCE.uniform(size=41)), [0, 1]),
    "three classes": (CHANCE.integers(0, 3, 90), SOFT, ["a", "b", "c"]),
    "three classes of which one is nowhere": (CHANCE.integers(0, 2, 90), SOFT, ["a", "b", "c"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("grouped", [False, True])
def test_it_gives_what_judging_the_drawn_rows_one_by_one_gives(case: str, grouped: bool):
    labels, estimates, classes = CASES[case]
    groups = np.arange(len(labels)) // 3 if grouped else None
    drawings = list(times_drawn(len(labels), groups, seed=3))
    found = measured_again(labels, estimates, classes, drawings)
    assert len(found) == REPLICATES
    for each, times in zip(found, drawings, strict=True):
        rows = rows_of(times)
        expected = measured(labels[rows], estimates[rows], classes)
        assert list(each) == list(expected)
        for name, value in expected.items():
            assert each[name] == (None if value is None else pytest.approx(value, rel=1e-9, abs=1e-12)), name


def test_whole_groups_are_drawn_and_as_many_of_them():
    groups = np.array([0, 0, 0, 1, 2, 2])
    for times in times_drawn(6, groups, seed=1):
        assert len(set(times[:3])) == len(set(times[4:])) == 1
        assert times[0] + times[3] + times[4] == 3
    assert {int(times.sum()) for times in times_drawn(50)} == {50}


def test_of_no_rows_there_are_no_metrics():
    assert measured_again(np.array([]), np.empty((0, 1)), [], [np.array([], dtype=int)]) == [{}]
