"""Boosted trees learned by LightGBM, reproducibly: the same rows and options give the same bytes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.errors import MissingExtraError
from penstock.models.boosters import MODEL_FILE
from penstock.models.matrix import Examples, Floats, dense, spread
from penstock.models.preparation import Prepared

_DEFAULT_LEAVES = 1024


def fit_trees(
    train: Examples,
    held_out: Examples | None,
    prepared: Prepared,
    *,
    classes: int,
    weights: Floats | None,
    options: Mapping[str, Any],
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the files of the estimator, and what is worth knowing of how it was learned.

    The target is class numbers where there are `classes` (0: regression). With `early_stop` the loss that must improve
    is that of the held-out rows, of the training rows where there are none.
    """
    lightgbm = _lightgbm()
    parameters = lightgbm_parameters(options, classes=classes)
    columns = spread(train.features, prepared.widths)
    data = lightgbm.Dataset(
        dense(train.features, prepared.widths),
        train.target,
        weight=weights,
        feature_name=_column_names(tuple(prepared.entering), columns),
        categorical_feature=[sum(columns[:at]) for at, kind in enumerate(prepared.kinds) if kind == "category"],
        params=parameters,
    )
    losses: list[float] = []
    valid, callbacks = [], []
    if options["early_stop"]:
        judge = data
        if held_out is not None:
            judge = data.create_valid(dense(held_out.features, prepared.widths), held_out.target)
        valid, callbacks = [judge], [_stop(lightgbm, options["min_rel_progress"], losses)]
    booster = lightgbm.train(parameters, data, options["max_iterations"], valid_sets=valid, callbacks=callbacks)
    trees = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
    content = booster.model_to_string(num_iteration=trees).encode()
    return {MODEL_FILE: content}, {"iterations": trees, "losses": losses, "lightgbm": parameters}


def lightgbm_parameters(options: Mapping[str, Any], *, classes: int) -> dict[str, Any]:
    """Return LightGBM's parameters for our options: with them a script written by hand learns the same trees."""
    objective = {0: "regression", 2: "binary"}.get(classes, "multiclass")
    return {
        "objective": objective,
        **({"num_class": classes} if objective == "multiclass" else {}),
        "boosting": "dart" if options["booster_type"] == "DART" else "gbdt",
        "learning_rate": options["learn_rate"],
        "max_depth": options["max_tree_depth"],
        "num_leaves": options["num_leaves"] or min(2 ** options["max_tree_depth"], _DEFAULT_LEAVES),
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


def _stop(lightgbm: Any, progress: float, losses: list[float]) -> Any:
    """Stop at the first iteration whose loss is not below the loss before it by that fraction; that one is dropped, and
    of those before it the losses are noted."""

    def callback(state: Any) -> None:
        loss = state.evaluation_result_list[0][2]
        if losses and losses[-1] - loss < progress * abs(losses[-1]):
            raise lightgbm.callback.EarlyStopException(state.iteration - 1, state.evaluation_result_list)
        losses.append(float(loss))

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
        import lightgbm  # takes over a second: only when trees are learned
    except ImportError as error:
        raise MissingExtraError("lightgbm", extra="learners", purpose="learning boosted trees") from error
    return lightgbm
