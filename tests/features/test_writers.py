"""Writers of features, killed at any moment, racing, on a full disk: what they leave is whole, and the next goes on."""

from __future__ import annotations

import os
import random
import resource
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import StorageError
from warm.forks import forks

ENTITIES = 40
PATIENCE_SECONDS = 120


@pytest.fixture
def root(placed: Path) -> Path:
    """The folder of a project with a feature set."""
    features = {"n": ps.col("n"), "total": ps.col("n").count().over("1d")}
    columns = {"n": "int64"}
    ps.open(placed).features.apply(
        ps.feature_set("s", entities={"k": "int64"}, timestamp="event", features=features, columns=columns)
    )
    return placed


def rows(n: int, count: int = ENTITIES) -> pa.Table:
    """Return the n-th batch: a row for each entity, a second after those of the batch before."""
    times = pa.array(np.full(count, NOW + n * 1_000_000), pa.timestamp("us", "UTC"))
    return pa.table({"k": np.arange(count), "event": times, "n": np.full(count, n)})


NOW = 1_790_000_000_000_000


def ingest_from(n: int, root: Path, begun: Connection) -> None:
    store = ps.open(root).features
    store.ingest("s", rows(n), batch=f"b{n}")  # it is there already: this loads what an ingest needs
    begun.send("begun")
    while True:
        store.ingest("s", rows(n), batch=f"b{n}")
        n += 1


def ingest_each(root: Path, names: list[str], told: Connection) -> None:
    store = ps.open(root).features
    told.send("ready")
    told.recv()
    done = [store.ingest("s", rows(int(name.partition("-")[2])), batch=name) for name in names]
    told.send([each.repeated for each in done])


def history_of(root: Path) -> pa.Table:
    return ps.open(root).features.places.history.open("s").read(["k", "n"])


def whole_batches(root: Path) -> int:
    """Check that the history has whole batches, one after the other, and return how many."""
    found = history_of(root)
    numbers, count = found.column("n").to_numpy(), found.num_rows // ENTITIES
    assert found.column("_sequence").to_pylist() == list(range(1, count * ENTITIES + 1))
    assert (numbers.reshape(count, ENTITIES) == numbers[::ENTITIES, None]).all()
    assert found.column("k").to_pylist() == list(range(ENTITIES)) * count
    assert numbers[::ENTITIES].tolist() == list(range(count))
    return count


def online_of(root: Path) -> list[tuple[Any, ...]]:
    store = ps.open(root).features
    now = NOW + 3_600_000_000
    found = store.get_online_features(["s:n", "s:total"], {"k": list(range(ENTITIES))}, now=now)
    return list(zip(found.column("n").to_pylist(), found.column("total").to_pylist(), strict=True))


@pytest.mark.parametrize("batch", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2))])
def test_an_ingest_killed_at_any_moment_leaves_whole_batches_and_the_next_one_goes_on(root: Path, batch: int) -> None:
    seed = int(os.environ.get("ENDURANCE_SEED", time.time_ns()))
    draw = random.Random(seed + batch)
    ingest_one = partial(ps.open(root).features.ingest, "s")
    ingest_one(rows(0), batch="b0")
    began = time.monotonic()
    ingest_one(rows(1), batch="b1")
    count, longest = 2, 10 * (time.monotonic() - began)  # of the time until a kill: a few ingests
    try:
        for _ in range(8):
            ours, theirs = forks().Pipe(duplex=False)
            process = forks().Process(target=ingest_from, args=(count - 1, root, theirs))
            process.start()
            theirs.close()
            assert ours.poll(PATIENCE_SECONDS)
            ours.recv()
            process.join(draw.uniform(0, longest))
            process.kill()
            process.join(PATIENCE_SECONDS)
            ours.close()
            before, count = count, whole_batches(root)
            assert count >= before
            ((last, total),) = set(online_of(root))  # every entity is of one batch
            assert before - 1 <= last < count
            assert before <= total <= count
            ps.open(root).features.materialize("s")
            assert set(online_of(root)) == {(count - 1, count)}
    except BaseException as error:
        error.add_note(f"to have the same moments again: ENDURANCE_SEED={seed}")
        raise
    assert count > 2
    assert ingest_one(rows(count - 1), batch=f"b{count - 1}").repeated


