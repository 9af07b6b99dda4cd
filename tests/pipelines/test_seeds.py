"""Random numbers that nobody seeded are the step's own: equal in equal runs, and the caller's go on undisturbed."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
from worlds import World

import penstock as ps
from penstock.pipelines import pipeline, step
from penstock.pipelines.seeds import seed_of, seeded


@step
def draws(context: ps.Context, scale: int = 1) -> list[float]:
    return [random.random(), float(np.random.rand()), float(np.random.default_rng(context.seed).random())]


@pipeline
def lottery(scale: int = 1) -> None:
    draws(scale=scale)


def numbers(root: Path, scale: int = 1) -> list[float]:
    world = World(root)
    found: list[float] = world.value(world.run(lottery, {"scale": scale}), "draws")
    world.metadata.close()
    return found


def test_two_stores_get_the_same_numbers_and_another_parameter_gets_others(tmp_path: Path) -> None:
    first = numbers(tmp_path / "a")
    assert numbers(tmp_path / "b") == first
    other = numbers(tmp_path / "c", scale=2)
    assert all(one != two for one, two in zip(first, other, strict=True))


def test_the_caller_s_generators_go_on_as_if_nothing_had_run(tmp_path: Path) -> None:
    random.seed(1)
    np.random.seed(1)
    expected = random.random(), np.random.rand()
    random.seed(1)
    np.random.seed(1)
    numbers(tmp_path)
    assert (random.random(), np.random.rand()) == expected


def test_a_seed_fits_every_generator() -> None:
    with seeded(seed_of("f" * 64)):
        first = random.random()
    with seeded(2**32 - 1):
        assert random.random() == first
