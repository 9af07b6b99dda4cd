"""What the runner itself costs: a chain of 20 steps, the same again, a fan-out of 100 and a join, a 50 MB edge."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import penstock as ps
from bench.measure import Figure, median_seconds
from penstock.stores import CODECS, LocalArtifactStore


@ps.step
def begin(seed: int) -> int:
    """Give the first number."""
    return seed


@ps.step
def add_one(value: int, branch: int = 0) -> int:
    """Add one."""
    return value + 1 + branch


@ps.step
def total(values: list[int]) -> int:
    """Join the branches."""
    return sum(values)


@ps.pipeline
def chain(seed: int = 0) -> None:
    """Twenty steps in a row."""
    value = begin(seed)
    for _ in range(19):
        value = add_one(value)


@ps.pipeline
def fan(seed: int = 0) -> None:
    """A hundred branches and a join."""
    value = begin(seed)
    total([add_one(value, branch=number) for number in range(100)])


def _cold_and_again(pipeline: Any, repeats: int = 5) -> tuple[float, float]:
    """Return the median seconds of a run in a fresh store, and of the same run again."""
    cold, again = [], []
    for repeat in range(repeats + 1):
        root = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
        project = ps.open(root)
        times = [_run_seconds(project, pipeline, repeat) for _ in range(2)]
        shutil.rmtree(root)
        if repeat:  # the first one imports and compiles
            cold.append(times[0])
            again.append(times[1])
    return statistics.median(cold), statistics.median(again)


def _run_seconds(project: ps.Project, pipeline: Any, seed: int) -> float:
    started = time.perf_counter()
    run = project.run(pipeline, engine="inline", seed=seed)
    elapsed = time.perf_counter() - started
    if run.state != "succeeded":
        raise SystemExit(f"the run {run.state}: {run.record.error}")
    return elapsed


def _edge(megabytes: int = 50) -> tuple[float, float]:
    """Return the seconds to put a table into the store and to get it back."""
    numbers = np.random.default_rng(0).random((megabytes * 2**20 // 80, 10))
    table = pa.table({f"c{column}": numbers[:, column].copy() for column in range(10)})
    codec = next(codec for codec in CODECS if codec.kind == "table")
    puts, gets = [], []
    for _ in range(7):
        root = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
        store = LocalArtifactStore(root)
        started = time.perf_counter()
        artifact = codec.save(table, store)
        puts.append(time.perf_counter() - started)
        gets.append(median_seconds(lambda store=store, artifact=artifact: codec.load(artifact, store), repeats=3))
        shutil.rmtree(root)
    return statistics.median(puts), statistics.median(gets)


def figures() -> Iterator[Figure]:
    """Measure the runner in process (engine inline) with its stores on disk."""
    cold, again = _cold_and_again(chain)
    peers = "Hamilton 2, ZenML 175, Metaflow 300, Dagster 750-2,000 ms a step (measured earlier, same kind of machine)"
    yield Figure(what="step overhead, cold, chain of 20, in process", value=1000 * cold / 20, unit="ms a step",
                 goal="< 2", beside=peers, met=cold / 20 < 0.002)  # fmt: skip
    yield Figure(what="the same chain again, nothing to do", value=1000 * again, unit="ms", goal="< 10",
                 beside="kfp.local 7, Hamilton 9 ms (measured earlier)", met=again < 0.010)  # fmt: skip
    cold, again = _cold_and_again(fan)
    yield Figure(what="fan-out of 100 and a join, cold", value=1000 * cold, unit="ms", goal="< 150",
                 beside=f"again {1000 * again:.0f} ms; Hamilton 140 ms (earlier)", met=cold < 0.150)  # fmt: skip
    put, get = _edge()
    yield Figure(what="50 MB Arrow table across an edge: put", value=1000 * put, unit="ms", goal="< 30",
                 met=put < 0.030)  # fmt: skip
    yield Figure(what="50 MB Arrow table across an edge: get", value=1000 * get, unit="ms", goal="< 1",
                 met=get < 0.001)  # fmt: skip
