"""Generated rows of features and entity rows that ask for them: the shapes that feature stores are measured with."""

from __future__ import annotations

from pathlib import Path

SHAPES = {"1m": (1_000_000, 10_000), "10m": (10_000_000, 100_000)}
"""Rows, and how many entities they are of: 100 days of one row a day for each, on average."""
ASKED = (10_000, 100_000, 1_000_000)
DOUBLES, INTEGERS = [f"f{number}" for number in range(7)], ["i0", "i1"]
FEATURES = {name: "float64" for name in DOUBLES} | {name: "int64" for name in INTEGERS} | {"s0": "string"}
COLUMNS = ["rowid", "driver_id", "event_timestamp"]
TTL_DAYS = 3
_START = 1_767_225_600_000_000  # 2026-01-01, in microseconds
_DAY = 86_400_000_000


def rows_file(folder: Path, shape: str) -> Path:
    """Return a Parquet file of rows in the order of their events: 2 % of values are NULL, and 1 % of rows are there
    once more, corrected an hour later."""
    path = folder / f"rows-{shape}.parquet"
    count, keys = SHAPES[shape]
    doubles = [
        f"CASE WHEN hash(i * 31 + {number} + k * 1000003) % 50 > 0 "
        f"THEN (hash(i * 17 + {number} + k * 7919) % 1000000) / 1000.0::DOUBLE END AS {name}"
        for number, name in enumerate(DOUBLES)
    ]
    integers = [
        f"CASE WHEN hash(i * 37 + {number} + k * 13) % 50 > 0 "
        f"THEN CAST(hash(i * 41 + {number} + k * 17) % 100000 AS BIGINT) END AS {name}"
        for number, name in enumerate(INTEGERS)
    ]
    text = "CASE WHEN hash(i * 43 + k) % 50 > 0 THEN 'cat_' || (hash(i * 47 + k * 19) % 200) END AS s0"
    once = f"""
        SELECT CAST(hash(i * 2 + 1) % {keys} AS BIGINT) AS driver_id, i,
        unnest(CASE WHEN i % 100 > 0 THEN [0] ELSE [0, 1] END) AS k,
        make_timestamp({_START} + CAST(hash(i * 7 + 3) % {100 * _DAY} AS BIGINT))::TIMESTAMPTZ AS event_timestamp
        FROM range({int(count / 1.01)}) t(i)"""
    _copy(
        f"""SELECT driver_id, event_timestamp,
            event_timestamp + CASE WHEN k = 0 THEN INTERVAL 1 MINUTE ELSE INTERVAL 1 HOUR END AS created,
            {", ".join([*doubles, *integers, text])} FROM ({once}) ORDER BY event_timestamp, driver_id, created""",
        path,
    )
    return path


def asked_file(folder: Path, shape: str, count: int) -> Path:
    """Return a Parquet file of entity rows: 5 % of them ask for entities that are not there."""
    path = folder / f"asked-{shape}-{count}.parquet"
    keys = int(SHAPES[shape][1] * 1.05)
    _copy(
        f"""SELECT i AS rowid, CAST(hash(i * 101 + 5) % {keys} AS BIGINT) AS driver_id,
            make_timestamp({_START} + CAST(hash(i * 103 + 7) % {102 * _DAY} AS BIGINT))::TIMESTAMPTZ AS event_timestamp
            FROM range({count}) t(i)""",
        path,
    )
    return path


def deduplicated(rows: Path) -> Path:
    """Return a file of the rows that count, sorted by entity and time: what somebody prepares who asks by hand."""
    path = rows.with_name(f"{rows.stem}-once.parquet")
    _copy(f"SELECT * FROM {corrected(rows)} ORDER BY driver_id, event_timestamp", path)
    return path


def corrected(rows: Path) -> str:
    """Return the FROM text of the rows that count."""
    ranked = "row_number() OVER (PARTITION BY driver_id, event_timestamp ORDER BY created DESC) = 1"
    return f"(SELECT * FROM '{rows}' QUALIFY {ranked})"


def _copy(select: str, path: Path) -> None:
    if path.exists():
        return
    import duckdb  # here: Feast's environment reads the names above without it

    with duckdb.connect(config={"temp_directory": str(path.parent / "spill"), "memory_limit": "4GB"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet, ROW_GROUP_SIZE 250000)")
