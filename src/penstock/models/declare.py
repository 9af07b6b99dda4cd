"""How a model is declared: names, type, features and options, checked when they are written down."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from penstock import operations
from penstock.core import model as core
from penstock.core.expression import Expr, walk
from penstock.core.graph import ModelGraph
from penstock.core.mapping import FrozenMap
from penstock.errors import DeclarationError, ExpressionError, SqlError, UnknownNameError
from penstock.models.graphs.lookups import check_row_times
from penstock.models.learning.learner import SUPERVISED, Task
from penstock.models.learning.learners import LEARNERS
from penstock.models.learning.settings import check_options, settled
from penstock.models.writing import model_python, model_sql
from penstock.operations import col, struct
from penstock.operations.encoders import ENCODERS
from penstock.operations.notation import expression_from_json

Feature = Expr | str
"""An expression, or its text in BigQuery's dialect."""


_ROOMS_ABOVE = {"cascade": "penstock.cascades.reading:declaration"}
"""Type -> what makes the declaration of its graphs: in a room above this one, which is loaded when it is asked."""


class Model(core.Model):
    """A declared model. Equal declarations are equal values, whether SQL or Python made them."""

    __slots__ = ()

    def sql(self, *, rows: str = "rows") -> str:
        """Return the CREATE MODEL that declares this model over the table `rows`."""
        return model_sql(self, rows=rows)

    def python(self) -> str:
        """Return the Python code that declares this model."""
        return model_python(self)


def model(
    name: str,
    *,
    type: str,
    label: str | Sequence[str] | None = None,
    features: Mapping[str, Feature] | None = None,
    options: Mapping[str, Any] | None = None,
    target: Feature | None = None,
) -> Model:
    """Declare a model: which learner finds what, from which expressions. Nothing is learned yet.

    `type` and `options` go by BigQuery ML's names. Without `features` every column but the label is one. `target` is
    the expression of the label where it is not simply the column of that name; predictions are called
    `predicted_<label>`. A model that learns without labels, such as k-means, has no `label`. A dnn_* model takes
    several: a list of columns, or a label that is a struct, whose fields are labels; each has predictions of its own.

    Raises `UnknownNameError` for an unknown type, option or function, and `DeclarationError` for a feature that is
    not an expression.
    """
    _check_name(name)
    kind = type.lower()
    if kind not in LEARNERS:
        raise UnknownNameError("model type", type, LEARNERS)
    learner = LEARNERS[kind]
    within = f"model '{name}' ({kind})"
    if not isinstance(label, str | None):
        _check_apart(name, label, target, features or {})
        label, target = _listed_label(label, target)
    _check_label(name, kind, label, target, learner.task)
    checked = check_options(options or {}, learner.options, within=within)
    made = None if features is None else _features(features, name, label)
    _check_encoders(name, kind, made or {})
    check_row_times(name, made, checked)
    found = None if label is None else _target(name, label, target)
    if found is not None and found.op == "struct" and learner.branched is None:
        able = " or ".join(each for each, other in LEARNERS.items() if other.branched is not None)
        raise DeclarationError(
            f"model '{name}': {kind} learns one label, and '{label}' is several; take {able}, or a model for each label"
        )
    return Model(
        name=name,
        type=kind,
        label=label,
        target=found,
        features=made,
        # An option that says what holds anyway says nothing: with and without it the declaration is the same.
        options=settled(checked, learner.options, within=within),
    )


def declared(graph: ModelGraph) -> Any:  # a Cascade is of a room above, which this one cannot name
    """Return what a graph was learned from: of a cascade its `Cascade`, of every other its `Model`."""
    module, _, name = _ROOMS_ABOVE.get(graph.facts["type"], "").partition(":")
    return getattr(importlib.import_module(module), name)(graph) if module else declaration(graph)


def declaration(graph: ModelGraph) -> Model:
    """Return what a model graph was learned from: the declaration, with the features named and its own options."""
    facts = graph.facts
    return model(
        graph.name,
        type=facts["type"],
        label=graph.label,
        target=None if graph.label is None else expression_from_json(facts["target"]),
        features=facts["features"] or None,
        options=facts["options"],
    )


