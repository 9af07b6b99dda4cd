"""Tables of any library as streams of Arrow batches, and a stored table as what an annotation asks for.

polars, pandas and DuckDB are loaded when a step gives or takes one of theirs, and only then.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.errors import DataError, MissingExtraError
from penstock.stores.canonical import BATCH_ROWS
from penstock.tables import cache_folder, clear_errors, to_arrow

if TYPE_CHECKING:
    import duckdb
    import pandas as pd
    import polars as pl
    import pyarrow.dataset as ds

Batches = tuple[pa.Schema, Iterable[pa.RecordBatch]]

_STREAMS = ("polars.lazyframe.frame.LazyFrame", "pyarrow.lib.RecordBatchReader", "pyarrow.lib.RecordBatch")


def is_table(value: Any) -> bool:
    """Tell whether a value is a table: one that hands its columns over as Arrow, or a stream or a plan of one."""
    return (
        (hasattr(value, "__arrow_c_stream__") and hasattr(value, "columns")) or _is(value, *_STREAMS) or _scans(value)
    )


def batches_of(value: Any) -> Batches:
    """Return the schema and the batches of a table; a stream, a plan and a relation are read as the batches are taken.

    Raises `DataError` naming a column that Arrow has no type for.
    """
    if isinstance(value, pa.RecordBatchReader):
        return value.schema, value
    if _scans(value):
        reader = value.scanner(batch_size=BATCH_ROWS).to_reader()
        return reader.schema, reader
    if _is(value, "polars.lazyframe.frame.LazyFrame"):
        return _of_lazy_frame(value)
    if _is(value, "duckdb._relation.DuckDBPyRelation"):
        return _of_relation(value)
    table = _as_table(value)
    return table.schema, table.unify_dictionaries().to_batches(max_chunksize=BATCH_ROWS)


def _as_table(value: Any) -> pa.Table:
    if isinstance(value, pa.Table):
        return value
    if isinstance(value, pa.RecordBatch):
        return pa.Table.from_batches([value])
    if _is(value, "polars.dataframe.frame.DataFrame"):
        return _of_polars(value)
    if _is(value, "pandas.DataFrame", "pandas.core.frame.DataFrame"):
        return _of_pandas(value)
    return pa.table(value) if hasattr(value, "__arrow_c_stream__") else to_arrow(value)


def _is(value: Any, *names: str) -> bool:
    return any(f"{cls.__module__}.{cls.__qualname__}" in names for cls in type(value).__mro__)


def _scans(value: Any) -> bool:
    return _is(value, "pyarrow._dataset.Dataset")


# --- DuckDB


def _of_relation(relation: duckdb.DuckDBPyRelation) -> Batches:
    with clear_errors("a relation that the step gave"):
        reader = relation.to_arrow_reader(BATCH_ROWS)
    # The zone of DuckDB's timestamps is the session's, not the value's.
    fields = [
        field.with_type(pa.timestamp(field.type.unit, "UTC"))
        if pa.types.is_timestamp(field.type) and field.type.tz
        else field
        for field in reader.schema
    ]
    schema = pa.schema(fields)
    return schema, (batch.cast(schema) for batch in _checked(reader))


def _checked(reader: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    with clear_errors("a relation that the step gave"):
        yield from reader


def relation(path: Path) -> duckdb.DuckDBPyRelation:
    """Return a stored table as a relation of DuckDB's default connection, so that `duckdb.sql("... FROM rows")` finds
    it. Its rows are read from the memory map as a query gets to them; the time zone of the session is UTC."""
    import duckdb

    connection = duckdb.default_connection()
    with clear_errors(f"cannot read {path}"):
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")  # which would go to the step's log
        ((spills,),) = connection.execute("SELECT current_setting('temp_directory')").fetchall()
        if spills == ".tmp":  # not in the folder of the user's project
            connection.execute(f"SET temp_directory = '{cache_folder() / 'spill'}'")
        return connection.from_arrow(arrow(path))


# --- pyarrow


def arrow(path: Path) -> pa.Table:
    """Return a stored table, memory-mapped: its columns are read from disk when they are touched."""
    with pa.memory_map(str(path)) as file:
        whole = file.read_buffer()  # of the file itself Arrow would announce each column of each batch to the system
    return pa.ipc.open_file(whole).read_all()


def batch(path: Path) -> pa.RecordBatch:
    """Return a stored table as one batch."""
    with pa.memory_map(str(path)) as file:
        opened = pa.ipc.open_file(file)
        batches = [opened.get_batch(at) for at in range(opened.num_record_batches)]
        return pa.concat_batches(batches) if batches else pa.RecordBatch.from_pylist([], schema=opened.schema)


def reader(path: Path) -> pa.RecordBatchReader:
    """Return a stored table as a stream of batches."""
    opened = pa.ipc.open_file(pa.memory_map(str(path)))
    batches = (opened.get_batch(at) for at in range(opened.num_record_batches))
    return pa.RecordBatchReader.from_batches(opened.schema, batches)


def dataset(path: Path) -> ds.Dataset:
    """Return a stored table as a dataset, which reads the columns and rows that a scan asks for."""
    import pyarrow.dataset as ds
    import pyarrow.fs

    return ds.dataset(str(path), format="arrow", filesystem=pyarrow.fs.LocalFileSystem(use_mmap=True))


def matrix(path: Path) -> np.ndarray[Any, Any]:
    """Return a stored table of numbers as a two-dimensional array; raises `DataError` where it is none."""
    table = arrow(path)
    for name, column in zip(table.column_names, table.columns, strict=True):
        type = column.type
        if not (pa.types.is_integer(type) or pa.types.is_floating(type) or pa.types.is_boolean(type)):
            problem = f"is of type {type}"
        elif column.null_count:
            problem = f"has {column.null_count:,} NULL"
        else:
            continue
        raise DataError(
            f"a table of numbers without NULL can be had as a numpy.ndarray, but column '{name}' {problem}; annotate "
            f"the parameter ps.Table, and write rows['{name}'].to_numpy() for the columns that you want",
            field=name,
        )
    if not table.num_columns:
        return np.empty((table.num_rows, 0))
    return np.column_stack([column.to_numpy() for column in table.columns])


# --- polars


def polars_frame(path: Path) -> pl.DataFrame:
    """Return a stored table as a polars frame: numbers where they lie, texts copied."""
    frame: pl.DataFrame = _library("polars").from_arrow(arrow(path))  # of a table it is a frame
    return frame.with_columns(_enums(path))


def polars_scan(path: Path) -> pl.LazyFrame:
    """Return a stored table as a lazy polars frame: nothing is read before it is collected, and then what is asked."""
    plan: pl.LazyFrame = _library("polars").scan_ipc(path, glob=False)
    return plan.with_columns(_enums(path))


def _enums(path: Path) -> list[pl.Expr]:
    """Ordered categories are polars' Enum."""
    polars = _library("polars")
    with pa.memory_map(str(path)) as file:
        opened = pa.ipc.open_file(file)
        ordered = [f.name for f in opened.schema if pa.types.is_dictionary(f.type) and f.type.ordered]
        first = opened.get_batch(0) if ordered and opened.num_record_batches else None
        known = {name: first[name].dictionary.to_pylist() if first is not None else [] for name in ordered}
    return [
        polars.col(name).cast(polars.Enum(values))
        for name, values in known.items()
        if all(isinstance(value, str) for value in values)
    ]


