"""Boosted trees and random forests learned by LightGBM, reproducibly: the same rows and options, the same bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from penstock.errors import DataError, DeclarationError, MissingExtraError
from penstock.models.learning.boosters import MODEL_FILE, waiting_asleep
from penstock.models.learning.design import scipy_sparse
from penstock.models.learning.learner import Learned, Lesson
from penstock.models.learning.losses import iteration, loss
from penstock.models.learning.matrix import Features, Floats, Integers, dense, entries, is_mostly_empty, spread

_BOOSTED_LEAVES, _FOREST_LEAVES = 1024, 4096
_ROWS_FOR_THREADS = 50_000


def fit_trees(lesson: Lesson) -> Learned:
    """Grow trees on class numbers where there are classes, on values otherwise.

    With `early_stop` the loss that must improve is that of the held-out rows, of the training rows where there are
    none.
    """
    lightgbm = _lightgbm()
    options, widths = lesson.options, lesson.widths
    _check_differ(options)
    parameters = lightgbm_parameters(options, classes=lesson.classes)
    if not options["num_threads"] and lesson.train.features.rows < _ROWS_FOR_THREADS:
        parameters["num_threads"] = 1  # on few rows threads wait for each other: twenty times as long on a busy machine
    columns = spread(lesson.train.features, widths)
    data = lightgbm.Dataset(
        _matrix(lesson.train.features, widths),
        lesson.train.target,
        weight=lesson.weights,
        feature_name=_column_names(lesson.names, columns),
        categorical_feature=[sum(columns[:at]) for at, kind in enumerate(lesson.kinds) if kind == "category"],
        params=parameters,
    )
    judged = {id(data): (lesson.train.target, lesson.weights)}
    valid = [data]
    if lesson.held_out is not None:
        valid.append(data.create_valid(_matrix(lesson.held_out.features, widths), lesson.held_out.target))
        judged[id(valid[1])] = (lesson.held_out.target, None)
    training: list[dict[str, Any]] = []
    try:
        booster = lightgbm.train(
            {**parameters, "metric": "None"},
            data,
            _rounds(options),
            valid_sets=valid,
            feval=_loss(judged, lesson.classes),
            callbacks=[_note(lightgbm, options, training)],
            keep_training_booster=True,  # otherwise it is written and read once more
        )
    except lightgbm.basic.LightGBMError as error:
        given = ", ".join(f"{name}={options[name]}" for name in _OF_LEAVES)
        raise DataError(
            f"LightGBM cannot grow trees on these rows with {given}: {error}; leaves of at least some rows and some "
            "weight (min_data_in_leaf=1, min_tree_child_weight=0.001) are what it can always grow"
        ) from error
    trees = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
    content = booster.model_to_string(num_iteration=trees).encode()
    facts = {"iterations": trees, "training": training[:trees], "lightgbm": parameters}
    return Learned(files={MODEL_FILE: content}, outputs=max(lesson.classes, 1), facts=facts)


_OF_LEAVES = ("max_tree_depth", "num_leaves", "min_data_in_leaf", "min_tree_child_weight")


def _matrix(features: Features, widths: Sequence[int]) -> Any:
    """Return the matrix as LightGBM takes it; the trees are the same for both forms of it."""
    if not is_mostly_empty(features, widths):
        return dense(features, widths)
    found = entries(features, widths)
    return scipy_sparse().csr_matrix(
        (found.values, found.columns, found.starts), shape=(features.rows, found.width), copy=False
    )


def lightgbm_parameters(options: Mapping[str, Any], *, classes: int) -> dict[str, Any]:
    """Return LightGBM's parameters for our options: with them a script written by hand learns the same trees."""
    objective = {0: "regression", 2: "binary"}.get(classes, "multiclass")
    return {
        "objective": objective,
        **({"num_class": classes} if objective == "multiclass" else {}),
        **_boosting(options),
        "max_depth": options["max_tree_depth"],
        "min_data_in_leaf": options["min_data_in_leaf"],
        "min_sum_hessian_in_leaf": options["min_tree_child_weight"],
        "min_gain_to_split": options["min_split_loss"],
        "lambda_l1": options["l1_reg"],
        "lambda_l2": options["l2_reg"],
        "bagging_fraction": options["subsample"],
        "bagging_freq": int(options["subsample"] < 1.0),
        "feature_fraction": options["colsample_bytree"],
        "feature_fraction_bynode": options["colsample_bynode"],
        "seed": options["seed"],
        "num_threads": options["num_threads"],
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }


