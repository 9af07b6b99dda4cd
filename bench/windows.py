"""Windows of features: as of 100,000 instants over a history of 1 M rows, and of one entity online."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import duckdb
import numpy as np
import pyarrow as pa

import penstock as ps
from bench.measure import Figure, fresh_folder, median_seconds, per_call_microseconds

ROWS, KEYS, QUESTIONS = (int(each) for each in os.environ.get("BENCH_WINDOWS", "1000000,10000,100000").split(","))
DAY = 86_400_000_000
START = 1_767_225_600_000_000  # 2026-01-01
NAMES = ["amount_1d", "mean_7d", "count_30d"]
BY_HAND = """
SELECT q.n, sum(e.amount) FILTER (e.at >= q.at - INTERVAL 1 DAY),
       avg(e.amount) FILTER (e.at >= q.at - INTERVAL 7 DAY), count(e.amount)
FROM asked q LEFT JOIN events e ON e.card = q.card AND e.at < q.at AND e.at >= q.at - INTERVAL 30 DAY
GROUP BY q.n
"""


def _rows(random: np.random.Generator, count: int) -> tuple[pa.Array, pa.Array]:
    """Return cards and instants of 90 days."""
    times = pa.array(START + random.integers(0, 90 * DAY, count), pa.timestamp("us", "UTC"))
    return pa.array(random.integers(0, KEYS, count)), times


def figures() -> Iterator[Figure]:
    """Ingest, ask, and read online; beside the questions a join in DuckDB, with sums that are rounded at each step."""
    random = np.random.default_rng(0)
    cards, times = _rows(random, ROWS)
    amounts = pa.array(np.round(random.exponential(40, ROWS), 2))
    rows = pa.table({"card": cards, "at": times, "amount": amounts})
    amount = ps.col("amount")
    features = {
        NAMES[0]: amount.sum().over("1d"),
        NAMES[1]: amount.mean().over("7d"),
        NAMES[2]: amount.count().over("30d"),
    }
    declared = ps.feature_set("spending", entities={"card": "int64"}, timestamp="at", features=features)
    project = ps.open(fresh_folder())
    project.features.apply(declared, rows)
    started = time.perf_counter()
    project.features.ingest(declared, rows)
    ingest = time.perf_counter() - started
    yield Figure(
        what=f"ingest of {ROWS:,} rows with 3 windows: history, index, online, tiles",
        value=ROWS / ingest, unit="rows/s", goal="> 50,000 rows/s", met=ROWS / ingest > 50_000,
        beside=f"{ingest:.1f} s",
    )  # fmt: skip
    asked_cards, asked_times = _rows(random, QUESTIONS)
    asked = pa.table({"card": asked_cards, "event_timestamp": asked_times})
    references = [f"spending:{name}" for name in NAMES]
    started = time.perf_counter()
    project.features.get_historical_features(asked, references)
    first = time.perf_counter() - started
    ours = median_seconds(lambda: project.features.get_historical_features(asked, references))
    connection = duckdb.connect()
    connection.register("events", rows)
    connection.register("asked", pa.table({"n": np.arange(QUESTIONS), "card": asked_cards, "at": asked_times}))
    theirs = median_seconds(lambda: connection.sql(BY_HAND).to_arrow_table(), repeats=3)
    yield Figure(
        what=f"3 windows as of {QUESTIONS:,} instants, {ROWS:,} rows of {KEYS:,} keys", value=ours * 1000, unit="ms",
        goal="10 x a join in DuckDB", met=ours * 10 < theirs,
        beside=f"first call {first * 1000:,.0f} ms; DuckDB by hand {theirs * 1000:,.0f} ms, {theirs / ours:.1f} x",
    )  # fmt: skip
    reader = project.features.reader(references)
    now = START + 90 * DAY
    entities = iter([{"card": int(card)} for card in random.integers(0, KEYS, 1_000_000)])
    median, slow = per_call_microseconds(lambda: reader.row(next(entities), now=now))
    yield Figure(
        what="3 windows of one entity online, LMDB", value=median, unit="us", goal="< 100 us", met=median < 100,
        beside=f"p99 {slow:.0f} us",
    )  # fmt: skip
    some = {"card": random.integers(0, KEYS, 100).tolist()}
    many = median_seconds(lambda: project.features.get_online_features(references, some, now=now), repeats=20)
    yield Figure(
        what="3 windows of 100 entities online, LMDB, as a table", value=many * 1000, unit="ms", goal="< 10 ms",
        met=many < 0.01,
    )  # fmt: skip
