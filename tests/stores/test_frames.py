"""Equal rows are equal bytes, whichever library made them, and each annotation gets them as it asks."""

from __future__ import annotations

import datetime
import math
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import given, settings, strategies as st

from penstock.core.artifact import Artifact
from penstock.core.ports import Codec
from penstock.errors import DataError, MissingExtraError
from penstock.stores import CODECS, LocalArtifactStore
from penstock.stores.canonical import BATCH_ROWS

BY_KIND: dict[str, Codec] = {codec.kind: codec for codec in CODECS}
FORMS = [
    "table",
    "table:batch",
    "table:reader",
    "table:dataset",
    "table:relation",
    "table:polars",
    "table:lazy",
    "table:pandas",
]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path_factory.mktemp("artifacts"))


def save(value: Any, store: LocalArtifactStore) -> Artifact:
    assert BY_KIND["table"].accepts(value)
    return BY_KIND["table"].save(value, store)


def read(artifact: Artifact, store: LocalArtifactStore, form: str = "table") -> Any:
    return BY_KIND[form].load(artifact, store)


DAY = datetime.date(2026, 2, 28)
NOON = datetime.datetime(2026, 2, 28, 12, 0, 0, 123456)
ROWS = pa.table(
    {
        "i": pa.array([1, None, -3], pa.int32()),
        "big": pa.array([2**53 + 1, None, 2**63 - 1], pa.int64()),
        "small": pa.array([1, 2, 255], pa.uint8()),
        "x": pa.array([1.5, None, math.inf]),
        "f": pa.array([1.5, -0.0, 3.0], pa.float32()),
        "yes": pa.array([True, None, False]),
        "no": pa.array([True, True, False]),
        "name": pa.array(["a", None, "Zürich"]),
        "raw": pa.array([b"", None, b"\x00"]),
        "day": pa.array([DAY, None, DAY], pa.date32()),
        "at": pa.array([NOON, None, NOON], pa.timestamp("us", "UTC")),
        "local": pa.array([NOON, None, NOON], pa.timestamp("us")),
        "ns": pa.array([1, None, 3], pa.timestamp("ns")),
        "wait": pa.array([1, None, 3], pa.duration("us")),
        "price": pa.array([Decimal("1.10"), None, Decimal("-0.01")], pa.decimal128(10, 2)),
        "tags": pa.array([["a", None], None, []]),
        "deep": pa.array([[{"k": 1}], None, [{"k": None}]]),
        "pair": pa.array([{"x": 1, "y": "a"}, {"x": None, "y": None}, {"x": 2, "y": "b"}]),
    }
)


@pytest.mark.parametrize("form", FORMS)
def test_a_table_that_went_through_any_library_is_the_same_artifact(store: LocalArtifactStore, form: str) -> None:
    rows = ROWS.drop(["wait"]) if form == "table:relation" else ROWS  # DuckDB has intervals of months, no durations
    stored = save(rows, store)
    again = save(read(stored, store, form), store)
    assert read(again, store).to_pydict() == rows.to_pydict()
    assert read(again, store).schema == read(stored, store).schema
    assert again.digest == stored.digest


def test_each_form_is_of_its_library(store: LocalArtifactStore) -> None:
    stored = save(ROWS, store)
    classes = [
        pa.Table, pa.RecordBatch, pa.RecordBatchReader, ds.Dataset, duckdb.DuckDBPyRelation, pl.DataFrame, pl.LazyFrame,
        pd.DataFrame,
    ]  # fmt: skip
    for form, cls in zip(FORMS, classes, strict=True):
        assert isinstance(read(stored, store, form), cls)