def _is_forest(options: Mapping[str, Any]) -> bool:
    return "booster_type" not in options


def _rounds(options: Mapping[str, Any]) -> int:
    return int(options["num_parallel_tree" if _is_forest(options) else "max_iterations"])


def _boosting(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return how the trees go together: each on what those before it left, or each on its own, the mean of all."""
    leaves, deepest = options["num_leaves"], 2 ** options["max_tree_depth"]
    if _is_forest(options):
        return {"boosting": "rf", "num_leaves": leaves or min(deepest, _FOREST_LEAVES)}
    return {
        "boosting": "dart" if options["booster_type"] == "DART" else "gbdt",
        "learning_rate": options["learn_rate"],
        "num_leaves": leaves or min(deepest, _BOOSTED_LEAVES),
    }


def _check_differ(options: Mapping[str, Any]) -> None:
    """Raise `DeclarationError` where every tree of a forest would be the same."""
    parts = {name: options[name] for name in ("subsample", "colsample_bytree", "colsample_bynode")}
    if _is_forest(options) and min(parts.values()) >= 1.0:
        raise DeclarationError(
            f"every tree of the forest would be the same: {', '.join(parts)} are all 1; set one of them below 1"
        )


def _loss(judged: Mapping[int, tuple[Floats | Integers, Floats | None]], classes: int) -> Any:
    """Return our loss as LightGBM asks for it: its own is added up by threads, and differs in its last bits."""

    def evaluate(predictions: Floats, data: Any) -> tuple[str, float, bool]:
        target, weights = judged[id(data)]
        estimates = predictions if predictions.ndim == 2 else predictions[:, np.newaxis]
        if classes == 2:
            estimates = np.hstack([1.0 - estimates, estimates])
        return "loss", loss(target, estimates, classes=classes, weights=weights), False

    return evaluate


def _note(lightgbm: Any, options: Mapping[str, Any], training: list[dict[str, Any]]) -> Any:
    """Note the losses of each iteration. With `early_stop`, end at the first whose loss (the held-out rows', if there
    are any) is not below the loss before it by `min_rel_progress`; that one is dropped."""

    def callback(state: Any) -> None:
        found = [entry[2] for entry in state.evaluation_result_list]
        held_out = found[1] if len(found) > 1 else None
        now = iteration(len(training), found[0], eval_loss=held_out, learning_rate=options.get("learn_rate"))
        which = "loss" if len(found) == 1 else "eval_loss"
        if options["early_stop"] and training and not _is_forest(options):
            before, after = training[-1][which], now[which]
            if before - after < options["min_rel_progress"] * abs(before):
                raise lightgbm.callback.EarlyStopException(state.iteration - 1, state.evaluation_result_list)
        training.append(now)

    return callback


def _column_names(names: Sequence[str], counts: Sequence[int]) -> list[str]:
    """Return a name for each column of the matrix, in LightGBM's letters; by position where two would be equal."""
    parts = [
        f"{name}__{index}" if count > 1 else name
        for name, count in zip(names, counts, strict=True)
        for index in range(count)
    ]
    plain = [re.sub(r"[^A-Za-z0-9_]", "_", part) for part in parts]
    return plain if len(set(plain)) == len(plain) else [f"feature_{position}" for position in range(len(plain))]


def _lightgbm() -> Any:
    try:
        with waiting_asleep():
            import lightgbm  # takes over a second: only when trees are learned
    except ImportError as error:
        raise MissingExtraError("lightgbm", extra="learners", purpose="learning trees") from error
    return lightgbm
