"""The learners by BigQuery ML's model types. A learner is one entry here; nothing else knows its name."""

from __future__ import annotations

from penstock.models import linear, options, tree_estimates, trees, weights
from penstock.models.learner import Learner, Method

_LEAST_SQUARES = Method(
    fit=linear.fit_linear, estimate=weights.estimate, row=weights.row_lines, weights=weights.weights_of
)
_LOGISTIC = Method(
    fit=linear.fit_logistic, estimate=weights.estimate, row=weights.row_lines, weights=weights.weights_of, exact=False
)
_TREES = Method(fit=trees.fit_trees, estimate=tree_estimates.estimate, row=tree_estimates.row_lines)

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
    "transform_only": Learner(
        task="transform", form="linear", options=options.TRANSFORM_ONLY, library=None, method=None
    ),
}