def test_layouts_of_texts_lists_and_zones_are_one(store: LocalArtifactStore) -> None:
    plain = save(
        pa.table({"s": ["a", None], "l": [["x"], None], "at": pa.array([NOON] * 2, pa.timestamp("us", "UTC"))}), store
    )
    for text in (pa.large_string(), pa.string_view()):
        other = pa.table(
            {
                "s": pa.array(["a", None], text),
                "l": pa.array([["x"], None], pa.large_list(pa.large_string())),
                "at": pa.array([NOON] * 2, pa.timestamp("us", "Etc/UTC")),
            },
            metadata={"pandas": "{}"},
        )
        assert save(other, store).digest == plain.digest
    frame = pl.DataFrame({"s": ["a", None], "l": [["x"], None], "at": [NOON] * 2})
    frame = frame.with_columns(pl.col("at").dt.replace_time_zone("UTC"))
    assert save(frame, store).digest == plain.digest
    assert save(frame.lazy(), store).digest == plain.digest
    frame_of_pandas = pd.DataFrame({"s": ["a", None], "l": [["x"], None], "at": pd.to_datetime([NOON] * 2, utc=True)})
    assert save(frame_of_pandas, store).digest == plain.digest
    relation = duckdb.connect().sql(
        "SELECT * FROM (VALUES ('a', ['x'], TIMESTAMPTZ '2026-02-28 12:00:00.123456+00'), "
        "(NULL, NULL, TIMESTAMPTZ '2026-02-28 12:00:00.123456+00')) rows(s, l, \"at\")"
    )
    found = read(save(relation, store), store)
    assert found == read(plain, store).cast(found.schema)


# --- whatever lies in memory


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


# --- categories


def test_categories_of_pandas_come_back_with_their_order_and_those_without_rows(store: LocalArtifactStore) -> None:
    frame = pd.DataFrame(
        {
            "size": pd.Categorical(["m", "s", None], categories=["s", "m", "l"], ordered=True),
            "color": pd.Categorical(["red", "red", "blue"], categories=["blue", "red", "green"]),
            "year": pd.Categorical([2026, 2025, 2026]),
        }
    )
    back = read(save(frame, store), store, "table:pandas")
    pd.testing.assert_frame_equal(back, frame)


def test_an_enum_of_polars_comes_back_and_is_an_ordered_category_of_pandas(store: LocalArtifactStore) -> None:
    frame = pl.DataFrame({"size": pl.Series(["m", "s", None], dtype=pl.Enum(["s", "m", "l"]))})
    stored = save(frame, store)
    assert read(stored, store, "table:polars").equals(frame)
    assert read(stored, store, "table:polars").schema == frame.schema
    assert read(stored, store, "table:lazy").collect().schema == frame.schema
    assert read(stored, store, "table:pandas")["size"].cat.categories.tolist() == ["s", "m", "l"]
    assert save(frame.lazy(), store).digest == stored.digest
    ordered = pd.DataFrame({"size": pd.Categorical(["m", "s", None], categories=["s", "m", "l"], ordered=True)})
    assert save(ordered, store).digest == stored.digest


def test_categories_of_polars_do_not_depend_on_other_frames(store: LocalArtifactStore) -> None:
    pl.Series(["zebra", "ant"], dtype=pl.Categorical)
    frame = pl.DataFrame({"c": pl.Series(["b", None, "a", "b"], dtype=pl.Categorical)})
    stored = save(frame, store)
    assert read(stored, store)["c"].chunk(0).dictionary.to_pylist() == ["a", "b"]
    assert save(frame.lazy(), store).digest == stored.digest
    assert save(pd.DataFrame({"c": pd.Categorical(["b", None, "a", "b"])}), store).digest == stored.digest
    assert read(stored, store, "table:polars").equals(frame)


def test_a_stream_whose_batches_have_other_categories_is_one_table(store: LocalArtifactStore) -> None:
    batches = [pa.record_batch({"c": pa.array(texts).dictionary_encode()}) for texts in (["a", "b"], ["c", "a", None])]
    stored = save(pa.RecordBatchReader.from_batches(batches[0].schema, batches), store)
    assert read(stored, store)["c"].to_pylist() == ["a", "b", "c", "a", None]


# --- what cannot be kept

