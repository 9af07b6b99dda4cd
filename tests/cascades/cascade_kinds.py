"""Cascades of every kind over the rows of `cascade_worlds`, by what is particular about them."""

from __future__ import annotations

import functools

from cascade_worlds import INPUTS, RARE, distance, rentals

import penstock as ps

SIZE = ps.model(
    "kind", type="boosted_tree_classifier", label="kind", target=ps.col("size"), features=INPUTS,
    options={"max_iterations": 8},
)  # fmt: skip
CHEAP = ps.model("cheap", type="logistic_reg", label="size", features={"x1": ps.col("x1")})
DEAR = ps.model(
    "dear", type="boosted_tree_classifier", label="size", features=INPUTS, options={"max_iterations": 8}
)  # fmt: skip
STEEP = ps.model("steep", type="logistic_reg", label="steep", target=ps.col("x3") > 0, features=INPUTS)
READING = ps.model(
    "reading", type="linear_reg", label="km", features={**INPUTS, "p": ps.probability("is_long", True)}
)  # fmt: skip
INNER = ps.cascade(
    "inner", label="km", metric="mean_absolute_error", router=STEEP, min_rows=5,
    routes=[ps.route(when="steep > 0.5", use=READING)], otherwise=RARE,
)  # fmt: skip
CASCADES = {
    "two ways": distance(),
    "a blend": distance(blend=True),
    "a calibrated blend": distance(blend=True, calibrate="isotonic"),
    "calibrated by Platt": distance(calibrate="platt"),
    "a constant": distance(routes=[ps.route(when=ps.col("is_long") > 0.5, use=40.0)]),
    "a cascade in a cascade": distance(
        routes=[ps.route(when=(ps.col("is_long") > 0.4) & (ps.col("x1") > -5), use=INNER)]
    ),
    "a router that is a stage": ps.cascade(
        "early", label="size", metric="accuracy", router=CHEAP, min_rows=20,
        routes=[ps.route(when=ps.confidence("cheap") < 0.6, use=DEAR)], otherwise=CHEAP,
    ),
    "three labels": ps.cascade(
        "three", label="size", metric="log_loss", router=SIZE, blend=True, calibrate="isotonic", min_rows=20,
        routes=[
            ps.route(when=ps.col("kind").eq("large"), use="large"),
            ps.route(when=ps.probability("kind", "middle") > 0.5, use=DEAR),
        ],
        otherwise=CHEAP,
    ),
    "a router of values": distance(
        router=ps.model("long_km", type="linear_reg", label="long_km", target=ps.col("km") * 2, features=INPUTS),
        routes=[ps.route(when=ps.col("long_km") > 30, use=RARE)],
    ),
}  # fmt: skip


@functools.cache
def fitted(which: str) -> ps.ModelGraph:
    """Return a cascade that has learned from `rentals()`."""
    return ps.fit(CASCADES[which], rentals())
