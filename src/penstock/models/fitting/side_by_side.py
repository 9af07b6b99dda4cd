"""A label that is a struct: its fields are labels side by side, each with a head of its own over one network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.core.model import Model
from penstock.core.schema import Field
from penstock.errors import DataError, DeclarationError
from penstock.models.graphs.heads import Head, HeadTask
from penstock.models.judging import labels
from penstock.models.judging.several import cell_weights, held, several_in
from penstock.models.learning.learner import Learner
from penstock.models.learning.matrix import Floats
from penstock.models.learning.search import Candidates, Range
from penstock.models.predicting.outcomes import heads_schema
from penstock.multimodal import Head as NetworkHead
from penstock.tables import schema_of

_TASKS: dict[str, HeadTask] = {
    "float64": "regression",
    **dict.fromkeys(("string", "bool", "date"), "classification"),
    **{f"array<{type}>": "multilabel" for type in labels.SEVERAL_TYPES},
}


def heads_in(
    model: Model, learner: Learner, settings: Mapping[str, Any], parts: Sequence[pa.ChunkedArray]
) -> tuple[Head, ...]:
    """Return the labels that the fields are, the classes among them of all parts of the rows.

    A field's own type says what is learned of it, whichever of the types that take several labels the model is of; a
    whole number is a value where that is a regressor, and a class where it is a classifier. Raises `DataError` for a
    field of another type, or that is NULL in every row to learn from.
    """
    _check_options(model, settings)
    together = pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)
    fields = schema_of(pa.schema([parts[0].type.field(at) for at in range(parts[0].type.num_fields)]))
    heads = tuple(_head(model, learner, each, labels.field_of(together, each.name)) for each in fields)
    for head in heads:
        if labels.field_of(parts[0], head.label).null_count == len(parts[0]):
            raise DataError(
                f"model '{model.name}' has nothing to learn '{head.label}' from: it is NULL in every row to learn from",
                field=head.label,
            )
    names = heads_schema(heads).names
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DeclarationError(f"model '{model.name}' would predict '{twice}' of two of its labels; rename one of them")
    return heads


def _head(model: Model, learner: Learner, field: Field, column: pa.ChunkedArray) -> Head:
    name, type = field.name, field.type
    task = learner.task if type == "int64" else _TASKS.get(type)
    known = column.drop_null()
    match task:
        case "regression":
            return Head(label=name, task="regression", type="float64")
        case "classification":
            return Head(
                label=name, task="classification", type=type, classes=labels.classes_in(model.name, name, known)
            )
        case "multilabel":
            return Head(label=name, task="multilabel", type=type, classes=several_in(model.name, name, known))
    raise DataError(
        f"model '{model.name}': the label '{name}', one of several, is {type}; such a label is a number, a string, a "
        f"bool, a date, or an array of {' or '.join(labels.SEVERAL_TYPES)}",
        field=name,
    )


def _check_options(model: Model, settings: Mapping[str, Any]) -> None:
    if settings.get("class_weights"):
        raise DeclarationError(
            f"model '{model.name}' has several labels, and class_weights names classes of one; take auto_class_weights"
        )
    if any(isinstance(value, Range | Candidates) for value in settings.values()) or settings.get("num_trials"):
        raise DeclarationError(
            f"model '{model.name}' has several labels, of which no one metric tells which trial is best; tune a model "
            "of one of them, and take its options"
        )


def cells(
    model: Model, heads: Sequence[Head], column: pa.ChunkedArray, settings: Mapping[str, Any]
) -> tuple[Floats, Floats]:
    """Return what there is to predict, a column for each cell (see `multimodal.Head`), and how much each cell counts;
    where a label is NULL its cells are NaN, and do not count."""
    made = [_cells(model, head, labels.field_of(column, head.label), settings) for head in heads]
    return np.hstack([target for target, _ in made]), np.hstack([weights for _, weights in made])


def _cells(model: Model, head: Head, column: pa.ChunkedArray, settings: Mapping[str, Any]) -> tuple[Floats, Floats]:
    there, known = column.is_valid().to_numpy(), column.drop_null()
    weights: Floats | None = None
    if head.task == "multilabel":
        own = held(model.name, head.label, head.classes, known)
        weights = cell_weights(settings, head.classes, own)
    elif head.task == "classification":
        numbers = labels.class_numbers(model.name, head.label, head.classes, known)
        own, weights = numbers.astype(np.float64), labels.class_weights(settings, head.classes, numbers)
    else:
        own = labels.values(model.name, head.label, known)
    width = len(head.classes) if head.task == "multilabel" else 1
    found, counts = np.full((len(column), width), np.nan), np.zeros((len(column), width))
    found[there] = own.reshape(-1, width)
    counts[there] = 1.0 if weights is None else weights.reshape(-1, width)
    return found, counts


def network_heads(heads: Sequence[Head], target: Floats, weights: Floats) -> tuple[NetworkHead, ...]:
    """Return the heads of the network. Each loss is told in what the best constant would have, so that heads count the
    same: of a value, which is scaled, that is 1; of classes their entropy."""
    found, at = [], 0
    for head in heads:
        match head.task:
            case "regression":
                made = NetworkHead(kind="value")
            case "multilabel":
                made = NetworkHead(kind="several", outputs=len(head.classes))
            case "classification" if len(head.classes) == 2:
                made = NetworkHead(kind="two")
            case "classification":
                made = NetworkHead(kind="classes", outputs=len(head.classes))
        own = slice(at, at + made.cells)
        unit = 1.0 if head.task == "regression" else _entropy(head, target[:, own], weights[:, own])
        found.append(NetworkHead(kind=made.kind, outputs=made.outputs, unit=unit))
        at += made.cells
    return tuple(found)


def _entropy(head: Head, target: Floats, weights: Floats) -> float:
    if head.task == "multilabel":
        shares = np.nansum(target * weights, axis=0) / np.maximum(weights.sum(axis=0), 1e-12)
        parts = np.stack([shares, 1 - shares])
        counts = weights.sum(axis=0) / weights.sum()
    else:
        numbers = np.nan_to_num(target[:, 0]).astype(np.int64)  # what is NaN has no weight
        classes = np.bincount(numbers, weights=weights[:, 0], minlength=len(head.classes))
        parts, counts = (classes / classes.sum())[:, np.newaxis], np.ones(1)
    logs = np.log(np.where(parts > 0, parts, 1.0))
    return max(float((-(parts * logs).sum(axis=0) * counts).sum()), 1e-3)