SPARSE = pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (pa.table({"n": [1], "u": SPARSE}), r"column 'u' has values of type sparse_union.*cast it first"),
        (
            pl.DataFrame({"n": [1], "o": pl.Series([object()], dtype=pl.Object)}),
            r"column 'o' is of polars' type Object",
        ),
        (pl.DataFrame({"o": pl.Series([1], dtype=pl.Int128)}).lazy(), r"column 'o' is of polars' type Int128"),
        (pl.DataFrame({"l": pl.Series([["a"]], dtype=pl.List(pl.Categorical))}), r"column 'l' .* inside another type"),
        (pd.DataFrame({"n": [1, 2], "mixed": [1, "a"]}), r"column mixed"),
        (pd.DataFrame({"z": [1 + 2j]}), r"z|complex"),
        (pd.DataFrame({0: [1]}), r"column named 0; the columns of a table are named by texts"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), r"[Dd]uplicate column names"),
        (pd.DataFrame({"x": [1, 2]}, index=["a", "b"]), r"index Index \('a', 'b'\).*\.reset_index\(\) to keep"),
        (pd.DataFrame({"x": [1, 2, 3]}).iloc[1:], r"index RangeIndex \(1, 2\)"),
        (pd.DataFrame({"x": [1]}).rename_axis("id"), r"index RangeIndex \(0\)"),
    ],
)
def test_what_cannot_be_kept_is_an_error_that_names_it(store: LocalArtifactStore, value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        save(value, store)


def test_pandas_types_with_null_lose_nothing(store: LocalArtifactStore) -> None:
    frame = pd.DataFrame(
        {
            "i": pd.array([2**53 + 1, None], dtype="Int64"),
            "u": pd.array([1, None], dtype="UInt8"),
            "b": pd.array([True, None], dtype="boolean"),
            "t": pd.to_datetime(["2026-01-01T00:00:00.000001", None], utc=True).tz_convert("Europe/Zurich"),
            "p": pd.period_range("2026-01", periods=2, freq="M"),
            "v": pd.interval_range(0, 2),
            "s": ["a", None],
            "x": [1.5, math.nan],
            "d": pd.to_timedelta([1, None], unit="s"),
        }
    )
    back = read(save(frame, store), store, "table:pandas")
    pd.testing.assert_frame_equal(back, frame)


def test_two_columns_of_one_name_are_no_pandas_frame(store: LocalArtifactStore) -> None:
    stored = save(pa.table([[1], [2]], names=["a", "a"]), store)
    with pytest.raises(DataError, match="two columns are named 'a'"):
        read(stored, store, "table:pandas")


def test_a_table_of_numbers_is_an_array_and_another_says_what_to_write(store: LocalArtifactStore) -> None:
    stored = save(pa.table({"a": [1, 2], "b": [0.5, 1.5], "c": [True, False]}), store)
    np.testing.assert_array_equal(read(stored, store, "table:array"), [[1, 0.5, 1], [2, 1.5, 0]])
    for table, problem in [({"km": ["a"]}, "column 'km' is of type string"), ({"km": [1, None]}, "'km' has 1 NULL")]:
        with pytest.raises(DataError, match=rf"{problem}.*rows\['km'\]\.to_numpy\(\)"):
            read(save(pa.table(table), store), store, "table:array")


def test_a_library_that_is_not_installed_is_named_with_what_installs_it(
    store: LocalArtifactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = save(ROWS, store)
    for name in ("polars", "pandas"):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(MissingExtraError, match=rf"needs the package '{name}'.*penstock\[frames\]"):
            read(stored, store, f"table:{name}")


def test_a_relation_is_found_by_duckdb_sql_under_its_variable(store: LocalArtifactStore) -> None:
    rows = read(save(pa.table({"x": [1, 2, 3]}), store), store, "table:relation")  # noqa: F841
    other = read(save(pa.table({"x": [2, 3], "y": ["b", "c"]}), store), store, "table:relation")  # noqa: F841
    found = duckdb.sql("SELECT y, rows.x FROM rows JOIN other USING (x) ORDER BY x")
    assert read(save(found, store), store).to_pylist() == [{"y": "b", "x": 2}, {"y": "c", "x": 3}]


def test_a_wrong_relation_is_an_error_in_words(store: LocalArtifactStore) -> None:
    with pytest.raises(DataError, match=r"a relation that the step gave: .*Could not convert string 'x'"):
        save(duckdb.connect().sql("SELECT CAST(s AS INTEGER) AS n FROM (VALUES ('1'), ('x')) t(s)"), store)


# --- streaming


def test_batches_are_written_as_they_come_and_let_go(store: LocalArtifactStore) -> None:
    most = 0

    def batches() -> Any:
        nonlocal most
        for at in range(20):
            yield pa.record_batch({"x": np.full(BATCH_ROWS, at)})
            most = max(most, pa.total_allocated_bytes())

    before = pa.total_allocated_bytes()
    stored = save(pa.RecordBatchReader.from_batches(pa.schema({"x": pa.int64()}), batches()), store)
    assert stored.facts["rows"] == 20 * BATCH_ROWS
    assert most - before < 5 * BATCH_ROWS * 8


LARGE = 8_000_000
MEASURED = """
import sys, threading
from pathlib import Path
import duckdb, polars, pyarrow as pa, pyarrow.compute as pc
from penstock.core.artifact import Artifact
from penstock.stores import CODECS, LocalArtifactStore

def private():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024

def watch():
    while not done.wait(0.005):
        peak.append(private())

store, form = LocalArtifactStore(Path(sys.argv[1])), sys.argv[3]
codecs = {codec.kind: codec for codec in CODECS}
duckdb.sql("SET threads = 1")
duckdb.sql("SET memory_limit = '40MB'")
some = codecs["table"].save(pa.table({"x": [0.5] * 200_000}), store)
codecs["table"].save(codecs[form].load(some, store), store)  # every library is loaded
before, peak, done = private(), [], threading.Event()
watching = threading.Thread(target=watch)
watching.start()
rows = codecs[form].load(Artifact(digest=sys.argv[2], kind="table", uri=""), store)
match form:
    case "table:relation":
        given = rows.project("x + 1 AS x, y + 1 AS y")
    case "table:lazy":
        given = rows.with_columns(polars.col("x") + 1, polars.col("y") + 1)
    case "table:reader":
        given = pa.RecordBatchReader.from_batches(
            rows.schema,
            (pa.record_batch({"x": pc.add(batch["x"], 1.0), "y": pc.add(batch["y"], 1)}) for batch in rows),
        )
    case _:
        given = pa.table({"x": pc.add(rows["x"], 1.0), "y": pc.add(rows["y"], 1)})
made = codecs["table"].save(given, store)
done.set()
watching.join()
print(made.digest, max(peak) - before)
"""


def measured(large: tuple[Path, str], form: str) -> tuple[str, float]:
    """Pass the large table through a step's two ends; return what it gave, and how many MiB of memory that took."""
    root, digest = large
    command = [sys.executable, "-c", MEASURED, str(root), digest, form]
    environment = {**os.environ, "POLARS_MAX_THREADS": "2"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False, env=environment)
    assert done.stderr == ""
    made, mebibytes = done.stdout.split()
    return made, float(mebibytes)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("large")
    batches = (
        pa.record_batch({"x": np.arange(at, at + BATCH_ROWS, dtype="f8"), "y": np.full(BATCH_ROWS, at, "i8")})
        for at in range(0, LARGE, BATCH_ROWS)
    )
    schema = pa.schema({"x": pa.float64(), "y": pa.int64()})
    store = LocalArtifactStore(root)
    return root, save(pa.RecordBatchReader.from_batches(schema, batches), store).digest


def test_a_large_table_passes_through_a_step_without_ever_being_in_memory(large: tuple[Path, str]) -> None:
    whole, mebibytes = measured(large, "table")
    assert mebibytes > 100  # what it takes to have all the rows
    for form in ("table:relation", "table:lazy", "table:reader"):
        made, mebibytes = measured(large, form)
        assert made == whole
        assert mebibytes < 60, form


def test_a_lazy_frame_over_a_relation_over_a_stored_table_is_kept(store: LocalArtifactStore) -> None:
    rows = read(save(pa.table({"x": list(range(200_000))}), store), store, "table:relation")
    plan = rows.filter("x % 2 = 0").pl(lazy=True).filter(pl.col("x") > 10)
    assert read(save(plan, store), store)["x"].to_pylist() == list(range(12, 200_000, 2))
