"""Transforms of many rows, of one row, and the statistics they learn, against the same work written by hand.

Many rows are read from one Parquet file and what is made of them is thrown away batch by batch, in every contender but
scikit-learn's, which has no batches: it gets 500,000 rows in memory, their hours and weekdays ready.
"""

from __future__ import annotations

import datetime
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import penstock as ps
from bench.measure import Figure, median_seconds, paired, per_call_microseconds
from penstock.core.artifact import Source
from penstock.operations import Expression, compile_row, lit
from penstock.tables import schema_of
from penstock.transforms import apply_batches, freeze

ROWS = int(os.environ.get("BENCH_ROWS", 10_000_000))
IN_MEMORY = 500_000
SCANNED = 20
CITIES = tuple(f"city_{number:03d}" for number in range(300))
BINS = (18.0, 25.0, 35.0, 45.0, 55.0, 65.0)
BATCH = 1 << 18


def chunk(count: int, seed: int) -> pa.Table:
    """Return generated rows: four numbers, a word of 350, an instant."""
    random = np.random.default_rng(seed)
    second = random.integers(0, 86_400 * 365, count)
    return pa.table(
        {
            "age": random.integers(18, 80, count).astype(float),
            "income": np.exp(random.normal(10.2, 0.6, count)),
            "km": random.exponential(10, count),
            "rating": pa.array(random.uniform(1, 5, count), mask=random.random(count) < 0.1),
            "city": pa.array(np.array([f"city_{number:03d}" for number in range(350)])[random.integers(0, 350, count)]),
            "at": pa.array((1_767_225_600 + second) * 1_000_000, pa.timestamp("us", "UTC")),
        }
    )


def ours(place: int) -> Expression:
    """Return one of ten kinds of expressions; each time round with other constants."""
    step = place // 10
    match place % 10:
        case 0:
            return ps.col("age").bucketize([point + step for point in BINS])
        case 1:
            return (ps.col("income") + float(step)).ln()
        case 2:
            return (ps.col("km") - (3.5 + step)) / 2.25
        case 3:
            return ps.col("km").clip(0.0, 50.0 + step)
        case 4:
            return ps.col("rating").fill_null(3.7 + step)
        case 5:
            return ps.col("at").hour() + step
        case 6:
            return ps.col("at").day_of_week() + step
        case 7:
            return Expression("lookup_index", (ps.col("city"), lit(CITIES[step:])))
        case 8:
            return ps.col("income") / (ps.col("age") + float(step))
    return ps.col("age").gt(40.0 + step).if_else(1.0, 0.0)


def by_hand(place: int) -> tuple[str, str]:
    """Return what a careful person writes for DuckDB: a column, and the join of a long vocabulary."""
    step = place // 10
    match place % 10:
        case 0:
            edges = [point + step for point in BINS]
            cases = " ".join(f"WHEN age < {edge}::DOUBLE THEN 'bin_{bin}'" for bin, edge in enumerate(edges, 1))
            return f"CASE {cases} ELSE 'bin_{len(edges) + 1}' END", ""
        case 1:
            return f"ln(income + {step})", ""
        case 2:
            return f"(km - {3.5 + step}::DOUBLE) / 2.25::DOUBLE", ""
        case 3:
            return f"greatest(0::DOUBLE, least(km, {50 + step}::DOUBLE))", ""
        case 4:
            return f"coalesce(rating, {3.7 + step}::DOUBLE)", ""
        case 5:
            return f'hour("at") + {step}', ""
        case 6:
            return f'dayofweek("at") + 1 + {step}', ""
        case 7:
            words, places = ", ".join(map(repr, CITIES[step:])), f"range(1, {len(CITIES) - step + 1})"
            table = f"(SELECT unnest([{words}]) AS city, unnest({places}) AS place) AS v{place}"
            return f"coalesce(v{place}.place, 0)", f"LEFT JOIN {table} ON rows.city = v{place}.city"
        case 8:
            return f"income / (age + {step})", ""
    return f"CASE WHEN age > {40 + step} THEN 1e0 ELSE 0e0 END", ""


def by_polars(place: int) -> pl.Expr:
    """Return the same as an expression of polars."""
    step = place // 10
    match place % 10:
        case 0:
            labels = [f"bin_{bin}" for bin in range(1, len(BINS) + 2)]
            edges = [point + step for point in BINS]
            return pl.col("age").cut(edges, labels=labels, left_closed=True).cast(pl.String)
        case 1:
            return (pl.col("income") + step).log()
        case 2:
            return (pl.col("km") - (3.5 + step)) / 2.25
        case 3:
            return pl.col("km").clip(0.0, 50.0 + step)
        case 4:
            return pl.col("rating").fill_null(3.7 + step)
        case 5:
            return pl.col("at").dt.hour().cast(pl.Int64) + step
        case 6:
            return pl.col("at").dt.weekday().cast(pl.Int64) % 7 + 1 + step
        case 7:
            places = list(range(1, len(CITIES) - step + 1))
            return pl.col("city").replace_strict(list(CITIES[step:]), places, default=0)
        case 8:
            return pl.col("income") / (pl.col("age") + step)
    return pl.when(pl.col("age") > 40 + step).then(1.0).otherwise(0.0)


