"""Ten million rows from Parquet: held against a schema with seven checks in one scan, beside the scan by hand; and
described, twenty columns, beside DuckDB's SUMMARIZE."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb

from bench.measure import Figure, first_and_best, fresh_folder, paired
from penstock.tables import connection, resolve
from penstock.transforms import check, profile

ROWS = 10_000_000
CITIES = 201
_CHECKED = f"""SELECT range AS id, random() * 100 AS km, (random() * 86400)::INT AS seconds,
  'city' || (random() * {CITIES - 1})::INT AS city, TIMESTAMP '2024-01-01' + to_seconds(range) AS started,
  CASE WHEN random() < 0.02 THEN NULL ELSE random() END AS share, random() < 0.5 AS late FROM range({ROWS})"""
_NUMBERS = ", ".join(f"random() * {10**power} AS f{power}" for power in range(10))
_WHOLE = ", ".join(f"(random() * {10**power})::BIGINT AS n{power}" for power in range(2, 7))
_DESCRIBED = f"""SELECT {_NUMBERS}, {_WHOLE}, 'city' || (random() * 200)::INT AS city,
  ['card', 'cash', NULL][1 + (random() * 2)::INT] AS paid, TIMESTAMP '2024-01-01' + to_seconds(range) AS started,
  DATE '2024-01-01' + (random() * 365)::INT AS day, random() < 0.5 AS late FROM range({ROWS})"""

SCHEMA: dict[str, Any] = {
    "columns": [
        {"name": "id", "type": "int64", "nullable": False, "min": 0},
        {"name": "km", "type": "float64", "nullable": False, "min": 0, "max": 100},
        {"name": "seconds", "type": "int64", "min": 0, "max": 86_400},
        {"name": "city", "type": "string", "domain": [f"city{number}" for number in range(CITIES)]},
        {"name": "started", "type": "datetime"},
        {"name": "share", "type": "float64", "max_nulls": 0.05},
        {"name": "late", "type": "bool"},
    ]
}
"""Seven checks: two of NULLs, three ranges, a domain of 201 values, a share of NULLs."""


def figures() -> Iterator[Figure]:
    """Measure both, each beside DuckDB doing the same by hand in the same minute."""
    checked, described = checked_file(), described_file()
    rows = resolve(str(checked), root=checked.parent)
    assert check(rows, SCHEMA).findings == ()
    ours, theirs, ratio = paired(lambda: check(rows, SCHEMA), lambda: _by_hand(checked))
    yield Figure(
        what="10 M rows of Parquet held against a schema with 7 checks",
        value=ours,
        unit="s",
        goal="< 0.5 s",
        beside=f"one scan by hand {theirs:.2f} s: {ratio:.2f} x",
        met=ours < 0.5,
    )
    source = resolve(str(described), root=described.parent)
    _, found = first_and_best(lambda: profile(source), repeats=1)
    _, summarized = first_and_best(lambda: _summarized(described), repeats=1)
    yield Figure(
        what="statistics of 10 M rows x 20 columns of Parquet, exact, with histograms and top values",
        value=found.best,
        unit="s",
        goal="< SUMMARIZE",
        beside=f"SUMMARIZE, approximate {summarized.best:.1f} s: {found.best / summarized.best:.2f} x",
        met=found.best < summarized.best,
    )
    yield Figure(
        what="memory that this takes at most",
        value=found.megabytes,
        unit="MB",
        goal="< 1,600: all its columns",
        met=found.megabytes < 1600,
    )


def checked_file() -> Path:
    """Return a new file of the rows that are checked."""
    return _written("checked", _CHECKED)


def described_file(rows: int = ROWS) -> Path:
    """Return a new file of the rows that are described."""
    return _written("described", f"SELECT * FROM ({_DESCRIBED}) LIMIT {rows}")


def _written(name: str, query: str) -> Path:
    path = fresh_folder() / f"{name}.parquet"
    database = duckdb.connect()
    database.execute("SELECT setseed(0.5)")
    database.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return path


def _by_hand(path: Path) -> object:
    """The same counts as one who knows DuckDB well would write them: the domain is joined, not searched."""
    cities = ", ".join(f"('city{number}')" for number in range(CITIES))
    text = f"""SELECT count(*), count(*) - count(id), count(*) - count(km), count(*) - count(share),
      count(*) FILTER (id < 0), count(*) FILTER (km < 0 OR km > 100), count(*) FILTER (seconds < 0 OR seconds > 86400),
      count(*) FILTER (odd) FROM (SELECT id, km, seconds, share,
        city NOT IN (SELECT v FROM (VALUES {cities}) AS known(v)) AS odd FROM read_parquet('{path}'))"""
    return connection().cursor().sql(text).fetchall()


def _summarized(path: Path) -> object:
    return connection().cursor().sql(f"SUMMARIZE SELECT * FROM read_parquet('{path}')").fetchall()
