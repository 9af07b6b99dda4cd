"""Equal rows are equal bytes, however they lie in memory: slices, chunks, any type, garbage under NULLs."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st
from stored_tables import read, save

from penstock.stores import LocalArtifactStore


def list_of_pairs(values: dict[str, Any]) -> list[tuple[str, Any]]:
    return list(values.items())


EVERY_TYPE: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    (pa.float64(), st.floats(allow_nan=False)),
    (pa.bool_(), st.booleans()),
    (pa.string(), st.text(max_size=5)),
    (pa.binary(), st.binary(max_size=3)),
    (pa.decimal128(20, 3), st.integers(-(10**9), 10**9).map(lambda n: Decimal(n).scaleb(-3))),
    (pa.list_(pa.int16()), st.lists(st.none() | st.integers(-9, 9), max_size=3)),
    (pa.list_(pa.string()), st.lists(st.none() | st.text(max_size=2), max_size=2)),
    (pa.list_(pa.float32(), 2), st.tuples(st.integers(0, 3), st.none() | st.just(1.5))),
    (pa.map_(pa.string(), pa.int8()),
     st.dictionaries(st.text(max_size=1), st.none() | st.integers(0, 3)).map(list_of_pairs)),
    (pa.struct({"a": pa.int8(), "b": pa.list_(pa.string())}),
     st.fixed_dictionaries({"a": st.none() | st.just(1), "b": st.none() | st.lists(st.just("x"), max_size=2)})),
    (pa.timestamp("us", "Europe/Zurich"), st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1))),
    (pa.dictionary(pa.int32(), pa.string()), st.sampled_from(["red", "green"])),
    (pa.null(), st.none()),
]  # fmt: skip


@st.composite
def tables(draw: st.DrawFn, types: list[pa.DataType] | None = None) -> pa.Table:
    choices = [each for each in EVERY_TYPE if types is None or each[0] in types]
    rows = draw(st.integers(0, 12))
    columns = {}
    for at in range(draw(st.integers(1, 4))):
        type, values = draw(st.sampled_from(choices))
        given = draw(st.lists(st.none() | values, min_size=rows, max_size=rows))
        plain = type.value_type if pa.types.is_dictionary(type) else type
        array = pa.array(given, plain)
        columns[f"c{at}"] = array.dictionary_encode() if pa.types.is_dictionary(type) else array
    return pa.table(columns)


@given(table=tables(), data=st.data())
@settings(deadline=None, max_examples=150)
def test_slices_and_chunks_of_any_type_are_the_same_artifact(
    store: LocalArtifactStore, table: pa.Table, data: st.DataObject
) -> None:
    whole = save(table, store)
    assert read(whole, store) == table
    rows = table.num_rows
    cut = data.draw(st.integers(0, rows))
    around = pa.concat_tables([table.slice(cut), table, table.slice(0, cut)]).combine_chunks()
    start = rows - cut
    assert save(around.slice(start, rows), store).digest == whole.digest
    assert save(pa.concat_tables([table.slice(0, cut), table.slice(cut)]), store).digest == whole.digest
    assert save(pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=3)), store).digest == (
        whole.digest
    )


SHARED = [type for type, _ in EVERY_TYPE if not pa.types.is_map(type) and not pa.types.is_dictionary(type)]


@given(table=tables(SHARED))
@settings(deadline=None, max_examples=60)
@pytest.mark.parametrize("form", ["table:polars", "table:lazy", "table:pandas", "table:relation"])
def test_whatever_is_in_a_table_it_is_the_same_artifact_after_any_library(
    store: LocalArtifactStore, form: str, table: pa.Table
) -> None:
    if form == "table:relation":  # DuckDB's instants have no zone of their own: they come back in UTC
        zoned = pa.timestamp("us", "Europe/Zurich")
        table = table.cast(
            pa.schema([f.with_type(pa.timestamp("us", "UTC")) if f.type == zoned else f for f in table.schema])
        )
    stored = save(table, store)
    again = save(read(stored, store, form), store)
    assert read(again, store).to_pydict() == table.to_pydict()
    assert again.digest == stored.digest


def under_null(type: pa.DataType, garbage: list[Any]) -> pa.Array:
    """An array whose second value is NULL, with garbage under it."""
    full = pa.array(garbage, type)
    mask = pa.array([False, True, False])
    children = [full.field(at) for at in range(type.num_fields)] if pa.types.is_struct(type) else None
    if children is not None:
        return pa.StructArray.from_arrays(children, fields=list(type), mask=mask)
    valid = pa.py_buffer(bytes([0b101]))
    buffers = full.buffers()
    kids = [full.values] if pa.types.is_list(type) or pa.types.is_fixed_size_list(type) else None
    own = buffers[: 1 if pa.types.is_fixed_size_list(type) else 2] if kids else buffers
    return pa.Array.from_buffers(type, 3, [valid, *own[1:]], 1, children=kids)


@pytest.mark.parametrize(
    ("type", "values"),
    [
        (pa.int16(), [1, 9, 3]),
        (pa.decimal128(5, 1), [Decimal("1.0"), Decimal("9.0"), Decimal("3.0")]),
        (pa.bool_(), [True, True, False]),
        (pa.list_(pa.int64()), [[1], [9, 9], [3]]),
        (pa.list_(pa.int64(), 2), [[1, 1], [9, 9], [3, 3]]),
        (pa.struct({"a": pa.int64(), "b": pa.string()}), [{"a": 1, "b": "x"}, {"a": 9, "b": "y"}, {"a": 3, "b": "z"}]),
        (pa.month_day_nano_interval(), [(1, 1, 1), (9, 9, 9), (3, 3, 3)]),
    ],
    ids=str,
)
def test_what_lies_under_a_null_of_any_type_does_not_count(
    store: LocalArtifactStore, type: pa.DataType, values: list[Any]
) -> None:
    dirty = pa.table({"c": under_null(type, values)})
    clean = pa.table({"c": pa.array([values[0], None, values[2]], type)})
    assert dirty.to_pydict() == clean.to_pydict()
    assert save(dirty, store).digest == save(clean, store).digest
