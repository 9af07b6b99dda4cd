"""What SQL can reach: the declared tables, and nothing else on the machine."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from penstock.core.artifact import Source
from penstock.errors import PenstockError
from penstock.sql import MemoryCatalog, run
from penstock.sql.database import locked_database


@pytest.fixture
def files(tmp_path: Path) -> MemoryCatalog:
    """Two declared files, and one beside them that is not declared."""
    rows = pa.table({"a": [1, 2, 3]})
    for name in ("one.parquet", "secret.parquet"):
        pyarrow.parquet.write_table(rows, tmp_path / name)
    pyarrow.csv.write_csv(rows, tmp_path / "two.csv")
    with pa.OSFile(str(tmp_path / "three.arrow"), "wb") as sink, pa.ipc.new_file(sink, rows.schema) as writer:
        writer.write_table(rows)
    return MemoryCatalog(
        {
            "one": Source(name="one", uris=(str(tmp_path / "one.parquet"),), format="parquet"),
            "my.two": Source(name="two", uris=(str(tmp_path / "two.csv"),), format="csv"),
            "three": Source(name="three", uris=(str(tmp_path / "three.arrow"),), format="arrow"),
        }
    )


def test_declared_files_are_read_where_they_lie(files: MemoryCatalog) -> None:
    text = "SELECT SUM(one.a + two.a + three.a) AS n FROM one JOIN my.two AS two USING (a) JOIN three USING (a)"
    assert run(text, files).to_pylist() == [{"n": 18}]


def test_a_file_is_read_whatever_its_name_holds(tmp_path: Path) -> None:
    path = tmp_path / 'it\'s [a] "folder", *' / "é ?.parquet"
    path.parent.mkdir()
    pyarrow.parquet.write_table(pa.table({"a": [1]}), path)
    catalog = MemoryCatalog({"t": Source(name="t", uris=(str(path),), format="parquet")})
    assert run("SELECT a FROM t", catalog).to_pylist() == [{"a": 1}]


@pytest.mark.parametrize(
    "item",
    [
        "'{folder}/secret.parquet'", "`{folder}/secret.parquet`", "read_parquet('{folder}/secret.parquet')",
        "`read_parquet('{folder}/secret.parquet')`", "READ_CSV('/etc/passwd')", "glob('/*')",
        "read_text('/etc/passwd')",
        "parquet_scan('{folder}/secret.parquet')", "sniff_csv('/etc/passwd')", "duckdb_settings()", "pragma_version()",
        "information_schema.schemata", "sqlite_master", "duckdb_tables", "pg_catalog.pg_class", "query('SELECT 1')",
        "query_table('one')", "`one\" UNION SELECT 1 --`", "UNNEST(glob('/*'))", "range(3)",
        "`/etc/passwd`", "odbc_scan('x')",
    ],
)  # fmt: skip
def test_nothing_else_can_be_a_table(item: str, files: MemoryCatalog, tmp_path: Path) -> None:
    with pytest.raises(PenstockError) as caught:
        run(f"SELECT * FROM {item.format(folder=tmp_path)}", files)
    assert "DuckDB" not in str(caught.value)


@pytest.mark.parametrize(
    "call",
    ["getenv('HOME')", "current_setting('temp_directory')", "read_blob('/etc/passwd')", "version()",
     "query('SELECT 1')", "pg_read_file('/etc/passwd')", "getvariable('x')",
     "SESSION_USER()", "EXTERNAL_QUERY('c', 'SELECT 1')"],
)  # fmt: skip
def test_a_function_that_is_no_operation_is_an_error_that_names_it(call: str, files: MemoryCatalog) -> None:
    with pytest.raises(PenstockError) as caught:
        run(f"SELECT {call} AS leak FROM one", files)
    assert call.partition("(")[0].lower() in str(caught.value).lower()


@pytest.mark.parametrize(
    "name", ['a" FROM one --', "a' || (SELECT 1) || '", "leaf0", 'leaf0"', "x\\", "'; DROP TABLE one; --", 'é"\n']
)
def test_names_and_texts_cannot_leave_their_quotes(name: str) -> None:
    catalog = MemoryCatalog({"t": pa.table({name: ["v"]})})
    escaped = name.replace("\\", "\\\\").replace("\n", "\\n")
    quoted, text = escaped.replace("`", "\\`"), escaped.replace("'", "\\'")
    result = run(f"SELECT `{quoted}`, UPPER('{text}') AS upper, '{text}' AS same FROM t AS `{quoted}`", catalog)
    assert result.column(0).to_pylist() == ["v"]
    assert result.to_pylist()[0]["same"] == name


@pytest.mark.parametrize(
    "text",
    ["SELECT * FROM read_parquet('{folder}/secret.parquet')", "SELECT * FROM '{folder}/secret.parquet'",
     "COPY (SELECT 1) TO '{folder}/out.csv'", "ATTACH '{folder}/new.db'", "SET enable_external_access = true",
     "SET allowed_paths = ['/']", "INSTALL httpfs", "SELECT * FROM glob('{folder}/*')"],
)  # fmt: skip
def test_the_database_itself_is_locked_too(text: str, files: MemoryCatalog, tmp_path: Path) -> None:
    source = files.source("one")
    assert isinstance(source, Source)
    with locked_database([source]) as database:
        assert database.sql(f"SELECT count(*) FROM read_parquet('{source.uris[0]}')").fetchall() == [(3,)]
        with pytest.raises((duckdb.PermissionException, duckdb.InvalidInputException)):
            database.execute(text.format(folder=tmp_path)).fetchall()
