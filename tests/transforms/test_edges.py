"""Rows at the edges of a schema."""

from __future__ import annotations

import datetime
import math

import pyarrow as pa

from penstock.core.schema import Schema
from penstock.tables import arrow_schema
from penstock.transforms import edge_rows

SCHEMA = Schema.of(
    flag="bool", n="int64", km="float64", name="string", raw="bytes", day="date", clock="time", local="datetime",
    at="timestamp", tags="array<string>", place="struct<x float64, tags array<int64>>", nothing="null",
)  # fmt: skip


def test_every_edge_of_every_column_is_there():
    rows = edge_rows(SCHEMA, {})
    assert pa.Table.from_pylist(rows, schema=arrow_schema(SCHEMA)).num_rows == len(rows)
    assert dict.fromkeys(SCHEMA.names) in rows
    for name in SCHEMA.names:
        assert any(row[name] is None and sum(value is None for value in row.values()) <= 2 for row in rows)
    assert {-1, 0, 2**63 - 1, -(2**63)} <= {row["n"] for row in rows}
    assert any(row["km"] == 0 and math.copysign(1, row["km"]) < 0 for row in rows if row["km"] is not None)
    assert any(row["at"].isoweekday() == 7 for row in rows if row["at"])
    assert any(row["at"] == datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) for row in rows)
    assert "" in {row["name"] for row in rows}
    assert [] in [row["tags"] for row in rows]


def test_the_other_columns_hold_a_real_value():
    rows = edge_rows(Schema.of(n="int64", name="string"), {"n": 42, "name": None})
    assert all(row["n"] == 42 for row in rows if row["name"] == "")
    assert all(row["name"] for row in rows if row["n"] == -1)
