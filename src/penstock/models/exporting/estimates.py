"""What an estimator gives, as SQL: sums of weights, trees, layers of a network, distances to centroids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from penstock.core.graph import ModelGraph
from penstock.errors import DeclarationError
from penstock.models.exporting.dialects import Dialect, element, number
from penstock.models.graphs import nodes
from penstock.models.learning.boosters import MODEL_FILE
from penstock.models.learning.centroids import (
    CENTROIDS_FILE,
    Centroid,
    as_weights,
    category_table,
    centroids_of,
    length_of,
    origin_of,
)
from penstock.models.learning.learner import Weights
from penstock.models.learning.network import NETWORK_FILE, Part, network_of, shape_of
from penstock.models.learning.tree_text import Leaf, Membership, Threshold, Tree, read_forest
from penstock.models.learning.weights import WEIGHTS_FILE, read_weights
from penstock.models.predicting.estimators import estimator_of

_EXTREME = 700  # e to the power of more is more than some databases take
_FEW = 16  # so many numbers of a category are written as a CASE, more as a list


@dataclass(frozen=True, slots=True)
class Stage:
    """A select list whose items others read by name: alias -> text."""

    items: dict[str, str]


@dataclass(frozen=True, slots=True)
class Scores:
    """The numbers that predictions are made of, over the columns of the last of the stages before them."""

    texts: list[str]
    stages: list[Stage] = field(default_factory=list)


def scores_of(graph: ModelGraph, columns: Sequence[str], dialect: Dialect) -> Scores:
    """Return what a fitted estimator gives for columns that enter it: a sum for each value or class, the distance to
    each centroid. Raises `DeclarationError` for an estimator that is no query."""
    kinds = nodes.concat(graph).params["kinds"]
    if WEIGHTS_FILE in graph.blobs:
        return Scores(_weighted(read_weights(graph.blobs[WEIGHTS_FILE]), columns, kinds, dialect))
    if MODEL_FILE in graph.blobs:
        return Scores(_trees(graph.blobs[MODEL_FILE], columns, dialect))
    if NETWORK_FILE in graph.blobs:
        return _network(graph, columns, kinds, dialect)
    if CENTROIDS_FILE in graph.blobs:
        return _distances(graph, columns, kinds, dialect)
    learner = nodes.estimator(graph).params["learner"]
    raise DeclarationError(f"model '{graph.name}' is a {learner}, which cannot be written as a query")


def _weighted(weights: Weights, columns: Sequence[str], kinds: Sequence[str], dialect: Dialect) -> list[str]:
    scores = []
    for constant, by_feature in zip(weights.constants, weights.weights, strict=True):
        terms = [number(constant, dialect)]
        for column, kind, values in zip(columns, kinds, by_feature, strict=True):
            if kind == "number":
                terms.append(f"{number(values[0], dialect)} * {column}")
            elif any(values):
                terms.append(_chosen(values, 0.0, column, dialect))
        scores.append("\n      + ".join(terms))
    return scores


def _chosen(values: Sequence[float], beyond: float, column: str, dialect: Dialect) -> str:
    """Return the number of a category by its index; one beyond those of training has its own."""
    if len(values) <= _FEW:
        cases = " ".join(
            f"WHEN {at} THEN {number(value, dialect)}" for at, value in enumerate(values) if value != beyond
        )
        return f"CASE {column} {cases} ELSE {number(beyond, dialect)} END" if cases else number(beyond, dialect)
    picked = element(values, column, dialect)
    return f"CASE WHEN {column} < {len(values)} THEN {picked} ELSE {number(beyond, dialect)} END"


def _network(graph: ModelGraph, columns: Sequence[str], kinds: Sequence[str], dialect: Dialect) -> Scores:
    """Return a stage for each layer and one for what its activation makes of it: each number is written once."""
    estimator = estimator_of(graph)
    network, activation = network_of(estimator), shape_of(estimator).activation

    def entered(part: Part) -> list[str]:
        return _weighted(_by_feature(part, estimator.widths), columns, kinds, dialect)

    wide = {} if network.wide is None else {f"wide_{at}": text for at, text in enumerate(entered(network.wide))}
    carried = {name: name for name in wide}
    units = entered(network.parts[0])
    stages = [Stage({f"layer_0_{at}": text for at, text in enumerate(units)} | wide)]
    for place, part in enumerate(network.parts[1:]):
        given = [f"layer_{place}_{at}" for at in range(len(units))]
        active = [text for sign in _signs(activation) for text in _activated(activation, sign, given, dialect)]
        names = [f"active_{place}_{at}" for at in range(len(active))]
        stages.append(Stage(dict(zip(names, active, strict=True)) | carried))
        units = [
            "\n      + ".join([number(constant, dialect), *_products(row, names, dialect)])
            for constant, row in zip(part.constants.tolist(), part.weights.T.tolist(), strict=True)
        ]
        if part is not network.parts[-1]:
            stages.append(Stage({f"layer_{place + 1}_{at}": text for at, text in enumerate(units)} | carried))
    if wide:
        units = [f"{text}\n      + {name}" for text, name in zip(units, wide, strict=True)]
    return Scores(units, stages)


def _products(weights: Sequence[float], names: Sequence[str], dialect: Dialect) -> list[str]:
    return [f"{number(weight, dialect)} * {name}" for weight, name in zip(weights, names, strict=True)]


def _by_feature(part: Part, widths: Sequence[int]) -> Weights:
    """Return a layer that reads the entering columns as weights of each of them."""
    starts = [sum(widths[:at]) for at in range(len(widths))]
    rows = part.weights.T.tolist()
    weights = tuple(
        tuple(tuple(row[start : start + width]) for start, width in zip(starts, widths, strict=True)) for row in rows
    )
    return Weights(constants=tuple(part.constants.tolist()), weights=weights)


def _signs(activation: str) -> tuple[str, ...]:
    return ("", "-") if activation == "CRELU" else ("",)


def _activated(activation: str, sign: str, given: Sequence[str], dialect: Dialect) -> list[str]:
    return [_ACTIVATIONS[activation](f"{sign}{name}", dialect) for name in given]


def _relu(x: str, dialect: Dialect) -> str:
    return f"GREATEST({x}, {number(0.0, dialect)})"


def _elu(x: str, dialect: Dialect) -> str:
    return f"CASE WHEN {x} > 0 THEN {x} ELSE {power(x, dialect)} - {number(1.0, dialect)} END"


def _selu(x: str, dialect: Dialect) -> str:
    below = f"{number(1.6732632423543772, dialect)} * ({power(x, dialect)} - {number(1.0, dialect)})"
    return f"{number(1.0507009873554805, dialect)} * CASE WHEN {x} > 0 THEN {x} ELSE {below} END"


_ACTIVATIONS: dict[str, Callable[[str, Dialect], str]] = {
    "RELU": _relu,
    "RELU6": lambda x, dialect: f"LEAST({_relu(x, dialect)}, {number(6.0, dialect)})",
    "CRELU": _relu,
    "ELU": _elu,
    "SELU": _selu,
    "SIGMOID": lambda x, dialect: logistic(x, dialect),
    "TANH": lambda x, dialect: f"TANH({x})",
}
"""As in `network`; CRELU has a unit for x and one for -x."""


def _distances(graph: ModelGraph, columns: Sequence[str], kinds: Sequence[str], dialect: Dialect) -> Scores:
    """Return the distance to each centroid."""
    centroids = centroids_of(estimator_of(graph))
    if centroids.distance == "EUCLIDEAN":
        squares = {f"square_{at}": _square(each, columns, kinds, dialect) for at, each in enumerate(centroids.values)}
        return Scores([_root(name, dialect) for name in squares], [Stage(squares)])
    products = _weighted(as_weights(centroids), columns, kinds, dialect)
    items = {f"product_{at}": text for at, text in enumerate(products)}
    items["square"] = _square(origin_of(centroids), columns, kinds, dialect)
    one, texts = number(1.0, dialect), []
    for at, each in enumerate(centroids.values):
        whole = f"{_root('square', dialect)} * {number(length_of(each), dialect)}"
        texts.append(f"CASE WHEN {whole} > 0 THEN {one} - product_{at} / ({whole}) ELSE {one} END")
    return Scores(texts, [Stage(items)])


def _root(name: str, dialect: Dialect) -> str:
    return f"SQRT(GREATEST({name}, {number(0.0, dialect)}))"


def _square(centroid: Centroid, columns: Sequence[str], kinds: Sequence[str], dialect: Dialect) -> str:
    """Return the squared distance to a centroid."""
    terms = []
    for column, kind, centre in zip(columns, kinds, centroid, strict=True):
        if kind == "category":
            *table, beyond = category_table(centre)
            terms.append(_chosen(table, beyond, column, dialect))
        else:
            left = f"({column} - {number(centre[0], dialect)})"
            terms.append(f"{left} * {left}")
    return "\n      + ".join(terms)


def _trees(content: bytes, columns: Sequence[str], dialect: Dialect) -> list[str]:
    forest = read_forest(content)
    scores = []
    for output in range(forest.outputs):
        trees = forest.of(output)
        total = "\n      + ".join(_tree(tree, columns, dialect) for tree in trees)
        scores.append(f"({total}) / {number(len(trees), dialect)}" if forest.averaged else total)
    return scores


def _tree(tree: Tree, columns: Sequence[str], dialect: Dialect) -> str:
    match tree:
        case Leaf(value):
            return number(value, dialect)
        case Membership(column=column, categories=categories):
            members = ", ".join(map(str, sorted(categories)))
            test = f"{columns[column]} IN ({members})" if categories else "FALSE"
        case Threshold(column=column, threshold=threshold, left_if_missing=None):
            test = f"COALESCE({columns[column]}, 0) <= {number(threshold, dialect)}"
        case Threshold(column=column, threshold=threshold, left_if_missing=left):
            test = f"{columns[column]} <= {number(threshold, dialect)}" + (
                f" OR {columns[column]} IS NULL" if left else ""
            )
    then, otherwise = _tree(tree.left, columns, dialect), _tree(tree.right, columns, dialect)
    return f"CASE WHEN {test} THEN {then} ELSE {otherwise} END"


def power(exponent: str, dialect: Dialect) -> str:
    """Return e to the power of a number that is not too large, 0 where it is too small for some databases."""
    return f"CASE WHEN {exponent} < -{_EXTREME} THEN {number(0.0, dialect)} ELSE EXP({exponent}) END"


def logistic(score: str, dialect: Dialect) -> str:
    """Return 1 / (1 + exp(-score)), where some databases raise for a number that is too large or too small."""
    one, zero = number(1.0, dialect), number(0.0, dialect)
    return (
        f"CASE WHEN {score} < -{_EXTREME} THEN {zero} WHEN {score} > {_EXTREME} THEN {one} "
        f"ELSE {one} / ({one} + EXP(-({score}))) END"
    )