def test_two_at_once_lose_nothing_and_a_batch_of_both_is_in_once(root: Path) -> None:
    names = [[f"{who}-{n}" for n in range(first, first + 8)] for who, first in (("a", 0), ("b", 8))]
    names = [
        [name for pair in zip(mine, [f"both-{n}" for n in range(16, 24)], strict=True) for name in pair]
        for mine in names
    ]
    told, processes = [], []
    for mine in names:
        ours, theirs = forks().Pipe()
        processes.append(forks().Process(target=ingest_each, args=(root, mine, theirs)))
        processes[-1].start()
        told.append(ours)
    for each in told:
        assert each.poll(PATIENCE_SECONDS)
        each.recv()
    for each in told:
        each.send("go")
    repeated = [each.recv() for each in told if each.poll(PATIENCE_SECONDS)]
    for process in processes:
        process.join(PATIENCE_SECONDS)
    one, other = (list(zip(mine, flags, strict=True)) for mine, flags in zip(names, repeated, strict=True))
    assert not any(again for name, again in one + other if "both" not in name)
    shared = [sorted(again for name, again in one + other if name == f"both-{n}") for n in range(16, 24)]
    assert shared == [[False, True]] * 8
    found = history_of(root)
    assert found.column("_sequence").to_pylist() == list(range(1, 24 * ENTITIES + 1))
    numbers = found.column("n").to_numpy().reshape(24, ENTITIES)
    assert (numbers == numbers[:, :1]).all()
    assert sorted(numbers[:, 0].tolist()) == list(range(24))
    assert set(online_of(root)) == {(23, 24)}


def many(count: int) -> pa.Table:
    draw = np.random.default_rng(5)
    times = pa.array(np.full(count, NOW), pa.timestamp("us", "UTC"))
    return pa.table({"k": np.arange(count), "event": times, "n": draw.integers(0, 1 << 62, count)})


def when_full(root: Path, limit: int, table: pa.Table, answer: Connection) -> None:
    """Ingest while files cannot grow beyond a limit, then without one; send what came of it."""
    store = ps.open(root).features
    store.ingest("s", rows(0))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        store.ingest("s", table, batch="large")
        told = "stored"
    except StorageError as error:
        told = str(error)
    then = history_of(root).num_rows, online_of(root)
    small = store.ingest("s", rows(1), batch="small").rows if "history" in told else 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    again = store.ingest("s", table, batch="large").repeated
    answer.send((told, then, small, again, history_of(root).num_rows, online_of(root)))


def in_a_process(function: Callable[..., None], *arguments: Any) -> Any:
    ours, theirs = forks().Pipe(duplex=False)
    process = forks().Process(target=function, args=(*arguments, theirs))
    process.start()
    theirs.close()
    found = ours.recv()
    process.join(PATIENCE_SECONDS)
    return found


@pytest.mark.parametrize("placed", ["lmdb"], indirect=True)
def test_a_history_on_a_full_disk_has_all_or_nothing_of_a_batch_and_goes_on(root: Path) -> None:
    told, then, small, again, count, online = in_a_process(when_full, root, 500_000, many(80_000))
    assert "the history" in told
    assert "cannot be written" in told
    assert then == (ENTITIES, [(0, 1)] * ENTITIES)
    assert (small, again) == (ENTITIES, False)
    assert count == 2 * ENTITIES + 80_000
    assert {total for _, total in online} == {3}


@pytest.mark.parametrize("placed", ["lmdb"], indirect=True)
def test_an_online_store_on_a_full_disk_has_all_or_nothing_of_a_batch_and_catches_up(root: Path) -> None:
    table = many(20_000)
    told, then, _, again, count, online = in_a_process(when_full, root, 900_000, table)
    assert "the online store" in told
    assert "cannot be written" in told
    assert then == (ENTITIES + 20_000, [(0, 1)] * ENTITIES)  # the history has it, online values are those before
    assert again
    assert count == ENTITIES + 20_000
    newest = table.column("n").to_pylist()[:ENTITIES]
    assert [total for _, total in online] == [2] * ENTITIES
    assert [n for n, _ in online] == newest
