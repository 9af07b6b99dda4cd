"""The learners by BigQuery ML's model types. A learner is one entry here; nothing else knows its name."""

from __future__ import annotations

import dataclasses

from penstock.models.learning import (
    branched,
    centroids,
    deep,
    gradients,
    importance,
    kmeans,
    linear,
    network,
    options,
    pca,
    tree_estimates,
    trees,
    weights,
)
from penstock.models.learning.branch_options import BRANCHED
from penstock.models.learning.learner import Learner, Method
from penstock.models.learning.lowerings.branches import lower_branches
from penstock.models.learning.lowerings.centroids import lower_distances
from penstock.models.learning.lowerings.linear import lower_linear, lower_scores
from penstock.models.learning.lowerings.networks import lower_network
from penstock.models.learning.lowerings.trees import lower_trees

_LEAST_SQUARES = Method(
    fit=linear.fit_linear,
    estimate=weights.estimate,
    row=weights.row_lines,
    weights=weights.weights_of,
    attribute=weights.attributions,
    lower=lower_linear,
)
_LOGISTIC = Method(
    fit=linear.fit_logistic,
    estimate=weights.estimate,
    row=weights.row_lines,
    weights=weights.weights_of,
    attribute=weights.attributions,
    exact=False,
    lower=lower_linear,
)
_TREES = Method(
    fit=trees.fit_trees,
    estimate=tree_estimates.estimate,
    row=tree_estimates.row_lines,
    concurrent=True,
    importance=importance.importance,
    attribute=tree_estimates.attributions,
    lower=lower_trees,
)
_KMEANS = Method(
    fit=kmeans.fit_kmeans,
    estimate=centroids.estimate,
    row=centroids.row_lines,
    judge=centroids.judge,
    centroids=centroids.centroids_of,
    lower=lower_distances,
)
_PCA = Method(
    fit=pca.fit_pca,
    estimate=pca.estimate,
    row=pca.row_lines,
    judge=pca.judge,
    weights=weights.weights_of,
    lower=lower_scores,
)
_DEEP = Method(
    fit=deep.fit_deep,
    estimate=network.estimate,
    row=network.row_lines,
    exact=False,
    attribute=gradients.attributions,
    lower=lower_network,
)
_BRANCHED = Method(
    fit=branched.fit_branched,
    estimate=branched.estimate,
    row=branched.row_lines,
    exact=False,
    tolerance=1e-5,
    attribute=branched.attributions,
    lower=lower_branches,
)
_WIDE_AND_DEEP = dataclasses.replace(_DEEP, fit=deep.fit_wide_and_deep)

LEARNERS: dict[str, Learner] = {
    "linear_reg": Learner(
        task="regression", form="linear", options=options.LINEAR_REG, library="scipy", method=_LEAST_SQUARES
    ),
    "logistic_reg": Learner(
        task="classification", form="linear", options=options.LOGISTIC_REG, library="scikit-learn", method=_LOGISTIC
    ),
    "boosted_tree_regressor": Learner(
        task="regression", form="trees", options=options.BOOSTED_TREE_REGRESSOR, library="lightgbm", method=_TREES
    ),
    "boosted_tree_classifier": Learner(
        task="classification", form="trees", options=options.BOOSTED_TREE_CLASSIFIER, library="lightgbm", method=_TREES
    ),
    "random_forest_regressor": Learner(
        task="regression", form="trees", options=options.RANDOM_FOREST_REGRESSOR, library="lightgbm", method=_TREES
    ),
    "random_forest_classifier": Learner(
        task="classification", form="trees", options=options.RANDOM_FOREST_CLASSIFIER, library="lightgbm", method=_TREES
    ),
    "dnn_regressor": Learner(
        task="regression",
        form="linear",
        options={**options.DNN_REGRESSOR, **BRANCHED},
        library="torch",
        method=_DEEP,
        branched=_BRANCHED,
    ),
    "dnn_classifier": Learner(
        task="classification",
        form="linear",
        options={**options.DNN_CLASSIFIER, **BRANCHED},
        library="torch",
        method=_DEEP,
        branched=_BRANCHED,
    ),
    "dnn_linear_combined_regressor": Learner(
        task="regression",
        form="linear",
        options=options.DNN_REGRESSOR,
        library="torch",
        method=_WIDE_AND_DEEP,
    ),
    "dnn_linear_combined_classifier": Learner(
        task="classification",
        form="linear",
        options=options.DNN_CLASSIFIER,
        library="torch",
        method=_WIDE_AND_DEEP,
    ),
    "kmeans": Learner(
        task="clustering",
        form="linear",
        options=options.KMEANS,
        library="scipy",
        method=_KMEANS,
        scaled_by="standardize_features",
    ),
    "pca": Learner(
        task="reduction", form="linear", options=options.PCA, library="scipy", method=_PCA, scaled_by="scale_features"
    ),
    "onnx": Learner(task="imported", form="linear", options=options.ONNX, library="onnxruntime", method=None),
    "keras": Learner(task="imported", form="linear", options=options.KERAS, library="keras", method=None),
    "transform_only": Learner(
        task="transform", form="linear", options=options.TRANSFORM_ONLY, library=None, method=None
    ),
}
