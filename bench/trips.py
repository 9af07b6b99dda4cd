"""The cascade that is measured: is a trip long, then how far it goes; and the same written by hand with LightGBM."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import penstock as ps
from penstock import models

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as penstock has it: threads that wait do not keep a core busy
import lightgbm

NUMBERS = ("hour", "weekday", "age", "pace", "temperature", "rain", "slope", "docks")
_TREES = {"max_iterations": 60, "num_leaves": 31, "learn_rate": 0.1, "early_stop": False}
_FOLDS = 5


def model(name: str, label: str, type: str, **options: Any) -> ps.Model:
    """Declare one of the models, of all columns."""
    features = {each: ps.col(each) for each in NUMBERS}
    return ps.model(name, type=type, label=label, features=features, options=_TREES | options)


def distance(**of_rare: Any) -> ps.Cascade:
    """Declare the cascade; `of_rare` are options of the model of long trips."""
    return ps.cascade(
        "distance",
        label="km",
        metric="mean_absolute_error",
        router=model("is_long", "is_long", "boosted_tree_classifier"),
        routes=[
            ps.route(when=ps.col("is_long") > 0.5, use=model("rare", "km", "boosted_tree_regressor", **of_rare)),
        ],
        otherwise=model("typical", "km", "boosted_tree_regressor"),
        folds=_FOLDS,
    )


def rows(count: int, seed: int = 0) -> pa.Table:
    """Make trips, a fifth of them long; what makes them so is seen in part."""
    random = np.random.default_rng(seed)
    columns = {name: random.normal(size=count) for name in NUMBERS}
    drift = columns["pace"] + 0.5 * columns["age"] + random.normal(size=count)
    is_long = drift > 1.2
    far = 30 + 5 * columns["slope"] + 3 * np.sin(columns["hour"])
    km = np.where(is_long, far, 6 - columns["slope"]) + random.normal(size=count)
    return pa.table({**columns, "is_long": is_long, "km": km})


def matrix_of(table: pa.Table) -> Any:
    """Return the features as a matrix."""
    return np.column_stack([table.column(name).to_numpy() for name in NUMBERS])


def by_hand(table: pa.Table, folder: Path) -> Mapping[str, float]:
    """Train the same cascade as a careful person would with LightGBM, judge it, and save the models."""
    matrix, long, km = matrix_of(table), table.column("is_long").to_numpy(), table.column("km").to_numpy()
    order = np.random.default_rng(1).permutation(len(km))
    held_out, train = order[: len(km) // 5], order[len(km) // 5 :]
    inputs, is_long, target = matrix[train], long[train].astype(float), km[train]
    fold = np.random.default_rng(2).integers(0, _FOLDS, len(train))
    probability = np.empty(len(train))
    for number in range(_FOLDS):
        others = _trees(inputs[fold != number], is_long[fold != number], "binary")
        probability[fold == number] = others.predict(inputs[fold == number])
    taken = probability > 0.5
    boosters = {
        "is_long": _trees(inputs, is_long, "binary"),
        "rare": _trees(inputs[taken], target[taken], "regression"),
        "typical": _trees(inputs[~taken], target[~taken], "regression"),
        "baseline": _trees(inputs, target, "regression"),
    }
    seen = boosters["is_long"].predict(inputs) > 0.5
    for name, booster in boosters.items():
        booster.save_model(folder / f"{name}.txt")
    judged, actual = matrix[held_out], km[held_out]
    error = np.abs(_routed(boosters, judged) - actual).mean()
    alone = np.abs(boosters["baseline"].predict(judged) - actual).mean()
    in_sample, out_of_fold = (float((said == is_long.astype(bool)).mean()) for said in (seen, taken))
    return {"error": error, "alone": alone, "in_sample": in_sample, "out_of_fold": out_of_fold}


def by_calls(table: pa.Table) -> Mapping[str, float | None]:
    """Train the same cascade by calls of penstock's `fit`, with no pipeline: what its steps cost by themselves."""
    order = np.random.default_rng(1).permutation(table.num_rows)
    held_out, train = (table.take(part) for part in np.split(order, [table.num_rows // 5]))
    fold = np.random.default_rng(2).integers(0, _FOLDS, train.num_rows)
    declared, kept = distance(), {"data_split_method": "NO_SPLIT"}
    router, rare, typical = declared.router, declared.routes[0].use, declared.otherwise
    taken = np.empty(train.num_rows, dtype=bool)
    for number in range(_FOLDS):
        others = models.fit(router, train.filter(pa.array(fold != number)), options=kept, judged=False)
        taken[fold == number] = others.predict(train.filter(pa.array(fold == number))).column("predicted_is_long")
    found = {
        "is_long": models.fit(router, train, options=kept),
        "rare": models.fit(rare, train.filter(pa.array(taken)), options=kept),
        "typical": models.fit(typical, train.filter(pa.array(~taken)), options=kept),
        "baseline": models.fit(typical, train, options=kept),
    }
    found["is_long"].predict(train)
    long = found["is_long"].predict(held_out).column("predicted_is_long").to_numpy()
    error = 0.0
    for name, part in (("rare", long), ("typical", ~long)):
        told = found[name].predict(held_out.filter(pa.array(part)))
        error += float(np.abs(told.column("predicted_km").to_numpy() - told.column("km").to_numpy()).sum())
    return {"error": error / len(long), **found["baseline"].evaluate(held_out)}


def predicted_by_hand(boosters: Mapping[str, Any], table: pa.Table) -> pa.Table:
    """Predict rows with the models one by one, and put the prediction and the route beside them."""
    matrix = matrix_of(table)
    taken = boosters["is_long"].predict(matrix) > 0.5
    predicted = _routed(boosters, matrix, taken)
    route = pa.array(np.where(taken, "rare", "typical"))
    return pa.table([pa.array(predicted), route, *table.columns], names=["predicted_km", "route", *table.column_names])


def _routed(boosters: Mapping[str, Any], matrix: Any, taken: Any = None) -> Any:
    taken = boosters["is_long"].predict(matrix) > 0.5 if taken is None else taken
    predicted = np.empty(len(matrix))
    predicted[taken], predicted[~taken] = (
        boosters["rare"].predict(matrix[taken]),
        boosters["typical"].predict(matrix[~taken]),
    )
    return predicted


def _trees(matrix: Any, target: Any, objective: str) -> Any:
    parameters = {
        "objective": objective, "num_leaves": 31, "learning_rate": 0.1, "max_depth": 6, "deterministic": True,
        "force_row_wise": True, "verbosity": -1,
    }  # fmt: skip
    return lightgbm.train(parameters, lightgbm.Dataset(matrix, target), 60)
