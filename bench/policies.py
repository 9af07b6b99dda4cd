"""By what the stages of a cascade learn: the error end to end, in the mean of five draws of made rows.

The rows are those of `tests/cascades/test_evidence.py`: of 15 % the target follows another rule, and a router sees
which in part.
"""

from __future__ import annotations

import contextlib
import io
import statistics
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

import penstock as ps
from bench.measure import Figure, fresh_folder
from penstock.core.model import Model

INPUTS = {f"x{at}": ps.col(f"x{at}") for at in range(6)}
ROUTERS: dict[str, dict[str, Any]] = {
    "a logistic regression": {"type": "logistic_reg"},
    "a forest": {"type": "random_forest_classifier", "options": {"num_parallel_tree": 100}},
    "trees that remember their rows": {
        "type": "boosted_tree_classifier",
        "options": {"max_iterations": 25, "max_tree_depth": 12, "learn_rate": 0.5, "num_leaves": 400,
                    "early_stop": False},
    },
}  # fmt: skip
POLICIES = ("labels", "in_sample", "out_of_fold")
_SEEDS, _LEARNED, _ASKED = 5, 5_000, 4_000


def rows(random: np.random.Generator, count: int) -> pa.Table:
    """Return made rows: six inputs, whether they are of the rare kind, and the target."""
    x = random.normal(size=(count, 6))
    score = 1.6 * x[:, 0] - 1.2 * x[:, 1] + 0.8 * x[:, 2] * x[:, 3] + random.normal(0, 1.2, count)
    is_long = score > np.quantile(score, 0.85)
    long = 40 + 12 * x[:, 4] - 8 * x[:, 0] + random.normal(0, 4, count)
    km = np.where(is_long, long, 5 + 2 * x[:, 5] + x[:, 0] + random.normal(0, 1, count))
    return pa.table({**{f"x{at}": x[:, at] for at in range(6)}, "is_long": is_long, "km": km})


def cascade(router: Model, policy: Any) -> ps.Cascade:
    """Declare the cascade of the talk."""
    rare, typical = (ps.model(name, type="linear_reg", label="km", features=INPUTS) for name in ("rare", "typical"))
    routes = [ps.route(when=ps.col("is_long") > 0.5, use=rare)]
    return ps.cascade(
        "distance", label="km", metric="root_mean_squared_error", router=router, routes=routes, otherwise=typical,
        policy=policy, min_rows=30,
    )  # fmt: skip


def figures() -> Iterator[Figure]:
    """Yield a figure for each router: how much better stages are that learn from what it says of rows out of fold."""
    worlds = []
    for seed in range(_SEEDS):
        random = np.random.default_rng(seed)
        worlds.append((ps.open(fresh_folder()), rows(random, _LEARNED), rows(random, _ASKED)))
    for name, how in ROUTERS.items():
        router = ps.model("is_long", label="is_long", features=INPUTS, **how)
        errors: dict[str, list[float]] = {policy: [] for policy in (*POLICIES, "one model", "oracle")}
        for project, learned, asked in worlds:
            for policy in POLICIES:
                with contextlib.redirect_stdout(io.StringIO()):
                    graph = project.fit(cascade(router, policy), learned)
                errors[policy].append((graph.evaluate(asked)["mean_squared_error"] or 0.0) ** 0.5)
            whole = graph.report()["whole"]
            errors["one model"].append(whole["baseline"]["root_mean_squared_error"])
            errors["oracle"].append(whole["oracle"]["root_mean_squared_error"])
        mean = {policy: statistics.fmean(found) for policy, found in errors.items()}
        ratio = mean["out_of_fold"] / mean["labels"]
        yield Figure(
            what=f"cascade with {name} as its router: error of out_of_fold end to end", value=ratio,
            unit="x that of labels", goal="<= 0.95 x", met=ratio <= 0.95,
            beside=", ".join(f"{policy} {found:.2f}" for policy, found in mean.items()),
        )  # fmt: skip
