"""ZenML, local orchestrator, with its cache."""

import sys

from tick import tick
from zenml import pipeline, step

shape, count = sys.argv[1], int(sys.argv[2])


@step
def begin() -> int:
    tick()
    return 0


@step
def inc(value: int, branch: int = 0) -> int:
    tick()
    return value + 1 + branch


@step
def total(values: list[int]) -> int:
    tick()
    return sum(values)


@pipeline(enable_cache=True)
def wide():
    value = begin()
    total([inc(value, branch) for branch in range(count - 2)])


@pipeline(enable_cache=True)
def deep():
    value = begin()
    for _ in range(count - 1):
        value = inc(value)


if __name__ == "__main__":
    {"wide": wide, "deep": deep}[shape]()
