"""What the runner itself costs: chains and fan-outs, cold and with nothing to do, and a 50 MB edge."""

from __future__ import annotations

import os
import sqlite3
import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

import penstock as ps
from bench.measure import Figure, fresh_folder, median_seconds
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


def chain(steps: int) -> Any:
    """Return a pipeline of so many steps in a row."""

    @ps.pipeline(name=f"chain of {steps}")
    def declared(seed: int = 0) -> None:
        value = begin(seed)
        for _ in range(steps - 1):
            value = add_one(value)

    return declared


def fan(branches: int) -> Any:
    """Return a pipeline of so many branches and a join."""

    @ps.pipeline(name=f"fan of {branches}")
    def declared(seed: int = 0) -> None:
        value = begin(seed)
        total([add_one(value, branch=number) for number in range(branches)])

    return declared


def floor(steps: int) -> float:
    """Return the seconds of the least that so many recorded steps can be: for each a file written whole, a log, and two
    commits."""
    root = fresh_folder()
    records = sqlite3.connect(root / "records.db", isolation_level=None)
    records.execute("PRAGMA journal_mode = WAL")
    records.execute("PRAGMA synchronous = NORMAL")
    records.execute("CREATE TABLE records (id TEXT PRIMARY KEY, record TEXT)")
    started = time.perf_counter()
    for step in range(steps):
        (root / "temporary").write_bytes(b"x" * 10)
        os.replace(root / "temporary", root / f"blob-{step}")
        (root / f"{step}.log").write_bytes(b"")
        for moment in ("started", "ended"):
            records.execute("INSERT INTO records VALUES (?, ?)", (f"{step} {moment}", "x" * 500))
    elapsed = time.perf_counter() - started
    records.close()
    return elapsed


def _cold_and_again(pipeline: Any, steps: int, repeats: int = 5) -> tuple[float, float, float]:
    """Return the median seconds of a run in a fresh store, of the same run again, and of the least that so many steps
    can be, measured in turn with them."""
    rounds = []
    for repeat in range(repeats + 1):
        project = ps.open(fresh_folder())
        rounds.append((*(_run_seconds(project, pipeline, repeat) for _ in range(2)), floor(steps)))
    cold, again, least = zip(*rounds[1:], strict=True)  # the first one imports and compiles
    return statistics.median(cold), statistics.median(again), statistics.median(least)


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
        root = fresh_folder()
        store = LocalArtifactStore(root)
        started = time.perf_counter()
        artifact = codec.save(table, store)
        puts.append(time.perf_counter() - started)
        gets.append(median_seconds(lambda store=store, artifact=artifact: codec.load(artifact, store), repeats=3))
    return statistics.median(puts), statistics.median(gets)


def figures() -> Iterator[Figure]:
    """Measure the runner in process (engine inline) with its stores on disk."""
    cold, again, bare = _cold_and_again(chain(20), 20)
    least = f"the least: a file, a log and two commits, {1000 * bare / 20:.2f} ms a step; "
    peers = "Hamilton 2, ZenML 175, Metaflow 300, Dagster 750-2,000 ms a step (measured earlier, same kind of machine)"
    yield Figure(what="step overhead, cold, chain of 20, in process", value=1000 * cold / 20, unit="ms a step",
                 goal="< 2", beside=least + peers, met=cold / 20 < 0.002)  # fmt: skip
    yield Figure(what="the same chain again, nothing to do", value=1000 * again, unit="ms", goal="< 10",
                 beside="kfp.local 7, Hamilton 9 ms (measured earlier)", met=again < 0.010)  # fmt: skip
    cold, again, bare = _cold_and_again(fan(100), 102)
    beside = f"again {1000 * again:.0f} ms; the least {1000 * bare:.0f} ms; Hamilton 140 ms (earlier)"
    yield Figure(what="fan-out of 100 and a join, cold", value=1000 * cold, unit="ms", goal="< 150",
                 beside=beside, met=cold < 0.150)  # fmt: skip
    for what, pipeline in (("1,000 steps wide", fan(998)), ("1,000 steps deep", chain(1000))):
        cold, again, bare = _cold_and_again(pipeline, 1000, repeats=2)
        yield Figure(what=f"{what}, again: nothing to do", value=1000 * again, unit="ms", goal="< 300",
                     beside=f"cold {cold:.2f} s, {cold / bare:.1f} x the least", met=again < 0.3)  # fmt: skip
    put, get = _edge()
    yield Figure(what="50 MB Arrow table across an edge: put", value=1000 * put, unit="ms", goal="< 30",
                 met=put < 0.030)  # fmt: skip
    yield Figure(what="50 MB Arrow table across an edge: get", value=1000 * get, unit="ms", goal="< 1",
                 met=get < 0.001)  # fmt: skip
