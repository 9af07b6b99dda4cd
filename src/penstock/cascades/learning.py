"""What the steps of a cascade know of its models: their labels in rows, and how each learns from all its rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.components.feature_join import known_features
from penstock.core.expression import Expr, columns_of
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.core.ports import Context
from penstock.errors import DataError
from penstock.models import LEARNERS, ModelGraph, fit
from penstock.models.judging.labels import check_label, class_numbers, classes_in, is_struct, label_column, values
from penstock.models.judging.several import type_of_several
from penstock.models.learning.matrix import Flags, Floats
from penstock.models.learning.search import Candidates, Range
from penstock.models.predicting.predict import estimates_of
from penstock.models.routing import Router, aligned, classes_of
from penstock.operations import col


def router_of(router: Model, rows: pa.Table) -> Router:
    """Return what a router that learns from rows will give; raises `DataError` where no row has its label."""
    column = labels_of(router, rows).drop_null()
    if not len(column):
        raise DataError(f"router '{router.name}': no row has a label '{router.label}'", field=router.label)
    type = _checked(router, column)
    classifies = LEARNERS[router.type].task == "classification"
    known = classes_in(router.name, str(router.label), column) if classifies else ()
    return Router(router=router.name, router_type=type, router_classes=known)


def _checked(model: Model, labels: pa.ChunkedArray) -> str:
    """Return the type of the labels of a router or stage; raises `DataError` where several classes hold at once."""
    if several := type_of_several(labels):
        raise DataError(
            f"model '{model.name}': label '{model.label}' is {several}, of which several classes hold at once; a "
            "cascade routes by one class, and predicts one: make a column that says of a class whether it holds, and "
            "take that as the label",
            field=model.label,
        )
    if is_struct(labels):
        raise DataError(
            f"model '{model.name}': label '{model.label}' is a struct, several labels side by side; a cascade routes "
            "by one label, and predicts one: name that",
            field=model.label,
        )
    return check_label(model.name, str(model.label), labels, LEARNERS[model.type].task)


def labels_of(model: Model, rows: pa.Table) -> pa.ChunkedArray:
    """Return the label of each row."""
    target = col(str(model.label)) if model.target is None else model.target
    return label_column(model.name, str(model.label), target, rows)


def certain(router: Model, known: Router, rows: pa.Table) -> Floats:
    """Return what a router would estimate that is always right, and certain; NaN where there is no label."""
    column = labels_of(router, rows)
    there = column.is_valid().to_numpy()
    found = np.full((rows.num_rows, max(len(known.router_classes), 1)), np.nan)
    if known.router_classes:
        found[there] = np.eye(len(known.router_classes))[numbers_of(router, known, column.drop_null())]
    else:
        found[there, 0] = values(router.name, str(router.label), column.drop_null())
    return found


def numbers_of(router: Model, known: Router, labels: pa.ChunkedArray) -> Any:
    """Return the number of each label among those that a router tells apart."""
    return class_numbers(router.name, str(router.label), known.router_classes, labels)


def usable_rows(model: Model, rows: pa.Table) -> int:
    """Return how many rows a model could learn from: none where all have one label, and it is to tell labels apart."""
    if not rows.num_rows:
        return 0
    column = labels_of(model, rows).drop_null()
    _checked(model, column)
    alone = LEARNERS[model.type].task == "classification" and len(pc.unique(column)) < 2
    return 0 if alone else len(column)


def estimated_by_others(
    router: Model, known: Router, learned: pa.Table, asked: pa.Table, apart: Sequence[str], context: Context | None
) -> Floats:
    """Return what a router that learns from some rows estimates of others; NaN where there is nothing to learn from."""
    labels = labels_of(router, learned).drop_null()
    if not len(labels):
        return np.full((asked.num_rows, max(len(known.router_classes), 1)), np.nan)
    if known.router_classes and len(pc.unique(labels)) < 2:  # it would always say the one label that it has seen
        sole = np.eye(len(known.router_classes))[numbers_of(router, known, labels[:1])]
        return np.tile(sole, (asked.num_rows, 1))
    told = known_features(router, learned, context)
    graph = fit(seeing(router, apart, learned), learned, options=unsplit(router), known=told, judged=False)
    found = estimates_of(graph, asked)
    return aligned(found, classes_of(graph), known.router_classes) if known.router_classes else found


def seeing(model: Model, apart: Sequence[str], rows: pa.Table) -> Model:
    """Return the model; one that takes every column as a feature takes all but those apart."""
    if model.features is not None or not apart:
        return model
    left_out = {*apart, model.label, *(columns_of(model.target) if model.target is not None else ())}
    features: dict[str, Expr] = {name: col(name) for name in rows.column_names if name not in left_out}
    return dataclasses.replace(model, features=FrozenMap(features))


def unsplit(model: Model) -> dict[str, Any]:
    """Return options by which a stage learns from all its rows, unless its own say otherwise: the holdout is what
    judges, and was cut before."""
    tuned = any(isinstance(value, Range | Candidates) for value in model.options.values())
    own = tuned or any(name.startswith("data_split") for name in model.options)
    return {} if own else {"data_split_method": "NO_SPLIT"}


def with_facts(graph: ModelGraph, facts: Mapping[str, Any]) -> ModelGraph:
    """Return a graph that tells more of where it comes from."""
    return dataclasses.replace(graph, facts=FrozenMap({**graph.facts, **facts}))


def learned_by(folds: Any, number: int, rows: pa.Table, time: str | None, group: str | None) -> Flags:
    """Tell from which rows the router of a fold learns: those of other folds, with a time only of earlier ones, and
    then none of the fold's own groups."""
    if time is None:
        return np.asarray(folds != number)
    earlier = np.asarray(folds < number)
    if group is None:
        return earlier
    column = rows.column(group)
    own = pc.unique(column.filter(pa.array(folds == number))).drop_null()
    return np.asarray(earlier & ~pc.is_in(column, value_set=own).to_numpy())
