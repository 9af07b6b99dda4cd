"""Batch prediction of a million rows against a script of DuckDB and LightGBM written by hand."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import lightgbm
import numpy as np
import pyarrow as pa

from bench import shop
from bench.measure import Figure, paired

ROWS = 1_000_000


def by_hand(graph_text: str, sql: str, table: pa.Table) -> pa.Table:
    """Do what a careful person would write: one SQL for the features, one predict, the column put beside the rows."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("rows", table)
    features = connection.execute(sql).fetchnumpy()
    matrix = np.column_stack([np.ma.filled(column.astype(float), np.nan) for column in features.values()])
    probability = lightgbm.Booster(model_str=graph_text).predict(matrix)
    return table.add_column(0, "predicted_bought", pa.array(probability > 0.5))


def hand_written_sql(table: pa.Table) -> str:
    """Return the features of `bench.shop.MODEL` as one would write them by hand, with the constants put in."""
    income = np.log(table["income"])
    mean, deviation = float(income.mean()), float(income.std(ddof=1))
    cities = ", ".join(f"'city_{number:03d}'" for number in range(200))
    return f"""
        SELECT CASE WHEN age < 18 THEN 1 WHEN age < 25 THEN 2 WHEN age < 35 THEN 3 WHEN age < 45 THEN 4
                    WHEN age < 55 THEN 5 WHEN age < 65 THEN 6 ELSE 7 END AS age_band,
               (ln(income) - {mean!r}) / {deviation!r} AS income, income / age AS income_per_year,
               ln(1 + n_orders) AS orders, least(greatest(distance_km, 0), 50) AS distance,
               pow(least(greatest(distance_km, 0), 50), 2) AS distance_squared,
               coalesce(rating, 3.7::DOUBLE) AS rating, (rating IS NOT NULL)::INT AS rated,
               hour(ts) AS hour, dayofweek(ts) + 1 AS weekday, is_member::INT * (dayofweek(ts) + 1) AS member_weekday,
               coalesce(list_position([{cities}], city), 0) AS city, is_member::INT AS member
        FROM rows"""


def figures() -> Iterator[Figure]:
    """Measure the same million rows both ways, in turn."""
    graph = shop.graph()
    table = shop.rows(ROWS, seed=1).drop_columns(["bought"])
    text, sql = next(iter(graph.blobs.values())).decode(), hand_written_sql(shop.rows(50_000))
    ours, theirs, ratio = paired(lambda: graph.predict(table), lambda: by_hand(text, sql, table), repeats=3)
    yield Figure(
        what="batch prediction of 1 M rows", value=ratio, unit="x a hand-written script", goal="< 1.3 x",
        beside=f"ours {ours:.2f} s, DuckDB + LightGBM by hand {theirs:.2f} s", met=ratio < 1.3,
    )  # fmt: skip
