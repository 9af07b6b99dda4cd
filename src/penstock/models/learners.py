"""The learners by BigQuery ML's model types: what each predicts, how its features are prepared, what options it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from penstock.models import options


@dataclass(frozen=True, slots=True, kw_only=True)
class Learner:
    """A learner as a declaration sees it. `form` is how features enter: `linear` takes scaled numbers and one weight
    for each category, `trees` take numbers as they are and categories by index."""

    task: Literal["regression", "classification"]
    form: Literal["linear", "trees"]
    options: Mapping[str, options.Option]


LEARNERS: dict[str, Learner] = {
    "linear_reg": Learner(task="regression", form="linear", options=options.LINEAR_REG),
    "logistic_reg": Learner(task="classification", form="linear", options=options.LOGISTIC_REG),
    "boosted_tree_regressor": Learner(task="regression", form="trees", options=options.BOOSTED_TREE_REGRESSOR),
    "boosted_tree_classifier": Learner(task="classification", form="trees", options=options.BOOSTED_TREE_CLASSIFIER),
}
