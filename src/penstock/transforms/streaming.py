"""Rows that stream through one statement: they get their positions on the way in, and their order on the way out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from penstock.core.schema import Field, Schema

POSITION = "_penstock_position"


def positioned(schema: Schema) -> Schema:
    """Return the schema with the column of positions behind the others."""
    return Schema((*schema.fields, Field(POSITION, "int64")))


def numbered(batches: pa.RecordBatchReader, waiting: deque[pa.RecordBatch]) -> pa.RecordBatchReader:
    """Return the rows with their positions, from 0, batch by batch; `waiting` holds those batches that went by."""
    schema = batches.schema.append(pa.field(POSITION, pa.int64()))

    def stream() -> Iterator[pa.RecordBatch]:
        at = 0
        for batch in batches:
            positions = pa.array(np.arange(at, at + batch.num_rows))
            waiting.append(pa.RecordBatch.from_arrays([*batch.columns, positions], schema=schema))
            at += batch.num_rows
            yield waiting[-1]  # DuckDB gives no batch without rows

    return pa.RecordBatchReader.from_batches(schema, stream())


def in_turn(batches: pa.RecordBatchReader, waiting: deque[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield the rows of batches whose first column is the position, without it and in order; drop from `waiting` the
    batches whose rows are all through.

    A join lets rows of one thread overtake those of another by a few groups of 122,880: no more than these are held.
    """
    held: dict[int, pa.RecordBatch] = {}
    at = 0
    for batch in batches:
        positions = batch.column(0).to_numpy()
        for start, length in runs(positions):
            held[positions[start]] = batch.slice(start, length)
        ready = []
        while at in held:
            ready.append(held.pop(at))
            at += ready[-1].num_rows
        while waiting and waiting[0].column(POSITION)[-1].as_py() < at:
            waiting.popleft()
        if ready:
            yield pa.Table.from_batches(ready).remove_column(0)


def runs(positions: np.ndarray) -> list[tuple[int, int]]:
    """Return where the stretches of rising positions begin, and how long they are."""
    starts = np.flatnonzero(np.diff(positions, prepend=-2) != 1)
    return list(zip(starts.tolist(), np.diff(starts, append=len(positions)).tolist(), strict=True))
