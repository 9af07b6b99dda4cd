"""A model learned from rows: constants found, features prepared, the learner run, and all of it put into a graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.core.expression import Expr
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.core.schema import Field, Schema
from penstock.errors import DataError
from penstock.models import labels
from penstock.models.agreement import disagreements
from penstock.models.assembly import assemble
from penstock.models.curves import errors_of
from penstock.models.estimators import estimate
from penstock.models.evaluate import evaluate, judge
from penstock.models.graph import ModelGraph
from penstock.models.learner import SUPERVISED, Learner, Lesson, Method
from penstock.models.learners import LEARNERS
from penstock.models.matrix import Examples, Features, Flags
from penstock.models.notation import expression_to_json
from penstock.models.options import check_options, with_defaults
from penstock.models.outcomes import OUTCOMES
from penstock.models.preparation import Prepared, declared_features, enter, prepare, transformed
from penstock.models.splits import JUDGE, LEARN, TEST, purposes
from penstock.operations import text
from penstock.tables import TableLike, to_arrow
from penstock.transforms import apply, measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of the rows, with their labels (None: the model has none): to learn from, or to judge by."""

    rows: pa.Table
    labels: pa.ChunkedArray | None = None


def fit(model: Model, rows: TableLike, *, options: Mapping[str, Any] | None = None) -> ModelGraph:
    """Learn a model from rows and return its graph; `options` override those of the declaration.

    Rows without a label are left out. Everything that is learned, the features' constants included, comes from the
    training part of the split; the metrics in `facts["evaluation"]` are those of the part held out, or of the training
    rows where nothing is, and those in `facts["test_evaluation"]` of the part to test, if there is one. The same rows
    and options give the same bytes.

    Raises `DataError` where the rows lack a column or hold a label of a wrong type, and `MissingExtraError` where the
    learner's library is not installed.
    """
    learner = LEARNERS[model.type]
    changed = check_options(options or {}, learner.options, within=f"model '{model.name}' ({model.type})")
    settings = with_defaults({**model.options, **changed}, learner.options)
    table = to_arrow(rows)
    declared = declared_features(model, table, _column_options(learner, settings).values())
    labelled = _labelled(model, table)
    train, judged, tested = _divided(model, labelled, settings)
    facts = {
        **_declaration(model, declared, settings),
        "rows": {
            "train": train.rows.num_rows,
            "held_out": 0 if judged is None else judged.rows.num_rows,
            **({} if tested is None else {"test": tested.rows.num_rows}),
            "without_label": table.num_rows - labelled.rows.num_rows,
        },
        "evaluated_on": "train" if judged is None else "held_out",
    }
    if learner.method is None:
        graph = _transforming(model, transformed(declared, train.rows), facts)
    else:
        graph = _estimating(model, learner.method, settings, declared, (train, judged), facts)
    ends = {
        **({} if tested is None else {"test_evaluation": evaluate(graph, tested.rows)}),
        "statistics": measured(train.rows.select(list(graph.signature.inputs.names))),
        "versions": _versions(learner),
        "disagreements": disagreements(graph, train.rows),
    }
    return dataclasses.replace(graph, facts=FrozenMap({**graph.facts, **ends}))


def _transforming(model: Model, prepared: Prepared, facts: Mapping[str, Any]) -> ModelGraph:
    outputs = Schema(tuple(Field(column, prepared.types[node]) for column, node in prepared.names.items()))
    facts = {**facts, "feature_nodes": prepared.names, "learner": {}, "evaluation": {}}
    return assemble(model, prepared, {}, outputs=outputs, classes=(), facts=facts)


