"""A model as one query: `SELECT` features and prediction from a table of raw rows, in the SQL of five databases."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from penstock.core.graph import ModelGraph
from penstock.errors import DeclarationError, ExpressionError, StorageError, UnknownNameError
from penstock.models import nodes
from penstock.models.boosters import MODEL_FILE
from penstock.models.exporting.dialects import DIALECTS, Dialect, element, expression, literal, name, number
from penstock.models.tree_text import Leaf, Membership, Threshold, Tree, read_forest
from penstock.models.weights import WEIGHTS_FILE, read_weights
from penstock.operations import col

_EXTREME = 700  # e to the power of more is more than some databases take
_FEW = 16  # so many weights of a category are written as a CASE, more as a list


def export_sql(
    graph: ModelGraph, path: Path, *, dialect: str = "duckdb", rows: str = "rows", keep: Sequence[str] = ()
) -> Path:
    """Write the query of `to_query` to a file, whole or not at all."""
    text = to_query(graph, dialect=dialect, rows=rows, keep=keep)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}-", delete=False) as scratch:
            scratch.write(text)
        os.replace(scratch.name, path)
    except OSError as error:
        raise StorageError(f"cannot write the query to {path}: {error.strerror or error}") from error
    return path


def to_query(graph: ModelGraph, *, dialect: str = "duckdb", rows: str = "rows", keep: Sequence[str] = ()) -> str:
    """Return a query that gives, for each row of the table `rows`, the prediction, the graph's inputs and the columns
    in `keep`.

    A classifier gives `predicted_<label>` and the probability of each class in `predicted_<label>_prob_<class>`; a
    graph that only transforms gives its columns. Timestamps are read in UTC: that is the zone of the session that the
    query needs. `rows` is written as it stands.

    Raises `ExpressionError` naming the feature that has no form in that database, and `DeclarationError` for a kind of
    model that is no query.
    """
    if dialect not in DIALECTS:
        raise UnknownNameError("dialect", dialect, DIALECTS)
    found: Dialect = dialect
    kept = [column for column in keep if column not in nodes.inputs(graph)]
    passed = [name(column, found) for column in (*nodes.inputs(graph).names, *kept)]
    features, columns = _features(graph, found)
    stages = [f"features AS (\n  SELECT {_listed([*passed, *features])}\n  FROM {rows}\n)"]
    if nodes.only_transforms(graph):
        outputs = [
            column if column == name(output, found) else f"{column} AS {name(output, found)}"
            for output, column in columns.items()
        ]
        source = "features"
        passed = [column for column in passed if column not in {name(output, found) for output in columns}]
    else:
        scores = _scores(graph, list(columns.values()), found)
        labels = [f"{text} AS score_{place}" for place, text in enumerate(scores)]
        stages.append(f"scores AS (\n  SELECT {_listed([*passed, *labels])}\n  FROM features\n)")
        outputs, source = _outputs(graph, len(scores), passed, stages, found)
    head = f"-- Model {graph.name} as {dialect} SQL, made by penstock. The session's time zone must be UTC.\n"
    # PostgreSQL would put the text of every column in each place that reads it, and take minutes over what is seconds.
    stages = [stage.replace(" AS (", " AS MATERIALIZED (", 1) if dialect == "postgres" else stage for stage in stages]
    return f"{head}WITH {', '.join(stages)}\nSELECT {_listed([*outputs, *passed], indent=2)}\nFROM {source}\n"


def _listed(items: Sequence[str], *, indent: int = 4) -> str:
    return f",\n{' ' * indent}".join(items)


def _features(graph: ModelGraph, dialect: Dialect) -> tuple[list[str], dict[str, str]]:
    """Return what the select list of the features is, and the name of each as the estimator reads it."""
    inputs = nodes.inputs(graph)
    written, columns = [], {}
    for feature, expr in nodes.entering(graph).items():
        columns[feature] = name(feature, dialect)
        if expr == col(feature):
            continue
        if nodes.only_transforms(graph) and feature in inputs:
            columns[feature] = name(f"{feature}__feature", dialect)
        try:
            text = expression(expr, inputs, dialect)
        except ExpressionError as error:
            raise ExpressionError(
                f"model '{graph.name}': feature '{feature}' cannot be exported as SQL: {error}; take another "
                "expression, another database, or export('onnx', ...)"
            ) from error
        written.append(f"{text} AS {columns[feature]}")
    return written, columns


def _scores(graph: ModelGraph, columns: Sequence[str], dialect: Dialect) -> list[str]:
    """Return the sum that each output of the estimator is made of."""
    params = nodes.concat(graph).params
    for feature, kind in zip(nodes.concat(graph).inputs, params["kinds"], strict=True):
        if kind not in ("number", "category"):
            raise ExpressionError(
                f"model '{graph.name}': feature '{feature}' is a list of numbers, which a query has no form for; "
                "export('onnx', ...) may have one"
            )
    if WEIGHTS_FILE in graph.blobs:
        return _linear(graph.blobs[WEIGHTS_FILE], columns, params["kinds"], dialect)
    if MODEL_FILE in graph.blobs:
        return _trees(graph.blobs[MODEL_FILE], columns, dialect)
    learner = nodes.estimator(graph).params["learner"]
    raise DeclarationError(
        f"model '{graph.name}' is a {learner}, which cannot be written as a query; linear, logistic and tree models, "
        "pca and transform_only can"
    )


def _linear(content: bytes, columns: Sequence[str], kinds: Sequence[str], dialect: Dialect) -> list[str]:
    weights = read_weights(content)
    scores = []
    for constant, by_feature in zip(weights.constants, weights.weights, strict=True):
        terms = [number(constant, dialect)]
        for column, kind, values in zip(columns, kinds, by_feature, strict=True):
            if kind == "number":
                terms.append(f"{number(values[0], dialect)} * {column}")
            elif any(values):
                terms.append(_chosen(values, column, dialect))
        scores.append("\n      + ".join(terms))
    return scores


def _chosen(values: Sequence[float], column: str, dialect: Dialect) -> str:
    """Return the weight of a category by its index; one beyond those of training has weight 0."""
    if len(values) <= _FEW:
        cases = " ".join(f"WHEN {at} THEN {number(value, dialect)}" for at, value in enumerate(values) if value)
        return f"CASE {column} {cases} ELSE {number(0.0, dialect)} END"
    picked = element(values, column, dialect)
    return f"CASE WHEN {column} < {len(values)} THEN {picked} ELSE {number(0.0, dialect)} END"


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


def _outputs(
    graph: ModelGraph, scores: int, passed: Sequence[str], stages: list[str], dialect: Dialect
) -> tuple[list[str], str]:
    """Return the columns that are predicted, and the stage that they are selected from; may add stages before it."""
    classes, predictions = nodes.classes(graph), graph.signature.outputs.names
    if not classes:
        return [f"score_{place} AS {name(output, dialect)}" for place, output in enumerate(predictions)], "scores"
    predicted = predictions[0]
    if scores == 1:
        probability = _logistic("score_0", dialect)
        made = {0: f"1 - ({probability})", 1: probability}
    else:
        most = f"GREATEST({', '.join(f'score_{place}' for place in range(scores))})"
        powers = [f"{_power(f'score_{place} - {most}', dialect)} AS power_{place}" for place in range(scores)]
        stages.append(f"powers AS (\n  SELECT {_listed([*passed, *powers])}\n  FROM scores\n)")
        whole = " + ".join(f"power_{place}" for place in range(scores))
        made = {place: f"power_{place} / ({whole})" for place in range(scores)}
    named = [f"{text} AS prob_{place}" for place, text in made.items()]
    before = "powers" if any(stage.startswith("powers") for stage in stages) else "scores"
    stages.append(f"probabilities AS (\n  SELECT {_listed([*passed, *named])}\n  FROM {before}\n)")
    type = graph.signature.outputs.fields[0].type
    best = _best([literal(label, type, dialect) for label in classes], dialect)
    listed = [
        f"prob_{place} AS {name(f'{predicted}_prob_{_plain(label)}', dialect)}" for place, label in enumerate(classes)
    ]
    return [f"{best} AS {name(predicted, dialect)}", *listed], "probabilities"


def _plain(label: object) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)


def _best(labels: Sequence[str], dialect: Dialect) -> str:
    """Return the label of the greatest probability; of equal ones the first wins."""
    cases = []
    for place, label in enumerate(labels[:-1]):
        others = [f"prob_{place} >= prob_{other}" for other in range(place + 1, len(labels))]
        cases.append(f"WHEN {' AND '.join(others)} THEN {label}")
    return f"CASE {' '.join(cases)} ELSE {labels[-1]} END"


def _power(exponent: str, dialect: Dialect) -> str:
    return f"CASE WHEN {exponent} < -{_EXTREME} THEN {number(0.0, dialect)} ELSE EXP({exponent}) END"


def _logistic(score: str, dialect: Dialect) -> str:
    """Return 1 / (1 + exp(-score)), where some databases raise for a number that is too large or too small."""
    one, zero = number(1.0, dialect), number(0.0, dialect)
    return (
        f"CASE WHEN {score} < -{_EXTREME} THEN {zero} WHEN {score} > {_EXTREME} THEN {one} "
        f"ELSE {one} / ({one} + EXP(-({score}))) END"
    )
