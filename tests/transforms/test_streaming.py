"""Rows that stream through a statement come out in their order, and are held no longer than that takes."""

from __future__ import annotations

import random
from collections import deque

import numpy as np
import pyarrow as pa

from penstock.transforms.streaming import POSITION, in_turn, numbered

ROWS = 10_000


def given(waiting: deque[pa.RecordBatch]) -> list[pa.RecordBatch]:
    batches = pa.table({"n": range(ROWS)}).to_reader(max_chunksize=700)
    return [batch.select([POSITION, "n"]) for batch in numbered(batches, waiting)]


def test_what_overtook_others_is_put_back():
    draw = random.Random(1)
    waiting: deque[pa.RecordBatch] = deque()
    pieces = [batch.slice(at, 123) for batch in given(waiting) for at in range(0, batch.num_rows, 123)]
    for at in range(0, len(pieces), 6):  # overtaking is local
        pieces[at : at + 6] = draw.sample(pieces[at : at + 6], len(pieces[at : at + 6]))
    table = pa.Table.from_batches(pieces)
    assert (np.diff(table[POSITION].to_numpy()) != 1).sum() > 20
    made = list(in_turn(table.combine_chunks().to_reader(max_chunksize=500), waiting))
    assert pa.concat_tables(made).to_pydict() == {"n": list(range(ROWS))}
    assert max(each.num_rows for each in made) < 3000
    assert not waiting


def test_the_rows_that_are_not_through_are_kept():
    waiting: deque[pa.RecordBatch] = deque()
    table = pa.Table.from_batches(given(waiting))
    made = in_turn(table.to_reader(max_chunksize=500), waiting)
    assert len(next(made)) == 500
    assert waiting[0].column(POSITION)[0].as_py() == 0
    assert len(next(made)) == 200
    assert waiting[0].column(POSITION)[0].as_py() == 700
