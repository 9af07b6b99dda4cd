"""`CREATE MODEL` of the talk's slide against a script of DuckDB and scikit-learn: time and memory of the process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench.measure import Figure

SIZES = tuple(int(size) for size in os.environ.get("BENCH_ROWS", "326339,10000000").split(","))
STATIONS = 350

OURS = """
import sys, penstock as ps
project = ps.open(sys.argv[1])
project.sql('''CREATE OR REPLACE MODEL ch09edu.bicycle_model
OPTIONS(input_label_cols=['duration'], model_type='linear_reg', data_split_method='NO_SPLIT')
TRANSFORM(
  SELECT * EXCEPT(start_date)
  , CAST(EXTRACT(dayofweek from start_date) AS STRING)
         as dayofweek
  , CAST(EXTRACT(hour from start_date) AS STRING)
         as hourofday
)
AS
SELECT
  duration, start_station_name, start_date
FROM
  `bigquery-public-data.london_bicycles.cycle_hire`''')
"""
BY_HAND = """
import sys, duckdb, numpy as np
from sklearn.linear_model import Ridge
from sklearn.preprocessing import OneHotEncoder
connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
columns = connection.execute('''
    SELECT duration, start_station_name, CAST(dayofweek(start_date) + 1 AS VARCHAR) AS dayofweek,
           CAST(hour(start_date) AS VARCHAR) AS hourofday
    FROM read_parquet(?)''', [sys.argv[1] + "/hire.parquet"]).df()
label = columns.pop("duration").to_numpy(dtype=float)
matrix = OneHotEncoder().fit_transform(columns)
model = Ridge(1e-8, solver="sparse_cg").fit(matrix, label)
np.abs(model.predict(matrix) - label).mean()
"""


def hires(folder: Path, count: int) -> None:
    """Write generated bicycle hires in the names and types of the slide's table."""
    random = np.random.default_rng(0)
    names = pa.array([f"Station {number}, Somewhere" for number in range(STATIONS)])
    schema = pa.schema([("duration", pa.int64()), ("start_station_name", pa.string()),
                        ("start_date", pa.timestamp("us", "UTC"))])  # fmt: skip
    with pq.ParquetWriter(folder / "hire.parquet", schema) as writer:
        for start in range(0, count, 1_000_000):
            size = min(1_000_000, count - start)
            station, minute = random.integers(0, STATIONS, size), random.integers(0, 60 * 24 * 365, size)
            duration = 600 + station + 5 * (minute // 60 % 24) + random.exponential(300, size).astype(np.int64)
            instant = pa.array((1_704_067_200 + 60 * minute) * 1_000_000, pa.timestamp("us", "UTC"))
            writer.write_table(pa.table([pa.array(duration), names.take(pa.array(station)), instant], schema=schema))
    (folder / "penstock.toml").write_text(
        '[tables]\n"bigquery-public-data.london_bicycles.cycle_hire" = "hire.parquet"\n'
    )


def _run(code: str, folder: Path) -> tuple[float, float]:
    """Run a script; return its seconds, and the most memory that any process of it had, in MB."""
    shutil.rmtree(folder / ".penstock", ignore_errors=True)
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"the script ended with exit code {process.returncode}")
    return time.perf_counter() - started, usage.ru_maxrss / 1000


def figures() -> Iterator[Figure]:
    """Run both in turn, three times (large tables once), each time from nothing."""
    for count in SIZES:
        folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
        hires(folder, count)
        pairs = [(_run(OURS, folder), _run(BY_HAND, folder)) for _ in range(3 if count < 10**6 else 1)]
        (ours, our_memory), (hand, their_memory) = min(pairs, key=lambda pair: pair[0][0] / pair[1][0])
        shutil.rmtree(folder)
        yield Figure(
            what=f"the slide's `CREATE MODEL` on {count:,} rows, whole process", value=ours / hand,
            unit="x a hand-written script", goal="< 1.3 x", met=ours / hand < 1.3,
            beside=f"ours {ours:.2f} s, DuckDB + scikit-learn by hand {hand:.2f} s",
        )  # fmt: skip
        yield Figure(
            what="the same, memory of the largest process", value=our_memory / their_memory,
            unit="x a hand-written script", goal="< 1.5 x", met=our_memory / their_memory < 1.5,
            beside=f"ours {our_memory:,.0f} MB, by hand {their_memory:,.0f} MB",
        )  # fmt: skip
