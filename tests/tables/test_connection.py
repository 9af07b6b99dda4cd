"""The thread's DuckDB connection, and errors that a person can read."""

from __future__ import annotations

import os
import threading

import duckdb
import pytest

from penstock.errors import DataError, SqlError, StorageError
from penstock.tables import clear_errors, connection


def setting(name: str) -> object:
    return connection().sql(f"SELECT current_setting('{name}')").fetchall()[0][0]


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("Invalid Input Error: division by zero", DataError, "^division by zero$"),
        ("Out of Memory Error: failed to allocate", StorageError, "failed to allocate"),
        ("[Errno 2] No such file", FileNotFoundError, "No such file"),
    ],
)
def test_errors_of_a_stream_are_those_of_a_statement(text, error, says):
    with pytest.raises(error, match=says), clear_errors():
        raise FileNotFoundError(text) if "Errno" in text else OSError(text)


def test_a_thread_keeps_its_connection_and_another_has_its_own():
    seen = []
    thread = threading.Thread(target=lambda: seen.append((connection(), setting("TimeZone"))))
    thread.start()
    thread.join()
    assert connection() is connection()
    assert seen[0][0] is not connection()
    assert seen[0][1] == "UTC"


def test_the_zone_is_utc_and_nothing_is_downloaded():
    assert setting("TimeZone") == "UTC"
    assert setting("autoinstall_known_extensions") is False
    assert setting("threads") == os.cpu_count()


def test_one_thread_can_be_asked_for():
    assert connection(threads=1).sql("SELECT current_setting('threads')").fetchall() == [(1,)]


def test_a_python_variable_is_no_table():
    rows = duckdb.sql("SELECT 1 AS a").to_arrow_table()
    with pytest.raises(SqlError, match="rows"), clear_errors():
        connection().sql("SELECT * FROM rows").fetchall()
    assert rows.num_rows == 1


def test_a_forked_process_queries_a_database_of_its_own():
    big = "SELECT sum(range) FROM range(1000000)"
    connection().sql(big).fetchall()
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writer, str(connection().sql(big).fetchall()[0][0]).encode())
        os._exit(0)
    os.close(writer)
    assert os.read(reader, 100) == b"499999500000"
    os.close(reader)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("SELEC 1", SqlError, "syntax error"),
        ("SELECT nofunction(1)", SqlError, "nofunction"),
        ("SELECT * FROM nosuch", SqlError, "nosuch"),
        ("SELECT CAST('a' AS BIGINT)", DataError, "'a'"),
        ("SELECT error('out of the domain')", DataError, "out of the domain"),
    ],
)
def test_errors_of_the_text_and_of_the_data_are_told_apart(text, error, says):
    with pytest.raises(error, match=says), clear_errors():
        connection().sql(text).fetchall()


def test_an_error_says_what_was_being_done():
    with pytest.raises(DataError, match=r"^cannot read 'hire\.csv': "), clear_errors("cannot read 'hire.csv'"):
        connection().sql("SELECT error('x')").fetchall()


def test_ctrl_c_in_a_statement_is_what_it_is_elsewhere():
    with pytest.raises(KeyboardInterrupt), clear_errors():
        raise RuntimeError("Query interrupted")
    with pytest.raises(RuntimeError, match="something else"), clear_errors():
        raise RuntimeError("something else")
