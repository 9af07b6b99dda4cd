"""Online features in process: 1, 10 and 100 entities with 10 features each, from LMDB, and from Redis beside a bare
MGET of the same bytes."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa

import penstock as ps
from bench.measure import Figure, fresh_folder, paired, per_call_microseconds

KEYS = 100_000
FEATURES = [f"f{number}" for number in range(10)]
REFERENCES = [f"drivers:{name}" for name in FEATURES]
AIMS = {1: 10, 10: 50, 100: 300}
_CALLS = 200


def _rows() -> pa.Table:
    """Return a row for each entity: 7 floats, 2 integers and a text, 2 % of them NULL."""
    draw = np.random.default_rng(0)

    def some(values: Any) -> pa.Array:
        return pa.array(values, mask=draw.random(KEYS) < 0.02)

    columns: dict[str, Any] = {name: some(draw.normal(size=KEYS)) for name in FEATURES[:7]}
    columns |= {name: some(draw.integers(0, 1 << 40, KEYS)) for name in FEATURES[7:9]}
    columns |= {FEATURES[9]: some(np.char.add("text-", draw.integers(0, 1000, KEYS).astype(str)).astype(object))}
    times = pa.array(np.full(KEYS, 1_790_000_000_000_000), pa.timestamp("us", "UTC"))
    return pa.table({"driver_id": np.arange(KEYS), "at": times, **columns})


def _store(online: str) -> Any:
    root = fresh_folder()
    (root / "penstock.toml").write_text(f'[project]\nname = "bench"\n[stores]\nonline = "{online}"\n')
    project, rows = ps.open(root), _rows()
    declared = ps.feature_set("drivers", entities={"driver_id": "int64"}, timestamp="at", features=FEATURES)
    project.features.apply(declared, rows)
    project.features.ingest(declared, rows)
    return project.features.reader(REFERENCES)


def _asked(count: int) -> list[list[dict[str, int]]]:
    draw = random.Random(count)
    return [[{"driver_id": draw.randrange(KEYS)} for _ in range(count)] for _ in range(1000)]


def _each(function: Callable[[Any], object], asked: list[Any]) -> Callable[[], object]:
    """Return a call that goes on to the next question each time."""
    turn = iter(asked * 10_000)
    return lambda: function(next(turn))


def _reads(reader: Any, count: int) -> Callable[[Any], object]:
    return (lambda entities: reader.row(entities[0])) if count == 1 else reader.rows


@contextmanager
def _redis() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            yield port
        finally:
            process.terminate()


def _against_redis(port: int) -> Iterator[Figure]:
    import redis
    from redis.backoff import ConstantBackoff
    from redis.retry import Retry

    bare = redis.Redis(port=port, retry=Retry(ConstantBackoff(0.1), 100))
    bare.ping()
    reader = _store(f"redis://127.0.0.1:{port}/0")
    keys = sorted(key for key in bare.scan_iter(count=10_000) if b"}r" in key)
    assert len(keys) == KEYS
    for count in AIMS:
        asked = _asked(count)
        theirs = [[keys[entity["driver_id"]] for entity in entities] for entities in asked]
        read, plain = _each(_reads(reader, count), asked), _each(bare.mget, theirs)

        def times(function: Callable[[], object]) -> Callable[[], None]:
            def repeated() -> None:
                for _ in range(_CALLS):
                    function()

            return repeated

        mine, other, ratio = paired(times(read), times(plain), repeats=9)
        yield Figure(
            what=f"{count} entities x 10 features from Redis, beside a bare MGET of the same bytes",
            value=ratio, unit="x", goal="< 1.3 x", met=ratio < 1.3,
            beside=f"ours {mine / _CALLS * 1e6:,.0f} us, MGET {other / _CALLS * 1e6:,.0f} us",
        )  # fmt: skip
    bare.close()


def figures() -> Iterator[Figure]:
    """Measure LMDB, then Redis where it is installed."""
    reader = _store("lmdb:.penstock/online")
    for count, aim in AIMS.items():
        median, slow = per_call_microseconds(_each(_reads(reader, count), _asked(count)))
        yield Figure(
            what=f"{count} entities x 10 features in process, LMDB", value=median, unit="us (median)",
            goal=f"< {aim}", met=median < aim, beside=f"p99 {slow:.0f} us",
        )  # fmt: skip
    if shutil.which("redis-server"):
        with _redis() as port:
            yield from _against_redis(port)
