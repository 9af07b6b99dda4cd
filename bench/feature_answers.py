"""One contender answers entity rows in a process of its own: `python -m bench.feature_answers NAME ROWS ASKED TO ROOT`.

Entity rows are in memory before the clock starts, as each contender takes them best; answers are Arrow tables. The
first call and the best of those after it are timed; the answer is written to TO, so that answers can be compared.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from bench.feature_shapes import COLUMNS, FEATURES, TTL_DAYS, corrected
from bench.measure import first_and_best

NAME = "driver_stats"


def ours(rows: Path, asked: pa.Table, root: Path) -> Callable[[], pa.Table]:
    """Ask a project that has ingested the rows; it is open, and has answered one row."""
    import penstock as ps

    features = ps.open(root).features
    features.get_historical_features(asked.slice(0, 1), [f"{NAME}:*"])
    return lambda: features.get_historical_features(asked, [f"{NAME}:*"])


def duckdb_by_hand(rows: Path, asked: pa.Table, root: Path) -> Callable[[], pa.Table]:
    """Join in DuckDB what is deduplicated in the query."""
    return _asof(corrected(rows), asked)


def duckdb_prepared(rows: Path, asked: pa.Table, root: Path) -> Callable[[], pa.Table]:
    """Join in DuckDB what was deduplicated and sorted before."""
    return _asof(f"'{rows.with_name(f'{rows.stem}-once.parquet')}'", asked)


def _asof(rows: str, asked: pa.Table) -> Callable[[], pa.Table]:
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_progress_bar = false")
    connection.register("asked", asked)
    fresh = f"asked.event_timestamp - f.event_timestamp <= INTERVAL {TTL_DAYS} DAY"
    columns = ", ".join(f"CASE WHEN {fresh} THEN f.{name} END AS {name}" for name in FEATURES)
    text = f"""SELECT asked.*, {columns} FROM asked ASOF LEFT JOIN {rows} f
        ON asked.driver_id = f.driver_id AND asked.event_timestamp >= f.event_timestamp"""
    return lambda: connection.sql(text).to_arrow_table()


def polars_prepared(rows: Path, asked: pa.Table, root: Path) -> Callable[[], pa.Table]:
    """Join in Polars what was deduplicated before; it wants both sides sorted by time."""
    import polars as pl

    questions = pl.from_arrow(asked)
    assert isinstance(questions, pl.DataFrame)
    path = rows.with_name(f"{rows.stem}-once.parquet")

    def answer() -> pa.Table:
        features = pl.scan_parquet(path).select("driver_id", "event_timestamp", *FEATURES).sort("event_timestamp")
        joined = questions.lazy().sort("event_timestamp").join_asof(
            features, on="event_timestamp", by="driver_id", strategy="backward",
            tolerance=datetime.timedelta(days=TTL_DAYS), check_sortedness=False,
        )  # fmt: skip
        return joined.collect().to_arrow()

    return answer


CONTENDERS = {"ours": ours, "by hand": duckdb_by_hand, "prepared": duckdb_prepared, "polars": polars_prepared}


def main() -> None:
    """Measure one contender and print what was found as JSON."""
    name, rows, asked, to, root = sys.argv[1:]
    call = CONTENDERS[name](Path(rows), pq.read_table(asked, columns=COLUMNS), Path(root))
    answer, took = first_and_best(call)
    pq.write_table(answer, to)
    print("\n" + json.dumps(dataclasses.asdict(took)))


if __name__ == "__main__":
    main()
