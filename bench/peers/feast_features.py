"""Feast over the rows of `bench.feature_shapes`, run by the interpreter of Feast's own environment.

`feast_features.py answers ROWS ASKED TO ROOT` asks its DuckDB offline store; `online STORE ROWS ROOT` materializes into
sqlite or a Redis (at `BENCH_REDIS`) and reads by the SDK and over REST. Both print JSON.
"""

from __future__ import annotations

import dataclasses
import datetime
import http.client
import json
import logging
import os
import random
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import pandas as pd  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType  # noqa: E402
from feast.types import Float64, Int64, String  # noqa: E402

from bench.feature_shapes import COLUMNS, FEATURES, TTL_DAYS  # noqa: E402
from bench.measure import first_and_best, per_call_microseconds  # noqa: E402

TYPES = {"float64": Float64, "int64": Int64, "string": String}
REFERENCES = [f"driver_stats:{name}" for name in FEATURES]
PORT = 18_732


def store(rows: Path, root: Path, online: str) -> FeatureStore:
    """Return a store over a file of rows, its view applied."""
    root.mkdir(parents=True, exist_ok=True)
    kept: dict[str, Any] = {"type": "sqlite", "path": str(root / "online.db")}
    if online == "redis":
        kept = {"type": "redis", "connection_string": os.environ["BENCH_REDIS"]}
    made = FeatureStore(
        config=RepoConfig(
            project="bench",
            registry=str(root / "registry.db"),
            provider="local",
            offline_store={"type": "duckdb"},
            online_store=kept,
            entity_key_serialization_version=3,
            repo_path=str(root),
        )
    )
    driver = Entity(name="driver_id", join_keys=["driver_id"], value_type=ValueType.INT64)
    view = FeatureView(
        name="driver_stats",
        entities=[driver],
        ttl=datetime.timedelta(days=TTL_DAYS),
        schema=[
            Field(name="driver_id", dtype=Int64),
            *(Field(name=name, dtype=TYPES[type]) for name, type in FEATURES.items()),
        ],
        source=FileSource(
            name="rows", path=str(rows), timestamp_field="event_timestamp", created_timestamp_column="created"
        ),
        online=True,
    )
    made.apply([driver, view])
    return made


def answers(rows: str, asked: str, to: str, root: str) -> dict[str, float]:
    """Answer entity rows that are in memory."""
    made = store(Path(rows), Path(root), "sqlite")
    entities = pq.read_table(asked, columns=COLUMNS).to_pandas()
    answer, took = first_and_best(
        lambda: made.get_historical_features(entity_df=entities, features=REFERENCES).to_arrow()
    )
    pq.write_table(answer, to)
    return dataclasses.asdict(took)


def online(kind: str, rows: str, root: str) -> dict[str, Any]:
    """Materialize, then read 1, 10 and 100 entities by the SDK and over REST: median and p99 in microseconds."""
    made = store(Path(rows), Path(root), kind)
    began = time.perf_counter()
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made.materialize(start_date=start, end_date=start + datetime.timedelta(days=120))
    found: dict[str, Any] = {"materialize": time.perf_counter() - began}
    entities = pd.read_parquet(rows, columns=["driver_id"])["driver_id"].unique().tolist()
    chosen = random.Random(1)

    def by_sdk(count: int) -> None:
        asked = [{"driver_id": each} for each in chosen.sample(entities, count)]
        made.get_online_features(features=REFERENCES, entity_rows=asked).to_dict()

    for count in (1, 10, 100):
        found[f"sdk {count}"] = per_call_microseconds(lambda count=count: by_sdk(count), seconds=3)
    serve = (
        "import sys, uvicorn; from pathlib import Path; from bench.peers.feast_features import store; "
        "from feast.feature_server import get_app; made = store(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]); "
        f"uvicorn.run(get_app(made), host='127.0.0.1', port={PORT}, log_level='error', access_log=False)"
    )
    server = subprocess.Popen([sys.executable, "-c", serve, rows, root, kind])
    try:
        connection = _connected(server)

        def by_rest(count: int) -> None:
            body = {"features": REFERENCES, "entities": {"driver_id": chosen.sample(entities, count)}}
            connection.request("POST", "/get-online-features", json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise RuntimeError(answer.read()[:300])
            answer.read()

        for count in (1, 10, 100):
            found[f"rest {count}"] = per_call_microseconds(lambda count=count: by_rest(count), seconds=3)
    finally:
        server.terminate()
        server.wait()
    return found


def _connected(server: subprocess.Popen[bytes]) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", PORT)
    for _ in range(600):
        try:
            connection.request("GET", "/health")
            connection.getresponse().read()
        except OSError:
            connection.close()
            time.sleep(0.1)
        else:
            return connection
        if server.poll() is not None:
            break
    raise RuntimeError("Feast's server did not start")


if __name__ == "__main__":
    run = {"answers": answers, "online": online}[sys.argv[1]]
    print("\n" + json.dumps(run(*sys.argv[2:])))
