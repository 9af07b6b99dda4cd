"""INFORMATION_SCHEMA: what there is, as tables with BigQuery's names."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import UnknownNameError
from penstock.sql import MemoryCatalog, run


@pytest.fixture
def catalog() -> MemoryCatalog:
    pairs = pa.array([[{"Key": "a", "n": 1}]])
    catalog = MemoryCatalog({"p.d.hires": pa.table({"n": [1], "pairs": pairs}), "plain": pa.table({"x": [1.5]})})
    run("CREATE TABLE d.made AS SELECT DATE '2024-05-05' AS day; CREATE VIEW d.v AS SELECT x FROM plain", catalog)
    return catalog


def test_tables_are_listed_with_the_parts_of_their_names(catalog: MemoryCatalog) -> None:
    rows = run("SELECT * EXCEPT (creation_time, is_typed) FROM INFORMATION_SCHEMA.TABLES ORDER BY table_name", catalog)
    columns = ("table_catalog", "table_schema", "table_name", "table_type", "is_insertable_into")
    assert [tuple(row[column] for column in columns) for row in rows.to_pylist()] == [
        ("p", "d", "hires", "EXTERNAL", "NO"),
        (None, "d", "made", "BASE TABLE", "YES"),
        (None, None, "plain", "EXTERNAL", "NO"),
        (None, "d", "v", "VIEW", "NO"),
    ]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("d.INFORMATION_SCHEMA.TABLES", ["made", "v"]),
        ("p.d.INFORMATION_SCHEMA.TABLES", ["hires"]),
        ("`p.d.INFORMATION_SCHEMA.TABLES`", ["hires"]),
        ("`region-eu`.INFORMATION_SCHEMA.TABLES", ["hires", "made", "plain", "v"]),
        ("information_schema.tables", ["hires", "made", "plain", "v"]),
        ("other.INFORMATION_SCHEMA.TABLES", []),
    ],
)
def test_a_data_set_before_it_leaves_what_lies_in_it(name: str, found: list[str], catalog: MemoryCatalog) -> None:
    assert run(f"SELECT table_name FROM {name} ORDER BY 1", catalog)["table_name"].to_pylist() == found


def test_columns_are_listed_in_order_with_bigquerys_types(catalog: MemoryCatalog) -> None:
    text = (
        "SELECT table_name, column_name, ordinal_position AS at, data_type FROM INFORMATION_SCHEMA.COLUMNS "
        "ORDER BY table_name, at"
    )
    assert [tuple(row.values()) for row in run(text, catalog).to_pylist()] == [
        ("hires", "n", 1, "INT64"),
        ("hires", "pairs", 2, "ARRAY<STRUCT<Key STRING, n INT64>>"),
        ("made", "day", 1, "DATE"),
        ("plain", "x", 1, "FLOAT64"),
        ("v", "x", 1, "FLOAT64"),
    ]


def test_views_are_listed_with_their_text(catalog: MemoryCatalog) -> None:
    assert run("SELECT * FROM d.INFORMATION_SCHEMA.VIEWS", catalog).to_pylist() == [
        {
            "table_catalog": None, "table_schema": "d", "table_name": "v",
            "view_definition": "SELECT x FROM plain", "check_option": None, "use_standard_sql": "YES",
        }
    ]  # fmt: skip


def test_a_view_may_read_it_and_is_not_in_its_own_way(catalog: MemoryCatalog) -> None:
    run("CREATE VIEW all_columns AS SELECT table_name, column_name FROM INFORMATION_SCHEMA.COLUMNS", catalog)
    assert run("SELECT COUNT(*) AS n FROM all_columns", catalog).to_pylist() == [{"n": 5}]
    text = "SELECT column_name FROM INFORMATION_SCHEMA.COLUMNS WHERE table_name = 'all_columns' ORDER BY 1"
    assert run(text, catalog)["column_name"].to_pylist() == ["column_name", "table_name"]


def test_what_it_does_not_have_is_an_unknown_name(catalog: MemoryCatalog) -> None:
    with pytest.raises(UnknownNameError, match=r"INFORMATION_SCHEMA.JOBS"):
        run("SELECT * FROM INFORMATION_SCHEMA.JOBS", catalog)


def test_a_made_table_says_when_it_was_made(tmp_path: Path) -> None:
    project = ps.open(tmp_path)
    project.sql("CREATE TABLE made AS SELECT 1 AS x")
    text = "SELECT creation_time <= CURRENT_TIMESTAMP() AS past FROM INFORMATION_SCHEMA.TABLES"
    assert project.sql(text).to_pylist() == [{"past": True}]
