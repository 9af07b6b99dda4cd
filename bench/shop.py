"""The model that serving is measured with: 8 raw inputs, 13 features (a string and a timestamp too), 200 x 31 trees."""

from __future__ import annotations

import datetime
import functools

import numpy as np
import pyarrow as pa

import penstock as ps

ROW = {
    "age": 41.0, "income": 52345.5, "n_orders": 7, "distance_km": 12.4, "rating": None, "is_member": True,
    "city": "city_017", "ts": "2026-03-04T17:45:12Z",
}  # fmt: skip

MODEL = ps.model(
    "shop",
    type="boosted_tree_classifier",
    label="bought",
    features={
        "age_band": ps.col("age").bucketize([18.0, 25.0, 35.0, 45.0, 55.0, 65.0]),
        "income": ps.col("income").ln().standard_scaler(),
        "income_per_year": ps.col("income") / ps.col("age"),
        "orders": ps.col("n_orders").log1p(),
        "distance": ps.col("distance_km").clip(0.0, 50.0),
        "distance_squared": ps.col("distance_km").clip(0.0, 50.0) * ps.col("distance_km").clip(0.0, 50.0),
        "rating": ps.col("rating").fill_null(3.7),
        "rated": ps.col("rating").is_not_null(),
        "hour": ps.col("ts").hour(),
        "weekday": ps.col("ts").day_of_week(),
        "member_weekday": ps.col("is_member").cast("int64") * ps.col("ts").day_of_week(),
        "city": ps.col("city"),
        "member": ps.col("is_member"),
    },
    options={"max_iterations": 200, "num_leaves": 31, "learn_rate": 0.1},
)


def rows(count: int, seed: int = 0) -> pa.Table:
    """Make rows of a shop; the label depends on most of the columns, with noise."""
    random = np.random.default_rng(seed)
    age, income = random.integers(18, 80, count).astype(float), np.exp(random.normal(10.2, 0.6, count))
    distance, member = random.exponential(10, count), random.random(count) < 0.4
    city, second = random.integers(0, 200, count), random.integers(0, 86_400 * 200, count)
    score = 0.8 * (np.log(income) - 10.2) / 0.6 - 0.03 * distance + 0.7 * np.sin(city) + 0.4 * member
    start = int(datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC).timestamp())
    return pa.table(
        {
            "age": age,
            "income": income,
            "n_orders": random.poisson(5, count),
            "distance_km": distance,
            "rating": pa.array(random.uniform(1, 5, count), mask=random.random(count) < 0.1),
            "is_member": member,
            "city": pa.array([f"city_{number:03d}" for number in city]),
            "ts": pa.array((start + second) * 1_000_000, pa.timestamp("us", "UTC")),
            "bought": random.random(count) < 1 / (1 + np.exp(-score)),
        }
    )


@functools.cache
def graph() -> ps.ModelGraph:
    """Fit the model on 50,000 rows."""
    return ps.fit(MODEL, rows(50_000))