def _sklearn_rows_per_second(number: int) -> float:
    """Measure a ColumnTransformer on rows in memory, one transformer for each of the first kinds that it has."""
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, OrdinalEncoder, StandardScaler

    frame = chunk(IN_MEMORY, 9).to_pandas()
    frame["hour"], frame["weekday"] = frame["at"].dt.hour, frame["at"].dt.dayofweek
    kinds = [
        (KBinsDiscretizer(7, encode="ordinal", quantile_method="averaged_inverted_cdf"), ["age"]),
        (FunctionTransformer(np.log), ["income"]),
        (StandardScaler(), ["km"]),
        (FunctionTransformer(np.clip, kw_args={"a_min": 0, "a_max": 50}), ["km"]),
        (SimpleImputer(), ["rating"]),
        ("passthrough", ["hour"]),
        ("passthrough", ["weekday"]),
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["city"]),
        (FunctionTransformer(lambda pair: pair[["income"]].to_numpy() / pair[["age"]].to_numpy()), ["income", "age"]),
        (FunctionTransformer(lambda age: age > 40), ["age"]),
    ]
    steps = [(f"f{place}", *kinds[place % 10]) for place in range(number)]
    transform = ColumnTransformer(steps).fit(frame)
    return IN_MEMORY / median_seconds(lambda: transform.transform(frame), repeats=3)


def _source(path: Path) -> Source:
    return Source(name=path.name, uris=(str(path),), format="parquet")


def _many(path: Path, number: int) -> Iterator[Figure]:
    exprs = {f"f{place}": ours(place) for place in range(number)}
    hand = [by_hand(place) for place in range(number)]
    columns = ", ".join(f"{column} AS f{place}" for place, (column, _) in enumerate(hand))
    joins = " ".join(join for _, join in hand)
    peer = [by_polars(place).alias(f"f{place}") for place in range(number)]
    source = _source(path)
    connection = duckdb.connect(config={"temp_directory": str(path.parent / "spill")})
    connection.execute("SET TimeZone = 'UTC'")

    def run_ours() -> None:
        assert sum(batch.num_rows for batch in apply_batches(exprs, source)) == ROWS

    def run_duckdb() -> None:
        reader = connection.sql(f"SELECT {columns} FROM '{path}' AS rows {joins}").to_arrow_reader(BATCH)
        assert sum(batch.num_rows for batch in reader) == ROWS

    def run_polars() -> None:
        batches = pl.scan_parquet(path).select(peer).collect_batches(chunk_size=BATCH)
        assert sum(batch.height for batch in batches) == ROWS

    mine, duck, ratio = paired(run_ours, run_duckdb, repeats=3)
    polars = median_seconds(run_polars, repeats=2)
    yield Figure(
        what=f"{number} expressions over {ROWS / 1e6:g} M rows of Parquet, batch by batch",
        value=1 / ratio, unit="x the rows/s of DuckDB's SQL by hand", goal="> 0.95 x",
        beside=f"M rows/s: ours {ROWS / mine / 1e6:.2f}, DuckDB by hand {ROWS / duck / 1e6:.2f}, polars "
        f"{ROWS / polars / 1e6:.2f}, ColumnTransformer in memory {_sklearn_rows_per_second(number) / 1e6:.2f}",
        met=1 / ratio > 0.95,
    )  # fmt: skip


def _one(number: int, goal: float) -> Figure:
    row = {
        "age": 41.0, "income": 52345.5, "km": 12.4, "rating": None, "city": "city_017",
        "at": datetime.datetime(2026, 3, 4, 17, 45, 12, tzinfo=datetime.UTC),
    }  # fmt: skip
    compute = compile_row({f"f{place}": ours(place) for place in range(number)}, schema_of(chunk(1, 0).schema))
    median, worst = per_call_microseconds(lambda: compute(row))
    return Figure(
        what=f"{number} expressions over one row", value=median, unit="us (median)", goal=f"< {goal:g}",
        beside=f"p99 {worst:.1f} us", met=median < goal,
    )  # fmt: skip


def _statistics(folder: Path) -> Figure:
    random = np.random.default_rng(3)
    path = folder / "numbers.parquet"
    with pq.ParquetWriter(path, pa.schema([(f"x{place}", pa.float64()) for place in range(SCANNED)])) as writer:
        for _ in range(ROWS // 5 // 100_000):
            writer.write_table(pa.table({f"x{place}": random.normal(size=100_000) for place in range(SCANNED)}))
    exprs = {f"x{place}": ps.col(f"x{place}").standard_scaler() for place in range(SCANNED)}
    aggregates = ", ".join(f"avg(x{place}), stddev_samp(x{place})" for place in range(SCANNED))
    source = _source(path)
    mine, hand, ratio = paired(
        lambda: freeze(exprs, source), lambda: duckdb.sql(f"SELECT {aggregates} FROM '{path}'").fetchall(), repeats=3
    )
    return Figure(
        what=f"means and deviations of {SCANNED} columns, {ROWS / 5e6:g} M rows, learned in one scan",
        value=ratio, unit="x one SELECT by hand", goal="< 3 x", met=ratio < 3,
        beside=f"ours {mine:.2f} s (the same bits on any machine and in any order), DuckDB {hand:.2f} s",
    )  # fmt: skip


def figures() -> Iterator[Figure]:
    """Measure 10 and 50 expressions over many rows and over one, and the statistics of 20 columns."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    try:
        path = folder / "rows.parquet"
        with pq.ParquetWriter(path, chunk(1, 0).schema) as writer:
            for seed in range(max(1, ROWS // 1_000_000)):
                writer.write_table(chunk(min(ROWS, 1_000_000), seed))
        for number in (10, 50):
            yield from _many(path, number)
        yield _one(10, 5)
        yield _one(50, 20)
        yield _statistics(folder)
    finally:
        shutil.rmtree(folder)
