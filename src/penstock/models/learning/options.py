"""The options that each kind of learner takes, by BigQuery ML's names, with their types, ranges and our defaults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.models.learning.search import Candidates, Range, Space


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """That an option can be tuned: on which scale, and over what where `num_trials` alone is given (None: it is not).

    The scale of a range by its logarithm begins above 0.
    """

    over: Space | None = None
    log: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """What values an option takes. `default` None means: not set."""

    # "int", "float", "bool", "text", "column" (one that is no feature), "time" (a column, a feature or not), "choice",
    # "ints", "weights" or "objectives"
    type: str
    default: Any = None
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    meaning: str = ""
    tuned: Tuned | None = None


def _tuning(*objectives: str) -> dict[str, Option]:
    """Return the options of tuning; the first objective is what is tuned for unless another is given."""
    return {
        "num_trials": Option(type="int", least=1, most=100, meaning="how many sets of hyperparameters to try: tuning"),
        "max_parallel_trials": Option(type="int", default=1, least=1, most=5, meaning="how many are chosen at a time"),
        "hparam_tuning_algorithm": Option(
            type="choice",
            default="VIZIER_DEFAULT",
            choices=("VIZIER_DEFAULT", "RANDOM_SEARCH", "GRID_SEARCH"),
            meaning="how they are chosen: by the trials before, by chance, or each of a grid",
        ),
        "hparam_tuning_objectives": Option(
            type="objectives", default=objectives[:1], choices=objectives, meaning="the metric that makes a trial best"
        ),
    }


_VALUES = _tuning(
    "r2_score", "explained_variance", "mean_absolute_error", "mean_squared_error", "mean_squared_log_error",
    "median_absolute_error",
)  # fmt: skip
_CLASSES = _tuning("roc_auc", "precision", "recall", "accuracy", "f1_score", "log_loss")
TUNING = tuple(_VALUES)
"""The options of a tuning itself."""

_ANY, _PENALTY = Tuned(), Tuned(over=Range(0.0, 10.0), log=True)
_FRACTION = Tuned(over=Range(0.1, 1.0))  # BigQuery's range goes down to 0, where no row is left

SPLIT = {
    "data_split_method": Option(
        type="choice",
        default="NO_SPLIT",  # ps.fit gets training rows; the SQL front says AUTO_SPLIT, BigQuery's default
        choices=("NO_SPLIT", "AUTO_SPLIT", "RANDOM", "SEQ", "CUSTOM"),
        meaning="which rows are kept back to judge by",
    ),
    "data_split_eval_fraction": Option(type="float", default=0.2, least=0.0, most=1.0, meaning="how many of the rows"),
    "data_split_test_fraction": Option(
        type="float", least=0.0, most=1.0, meaning="RANDOM, SEQ: how many are kept from learning and judging, to test"
    ),
    "data_split_col": Option(
        type="column", meaning="SEQ: newest by it are kept back; CUSTOM: TRUE or NULL are, or EVAL, TEST"
    ),
}
FEATURE_TIMES = {
    "feature_timestamp_col": Option(
        type="time", meaning="each row's time, as of which features of feature sets are looked up"
    ),
}
"""Of every model that learns from columns, and so from features of feature sets."""
WEIGHTS = {
    "auto_class_weights": Option(type="bool", default=False, meaning="every class weighs the same in sum"),
    "class_weights": Option(type="weights", meaning="weight of a row by its label"),
}
STOPPING = {
    "early_stop": Option(
        type="bool", default=False, meaning="stop when an iteration improves the loss by less than min_rel_progress"
    ),
    "min_rel_progress": Option(type="float", default=0.01, least=0.0, meaning="relative to the loss before it"),
}
EXPLAINED = {
    "enable_global_explain": Option(
        type="bool", default=False, meaning="keep how much each feature counts: ML.GLOBAL_EXPLAIN, `graph.importance()`"
    ),
}
LINEAR = {
    **SPLIT,
    **FEATURE_TIMES,
    **EXPLAINED,
    "l1_reg": Option(
        type="float", default=0.0, least=0.0, meaning="weight of the sum of absolute coefficients", tuned=_PENALTY
    ),
    "l2_reg": Option(
        type="float", default=0.0, least=0.0, meaning="weight of the sum of squared coefficients", tuned=_PENALTY
    ),
    "fit_intercept": Option(type="bool", default=True, meaning="learn a constant as well"),
    "category_encoding_method": Option(
        type="choice",
        default="ONE_HOT_ENCODING",
        choices=("ONE_HOT_ENCODING", "DUMMY_ENCODING"),
        meaning="DUMMY_ENCODING: the most frequent category has weight 0",
    ),
}
DESCENT = {
    "max_iterations": Option(type="int", least=1, meaning="at most; not set: 20 steps, 1000 with l1_reg alone"),
    "learn_rate_strategy": Option(
        type="choice", choices=("LINE_SEARCH", "CONSTANT"), meaning="how long a step is; not set: LINE_SEARCH"
    ),
    "learn_rate": Option(type="float", least=0.0, meaning="with CONSTANT: how long each step is; not set: 0.1"),
    "ls_init_learn_rate": Option(type="float", least=0.0, meaning="with LINE_SEARCH: of the first step; not set: 0.1"),
    "early_stop": Option(type="bool", meaning=f"{STOPPING['early_stop'].meaning}; not set: TRUE"),
    "min_rel_progress": Option(type="float", least=0.0, meaning="relative to the loss before it; not set: 0.01"),
}
"""Of linear models. Any but max_iterations asks for BATCH_GRADIENT_DESCENT."""
LINEAR_REG = {
    **LINEAR,
    **_VALUES,
    **DESCENT,
    "optimize_strategy": Option(
        type="choice",
        default="AUTO_STRATEGY",
        choices=("AUTO_STRATEGY", "NORMAL_EQUATION", "BATCH_GRADIENT_DESCENT"),
        meaning="AUTO_STRATEGY solves exactly, unless an option says how to make steps",
    ),
}
LOGISTIC_REG = {
    **LINEAR,
    **_CLASSES,
    **DESCENT,
    **WEIGHTS,
    "max_iterations": Option(
        type="int", least=1, meaning="at most; not set: 20 steps, 100 of L-BFGS (of SAGA with l1_reg)"
    ),
    "optimize_strategy": Option(
        type="choice",
        default="AUTO_STRATEGY",
        choices=("AUTO_STRATEGY", "BATCH_GRADIENT_DESCENT"),
        meaning="AUTO_STRATEGY takes L-BFGS to the end, unless an option says how to make steps",
    ),
}
TREES = {
    **SPLIT,
    **FEATURE_TIMES,
    **EXPLAINED,
    **STOPPING,
    "max_iterations": Option(type="int", default=20, least=1, meaning="how many trees (a class)"),
    "learn_rate": Option(
        type="float", default=0.3, least=0.0, meaning="shrinkage of each tree", tuned=Tuned(over=Range(0.0, 1.0))
    ),
    "max_tree_depth": Option(
        type="int", default=6, least=1, most=64, meaning="of any leaf", tuned=Tuned(over=Range(1, 10))
    ),
    "num_leaves": Option(
        type="int",
        least=2,
        most=131072,
        meaning="leaves a tree at most; not set: 2 ** max_tree_depth, at most 1024",
        tuned=_ANY,
    ),
    "min_data_in_leaf": Option(type="int", default=20, least=0, meaning="rows in any leaf", tuned=_ANY),
    "min_tree_child_weight": Option(
        type="float", default=1.0, least=0.0, meaning="sum of hessians in any leaf", tuned=_ANY
    ),
    "min_split_loss": Option(
        type="float", default=0.0, least=0.0, meaning="gain below which nothing is split", tuned=_ANY
    ),
    "l1_reg": Option(type="float", default=0.0, least=0.0, meaning="L1 on leaf values", tuned=_PENALTY),
    "l2_reg": Option(type="float", default=1.0, least=0.0, meaning="L2 on leaf values", tuned=_PENALTY),
    "subsample": Option(
        type="float", default=1.0, least=0.0, most=1.0, meaning="fraction of rows for each tree", tuned=_FRACTION
    ),
    "colsample_bytree": Option(
        type="float", default=1.0, least=0.0, most=1.0, meaning="fraction of features a tree", tuned=_ANY
    ),
    "colsample_bynode": Option(
        type="float", default=1.0, least=0.0, most=1.0, meaning="fraction of features a split", tuned=_ANY
    ),
    "num_parallel_tree": Option(type="int", default=1, least=1, most=1, meaning="boosting grows one tree at a time"),
    "booster_type": Option(
        type="choice", default="GBTREE", choices=("GBTREE", "DART"), meaning="how trees add up", tuned=_ANY
    ),
    "tree_method": Option(
        type="choice", default="HIST", choices=("AUTO", "HIST"), meaning="histograms either way", tuned=_ANY
    ),
    "category_encoding_method": Option(
        type="choice", default="LABEL_ENCODING", choices=("LABEL_ENCODING",), meaning="splits on sets of categories"
    ),
    "seed": Option(type="int", default=0, least=0, most=2**31 - 1, meaning="of subsample and colsample"),
    "num_threads": Option(
        type="int",
        default=0,
        least=0,
        most=1024,
        meaning="0: all cores, one for under 50,000 rows; the trees are the same",
    ),
}
BOOSTED_TREE_REGRESSOR = {**TREES, **_VALUES}
BOOSTED_TREE_CLASSIFIER = {**TREES, **_CLASSES, **WEIGHTS}
RANDOM_FOREST_REGRESSOR = {
    **{name: option for name, option in TREES.items() if name not in ("max_iterations", "learn_rate", "booster_type")},
    **_VALUES,
    "num_parallel_tree": Option(
        type="int", default=100, least=2, meaning="how many trees (a class)", tuned=Tuned(over=Range(2, 200))
    ),
    "max_tree_depth": Option(
        type="int", default=15, least=1, most=64, meaning="of any leaf", tuned=Tuned(over=Range(1, 20))
    ),
    "num_leaves": Option(
        type="int",
        least=2,
        most=131072,
        meaning="leaves a tree at most; not set: 2 ** max_tree_depth, at most 4096",
        tuned=_ANY,
    ),
    "min_data_in_leaf": Option(type="int", default=1, least=0, meaning="rows in any leaf", tuned=_ANY),
    "subsample": Option(
        type="float", default=0.8, least=0.0, most=1.0, meaning="fraction of rows for each tree", tuned=_FRACTION
    ),
    "colsample_bynode": Option(
        type="float", default=0.8, least=0.0, most=1.0, meaning="fraction of features a split", tuned=_ANY
    ),
    "early_stop": Option(type="bool", default=False, meaning="no effect: as in BigQuery, a forest is one iteration"),
}
RANDOM_FOREST_CLASSIFIER = {**RANDOM_FOREST_REGRESSOR, **_CLASSES, **WEIGHTS}
KMEANS = {
    **FEATURE_TIMES,
    **_tuning("davies_bouldin_index"),
    "num_clusters": Option(
        type="int",
        least=2,
        most=10_000,
        meaning="not set: log10 of the rows, at least 2",
        tuned=Tuned(over=Range(2, 10)),
    ),
    "kmeans_init_method": Option(
        type="choice",
        default="RANDOM",
        choices=("RANDOM", "KMEANS++", "CUSTOM"),
        meaning="the first centroids: rows by chance, rows far from each other, or the rows of kmeans_init_col",
    ),
    "kmeans_init_col": Option(type="column", meaning="CUSTOM: TRUE in the rows that are the first centroids"),
    "distance_type": Option(
        type="choice",
        default="EUCLIDEAN",
        choices=("EUCLIDEAN", "COSINE"),
        meaning="COSINE: one minus the cosine of the angle between a row and a centroid",
    ),
    "standardize_features": Option(type="bool", default=True, meaning="scale numbers to mean 0 and deviation 1"),
    "max_iterations": Option(type="int", default=20, least=1, meaning="of moving the centroids"),
    "early_stop": Option(type="bool", default=True, meaning=STOPPING["early_stop"].meaning),
    "min_rel_progress": STOPPING["min_rel_progress"],
    "seed": Option(type="int", default=0, least=0, most=2**31 - 1, meaning="of the first centroids"),
}
PCA = {
    **FEATURE_TIMES,
    "num_principal_components": Option(type="int", least=1, meaning="how many; or give the next option"),
    "pca_explained_variance_ratio": Option(
        type="float", least=0.0, most=1.0, meaning="as many as explain this part of the variance"
    ),
    "scale_features": Option(type="bool", default=True, meaning="scale numbers to mean 0 and deviation 1"),
    "pca_solver": Option(type="choice", default="AUTO", choices=("AUTO", "FULL"), meaning="exact either way"),
}

DNN_REGRESSOR = {
    **SPLIT,
    **FEATURE_TIMES,
    **EXPLAINED,
    **_VALUES,
    "hidden_units": Option(
        type="ints",
        least=1,
        most=65_536,
        meaning="the units of each layer; not set: one layer, by the number of rows",
        tuned=_ANY,
    ),
    "activation_fn": Option(
        type="choice",
        default="RELU",
        choices=("RELU", "RELU6", "CRELU", "ELU", "SELU", "SIGMOID", "TANH"),
        meaning="what each hidden unit does to its sum",
        tuned=_ANY,
    ),
    "dropout": Option(
        type="float",
        default=0.0,
        least=0.0,
        most=0.99,
        meaning="fraction of units left out a step",
        tuned=Tuned(over=Range(0.0, 0.8)),
    ),
    "batch_size": Option(
        type="int",
        least=1,
        meaning="rows a step; not set: 32 to 1024 (with encoders 256), for about 50 steps an iteration",
        tuned=Tuned(over=Range(16, 1024), log=True),
    ),
    "optimizer": Option(
        type="choice",
        default="ADAM",
        choices=("ADAM", "ADAGRAD", "RMSPROP", "SGD"),
        meaning="how a step is made",
        tuned=Tuned(over=Candidates(("ADAM", "ADAGRAD", "RMSPROP", "SGD"))),
    ),
    "learn_rate": Option(
        type="float",
        least=0.0,
        meaning="how long a step is; not set: 0.001, with encoders 0.003, which is reached and left again",
        tuned=Tuned(over=Range(0.0, 1.0)),
    ),
    "l1_reg": Option(
        type="float", default=0.0, least=0.0, meaning="weight of the sum of absolute weights", tuned=_PENALTY
    ),
    "l2_reg": Option(
        type="float", default=0.0, least=0.0, meaning="weight of the sum of squared weights", tuned=_PENALTY
    ),
    "max_iterations": Option(type="int", default=20, least=1, meaning="how often all rows are gone through"),
    "early_stop": Option(
        type="bool",
        default=True,
        meaning="stop when 3 iterations in a row, or a quarter of all, together improve the loss by less than "
        "min_rel_progress; the best is kept",
    ),
    "min_rel_progress": Option(
        type="float", default=0.01, least=0.0, meaning="relative to the loss after the last such progress"
    ),
    "seed": Option(type="int", default=0, least=0, most=2**31 - 1, meaning="of first weights, order and dropout"),
}
DNN_CLASSIFIER = {**DNN_REGRESSOR, **_CLASSES, **WEIGHTS}
TRANSFORM_ONLY = {**FEATURE_TIMES}
ONNX = {"model_path": Option(type="text", meaning="the file; its inputs are the columns of the rows")}
KERAS = {
    **ONNX,
    "run_lambdas": Option(
        type="bool", default=False, meaning="the file is trusted: its Lambdas' Python runs once, to be converted"
    ),
}

ALIASES = {"max_depth": "max_tree_depth"}
"""Other spellings that we take."""

REFUSED = {
    "warm_start": "training begins anew each time, and a model that is there never changes; leave it out",
    "instance_weight_col": "rows weigh by their class, by auto_class_weights or class_weights",
    "enable_global_explain": "models of this type have no explanations; leave it out",
    "calculate_p_values": "no p-values are calculated; leave it out",
    "approx_global_feature_contrib": "contributions are not approximated; leave it out",
    "dart_normalize_type": "DART weighs a dropped tree as LightGBM does; leave it out",
    "xgboost_version": "trees are LightGBM's; leave it out",
    "tf_version": "networks are PyTorch's; leave it out",
    "model_registry": "every model has a version in the project's own registry; leave it out",
    "vertex_ai_model_id": "every model has a version in the project's own registry; leave it out",
    "vertex_ai_model_version_aliases": "aliases are set by ps.push or `project.models[name].alias`; leave it out",
    "kms_key_name": "nothing is encrypted by penstock; leave it out",
}
"""Options of BigQuery ML that have no meaning here, and what there is instead."""
