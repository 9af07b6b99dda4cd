"""Search spaces as texts, as values, as JSON."""

from __future__ import annotations

import pytest

import penstock as ps
from penstock.errors import DeclarationError
from penstock.models.fitting.axes import Axis
from penstock.models.learning.search import plain, space_of
from penstock.studies import read_space, read_spaces


@pytest.mark.parametrize(
    ("text", "space"),
    [
        ("depth=int(2..12)", ps.hparam_range(2, 12, step=1)),
        ("depth = 2..12", ps.hparam_range(2, 12)),
        ("depth=int(0..100, step=10)", ps.hparam_range(0, 100, step=10)),
        ("lr=log(0.01..0.3)", ps.hparam_range(0.01, 0.3, log=True)),
        ("lr=log(1..1000)", ps.hparam_range(1, 1000, log=True)),
        ("share=float(0..1)", ps.hparam_range(0.0, 1.0)),
        ("share=-0.5..1e-3", ps.hparam_range(-0.5, 0.001)),
        ("kind=choice(a, b)", ps.hparam_candidates(["a", "b"])),
        ("kind=a,b", ps.hparam_candidates(["a", "b"])),
        ("size=choice(2, 2.5, true, null)", ps.hparam_candidates([2, 2.5, True, None])),
    ],
)
def test_a_space_is_written_as_people_write_it(text, space):
    [(name, written)] = read_spaces([text]).items()
    assert name == text.partition("=")[0].strip()
    assert read_space(written) == space
    assert type(read_space(written)) is type(space)


@pytest.mark.parametrize(
    "text", ["depth", "depth=", "=1..2", "d=int(1.5..2)", "d=int(1,2)", "d=log(1..2, 3)", "d=a..b"]
)
def test_what_is_no_space_is_said_with_the_forms(text):
    with pytest.raises(DeclarationError, match="is no search space; write NAME= and one of: int"):
        [read_space(written) for written in read_spaces([text]).values()]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"low": 0, "high": 1, "log": True}, "no logarithm of 0"),
        ({"low": 1, "high": 9, "log": True, "step": 2}, "give log or step"),
        ({"low": 1, "high": 2, "step": 3}, "does not lead"),
        ({"low": 1, "high": float("inf")}, "is no range"),
    ],
)
def test_a_range_that_cannot_be_is_an_error(arguments, said):
    with pytest.raises(DeclarationError, match=said):
        ps.hparam_range(**arguments)


@pytest.mark.parametrize(
    "space",
    [
        ps.hparam_range(1, 5), ps.hparam_range(0.1, 1.0, log=True), ps.hparam_range(0, 10, step=5),
        ps.hparam_candidates([(1, 2), (3,)]),
    ],
)  # fmt: skip
def test_a_space_is_its_json(space):
    assert space_of(plain(space)) == space


def test_an_axis_counts_and_names_its_values():
    assert Axis(ps.hparam_range(0, 10, step=5), "int").count == 3
    assert list(Axis(ps.hparam_range(0.0, 0.3, step=0.1), "float").every()) == [0.0, 0.1, 0.2, 0.3]
    assert Axis(ps.hparam_range(0, 100, step=10), "int", 37).start() == 40
    assert Axis(ps.hparam_range(0.0, 1.0), "float").count == float("inf")
    assert [Axis(ps.hparam_candidates(["b", "a"]), "choice").value(at) for at in (0, 1)] == ["b", "a"]
