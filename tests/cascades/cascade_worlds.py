"""Rows in which a rare kind behaves otherwise than the rest, and the models that tell it and predict it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

import penstock as ps
from penstock.models.fitting.agreement import close

INPUTS = {name: ps.col(name) for name in ("x1", "x2", "x3")}


def rentals(rows: int = 1200, seed: int = 1) -> pa.Table:
    """Return trips whose `km` depends on whether they are long, which `x1` and `x2` tell only in part."""
    random = np.random.default_rng(seed)
    x1, x2, x3, unseen, noise = random.normal(size=(5, rows))
    is_long = x1 + 0.5 * x2 + unseen > 1.8
    km = np.where(is_long, 40 + 6 * x3, 8 - 3 * x3) + noise
    size = np.array(["small", "middle", "large"])[np.digitize(km, [8, 20])]
    return pa.table({"x1": x1, "x2": x2, "x3": x3, "is_long": is_long, "km": km, "size": size})


FOREST = ps.model(
    "is_long",
    type="random_forest_classifier",
    label="is_long",
    features=INPUTS,
    options={"num_parallel_tree": 20},
)
LOGISTIC = ps.model("is_long", type="logistic_reg", label="is_long", features=INPUTS)
RARE = ps.model("rare", type="linear_reg", label="km", features=INPUTS)
TYPICAL = ps.model("typical", type="linear_reg", label="km", features=INPUTS)


def distance(**how: Any) -> ps.Cascade:
    """Declare the cascade of the talk: is it long, then how long."""
    given: dict[str, Any] = {
        "label": "km",
        "metric": "root_mean_squared_error",
        "router": FOREST,
        "routes": [ps.route(when=ps.col("is_long") > 0.5, use=RARE)],
        "otherwise": TYPICAL,
        "min_rows": 20,
    }
    return ps.cascade("distance", **given | how)


def predicted(graph: ps.ModelGraph, rows: pa.Table) -> list[dict[str, Any]]:
    """Return the predicted columns of rows, predicted together; one by one they are the same."""
    names = list(graph.signature.outputs.names)
    many = graph.predict(rows).select(names).to_pylist()
    from penstock.models import row_predictor

    one = row_predictor(graph)
    assert all(close(one.predict(row), found) for row, found in zip(rows.to_pylist(), many, strict=True))
    return many