def _of_polars(frame: pl.DataFrame) -> pa.Table:
    _check_polars(frame.schema)
    table = frame.to_arrow()
    for at, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type) and not field.type.ordered:
            # polars' categories are those that any frame ever had, in that order: here they are the column's, sorted.
            texts = table.column(at).cast(pa.string())
            known = pc.unique(texts).drop_null().sort()
            places = pc.index_in(texts, value_set=known).combine_chunks()
            table = table.set_column(at, field.name, pa.DictionaryArray.from_arrays(places, known))
    return table


def _of_lazy_frame(plan: pl.LazyFrame) -> Batches:
    schema = plan.collect_schema()
    _check_polars(schema)
    polars = _library("polars")
    if any(type in (polars.Categorical, polars.Enum) for type in schema.dtypes()):
        table = _of_polars(plan.collect(engine="streaming"))  # the categories are known when every row is
        return table.schema, table.unify_dictionaries().to_batches(max_chunksize=BATCH_ROWS)
    frames = plan.collect_batches(chunk_size=BATCH_ROWS, maintain_order=True, engine="streaming")
    batches = (batch for frame in frames for batch in frame.to_arrow().to_batches())
    return schema.to_frame(eager=True).to_arrow().schema, batches


def _check_polars(schema: pl.Schema) -> None:
    polars = _library("polars")
    for name, type in schema.items():
        if type in (polars.Object, polars.Int128, polars.UInt128):
            raise DataError(f"column '{name}' is of polars' type {type}, which Arrow cannot keep; cast it", field=name)


