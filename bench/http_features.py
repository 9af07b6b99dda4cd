"""Online features over HTTP against `penstock serve`: 10 features of 1, 10 and 100 entities, one client on one kept
connection, which waits for each answer; beside it a bare ASGI application that reads the same LMDB and answers the same
JSON by hand, in turn with ours."""

from __future__ import annotations

import datetime
import http.client
import json
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

import penstock as ps
from bench.http_predict import _server
from bench.measure import Figure

FLOOR = """
import struct, lmdb, msgspec, numpy, uvicorn
NAMES = [f"f{i}" for i in range(10)]
environment = lmdb.open("ROOT/floor", readonly=False, lock=True)
unpack, encode = struct.Struct("<q10d").unpack, msgspec.json.encode
never = "1970-01-01T00:00:00Z"
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    if scope["method"] == "GET":
        answer = b"{}"
    else:
        ids = msgspec.json.decode(body)["entities"]["id"]
        with environment.begin() as transaction:
            rows = [unpack(transaction.get(id.to_bytes(8, "big"))) for id in ids]
        events, *columns = zip(*rows)
        times = encode(numpy.array(events, dtype="M8[us]").tolist()).replace(b'",', b'Z",').replace(b'"]', b'Z"]')
        times, there = msgspec.Raw(times), msgspec.Raw(encode(["PRESENT"] * len(ids)))
        results = [{"values": ids, "statuses": there, "event_timestamps": [never] * len(ids)}]
        results += [{"values": column, "statuses": there, "event_timestamps": times} for column in columns]
        answer = encode({"metadata": {"feature_names": ["id", *NAMES]}, "results": results})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
uvicorn.run(app, host="127.0.0.1", port=PORT, loop="uvloop", http="httptools", access_log=False, log_level="error")
"""
KEYS = 10_000
NAMES = [f"f{number}" for number in range(10)]
GOALS = {1: 1.28, 10: 1.5, 100: 1.3}
"""How many times the floor's median is aimed at. Feast 0.67's server took 7.7, 11.7 and 26 times such a floor (SQLite):
six, eight and twenty times as long as that."""


class Client:
    """One connection that asks for random entities."""

    def __init__(self, url: str, count: int) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        random.seed(0)
        self._bodies = [
            json.dumps(
                {"features": [f"bench:{name}" for name in NAMES], "entities": {"id": random.sample(range(KEYS), count)}}
            ).encode()
            for _ in range(200)
        ]
        self.times: list[float] = []

    def ask(self, requests: int) -> None:
        """Ask so many times, and keep how long each answer took."""
        for number in range(requests):
            started = time.perf_counter()
            self._connection.request("POST", "/get-online-features", self._bodies[number % len(self._bodies)])
            answer = self._connection.getresponse()
            content = answer.read()
            self.times.append(time.perf_counter() - started)
            assert answer.status == 200, content

    def checked(self) -> list[object]:
        """Return the values of an answer, to be held against the other's."""
        self._connection.request("POST", "/get-online-features", self._bodies[0])
        return [each["values"] for each in json.loads(self._connection.getresponse().read())["results"]]


def figures() -> Iterator[Figure]:
    """Measure in rounds, ours and the floor in turn."""
    root = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    _fill(root)
    serve = [sys.executable, "-m", "penstock", "serve", "--port", "18473"]
    floor = [sys.executable, "-c", FLOOR.replace("PORT", "18474").replace("ROOT", str(root))]
    with _server(serve, 18473, root) as ours, _server(floor, 18474, root) as bare:
        for count, goal in GOALS.items():
            mine, theirs = Client(ours, count), Client(bare, count)
            assert mine.checked() == theirs.checked()
            for client in (mine, theirs):
                client.ask(300)
                client.times.clear()
            ratios = []
            for _ in range(10):
                for client in (mine, theirs):
                    client.ask(200)
                ratios.append(statistics.median(mine.times[-200:]) / statistics.median(theirs.times[-200:]))
            median, worst, rate = _told(mine.times)
            their_median, their_worst, _ = _told(theirs.times)
            ratio = statistics.median(ratios)
            yield Figure(
                what=f"online features over HTTP: 10 features of {count} entit{'y' if count == 1 else 'ies'}, median",
                value=median, unit="us", goal=f"< {goal:g} x the floor", met=ratio < goal,
                beside=f"99th percentile {worst:,.0f} us, {rate:,.0f} requests/s on one connection; a bare ASGI "
                f"application over LMDB {their_median:,.0f} us ({ratio:.2f} x), 99th percentile {their_worst:,.0f} us",
            )  # fmt: skip
    shutil.rmtree(root)


def _told(times: list[float]) -> tuple[float, float, float]:
    ordered = sorted(times)
    median, worst = ordered[len(ordered) // 2], ordered[int(len(ordered) * 0.99)]
    return median * 1e6, worst * 1e6, len(times) / sum(times)


def _fill(root: Path) -> None:
    import struct

    import lmdb

    columns = {name: np.random.default_rng(number).random(KEYS) for number, name in enumerate(NAMES)}
    now = datetime.datetime.now(datetime.UTC)
    bench = ps.feature_set(
        "bench", entities={"id": "int64"}, timestamp="at", ttl="30d", columns=dict.fromkeys(NAMES, "float64")
    )
    features = ps.open(root).features
    features.apply(bench)
    at = pa.array([now] * KEYS, pa.timestamp("us", "UTC"))
    features.ingest(bench, pa.table({"id": np.arange(KEYS), "at": at, **columns}))
    pack, event = struct.Struct("<q10d").pack, int(now.timestamp() * 1e6)
    with lmdb.open(f"{root}/floor", map_size=1 << 30) as environment, environment.begin(write=True) as transaction:
        for key, values in enumerate(zip(*(column.tolist() for column in columns.values()), strict=True)):
            transaction.put(key.to_bytes(8, "big"), pack(event, *values))
