"""How a CSV file is read: its header, its delimiter, and column types that hold for every row of it.

DuckDB parses (in parallel, streaming, naming the line of an error), but does not guess: its sniffer takes a file with
one broken row for a file of one column, and PyArrow's looks at the first block only. So the header and the delimiter
come from the first line, and a type is given to a column only where every one of its cells has that form.
"""

from __future__ import annotations

import csv
import gzip
import itertools
from collections.abc import Sequence

import duckdb

from penstock.errors import DataError
from penstock.operations import quoted, sql_literal, sql_type
from penstock.tables.connection import clear_errors, connection
from penstock.tables.types import file_literal

MISSING = ("", "NA", "N/A", "NULL", "null")
"""Cells that are NULL in every column (R writes NA)."""

_DATE, _CLOCK = r"\d{4}-\d\d-\d\d", r"\d\d:\d\d(:\d\d(\.\d+)?)?"
_FORMS: dict[str, str] = {
    "bool": "(?i:true|false)",
    "int64": r"-?[1-9]\d*|0",  # not 007, which is a code
    "float64": r"[+-]?(0|[1-9]\d*)?(\.\d*)?([eE][+-]?\d+)?|[+-]?(?i:nan|inf|infinity)",
    "date": _DATE,
    "time": _CLOCK,
    "datetime": rf"{_DATE}[T ]{_CLOCK}",
    "timestamp": rf"{_DATE}[T ]{_CLOCK} ?(Z|UTC|[+-]\d\d(:?\d\d)?)",
}
_WHOLE = r"[+-]?\d+"  # a whole number that does not fit int64 is an identifier: as a float it would lose digits
_SAMPLE = 1000


def csv_scan(paths: Sequence[str]) -> str:
    """Return the FROM text that reads CSV files with one set of types; a column that a file lacks is NULL there."""
    headers = {path: _header(path) for path in paths}
    names = tuple(dict.fromkeys(name for _, header in headers.values() for name in header))
    texts = _scan(headers, dict.fromkeys(names, "string"))
    with clear_errors(f"cannot read {_named(paths)}"):
        return _scan(headers, _column_types(names, texts))


def _header(path: str) -> tuple[str, tuple[str, ...]]:
    """Return the delimiter and the column names of a file."""
    try:
        with gzip.open(path, "rb") if path.endswith(".gz") else open(path, "rb") as file:
            first = file.readline(1 << 20).decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the first line of '{path}': {error}") from error
    if not first.strip():
        raise DataError(f"'{path}' has no first line; a CSV file starts with the names of its columns")
    delimiter = max(",;\t|", key=first.count)
    cells = next(csv.reader([first], delimiter=delimiter))
    names = tuple(cell.strip() or f"column{position}" for position, cell in enumerate(cells, start=1))
    if len({name.lower() for name in names}) < len(names):
        raise DataError(f"'{path}' names a column twice; its first line has {', '.join(names)}")
    return delimiter, names


def _scan(headers: dict[str, tuple[str, tuple[str, ...]]], types: dict[str, str]) -> str:
    missing = ", ".join(map(_text, MISSING))
    scans = []
    for (delimiter, names), paths in itertools.groupby(headers, key=headers.__getitem__):
        columns = ", ".join(f"{_text(name)}: {_text(sql_type(types[name]))}" for name in names)
        files = ", ".join(map(file_literal, paths))
        scans.append(
            f"read_csv([{files}], auto_detect = false, hive_partitioning = false, header = true, "
            f"delim = {_text(delimiter)}, quote = '\"', escape = '\"', nullstr = [{missing}], columns = {{{columns}}})"
        )
    if len(scans) == 1:
        return scans[0]
    return f"({' UNION ALL BY NAME '.join(f'SELECT * FROM {scan}' for scan in scans)})"


def _column_types(names: Sequence[str], texts: str) -> dict[str, str]:
    """Find the first type of which every cell has the form, looking at a sample before looking at all rows."""
    cursor = connection().cursor()
    sample = f"(SELECT * FROM {texts} LIMIT {_SAMPLE})"
    _, candidates = _fitting(cursor, sample, dict.fromkeys(names, tuple(_FORMS)))
    found: dict[str, str] = {}
    while len(found) < len(names):
        asked = {name: candidates[name][:1] for name in names if name not in found}
        cells, fitting = _fitting(cursor, texts, asked)
        for name in asked:
            if cells[name] and fitting[name]:
                found[name] = fitting[name][0]
            elif not cells[name] or not candidates[name]:
                found[name] = "string"
            else:
                candidates[name] = candidates[name][1:]
    return found


def _fitting(
    cursor: duckdb.DuckDBPyConnection, rows: str, candidates: dict[str, tuple[str, ...]]
) -> tuple[dict[str, int], dict[str, tuple[str, ...]]]:
    """Return, for each column, how many cells it has and which of its candidate types all of them fit."""
    asked = [(name, type) for name, types in candidates.items() for type in types]
    counts = [f"count({quoted(name)})" for name in candidates]
    counts += [f"count({quoted(name)}) FILTER (NOT coalesce({_fits(name, type)}, false))" for name, type in asked]
    answer = cursor.sql(f"SELECT {', '.join(counts)} FROM {rows}").fetchall()[0]
    misfits = dict(zip(asked, answer[len(candidates) :], strict=True))
    fitting = {name: tuple(type for type in types if not misfits[name, type]) for name, types in candidates.items()}
    return dict(zip(candidates, answer, strict=False)), fitting


def _fits(name: str, type: str) -> str:
    cell, cast = quoted(name), f"TRY_CAST({quoted(name)} AS {sql_type(type)})"
    match type:
        case "int64":
            return f"CAST({cast} AS VARCHAR) = {cell}"  # says the same as its form, faster
        case "float64":
            whole = f"regexp_full_match({cell}, {_text(_WHOLE)}) AND TRY_CAST({cell} AS BIGINT) IS NULL"
            return f"{cast} IS NOT NULL AND regexp_full_match({cell}, {_text(_FORMS[type])}) AND NOT ({whole})"
        case _:
            return f"{cast} IS NOT NULL AND regexp_full_match({cell}, {_text(_FORMS[type])})"


def _text(text: str) -> str:
    return sql_literal(text, "string")


def _named(paths: Sequence[str]) -> str:
    return f"'{paths[0]}'" if len(paths) == 1 else f"'{paths[0]}' and {len(paths) - 1} more"
