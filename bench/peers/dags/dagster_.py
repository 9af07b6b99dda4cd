"""Dagster, in process (its fastest executor)."""

import os
import sys

from dagster import DagsterInstance, job, op
from tick import tick

shape, count = sys.argv[1], int(sys.argv[2])
sys.setrecursionlimit(100_000)


@op
def begin():
    tick()
    return 0


@op
def inc(value):
    tick()
    return value + 1


@op
def total(values: list):
    tick()
    return sum(values)


@job
def wide():
    value = begin()
    total([inc.alias(f"inc_{branch}")(value) for branch in range(count - 2)])


@job
def deep():
    value = begin()
    for number in range(count - 1):
        value = inc.alias(f"inc_{number}")(value)


os.makedirs(os.environ["DAGSTER_HOME"], exist_ok=True)
ended = {"wide": wide, "deep": deep}[shape].execute_in_process(instance=DagsterInstance.get())
assert ended.success
