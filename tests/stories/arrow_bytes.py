"""Tables as the bytes of Arrow files, held against each other."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

import penstock as ps
from penstock.stores.canonical import canonical_batches, canonical_schema


def ipc(table: pa.Table) -> bytes:
    """Return a table as the bytes of an Arrow file, without what lies under NULLs and between batches."""
    schema, sink = canonical_schema(table.schema), pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as file:
        for batch in canonical_batches(schema, table.to_batches()):
            file.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def rows_of(content: bytes) -> pa.Table:
    with pa.ipc.open_file(content) as file:
        return file.read_all()


def differing(
    cases: list[tuple[ps.ModelGraph, pa.Table]], made: list[bytes], here: list[bytes]
) -> list[tuple[Any, ...]]:
    """Return the columns whose bytes differ, with their values: of bytes themselves nobody sees the difference."""
    assert len(cases) == len(made) == len(here)
    return [
        (graph.name, name, one[name].to_pylist(), other[name].to_pylist())
        for (graph, _), *both in zip(cases, made, here, strict=True)
        if both[0] != both[1]
        for one, other in [map(rows_of, both)]
        for name in other.column_names
        if ipc(one.select([name])) != ipc(other.select([name]))
    ]
