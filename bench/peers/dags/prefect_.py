"""Prefect, with results kept and reused by inputs and source."""

import sys

from prefect import flow, task
from prefect.cache_policies import INPUTS, TASK_SOURCE
from prefect.task_runners import ThreadPoolTaskRunner
from tick import tick

shape, count = sys.argv[1], int(sys.argv[2])
kept = {"cache_policy": INPUTS + TASK_SOURCE, "persist_result": True}


@task(**kept)
def begin():
    tick()
    return 0


@task(**kept)
def inc(value, branch=0):
    tick()
    return value + 1 + branch


@task(**kept)
def total(values):
    tick()
    return sum(values)


@flow(task_runner=ThreadPoolTaskRunner(max_workers=4))
def wide():
    value = begin()
    return total([inc.submit(value, branch) for branch in range(count - 2)])


@flow
def deep():
    value = begin()
    for _ in range(count - 1):
        value = inc(value)
    return value


if __name__ == "__main__":
    {"wide": wide, "deep": deep}[shape]()
