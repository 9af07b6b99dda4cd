"""A model learned from rows: constants found, features prepared, the learner run, and all of it put into a graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.expression import Expr
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.core.schema import Field, Schema
from penstock.errors import DataError, DeclarationError
from penstock.models.explaining.global_explanation import (
    FACT,
    MOST_ROWS,
    MOST_ROWS_OF_BRANCHES,
    OPTION,
    global_explanation,
)
from penstock.models.fitting.agreement import disagreements
from penstock.models.fitting.assembly import Made, assemble
from penstock.models.fitting.lessons import Part, Ready, column_of, column_options, learn, ready
from penstock.models.fitting.preparation import Prepared, declared_features, transformed
from penstock.models.fitting.splits import JUDGE, LEARN, TEST, purposes
from penstock.models.fitting.tuning import tune
from penstock.models.graph import ModelGraph
from penstock.models.graphs import nodes
from penstock.models.graphs.lookups import KnownFeature, over_columns, with_lookups
from penstock.models.judging import labels
from penstock.models.judging.evaluate import evaluate
from penstock.models.learning.learner import SUPERVISED, Learner, Progress, unheard
from penstock.models.learning.learners import LEARNERS
from penstock.models.learning.matrix import Flags, thinned
from penstock.models.learning.search import plain
from penstock.models.learning.settings import check_options, settled, spaces_in, with_defaults
from penstock.models.predicting.estimators import is_branched
from penstock.models.predicting.imported import import_graph
from penstock.operations import text
from penstock.operations.notation import expression_to_json
from penstock.pipelines.modes import check_allowed
from penstock.tables import TableLike, to_arrow
from penstock.transforms import measured


def fit(
    model: Model,
    rows: TableLike | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    known: Sequence[KnownFeature] = (),
    judged: bool = True,
    progress: Progress = unheard,
) -> ModelGraph:
    """Learn a model from rows and return its graph; `options` override those of the declaration, None takes one away.

    Rows without a label are left out. Everything that is learned, the features' constants included, comes from the
    training part of the split; the metrics in `facts["evaluation"]` are those of the part held out, or of the training
    rows where nothing is, and those in `facts["test_evaluation"]` of the part to test, if there is one. The same rows
    and options give the same bytes.

    Where options are to be tuned, the graph is that of the best trial, judged on the part to test; all trials are in
    `facts["tuning"]`.

    Features that the model looks up are columns of the rows, named by references with versions, which `known` tells of.

    With `judged=False` the graph predicts the same, and its facts tell nothing of how good it is or what its rows were
    like: for one that is asked once and not kept. Where options are tuned it is judged all the same.

    Networks tell `progress` of each iteration when it has ended, but not those of trials.

    Raises `DataError` where the rows lack a column or hold a label of a wrong type, and `MissingExtraError` where the
    learner's library is not installed.
    """
    learner = LEARNERS[model.type]
    within = f"model '{model.name}' ({model.type})"
    chosen = settled(_with_options(model, options or {}, learner, within), learner.options, within=within)
    settings = with_defaults(chosen, learner.options)
    if learner.task == "imported":
        return _imported(model, settings, rows)
    if rows is None:
        raise DataError(f"model '{model.name}' learns from rows; give them: fit(model, rows)")
    check_allowed("fit", frozenset({"train"}))
    table = to_arrow(rows)
    over, found = over_columns(model, table, known)
    declared = declared_features(over, table, column_options(learner, settings).values())
    labelled = _labelled(model, table)
    train, held_out, _ = parts = _divided(model, labelled, settings)
    facts = {
        **_declaration(model, declared, settings),
        "rows": _counts(parts, table.num_rows - labelled.rows.num_rows),
        "evaluated_on": "train" if held_out is None else "held_out",
    }
    if learner.method is None:
        graph = _transforming(model, transformed(declared, train.rows), facts)
    else:
        lesson = ready(model, settings, declared, parts, facts)
        graph = (
            tune(lesson, settings) if spaces_in(settings) else learn(lesson, settings, judged=judged, progress=progress)
        )
        if settings.get(OPTION) and judged:
            graph = _explained(graph, lesson)
    graph = with_lookups(graph, found) if found else graph
    return _known(graph, learner, train.rows) if judged else graph


def _with_options(model: Model, given: Mapping[str, Any], learner: Learner, within: str) -> dict[str, Any]:
    """Return the options of a declaration, without those that are given as None, with the others that are given."""
    kept = {name: value for name, value in model.options.items() if given.get(name, value) is not None}
    changed = {name: value for name, value in given.items() if value is not None}
    return {**kept, **check_options(changed, learner.options, within=within)}


def _counts(parts: tuple[Part, Part | None, Part | None], without_label: int) -> dict[str, int]:
    train, held_out, tested = parts
    return {
        "train": train.rows.num_rows,
        "held_out": 0 if held_out is None else held_out.rows.num_rows,
        **({} if tested is None else {"test": tested.rows.num_rows}),
        "without_label": without_label,
    }


def _known(graph: ModelGraph, learner: Learner, rows: pa.Table) -> ModelGraph:
    """Return a graph that tells what the rows that it learned from were like, and whether both its forms agree."""
    ends = {
        "statistics": measured(rows.select(list(nodes.inputs(graph).names))),
        "versions": _versions(learner, graph),
        "disagreements": disagreements(graph, rows),
    }
    return dataclasses.replace(graph, facts=FrozenMap({**graph.facts, **ends}))


def _explained(graph: ModelGraph, lesson: Ready) -> ModelGraph:
    """Add the importance of the features in the rows that the graph was judged on, or, of very many, in every n-th."""
    kept = lesson.tested if graph.facts["evaluated_on"] == "test" else None
    most = MOST_ROWS_OF_BRANCHES if is_branched(graph) else MOST_ROWS
    found = global_explanation(graph, thinned((kept or lesson.judged).features, most))
    return dataclasses.replace(graph, facts=FrozenMap({**graph.facts, FACT: found}))


def _imported(model: Model, settings: Mapping[str, Any], rows: TableLike | None) -> ModelGraph:
    """Return the graph of a file, which learns nothing; rows with labels, if there are any, judge it."""
    if model.features is not None:
        raise DeclarationError(
            f"model '{model.name}' comes as a file, whose inputs are its features: leave `features` out"
        )
    graph = import_graph(model, settings)
    table = None if rows is None else to_arrow(rows)
    judged = table is not None and table.num_rows and model.label is not None
    facts = {
        **_declaration(model, {}, settings),
        **graph.facts,
        "rows": {"train": 0, "held_out": 0, "without_label": 0},
        "evaluated_on": "given" if judged else "no",
        "learner": {},
        "disagreements": [],
        "evaluation": evaluate(graph, table) if judged and table is not None else {},
    }
    return ModelGraph(**{**{name: getattr(graph, name) for name in _PARTS}, "facts": FrozenMap(facts)})


_PARTS = ("name", "label", "signature", "nodes", "blobs")


def _transforming(model: Model, prepared: Prepared, facts: Mapping[str, Any]) -> ModelGraph:
    outputs = Schema(tuple(Field(column, prepared.types[node]) for column, node in prepared.names.items()))
    facts = {**facts, "feature_nodes": prepared.names, "learner": {}, "evaluation": {}}
    return assemble(model, prepared, Made(task="transform", outputs=outputs), facts=facts)


def _labelled(model: Model, table: pa.Table) -> Part:
    if model.label is None or model.target is None:
        if not table.num_rows:
            raise DataError(f"model '{model.name}' has nothing to learn from: there are no rows")
        return Part(rows=table)
    column = labels.label_column(model.name, model.label, model.target, table)
    there = labels.known(column)
    if not pc.all(there).as_py():
        table, column = table.filter(there), column.filter(there)
    if not len(column):
        raise DataError(
            f"model '{model.name}' has nothing to learn from: no row has a label '{model.label}'", field=model.label
        )
    return Part(rows=table, labels=column)


def _divided(model: Model, part: Part, settings: Mapping[str, Any]) -> tuple[Part, Part | None, Part | None]:
    """Divide rows into those to learn from, those to judge by and those to test, if any."""
    if LEARNERS[model.type].task not in SUPERVISED:
        return part, None, None
    name = settings["data_split_col"]
    found = purposes(part.rows.num_rows, settings, None if name is None else column_of(model, part.rows, name))
    train, judged, tested = (_part(part, found == purpose) for purpose in (LEARN, JUDGE, TEST))
    if train is None:
        raise DataError(f"model '{model.name}': the split holds every row out; none is left to learn from")
    return train, judged, tested


def _part(part: Part, chosen: Flags) -> Part | None:
    if chosen.all():
        return part
    mask = pa.array(chosen)
    labels = None if part.labels is None else part.labels.filter(mask)
    return Part(rows=part.rows.filter(mask), labels=labels) if chosen.any() else None


def _declaration(model: Model, declared: Mapping[str, Expr], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked for, as plain JSON; `target` is read back when the model is judged."""
    return {
        "type": model.type,
        **({} if model.target is None else {"target": expression_to_json(model.target)}),
        "features": {name: text((model.features or declared)[name]) for name in declared},
        "options": {name: plain(value) for name, value in settings.items() if value is not None},
    }


def _versions(learner: Learner, graph: ModelGraph) -> dict[str, str]:
    tuner = "optuna" if "tuning" in graph.facts else None
    return {name: version(name) for name in ("penstock", "duckdb", learner.library, tuner) if name}
