"""Tables of databases: read as they are now, in our types; no message holds a password."""

from __future__ import annotations

import datetime
import sqlite3
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from penstock.errors import DataError, DeclarationError, UnknownNameError
from penstock.tables import read, resolve, schema_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.executescript(
            """
            CREATE TABLE orders (id INTEGER PRIMARY KEY, price REAL, exact DECIMAL(10, 2), name TEXT, paid BOOLEAN,
                                 day DATE, at DATETIME, raw BLOB);
            INSERT INTO orders VALUES (2, 2.5, 0.1, 'b', 1, '2024-02-29', '2024-02-29 12:30:00', x'00ff');
            INSERT INTO orders (id, price, exact, name, paid) VALUES (1, 2, 7, 'é', 0), (3, NULL, NULL, NULL, NULL);
            CREATE VIEW sums AS SELECT id + 1 AS whole, price * 2 AS part, name || '!' AS text FROM orders;
            CREATE TABLE odd (n INTEGER);
            INSERT INTO odd VALUES (1), ('many');
            """
        )
    database.close()
    with duckdb.connect(str(tmp_path / "shop.duckdb")) as made:
        made.execute(
            "CREATE TABLE t AS SELECT i::INTEGER AS i, i / 2 AS half, [i, i] AS pair FROM range(100000) AS r(i)"
        )
        made.execute("CREATE SCHEMA s; CREATE VIEW s.few AS SELECT * FROM main.t LIMIT 2")
    return tmp_path


def table(root: Path, url: str, name: str) -> pa.Table:
    return read(resolve("t", root=root, declared={"t": {"url": url, "table": name}}, cache=root / "cache"))


def test_a_table_of_sqlite_comes_in_the_order_of_its_key_with_honest_types(root: Path) -> None:
    rows = table(root, "sqlite:///shop.db", "orders")
    assert {field.name: field.type for field in schema_of(rows.schema)} == {
        "id": "int64",
        "price": "float64",
        "exact": "float64",
        "name": "string",
        "paid": "bool",
        "day": "date",
        "at": "datetime",
        "raw": "bytes",
    }
    assert rows.to_pylist()[:2] == [
        {"id": 1, "price": 2.0, "exact": 7.0, "name": "é", "paid": False, "day": None, "at": None, "raw": None},
        {
            "id": 2,
            "price": 2.5,
            "exact": 0.1,
            "name": "b",
            "paid": True,
            "day": datetime.date(2024, 2, 29),
            "at": datetime.datetime(2024, 2, 29, 12, 30),
            "raw": b"\x00\xff",
        },
    ]


def test_a_view_has_the_types_of_its_values(root: Path) -> None:
    rows = table(root, "sqlite:///shop.db", "sums")
    assert [field.type for field in schema_of(rows.schema)] == ["int64", "float64", "string"]


def test_a_value_that_is_not_of_its_columns_type_is_named(root: Path) -> None:
    with pytest.raises(DataError, match=r"column 'n' of table 't' at sqlite:///shop\.db does not hold int64.*many"):
        table(root, "sqlite:///shop.db", "odd")


def test_tables_and_views_of_duckdb_are_read(root: Path) -> None:
    rows = table(root, "duckdb:///shop.duckdb", "t")
    assert rows.num_rows == 100_000
    assert rows.to_pylist()[3] == {"i": 3, "half": 1.5, "pair": [3, 3]}
    assert table(root, "duckdb:///shop.duckdb", "s.few").num_rows == 2


def test_rows_are_those_of_now_and_equal_rows_are_one_source(root: Path) -> None:
    declared = {"t": {"url": "sqlite:///shop.db", "table": "sums"}}
    first, again = (resolve("t", root=root, declared=declared, cache=root / "cache") for _ in range(2))
    assert first == again
    with sqlite3.connect(root / "shop.db") as database:
        database.execute("INSERT INTO orders (id, price, name) VALUES (9, 1, 'z')")
    database.close()
    assert resolve("t", root=root, declared=declared, cache=root / "cache").digest != first.digest
    assert table(root, "sqlite:///shop.db", "sums").num_rows == 4


@pytest.mark.parametrize(
    ("url", "name", "error", "said"),
    [
        (
            "sqlite:///shop.db",
            "order",
            UnknownNameError,
            "no table named 'order' in table 't' at sqlite:///shop.db",
        ),
        ("duckdb:///shop.duckdb", "u", UnknownNameError, "no table named 'u'"),
        ("sqlite:///none.db", "t", DataError, "there is no file"),
        ("sqlite://", "t", DeclarationError, "sqlite in memory has no tables; give a file"),
        ("mysql://me:s3cret@host/db", "t", DeclarationError, "in a database of mysql; there are: sqlite, duckdb"),
        ("no address", "t", DeclarationError, "an address that cannot be read"),
        ("postgresql://me:s3cret@127.0.0.1:1/db", "t", DataError, "postgresql+psycopg://me:***@127.0.0.1:1/db"),
    ],
)
def test_a_table_that_cannot_be_read_says_why_and_no_password(
    root: Path, url: str, name: str, error: type[Exception], said: str
) -> None:
    with pytest.raises(error) as caught:
        table(root, url, name)
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert not list(root.glob("cache/tmp*"))


@pytest.mark.server
def test_a_table_of_postgresql_is_read_with_honest_types(postgres: str, tmp_path: Path) -> None:
    import psycopg

    with psycopg.connect(postgres) as connection:
        connection.execute("DROP TABLE IF EXISTS orders")
        connection.execute(
            "CREATE TABLE orders (id bigint PRIMARY KEY, price numeric(10, 2), whole numeric(10, 0), x real, name text,"
            " paid boolean, day date, at timestamptz, local timestamp, clock time, raw bytea, tags text[], extra jsonb,"
            " key uuid)"
        )
        connection.execute(
            "INSERT INTO orders VALUES (2, 0.1, 7, 1.5, 'é', true, '2024-02-29', '2024-02-29 12:30+02',"
            " '2024-02-29 12:30', '23:59:59.5', '\\x00ff', '{a,b}', '{\"a\": [1]}',"
            " '12345678-1234-5678-1234-567812345678')"
        )
        connection.execute("INSERT INTO orders (id) VALUES (1)")
    rows = table(tmp_path, postgres, "public.orders")
    assert [row["id"] for row in rows.to_pylist()] == [1, 2]
    assert rows.to_pylist()[1] == {
        "id": 2,
        "price": 0.1,
        "whole": 7,
        "x": 1.5,
        "name": "é",
        "paid": True,
        "day": datetime.date(2024, 2, 29),
        "at": datetime.datetime(2024, 2, 29, 10, 30, tzinfo=datetime.UTC),
        "local": datetime.datetime(2024, 2, 29, 12, 30),
        "clock": datetime.time(23, 59, 59, 500_000),
        "raw": b"\x00\xff",
        "tags": ["a", "b"],
        "extra": '{"a":[1]}',
        "key": "12345678-1234-5678-1234-567812345678",
    }
