"""docs/sql.md says what happens: its statements run one after another, and give what stands below them."""

from __future__ import annotations

import csv
import io
import re
import sqlite3
from pathlib import Path

import deltalake
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock as ps
from penstock.project import Project
from penstock.sql.inferences import FUNCTIONS

PAGE = (Path(__file__).parents[2] / "docs" / "sql.md").read_text()


def blocks() -> list[tuple[str, str]]:
    """The statements of the page, each with the text below it, if there is one."""
    return re.findall(r"^```sql\n(.*?)^```\n(?:```text\n(.*?)^```$)?", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def project(tmp_path: Path, hires: pa.Table) -> Project:
    """The project that the page declares."""
    [declared] = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "penstock.toml").write_text(declared)
    pq.write_table(hires, tmp_path / "hires.parquet")
    (tmp_path / "weather").mkdir()
    (tmp_path / "weather" / "may.json").write_text('{"day": "2024-05-05", "rain": 0.2}\n')
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE shops (id INTEGER PRIMARY KEY, name TEXT)")
    database.close()
    deltalake.write_deltalake(tmp_path / "trips", pa.table({"id": [1, 2], "km": [1.5, 0.5]}))
    deltalake.write_deltalake(tmp_path / "trips", pa.table({"id": [3], "km": [4.0]}), mode="append")
    return ps.open(tmp_path)


def test_every_statement_of_the_page_runs_and_gives_what_stands_below_it(project: Project) -> None:
    assert len(blocks()) >= 5
    for statement, shown in blocks():
        result = project.sql(statement)
        if shown:
            written = io.StringIO()
            rows = csv.writer(written, lineterminator="\n")
            rows.writerow(result.column_names)
            rows.writerows(
                [str(value).lower() if isinstance(value, bool) else value for value in row.values()]
                for row in result.to_pylist()
            )
            assert written.getvalue() == shown, statement


def test_every_table_of_the_page_can_be_read(project: Project) -> None:
    for table in project.sql("SHOW TABLES")["table"].to_pylist():
        assert project.sql(f"SELECT * FROM `{table}`").num_columns > 1


def test_every_table_function_and_every_setting_of_it_is_on_the_page() -> None:
    for name, function in FUNCTIONS.items():
        [row] = re.findall(rf"^\| `ML\.{name}` \|.*$", PAGE, re.MULTILINE)
        for setting in function.settings:
            assert f"`{setting}`" in row or ("as before" in row and f"`{setting}`" in PAGE), (name, setting)
