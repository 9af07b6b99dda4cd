"""Sources as DuckDB streams them."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from penstock.core.artifact import Source
from penstock.core.schema import Schema
from penstock.errors import DataError, UnknownNameError
from penstock.tables import connection, normalize, query, read, resolve, scan_sql, source_schema

ROWS = pa.table(
    {
        "small": pa.array([2**31 - 1, None], pa.int32()),
        "single": pa.array([0.1, -0.0], pa.float32()),
        "kind": pa.array(["a", "b"]).dictionary_encode(),
        "at": pa.array([0, 10**12 + 1], pa.timestamp("ms", "Europe/Berlin")),
        "price": pa.array([1, 2]).cast(pa.decimal128(22, 2)),
        "tags": pa.array([[1], None], pa.list_(pa.int8())),
    }
)


def written(folder, ending):
    path = folder / f"rows.{ending}"
    match ending:
        case "parquet":
            pq.write_table(ROWS, path)
        case "feather":
            pyarrow.feather.write_feather(ROWS, path)
        case "arrow":
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, ROWS.schema) as writer:
                writer.write_table(ROWS)
    return resolve(path.name, root=folder)


@pytest.mark.parametrize("ending", ["parquet", "feather", "arrow"])
def test_scan_and_read_give_the_same_rows_in_our_types(tmp_path, ending):
    source = written(tmp_path, ending)
    assert source_schema(source) == Schema.of(
        small="int64", single="float64", kind="string", at="timestamp", price="float64", tags="array<int64>"
    )
    scanned = connection().cursor().sql(f"SELECT * FROM {scan_sql(source)}").to_arrow_table()
    assert normalize(scanned).equals(read(source))
    assert read(source).equals(normalize(ROWS))


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_narrow_integers_do_not_overflow_where_ours_would_not(tmp_path, ending):
    source = written(tmp_path, ending)
    assert query("SELECT small + 1 AS more, single + 0.5 AS half FROM t", t=source).to_pylist() == [
        {"more": 2**31, "half": pytest.approx(0.6)},
        {"more": None, "half": 0.5},
    ]


def test_only_the_wanted_columns_are_read(tmp_path):
    source = written(tmp_path, "parquet")
    assert read(source, ["kind", "small"]).column_names == ["kind", "small"]
    with pytest.raises(UnknownNameError, match=r"'smal'.*Did you mean 'small'"):
        read(source, ["smal"])


def test_files_that_grew_a_column_are_one_table(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"b": ["x"], "a": [2.5]}), tmp_path / "2.parquet")
    assert read(resolve("*.parquet", root=tmp_path)).to_pylist() == [{"a": 1.0, "b": None}, {"a": 2.5, "b": "x"}]


def test_rows_come_in_the_order_of_the_files(tmp_path):
    for name in "abc":
        start = ord(name) * 100_000
        pq.write_table(
            pa.table({"x": range(start, start + 100_000)}), tmp_path / f"{name}.parquet", row_group_size=10_000
        )
    values = read(resolve("*.parquet", root=tmp_path))["x"].to_pylist()
    assert values == sorted(values)


def test_a_cut_off_parquet_file_is_named(tmp_path):
    written(tmp_path, "parquet")
    whole = (tmp_path / "rows.parquet").read_bytes()
    (tmp_path / "rows.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"cannot read 'rows\.parquet': .*rows\.parquet'"):
        read(resolve("rows.parquet", root=tmp_path))


def test_a_file_that_is_not_arrow_is_named(tmp_path):
    (tmp_path / "rows.arrow").write_bytes(b"no")
    with pytest.raises(DataError, match=r"cannot read '.*rows\.arrow'"):
        read(resolve("rows.arrow", root=tmp_path))


def test_a_changed_file_has_changed_types(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1\n")
    assert source_schema(resolve("a.csv", root=tmp_path)) == Schema.of(x="int64")
    (tmp_path / "a.csv").write_text("x\nb\n")
    assert source_schema(resolve("a.csv", root=tmp_path)) == Schema.of(x="string")


def test_a_format_that_nobody_reads_is_refused():
    with pytest.raises(DataError, match="'orc'; there are: parquet, csv, json, delta, arrow, images"):
        scan_sql(Source(name="x", uris=("x",), format="orc"))
