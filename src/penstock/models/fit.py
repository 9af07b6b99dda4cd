"""A model learned from rows: constants found, features prepared, the learner run, and all of it put into a graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import pyarrow as pa

from penstock.core.expression import Expr
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.errors import DataError
from penstock.models import labels
from penstock.models.agreement import disagreements
from penstock.models.assembly import assemble
from penstock.models.estimators import estimate
from penstock.models.evaluate import judge
from penstock.models.graph import ModelGraph
from penstock.models.learners import LEARNERS
from penstock.models.linear import fit_linear, fit_logistic
from penstock.models.matrix import Examples, Features
from penstock.models.notation import expression_to_json
from penstock.models.options import check_options, with_defaults
from penstock.models.preparation import Prepared, declared_features, enter, prepare
from penstock.models.splits import held_out
from penstock.models.trees import fit_trees
from penstock.operations import text
from penstock.tables import TableLike, to_arrow
from penstock.transforms import apply

_LIBRARIES = {"linear_reg": "scipy", "logistic_reg": "scikit-learn"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of the rows, with their labels: to learn from, or to judge by."""

    rows: pa.Table
    labels: pa.ChunkedArray


def fit(model: Model, rows: TableLike, *, options: Mapping[str, Any] | None = None) -> ModelGraph:
    """Learn a model from rows and return its graph; `options` override those of the declaration.

    Rows without a label are left out. Everything that is learned, the features' constants included, comes from the
    training part of the split; the metrics in `facts["evaluation"]` are those of the part held out, or of the training
    rows where nothing is. The same rows and options give the same bytes.

    Raises `DataError` where the rows lack a column or hold a label of a wrong type, and `MissingExtraError` where the
    learner's library is not installed.
    """
    learner = LEARNERS[model.type]
    changed = check_options(options or {}, learner.options, within=f"model '{model.name}' ({model.type})")
    settings = with_defaults({**model.options, **changed}, learner.options)
    table = to_arrow(rows)
    declared = declared_features(model, table, settings["data_split_col"])
    train, test = _divided(model, _labelled(model, table), settings)
    label_type = labels.check_label(model.name, model.label, train.labels, learner.task)
    classes = labels.classes_in(model.name, model.label, train.labels) if learner.task == "classification" else ()

    prepared, features = prepare(model, declared, train.rows, learner.form)
    judged = (train, features) if test is None else (test, enter(prepared, test.rows))
    files, learned = _learn(model, settings, prepared, classes, (train, features), None if test is None else judged)
    facts = {
        **_declaration(model, declared, settings),
        "rows": {
            "train": train.rows.num_rows,
            "held_out": 0 if test is None else test.rows.num_rows,
            "without_label": table.num_rows - train.rows.num_rows - (0 if test is None else test.rows.num_rows),
        },
        "learner": learned,
    }
    graph = assemble(model, prepared, files, classes=classes, label_type=label_type, facts=facts)
    metrics = judge(model.name, model.label, classes, judged[0].labels, estimate(graph, judged[1]))
    return dataclasses.replace(
        graph,
        facts=FrozenMap(
            {
                **facts,
                "evaluated_on": "train" if test is None else "held_out",
                "evaluation": metrics,
                "disagreements": disagreements(graph, train.rows),
            }
        ),
    )


def _labelled(model: Model, table: pa.Table) -> Part:
    column = labels.label_column(model.name, model.label, model.target, table)
    if column.null_count:
        table, column = table.filter(column.is_valid()), column.drop_null()
    if not len(column):
        raise DataError(
            f"model '{model.name}' has nothing to learn from: no row has a label '{model.label}'", field=model.label
        )
    return Part(rows=table, labels=column)


def _divided(model: Model, part: Part, settings: Mapping[str, Any]) -> tuple[Part, Part | None]:
    """Divide rows into those to learn from and those held out, if any."""
    back = held_out(len(part.labels), settings, _split_values(model, part.rows, settings["data_split_col"]))
    if not back.any():
        return part, None
    if back.all():
        raise DataError(f"model '{model.name}': the split holds every row out; none is left to learn from")
    kept, held = (
        Part(rows=part.rows.filter(mask), labels=part.labels.filter(mask)) for mask in (pa.array(~back), pa.array(back))
    )
    return kept, held


def _split_values(model: Model, rows: pa.Table, name: str | None) -> pa.ChunkedArray | None:
    """Return the values of data_split_col: a feature declared under that name, or a column."""
    if name is None:
        return None
    if model.features is not None and name in model.features:
        return apply({name: model.features[name]}, rows).column(name)
    if name not in rows.column_names:
        raise DataError(f"model '{model.name}' splits by {name}, which the rows lack", field=name)
    return rows.column(name)


def _learn(
    model: Model,
    settings: Mapping[str, Any],
    prepared: Prepared,
    classes: tuple[Any, ...],
    train: tuple[Part, Features],
    test: tuple[Part, Features] | None,
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Run the learner; return the estimator's files and what is worth knowing of how it went."""
    examples = _examples(model, classes, train)
    weights = labels.class_weights(settings, classes, examples.target) if classes else None
    match model.type:
        case "linear_reg":
            return fit_linear(examples, prepared.widths, options=settings)
        case "logistic_reg":
            return fit_logistic(examples, prepared.widths, weights=weights, options=settings)
    held_out = None if test is None else _examples(model, classes, test)
    return fit_trees(examples, held_out, prepared, classes=len(classes), weights=weights, options=settings)


def _examples(model: Model, classes: tuple[Any, ...], part: tuple[Part, Features]) -> Examples:
    rows, features = part
    if classes:
        return Examples(features, labels.class_numbers(model.name, model.label, classes, rows.labels))
    return Examples(features, labels.values(model.name, model.label, rows.labels))


def _declaration(model: Model, declared: Mapping[str, Expr], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked for, as plain JSON; `target` is read back when the model is judged."""
    return {
        "type": model.type,
        "target": expression_to_json(model.target),
        "features": {name: text(expr) for name, expr in declared.items()},
        "options": {name: value for name, value in settings.items() if value is not None},
        "versions": {name: version(name) for name in ("penstock", "duckdb", _LIBRARIES.get(model.type, "lightgbm"))},
    }
