"""A model as it is declared: what to learn, from which expressions, with which learner. Nothing is learned yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.core.expression import Expr
from penstock.core.mapping import FrozenMap


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The declaration of a model; `fit(model, rows)` makes a `ModelGraph` of it.

    `features` maps feature names to expressions over the raw columns; None means every column but the label, found
    when the rows are known. `target` is the expression of the label (the column `label` itself unless SQL or Python
    says otherwise); both are None for a model that learns without labels. `options` are the learner's, by BigQuery's
    names.
    """

    name: str
    type: str
    label: str | None
    target: Expr | None
    features: FrozenMap[Expr] | None
    options: FrozenMap[Any]