def _estimating(
    model: Model,
    method: Method,
    settings: Mapping[str, Any],
    declared: Mapping[str, Expr],
    parts: tuple[Part, Part | None],
    facts: Mapping[str, Any],
) -> ModelGraph:
    """Run the learner and judge what it learned."""
    learner, (train, test) = LEARNERS[model.type], parts
    label_type, classes = _label_facts(model, learner, train)
    scaled = learner.scaled_by is None or settings[learner.scaled_by]
    prepared, features = prepare(model, declared, train.rows, learner.form if scaled else "unscaled")
    judged = (train, features) if test is None else (test, enter(prepared, test.rows))
    examples = _examples(model, classes, train, features)
    learned = method.fit(
        Lesson(
            train=examples,
            held_out=None if test is None else _examples(model, classes, *judged),
            names=tuple(prepared.entering),
            kinds=prepared.kinds,
            widths=prepared.widths,
            options=settings,
            classes=len(classes),
            weights=labels.class_weights(settings, classes, examples.target) if classes else None,
            columns={
                option: _column(model, train.rows, name) for option, name in _column_options(learner, settings).items()
            },
        )
    )
    outputs = OUTCOMES[learner.task].schema(model.label or "", label_type, learned.outputs)
    facts = {**facts, "feature_nodes": prepared.names, "learner": learned.facts}
    graph = assemble(model, prepared, learned.files, outputs=outputs, classes=classes, facts=facts)
    estimates = estimate(graph, judged[1])
    ends: dict[str, Any] = {"evaluation": judge(graph, judged[0].labels, judged[1], estimates)}
    if classes:
        numbers = labels.class_numbers(model.name, model.label or "", classes, judged[0].labels)
        ends |= errors_of(numbers, estimates)
    return dataclasses.replace(graph, facts=FrozenMap({**facts, **ends}))


def _label_facts(model: Model, learner: Learner, train: Part) -> tuple[str, tuple[Any, ...]]:
    """Return the type of the label and the classes that there are, where there is a label, and are classes."""
    if model.label is None:
        return "", ()
    type = labels.check_label(model.name, model.label, train.labels, learner.task)
    return type, labels.classes_in(model.name, model.label, train.labels) if learner.task == "classification" else ()


def _labelled(model: Model, table: pa.Table) -> Part:
    if model.label is None or model.target is None:
        if not table.num_rows:
            raise DataError(f"model '{model.name}' has nothing to learn from: there are no rows")
        return Part(rows=table)
    column = labels.label_column(model.name, model.label, model.target, table)
    if column.null_count:
        table, column = table.filter(column.is_valid()), column.drop_null()
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
    found = purposes(part.rows.num_rows, settings, None if name is None else _column(model, part.rows, name))
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


def _column_options(learner: Learner, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns that options name, by the options' names; they are no features."""
    named = [name for name, option in learner.options.items() if option.type == "column"]
    return {name: settings[name] for name in named if settings[name] is not None}


def _column(model: Model, rows: pa.Table, name: str) -> pa.ChunkedArray:
    """Return the values of a column that an option names: a feature declared under that name, or a raw column."""
    if model.features is not None and name in model.features:
        return apply({name: model.features[name]}, rows).column(name)
    if name not in rows.column_names:
        raise DataError(f"model '{model.name}' has an option that names {name}, which the rows lack", field=name)
    return rows.column(name)


def _examples(model: Model, classes: tuple[Any, ...], part: Part, features: Features) -> Examples:
    if model.label is None:
        return Examples(features, np.empty(0))
    if classes:
        return Examples(features, labels.class_numbers(model.name, model.label, classes, part.labels))
    return Examples(features, labels.values(model.name, model.label, part.labels))


def _declaration(model: Model, declared: Mapping[str, Expr], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked for, as plain JSON; `target` is read back when the model is judged."""
    return {
        "type": model.type,
        **({} if model.target is None else {"target": expression_to_json(model.target)}),
        "features": {name: text(expr) for name, expr in declared.items()},
        "options": {name: _plain(value) for name, value in settings.items() if value is not None},
    }


def _plain(value: Any) -> Any:
    return list(map(_plain, value)) if isinstance(value, tuple) else value


def _versions(learner: Learner) -> dict[str, str]:
    return {name: version(name) for name in ("penstock", "duckdb", learner.library) if name}