def _check_name(name: str) -> None:
    if not name or any(character in name for character in "@/\\") or name != name.strip() or name.startswith("."):
        raise DeclarationError(
            f"model name {name!r}: a name is not empty, starts with no dot and has no '@', '/' or '\\' "
            "(they stand before an alias and a version)"
        )


def _listed_label(names: Sequence[str], target: Feature | None) -> tuple[str, Feature | None]:
    """Return the label, and its target, that a list of columns declares: a struct of them."""
    if len(names) == 1:
        return names[0], target
    return ", ".join(names), struct(**{each: col(each) for each in names})


def _check_apart(name: str, labels: Sequence[str], target: Feature | None, features: Mapping[str, Feature]) -> None:
    given = list(labels)
    if not given or not all(isinstance(each, str) for each in given) or len(set(given)) < len(given):
        raise DeclarationError(f"model '{name}': label={labels!r}; give the name of a column, or a list of names")
    if target is not None and len(given) > 1:
        raise DeclarationError(
            f"model '{name}': label={labels!r} are columns; where labels are computed, give them one name and the "
            "target as a struct: label='flat', target=ps.struct(price=..., kind=...)"
        )
    for each in given:
        _features_apart(name, features, each)


def _features_apart(name: str, features: Collection[str | None], label: str | None) -> None:
    if label in features:
        raise DeclarationError(
            f"model '{name}': feature '{label}' has the label's name; the label is not a feature of itself"
        )


def _check_label(name: str, type: str, label: str | None, target: Feature | None, task: Task) -> None:
    if task in SUPERVISED and label is None:
        raise DeclarationError(f"model '{name}': {type} learns to predict a label; name its column: label='...'")
    if task not in (*SUPERVISED, "imported") and (label is not None or target is not None):
        raise DeclarationError(f"model '{name}': {type} learns without labels; leave label={label!r} out")


def _target(name: str, label: str, target: Feature | None) -> Expr:
    return col(label) if target is None else expression_of(target, f"model '{name}': target")


def _features(features: Mapping[str, Feature], name: str, label: str | None) -> FrozenMap[Expr]:
    if not features:
        raise DeclarationError(f"model '{name}' has no features; leave `features` out to take every column")
    _features_apart(name, features, label)
    seen: dict[str, str] = {}
    for feature in features:
        other = seen.setdefault(feature.lower(), feature)
        if other != feature:
            raise DeclarationError(
                f"model '{name}': features '{other}' and '{feature}' have one name in SQL; rename one"
            )
    return FrozenMap(
        (feature, expression_of(value, f"model '{name}': feature '{feature}'")) for feature, value in features.items()
    )


def _check_encoders(name: str, type: str, features: Mapping[str, Expr]) -> None:
    """Raise `DeclarationError` for an encoder that stands within an expression, or in a model that learns none."""
    for feature, expr in features.items():
        for node in walk(expr):
            if node.op not in ENCODERS:
                continue
            where = f"model '{name}': feature '{feature}', {node.op}(...), is learned within a network"
            if node is not expr:
                raise DeclarationError(f"{where}: nothing can be computed from it; let {node.op} stand alone")
            if LEARNERS[type].branched is None:
                able = [each for each, learner in LEARNERS.items() if learner.branched is not None]
                raise DeclarationError(
                    f"{where}, which {type} is not; use {' or '.join(able)}, or a representation that is computed: "
                    "of an image .pixels(), of a text .text_analyze().bag_of_words(), of a category the column itself"
                )


def expression_of(value: Any, where: str) -> Expr:
    """Return what a user wrote as an expression; `where` names the place in the error for what is none."""
    match value:
        case Expr():
            return value
        case str():
            try:
                return operations.parse(value)  # loads sqlglot: only where a text is written
            except (ExpressionError, SqlError) as error:
                raise type(error)(f"{where}: {error}") from error
        case bool():
            raise DeclarationError(
                f"{where} is {value}, not an expression; '==' and '!=' compare at once, so to compare in every row "
                "write ps.col('name').eq(value) or .ne(value)"
            )
    raise DeclarationError(
        f"{where} is {value!r}, not an expression; write ps.col('name'), ps.lit(value), or a text such as "
        "'EXTRACT(HOUR FROM start_date)'"
    )
