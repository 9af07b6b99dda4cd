"""One prediction in process: ours, LightGBM's own predict on a ready row, and scikit-learn's usual pipeline."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterator

import lightgbm
import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, OrdinalEncoder, StandardScaler

from bench import shop
from bench.measure import Figure, per_call_microseconds
from penstock.models import row_predictor


def _sklearn_microseconds() -> float:
    """Measure the idiomatic alternative: a ColumnTransformer over a one-row DataFrame, then LightGBM."""
    import pandas as pd

    table = shop.rows(20_000)
    frame, label = table.drop_columns(["bought"]).to_pandas(), np.asarray(table["bought"])
    frame["hour"], frame["weekday"] = frame["ts"].dt.hour, frame["ts"].dt.dayofweek
    frame = frame.drop(columns="ts")
    transform = ColumnTransformer(
        [
            ("age", KBinsDiscretizer(6, encode="ordinal", quantile_method="averaged_inverted_cdf"), ["age"]),
            ("income", make_pipeline(FunctionTransformer(np.log), StandardScaler()), ["income"]),
            ("orders", FunctionTransformer(np.log1p), ["n_orders"]),
            ("rating", SimpleImputer(add_indicator=True), ["rating"]),
            ("city", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["city"]),
            ("rest", "passthrough", ["distance_km", "is_member", "hour", "weekday"]),
        ]
    )
    learner = lightgbm.LGBMClassifier(n_estimators=200, num_leaves=31, n_jobs=1, verbose=-1)
    pipeline = make_pipeline(transform, learner)
    at = datetime.datetime.fromisoformat(str(shop.ROW["ts"]))
    row = {**shop.ROW, "hour": at.hour, "weekday": at.weekday()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pipeline.fit(frame, label)
        return per_call_microseconds(lambda: pipeline.predict_proba(pd.DataFrame([row])), seconds=2)[0]


def figures() -> Iterator[Figure]:
    """Measure one row."""
    graph = shop.graph()
    predictor = row_predictor(graph)
    row = {**shop.ROW, "ts": datetime.datetime.fromisoformat(str(shop.ROW["ts"]))}
    median, worst = per_call_microseconds(lambda: predictor.predict(row), seconds=2)

    booster = lightgbm.Booster(model_str=next(iter(graph.blobs.values())).decode())
    ready = np.zeros((1, booster.num_feature()))
    bare, _ = per_call_microseconds(lambda: booster.predict(ready, num_threads=1))
    peer = _sklearn_microseconds()
    yield Figure(
        what="one prediction in process: 8 raw inputs, 13 features, LightGBM 200 x 31",
        value=median, unit="us (median)", goal="< 15",
        beside=f"p99 {worst:.0f} us; LightGBM's own predict on a ready row {bare:.0f} us; "
        f"scikit-learn ColumnTransformer pipeline {peer:,.0f} us: {peer / median:,.0f} x",
        met=median < 15,
    )  # fmt: skip
