"""Rows written into tables of more: they replace those of the same values, whole or not at all, and nothing else."""

from __future__ import annotations

import datetime
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.errors import DataError, DeclarationError, StorageError
from penstock.tables import read, resolve
from penstock.tables.replacing import replace_rows, write_to

Address = tuple[str, str, Callable[[Path], pa.Table]]


def of_duckdb(root: Path) -> pa.Table:
    with duckdb.connect(str(root / "out/all.duckdb"), read_only=True) as database:
        return database.sql('SELECT * FROM "the fares"').to_arrow_table()


def of_delta(root: Path) -> pa.Table:
    return read(resolve("out/delta", root=root, declared={}))


def of_folders(root: Path) -> pa.Table:
    return read(resolve("out/parts/**/*.parquet", root=root, declared={}))


ADDRESSES: dict[str, Address] = {
    "duckdb": ("out/all.duckdb", "the fares", of_duckdb),
    "delta": ("delta:out/delta", "", of_delta),
    "folders": ("out/parts", "", of_folders),
}
MAY = datetime.date(2026, 5, 1)
ROWS = [
    {"day": MAY, "line": "it's", "late": True, "value": 1.5},
    {"day": MAY, "line": None, "late": False, "value": 2.5},
    {"day": None, "line": "a/b", "late": True, "value": None},
    {"day": MAY + datetime.timedelta(1), "line": "a b", "late": None, "value": 4.5},
    {"day": MAY + datetime.timedelta(1), "line": "a b", "late": None, "value": 5.5},
]
SCHEMA = pa.schema([("day", pa.date32()), ("line", pa.string()), ("late", pa.bool_()), ("value", pa.float64())])


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, SCHEMA)


def plain(found: pa.Table) -> list[dict[str, Any]]:
    return sorted(found.select(SCHEMA.names).to_pylist(), key=repr)


@pytest.mark.parametrize("form", ADDRESSES)
@pytest.mark.parametrize("by", [["day"], ["day", "line", "late"]])
def test_the_same_rows_again_add_nothing_and_others_replace_those_of_the_same_values(
    form: str, by: list[str], tmp_path: Path
):
    to, name, found = ADDRESSES[form]
    for _ in range(2):
        replace_rows(table(ROWS), to, tmp_path, table=name, by=by)
        assert plain(found(tmp_path)) == sorted(ROWS, key=repr)
    new = [{**ROWS[3], "value": 9.0}, {**ROWS[2], "value": 7.0}, {**ROWS[1], "line": "new"}]
    replace_rows(table(new), to, tmp_path, table=name, by=by)
    keys = {tuple(each[name] for name in by) for each in new}
    stay = [each for each in ROWS if tuple(each[name] for name in by) not in keys]
    assert plain(found(tmp_path)) == sorted([*stay, *new], key=repr)
    replace_rows(table([]), to, tmp_path, table=name, by=by)
    assert plain(found(tmp_path)) == sorted([*stay, *new], key=repr)


@pytest.mark.parametrize("form", ["duckdb", "delta"])
def test_without_by_the_whole_table_is_replaced_also_by_one_of_other_columns(form: str, tmp_path: Path):
    to, name, found = ADDRESSES[form]
    replace_rows(table(ROWS), to, tmp_path, table=name)
    replace_rows(pa.table({"other": [1, 2]}), to, tmp_path, table=name)
    assert found(tmp_path).to_pydict() == {"other": [1, 2]}


@pytest.mark.parametrize("form", ["duckdb", "delta"])
def test_rows_of_other_columns_than_the_table_has_are_refused_and_nothing_is_lost(form: str, tmp_path: Path):
    to, name, found = ADDRESSES[form]
    replace_rows(table(ROWS), to, tmp_path, table=name, by=["day"])
    odd = table(ROWS).rename_columns(["day", "line", "late", "fare"])
    with pytest.raises(DataError, match=r"has no fare and has value too; the rows have: day, line, late, fare; give"):
        replace_rows(odd, to, tmp_path, table=name, by=["day"])
    assert plain(found(tmp_path)) == sorted(ROWS, key=repr)


def test_folders_are_named_as_hive_does_and_other_readers_find_the_values(tmp_path: Path):
    looked_at = replace_rows(table(ROWS), "out/parts", tmp_path, by=["day", "line"])
    names = [each.removeprefix(f"file:{tmp_path}/out/parts/") for each in looked_at]
    assert names == [
        "day=2026-05-01/line=it%27s/part-0.parquet",
        "day=2026-05-01/line=__HIVE_DEFAULT_PARTITION__/part-0.parquet",
        "day=__HIVE_DEFAULT_PARTITION__/line=a%2Fb/part-0.parquet",
        "day=2026-05-02/line=a b/part-0.parquet",
    ]
    pattern = f"{tmp_path}/out/parts/*/*/*.parquet"
    found = duckdb.sql(f"SELECT count(*), sum(value) FROM read_parquet('{pattern}') WHERE day = DATE '2026-05-02'")
    assert found.fetchall() == [(2, 10.0)]
    assert pq.ParquetFile(tmp_path / "out/parts" / names[0]).read().to_pylist() == ROWS[:1]


def _write(root: str, number: int) -> None:
    rows = pa.table({"day": [number] * 100, "value": list(range(100))})
    for _ in range(3):
        for to, name in (("out/all.duckdb", "the fares"), ("delta:out/delta", "")):
            replace_rows(rows, to, Path(root), table=name, by=["day"])


def test_several_processes_write_at_once_and_none_loses_rows_of_another(tmp_path: Path):
    _write(str(tmp_path), 99)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(str(tmp_path), number)) for number in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    for found in (of_duckdb, of_delta):
        rows = found(tmp_path)
        assert rows.num_rows == 400
        assert sorted(set(rows["day"].to_pylist())) == [0, 1, 2, 99]


def test_what_cannot_be_written_so_is_refused_by_name(tmp_path: Path):
    rows = table(ROWS)
    with pytest.raises(DeclarationError, match=r"out\.duckdb is a file of tables; say which: table='\.\.\.'"):
        replace_rows(rows, "out.duckdb", tmp_path)
    with pytest.raises(DeclarationError, match=r"table='x' is for a \.duckdb file; out is a table by itself"):
        replace_rows(rows, "out", tmp_path, table="x", by=["day"])
    with pytest.raises(DeclarationError, match=r"out is a folder: say by which columns .* a Delta table, delta:out"):
        replace_rows(rows, "out", tmp_path)
    with pytest.raises(DeclarationError, match=r"by='week' .* the values of 'week' are not there; .*: day, line, late"):
        replace_rows(rows, "out", tmp_path, by=["week"])
    with pytest.raises(DeclarationError, match=r"by='value' .* the values of 'value' are float64"):
        replace_rows(rows, "out", tmp_path, by=["value"])
    (tmp_path / "odd.duckdb").write_text("no database" * 1000)
    with pytest.raises(StorageError, match=r"odd\.duckdb cannot be written: "):
        replace_rows(rows, "odd.duckdb", tmp_path, table="x")
    with pytest.raises(DeclarationError, match=r"a\.csv is a file of these rows alone; by and table are for a table"):
        write_to(rows, "a.csv", tmp_path, by=["day"])
    assert write_to(rows, "new/a.csv", tmp_path) == [f"file:{tmp_path}/new/a.csv"]
