"""A model as one query: `SELECT` features and prediction from a table of raw rows, in the SQL of five databases."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from penstock.core.graph import ModelGraph
from penstock.errors import DeclarationError, ExpressionError, StorageError, UnknownNameError
from penstock.models.exporting.dialects import DIALECTS, Dialect, expression, literal, name
from penstock.models.exporting.estimates import Scores, logistic, power, scores_of
from penstock.models.exporting.routed_query import routed_query, select_list, winner
from penstock.models.graphs import nodes
from penstock.models.predicting.estimators import is_branched, task_of
from penstock.models.predicting.imported import is_imported
from penstock.models.routing import is_routed, label_text
from penstock.operations import col


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

    A classifier gives `predicted_<label>` and the probability of each class in `predicted_<label>_prob_<class>`;
    k-means `CENTROID_ID` and the distance to each in `NEAREST_CENTROIDS_DISTANCE_<id>`; a graph that only transforms
    gives its columns; a cascade also `route`. Timestamps are read in UTC: that is the zone of the session that the
    query needs. `rows` is written as it stands.

    Raises `ExpressionError` naming the feature that has no form in that database, and `DeclarationError` for a kind of
    model that is no query.
    """
    if dialect not in DIALECTS:
        raise UnknownNameError("dialect", dialect, DIALECTS)
    head = f"-- Model {graph.name} as {dialect} SQL, made by penstock. The session's time zone must be UTC.\n"
    return head + _query(graph, dialect, rows, keep)


def _query(graph: ModelGraph, found: Dialect, rows: str, keep: Sequence[str]) -> str:
    if is_imported(graph):
        raise DeclarationError(f"model '{graph.name}' is an ONNX file, which cannot be written as a query")
    if is_branched(graph):
        raise DeclarationError(
            f"model '{graph.name}' is a network of branches, which cannot be written as a query; export it as 'onnx' "
            "or 'mlflow'. A dnn_* model of numbers and categories, with one label, can"
        )
    if is_routed(graph):
        return routed_query(graph, found, rows, keep, _query)
    kept = [column for column in keep if column not in nodes.inputs(graph)]
    passed = [name(column, found) for column in (*nodes.inputs(graph).names, *kept)]
    features, columns = _features(graph, found)
    stages = [f"features AS (\n  SELECT {select_list([*passed, *features])}\n  FROM {rows}\n)"]
    if nodes.only_transforms(graph):
        outputs = [
            column if column == name(output, found) else f"{column} AS {name(output, found)}"
            for output, column in columns.items()
        ]
        source = "features"
        passed = [column for column in passed if column not in {name(output, found) for output in columns}]
    else:
        scores, before = _scores(graph, list(columns.values()), found), "features"
        for place, stage in enumerate(scores.stages):
            items = [text if text == item else f"{text} AS {item}" for item, text in stage.items.items()]
            stages.append(f"stage_{place} AS (\n  SELECT {select_list([*passed, *items])}\n  FROM {before}\n)")
            before = f"stage_{place}"
        labels = [f"{text} AS score_{place}" for place, text in enumerate(scores.texts)]
        stages.append(f"scores AS (\n  SELECT {select_list([*passed, *labels])}\n  FROM {before}\n)")
        outputs, source = _outputs(graph, len(scores.texts), passed, stages, found)
    # PostgreSQL would put the text of every column in each place that reads it, and take minutes over what is seconds.
    stages = [stage.replace(" AS (", " AS MATERIALIZED (", 1) if found == "postgres" else stage for stage in stages]
    return f"WITH {', '.join(stages)}\nSELECT {select_list([*outputs, *passed], indent=2)}\nFROM {source}\n"


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


def _scores(graph: ModelGraph, columns: Sequence[str], dialect: Dialect) -> Scores:
    """Return what the estimator gives."""
    params = nodes.concat(graph).params
    for feature, kind in zip(nodes.concat(graph).inputs, params["kinds"], strict=True):
        if kind not in ("number", "category"):
            raise ExpressionError(
                f"model '{graph.name}': feature '{feature}' is a list of numbers, which a query has no form for; "
                "export('onnx', ...) may have one"
            )
    return scores_of(graph, columns, dialect)


def _outputs(
    graph: ModelGraph, scores: int, passed: Sequence[str], stages: list[str], dialect: Dialect
) -> tuple[list[str], str]:
    """Return the columns that are predicted, and the stage that they are selected from; may add stages before it."""
    classes, predictions = nodes.classes(graph), graph.signature.outputs.names
    if task_of(graph) == "clustering":
        nearest = winner(
            [str(place + 1) for place in range(scores)], [f"score_{place}" for place in range(scores)], "<="
        )
        listed = [f"score_{place} AS {name(f'{predictions[1]}_{place + 1}', dialect)}" for place in range(scores)]
        return [f"{nearest} AS {name(predictions[0], dialect)}", *listed], "scores"
    if not classes:
        return [f"score_{place} AS {name(output, dialect)}" for place, output in enumerate(predictions)], "scores"
    predicted = predictions[0]
    if scores == 1:
        probability = logistic("score_0", dialect)
        made = {0: f"1 - ({probability})", 1: probability}
    else:
        most = f"GREATEST({', '.join(f'score_{place}' for place in range(scores))})"
        powers = [f"{power(f'score_{place} - {most}', dialect)} AS power_{place}" for place in range(scores)]
        stages.append(f"powers AS (\n  SELECT {select_list([*passed, *powers])}\n  FROM scores\n)")
        whole = " + ".join(f"power_{place}" for place in range(scores))
        made = {place: f"power_{place} / ({whole})" for place in range(scores)}
    named = [f"{text} AS prob_{place}" for place, text in made.items()]
    before = "powers" if any(stage.startswith("powers") for stage in stages) else "scores"
    stages.append(f"probabilities AS (\n  SELECT {select_list([*passed, *named])}\n  FROM {before}\n)")
    type = graph.signature.outputs.fields[0].type
    best = winner([literal(label, type, dialect) for label in classes], [f"prob_{place}" for place in made], ">=")
    listed = [
        f"prob_{place} AS {name(f'{predicted}_prob_{label_text(label)}', dialect)}"
        for place, label in enumerate(classes)
    ]
    return [f"{best} AS {name(predicted, dialect)}", *listed], "probabilities"
