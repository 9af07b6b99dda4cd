"""What the columns that enter an estimator stand for: which feature, which part of it, which categories."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from penstock.core.expression import Expr
from penstock.core.graph import ModelGraph
from penstock.errors import DataError
from penstock.models.graphs import nodes
from penstock.models.learning.learner import Learner, Method
from penstock.models.learning.learners import LEARNERS
from penstock.models.learning.preprocess import Kind
from penstock.models.routing import check_no_cascade

_PREPARED = re.compile(r"__(scaled|filled|index|hot|items)_*$")  # what `preprocess.entries` ends a name with
_WITH_VOCABULARY = ("one_hot", "multi_hot", "term_counts", "term_weights")


@dataclass(frozen=True, slots=True, kw_only=True)
class EnteringColumn:
    """A column that enters: `feature` is the declared one that it comes from, `name` the feature or a part of it, such
    as `start__hour`.

    A number enters as (value - `mean`) / `deviation`. Of a category or a list, `categories` has of each index that can
    have a weight the text of its value; None is NULL, and in lists what training did not see.
    """

    feature: str
    name: str
    kind: Kind
    mean: float = 0.0
    deviation: float = 1.0
    scaled: bool = False
    categories: tuple[tuple[int, str | None], ...] = ()


def entering_columns(graph: ModelGraph) -> list[EnteringColumn]:
    """Return what enters the estimator, in its order."""
    gathered = nodes.concat(graph)
    params, owners = gathered.params, feature_of_each(graph)
    owned = [owners.count(owner) for owner in owners]
    return [
        _column(graph, node, feature, kind, width, alone=count == 1)
        for node, feature, kind, width, count in zip(
            gathered.inputs, owners, params["kinds"], params["widths"], owned, strict=True
        )
    ]


def feature_of_each(graph: ModelGraph) -> list[str]:
    """Return of each column that enters the declared feature that it comes from."""
    declared = {node: feature for feature, node in graph.facts["feature_nodes"].items()}
    return [declared[_source(graph, name, declared)] for name in nodes.concat(graph).inputs]


def method_that(graph: ModelGraph, what: str, can: Callable[[Learner], bool]) -> Method:
    """Return how the graph's estimator works; `DataError` where it is not of a type that has `what`."""
    check_no_cascade(graph, what, lambda stage: stage.facts["type"] in LEARNERS and can(LEARNERS[stage.facts["type"]]))
    learner = LEARNERS[graph.facts["type"]]
    if learner.method is None or not can(learner):
        types = ", ".join(type for type, each in LEARNERS.items() if each.method is not None and can(each))
        raise DataError(
            f"model '{graph.name}' ({graph.facts['type']}) has no {what}; models of these types do: {types}"
        )
    return learner.method


def _source(graph: ModelGraph, name: str, declared: Iterable[str]) -> str:
    """Return the node of the feature that a node which enters is made of: itself, or the one that it reads; an encoder
    may read what was made of it before."""
    while name not in declared:
        name = graph.node(name).inputs[0]
    return name


def _column(graph: ModelGraph, name: str, feature: str, kind: Kind, width: int, *, alone: bool) -> EnteringColumn:
    part = _PREPARED.sub("", name.removeprefix(graph.facts["feature_nodes"][feature]))
    shown = feature if alone else f"{feature}{part}"
    node = graph.node(name)
    expr: Expr | None = node.params.get("expr")
    if kind != "number":
        return EnteringColumn(feature=feature, name=shown, kind=kind, categories=_categories(expr, kind, width))
    if expr is not None and name != graph.facts["feature_nodes"][feature] and expr.args[0].op == "standardize":
        mean, deviation = (constant.args[0] for constant in expr.args[0].args[1:])
        if mean is None or deviation is None:  # there was no value to learn them from: 0 enters for every row
            return EnteringColumn(feature=feature, name=shown, kind=kind, scaled=True)
        return EnteringColumn(
            feature=feature, name=shown, kind=kind, mean=mean, deviation=deviation or 1.0, scaled=True
        )
    return EnteringColumn(feature=feature, name=shown, kind=kind)


def _categories(expr: Expr | None, kind: Kind, width: int) -> tuple[tuple[int, str | None], ...]:
    """Name the indices. That of a category which training did not see, 0, has no weight, and is left out."""
    if expr is not None and kind == "category":
        known = expr.args[2].args[1].args[0]
        return (*((at, _text(value)) for at, value in enumerate(known, 1)), (width - 1, None))
    if expr is not None and expr.op in _WITH_VOCABULARY:
        known = expr.args[1].args[0]
        named = [None, *(_text(value) for value in known)]
        return tuple(enumerate(named[:width]))
    return tuple((at, str(at)) for at in range(width))


def _text(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case bytes():
            return base64.b64encode(value).decode()
    return str(value)
