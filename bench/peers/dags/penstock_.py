"""penstock: engine from the third argument."""

import sys

from tick import tick

import penstock as ps

shape, count, engine = sys.argv[1], int(sys.argv[2]), sys.argv[3]


@ps.step
def begin() -> int:
    tick()
    return 0


@ps.step
def inc(value: int, branch: int = 0) -> int:
    tick()
    return value + 1 + branch


@ps.step
def total(values: list[int]) -> int:
    tick()
    return sum(values)


@ps.pipeline
def wide():
    value = begin()
    total([inc(value, branch=branch) for branch in range(count - 2)])


@ps.pipeline
def deep():
    value = begin()
    for _ in range(count - 1):
        value = inc(value)


if __name__ == "__main__":
    run = ps.open(".").run({"wide": wide, "deep": deep}[shape], engine=engine)
    assert run.state == "succeeded", run.record.error
