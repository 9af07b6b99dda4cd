"""redun, with its SQLite backend."""

import sys
from pathlib import Path

from redun import Scheduler, task
from redun.config import Config
from tick import tick

redun_namespace = "bench"
shape, count = sys.argv[1], int(sys.argv[2])
sys.setrecursionlimit(100_000)


@task()
def begin() -> int:
    tick()
    return 0


@task()
def inc(value: int, branch: int = 0) -> int:
    tick()
    return value + 1 + branch


@task()
def total(values: list) -> int:
    tick()
    return sum(values)


@task()
def main(shape: str, count: int):
    value = begin()
    if shape == "wide":
        return total([inc(value, branch) for branch in range(count - 2)])
    for _ in range(count - 1):
        value = inc(value)
    return value


scheduler = Scheduler(
    config=Config({"backend": {"db_uri": "sqlite:///redun.db", "value_store_path": str(Path("values").absolute())}})
)
scheduler.load()
scheduler.run(main(shape, count))