# --- pandas


def pandas_frame(path: Path) -> pd.DataFrame:
    """Return a stored table as a pandas frame that loses nothing.

    Columns are NumPy's where those hold every value; integers and booleans with NULL are pandas' nullable types,
    dictionaries categories; decimals, dates, times, lists and structs stay Arrow's.
    """
    pandas = _library("pandas")
    table = arrow(path)
    if len(set(table.column_names)) < table.num_columns:
        twice = next(name for name in table.column_names if table.column_names.count(name) > 1)
        raise DataError(f"two columns are named '{twice}', which a pandas frame cannot keep apart", field=twice)
    columns = {name: _series(column, pandas) for name, column in zip(table.column_names, table.columns, strict=True)}
    return pandas.DataFrame(columns, index=pandas.RangeIndex(table.num_rows), copy=False)


def _series(column: pa.ChunkedArray, pandas: ModuleType) -> Any:
    types, type = pa.types, column.type
    has_nulls = column.null_count > 0
    if has_nulls and (types.is_integer(type) or types.is_boolean(type)):
        name = {"bool": "boolean"}.get(str(type), str(type).replace("int", "Int").replace("uI", "UI"))
        return column.to_pandas(types_mapper={type: pandas.api.types.pandas_dtype(name)}.get)
    as_numpy = types.is_integer(type) or types.is_floating(type) or types.is_boolean(type) or types.is_string(type)
    if as_numpy or types.is_dictionary(type) or types.is_timestamp(type) or types.is_duration(type):
        return column.to_pandas()
    if isinstance(type, pa.BaseExtensionType) and type.extension_name.startswith("pandas."):
        return column.to_pandas()
    return column.to_pandas(types_mapper=pandas.ArrowDtype)


def _of_pandas(frame: pd.DataFrame) -> pa.Table:
    pandas = _library("pandas")
    index = frame.index
    plain = isinstance(index, pandas.RangeIndex) and index.start == 0 and index.step == 1 and index.name is None
    if not plain:
        raise DataError(
            f"a pandas frame with the index {type(index).__name__}{_shown(index)} has rows with names, which a table "
            "does not; write .reset_index() to keep the index as a column, .reset_index(drop=True) to leave it"
        )
    for name in frame.columns:
        if not isinstance(name, str):
            raise DataError(
                f"a pandas frame has a column named {name!r}; the columns of a table are named by texts: "
                "write frame.columns = [...]"
            )
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(f"a pandas frame cannot be kept: {' '.join(map(str, error.args))}") from error


def _shown(index: Any) -> str:
    return f" ({', '.join(map(repr, index[:3].tolist()))}{', ...' if len(index) > 3 else ''})"


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(name, extra="frames", purpose=f"a step that takes a {name} frame") from error


FORMS: dict[str, Callable[[Path], Any]] = {
    "table": arrow,
    "table:batch": batch,
    "table:reader": reader,
    "table:dataset": dataset,
    "table:relation": relation,
    "table:array": matrix,
    "table:polars": polars_frame,
    "table:lazy": polars_scan,
    "table:pandas": pandas_frame,
}
"""What a parameter's annotation may ask for -> how a stored table is opened as that."""
