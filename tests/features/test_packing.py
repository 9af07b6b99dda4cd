"""Online records: any features of many of them, read at once, are what was packed."""

from __future__ import annotations

import datetime as dt
import random

import numpy as np
import pyarrow as pa
from hypothesis import given, strategies as st

from penstock.core.schema import Field, Schema
from penstock.features.index.layout import Layout
from penstock.features.online.packing import pack, record_reader
from penstock.tables import arrow_type

VALUES = {
    "int64": [0, -1, 2**63 - 1, -(2**63)],
    "float64": [0.0, -2.5, 1e308],
    "bool": [True, False],
    "string": ["", "é", "a longer text"],
    "bytes": [b"", b"\0\xff"],
    "date": [dt.date(1970, 1, 1), dt.date(1, 1, 1)],
    "timestamp": [dt.datetime(2026, 1, 31, 8, 30, 0, 1, tzinfo=dt.UTC)],
    "array<string>": [(), ("a", "b")],
}


@given(
    types=st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=80), count=st.integers(0, 4), seed=st.integers()
)
def test_any_features_of_records_are_read_as_they_were_packed(types, count, seed):
    draw = random.Random(seed)
    layout = Layout(Schema(tuple(Field(f"f{number}", type) for number, type in enumerate(types))))
    columns = {
        f"f{number}": [draw.choice([None, *VALUES[type]]) for _ in range(count)] for number, type in enumerate(types)
    }
    table = pa.table({name: pa.array(columns[name], arrow_type(layout.schema[name].type)) for name in columns})
    words, dictionaries = layout.encode(table.combine_chunks(), np.arange(count))
    events = np.array([draw.randrange(-(2**63), 2**63) for _ in range(count)], dtype=np.int64)
    records = pack(layout, words, (events, events, events), dictionaries)

    chosen = draw.sample(list(columns), draw.randint(1, len(columns)))
    reader = record_reader(layout, chosen)
    values = [[columns[name][row] for name in chosen] for row in range(count)]
    expected = [(row, ["NULL_VALUE" if value is None else "PRESENT" for value in row]) for row in values]
    assert reader.rows(records) == expected
    assert [each for record in records for each in reader.rows([record])] == expected
    assert [reader.event(record) for record in records] == events.tolist()
    if records:
        assert reader.oldest(records) == events.min()
        assert list(reader.words(records)[0]) == events.tolist()
