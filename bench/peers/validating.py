"""Seven checks of ten million rows of Parquet, and statistics of them, by one library in its own environment.

`python validating.py TOOL FILE` prints seconds, those of the processor too (the best of three, reading included), and
the most memory in MB. It imports nothing that is not in every such environment.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable

CITIES = [f"city{number}" for number in range(201)]


def penstock(path: str) -> Callable[[], object]:
    from bench.validation import SCHEMA
    from penstock.transforms import check

    return lambda: _none(check(path, SCHEMA).findings)


def pandera(path: str) -> Callable[[], object]:
    import pandera.polars as pa
    import polars as pl

    schema = pa.DataFrameSchema(
        {
            "id": pa.Column(pl.Int64, pa.Check.ge(0)),
            "km": pa.Column(pl.Float64, pa.Check.in_range(0, 100)),
            "seconds": pa.Column(pl.Int32, pa.Check.in_range(0, 86_400)),
            "city": pa.Column(pl.String, pa.Check.isin(CITIES)),
            "share": pa.Column(pl.Float64, nullable=True),
        }
    )
    return lambda: schema.validate(pl.read_parquet(path), lazy=True)


def dataframely(path: str) -> Callable[[], object]:
    import dataframely as dy
    import polars as pl

    class Trips(dy.Schema):
        id = dy.Int64(nullable=False, min=0)
        km = dy.Float64(nullable=False, min=0, max=100)
        seconds = dy.Int32(nullable=True, min=0, max=86_400)
        city = dy.String(nullable=True, check=lambda column: column.is_in(CITIES))
        started = dy.Datetime(nullable=True)
        share = dy.Float64(nullable=True)
        late = dy.Bool(nullable=True)

    return lambda: Trips.validate(pl.read_parquet(path))


def pointblank(path: str) -> Callable[[], object]:
    import pointblank as pb
    import polars as pl

    def run() -> None:
        checks = pb.Validate(pl.read_parquet(path)).col_vals_not_null(columns=["id", "km"])
        checks = checks.col_vals_ge(columns="id", value=0).col_vals_between(columns="km", left=0, right=100)
        checks = checks.col_vals_between(columns="seconds", left=0, right=86_400)
        checks = checks.col_vals_in_set(columns="city", set=CITIES)
        done = checks.col_vals_not_null(columns="share", thresholds=pb.Thresholds(error=0.05)).interrogate()
        assert all(done.all_passed() or count < 0.05 for count in done.f_failed().values())

    return run


def penstock_statistics(path: str) -> Callable[[], object]:
    from penstock.transforms import profile

    return lambda: profile(path)


def ydata_statistics(path: str) -> Callable[[], object]:
    import pandas as pd
    from ydata_profiling import ProfileReport

    return lambda: ProfileReport(pd.read_parquet(path), minimal=True, progress_bar=False).get_description()


def pointblank_statistics(path: str) -> Callable[[], object]:
    import pointblank as pb
    import polars as pl

    return lambda: pb.DataScan(pl.read_parquet(path)).to_dict()


def evidently_statistics(path: str) -> Callable[[], object]:
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataSummaryPreset

    def run() -> object:
        rows = pd.read_parquet(path)
        texts = ["city", "paid", "late"]
        times = ["started", "day"]
        numbers = [name for name in rows.columns if name not in (*texts, *times)]
        kinds = DataDefinition(categorical_columns=texts, datetime_columns=times, numerical_columns=numbers)
        return Report([DataSummaryPreset()]).run(Dataset.from_pandas(rows, data_definition=kinds), None).dict()

    return run


def _none(found: object) -> None:
    assert not found, found


if __name__ == "__main__":
    call = globals()[sys.argv[1]](sys.argv[2])
    times, used = [], []
    for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 3):
        began, busy = time.perf_counter(), time.process_time()
        call()
        times.append(time.perf_counter() - began)
        used.append(time.process_time() - busy)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": min(times), "processor": min(used), "megabytes": peak}))
