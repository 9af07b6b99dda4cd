"""A feature set over REST with three rows in it, and what asks for its features."""

from __future__ import annotations

import datetime as dt

import msgspec
import pyarrow as pa

UTC = dt.UTC
ARROW = "application/vnd.apache.arrow.stream"
LARGE = 2**53 + 1
NOW = dt.datetime.now(UTC).replace(microsecond=123456)
FORM = {
    "name": "rides",
    "entities": {"driver": "int64"},
    "timestamp": "at",
    "ttl": "14d",
    "features": ["fare", "trips", "seen", "note", "tags", "raw", "day"],
    "columns": {
        "fare": "float64", "trips": "int64", "seen": "timestamp", "note": "string", "tags": "array<string>",
        "raw": "bytes", "day": "date",
    },
}  # fmt: skip
DF = {
    "driver": [7, 9, 8],
    "at": [NOW.isoformat(), NOW.isoformat().replace("+00:00", "Z"), (NOW - dt.timedelta(days=20)).isoformat()],
    "fare": [12.5, None, 1.0],
    "trips": [LARGE, -(2**63), 0],
    "seen": ["2026-01-31T08:30:00.000001+01:00", None, None],
    "note": ["é", "", None],
    "tags": [["a", "b"], [], None],
    "raw": ["AAH/", None, None],
    "day": ["2026-01-31", None, None],
}
NAMES = ["fare", "trips", "seen", "note", "tags", "raw", "day"]


def online(client, features, entities, **more):
    return client.post("/get-online-features", json={"features": features, "entities": entities, **more})


def by_name(answer):
    assert answer.status_code == 200, answer.text
    content = answer.json()
    return dict(zip(content["metadata"]["feature_names"], content["results"], strict=True))


def stream(table: pa.Table, form: dict | None = None) -> bytes:
    if form is not None:
        table = table.replace_schema_metadata({"penstock": msgspec.json.encode(form)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def read(content: bytes) -> pa.Table:
    with pa.ipc.open_stream(content) as reader:
        return reader.read_all()


HISTORY = {
    "features": ["rides:fare", "rides:trips"],
    "entity_df": {
        "driver": [7, 8, 7, 1],
        "event_timestamp": [
            NOW.isoformat(),
            (NOW - dt.timedelta(days=6)).isoformat(),
            (NOW - dt.timedelta(microseconds=1)).isoformat(),
            NOW.isoformat(),
        ],
        "label": [1, 2, 3, LARGE],
    },
}
