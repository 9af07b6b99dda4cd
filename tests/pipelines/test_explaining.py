"""`why` in one line."""

from __future__ import annotations

import pytest
from worlds import World

from penstock.errors import UnknownNameError
from penstock.pipelines import pipeline, step, why


@step
def load(x: int = 1) -> int:
    if x < 0:
        raise ValueError("negative")
    return x


@step
def double(x: int) -> int:
    return 2 * x


@pipeline
def chain(x: int = 1) -> None:
    double(load(x))


def test_why_says_what_changed(world: World) -> None:
    first = world.run(chain)
    same = world.run(chain)
    other = world.run(chain, {"x": 2})
    failed = world.run(chain, {"x": -1})
    assert why(world.metadata, first.id, "load") == "load ran for the first time"
    assert why(world.metadata, same.id, "load") == f"load did not run, it is up to date: made by run {first.id}"
    assert why(world.metadata, other.id, "load") == "load ran: parameter x changed 1 -> 2"
    assert why(world.metadata, other.id, "double") == "double ran: what load gives (x) changed"
    assert why(world.metadata, failed.id, "load").startswith("load failed (ValueError: negative); it was to run: param")
    assert why(world.metadata, failed.id, "double") == "double was skipped: needs load, which failed"


def test_why_of_something_unknown_names_what_there_is(world: World) -> None:
    run = world.run(chain)
    with pytest.raises(UnknownNameError, match="Did you mean 'double'"):
        why(world.metadata, run.id, "duoble")
    with pytest.raises(UnknownNameError, match=run.id):
        why(world.metadata, "no-such-run", "load")
