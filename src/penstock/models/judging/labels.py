"""The labels of rows: what a model is to predict, as values or as numbers of classes."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.expression import Expr, columns_of
from penstock.core.graph import ModelGraph
from penstock.errors import DataError
from penstock.models.learning.matrix import Floats, Integers
from penstock.models.routing import is_routed, routing_of
from penstock.operations.notation import expression_from_json
from penstock.tables import schema_of
from penstock.transforms import apply

_CLASS_TYPES = ("string", "int64", "bool", "date")
_VALUE_TYPES = ("int64", "float64")
SEVERAL_TYPES = ("string", "int64")
"""The types of classes of which several may hold at once: such a label is an array of them."""


def label_column(model: str, label: str, target: Expr, rows: pa.Table) -> pa.ChunkedArray:
    """Return the label of each row. Raises `DataError` where the rows lack a column that the label is made of."""
    lacking = [name for name in columns_of(target) if name not in rows.column_names]
    if lacking:
        raise DataError(
            f"model '{model}' learns '{label}' from {', '.join(lacking)}, which the rows lack; "
            f"they have: {', '.join(rows.column_names)}",
            field=lacking[0],
        )
    return apply({label: target}, rows).column(label)


def label_columns(graph: ModelGraph) -> set[str]:
    """Return the columns that say what a graph is to predict, those of a cascade's stages among them: what rows have
    before the answer is known is none of them."""
    target = graph.facts.get("target")
    found = set(columns_of(expression_from_json(target))) if target is not None else set()
    for stage in routing_of(graph).stages.values() if is_routed(graph) else ():
        found |= label_columns(stage)
    return found.union([graph.label] if graph.label is not None else ()) - set(graph.signature.inputs.names)


def check_label(model: str, label: str, labels: pa.ChunkedArray, task: str) -> str:
    """Return the type of the labels; raises `DataError` where that task cannot predict such values."""
    type = schema_of(pa.schema([(label, labels.type)]))[label].type
    able = _VALUE_TYPES if task == "regression" else _CLASS_TYPES
    if type.startswith("array<") and task == "classification":
        raise DataError(
            f"model '{model}': label '{label}' is {type}: of classes that may hold several at once a model of type "
            f"dnn_classifier learns, from {' or '.join(f'array<{each}>' for each in SEVERAL_TYPES)}; take that, or "
            "one class of the array as the label",
            field=label,
        )
    if type.startswith("struct<"):
        raise DataError(
            f"model '{model}': label '{label}' is {type}, several labels side by side; models of type dnn_regressor "
            "and dnn_classifier learn from such: take one of them, or a field as the label",
            field=label,
        )
    if type not in able:
        other = "a classifier" if task == "regression" else "a regression, or a cast,"
        other = "a dnn_classifier" if type.startswith("array<") else other
        raise DataError(
            f"model '{model}': label '{label}' is {type}; a {task} model predicts {' or '.join(able)}; "
            f"{other} may be what you want",
            field=label,
        )
    return type


def classes_in(model: str, label: str, labels: pa.ChunkedArray) -> tuple[Any, ...]:
    """Return the distinct labels, in order; raises `DataError` if there is nothing to tell apart."""
    found = tuple(sorted(pc.unique(labels).to_pylist()))
    if len(found) < 2:
        raise DataError(
            f"model '{model}': every row has the label {label}={found[0]!r}; a classifier needs two classes",
            field=label,
        )
    return found


def is_struct(labels: pa.ChunkedArray) -> bool:
    """Tell whether labels are structs, whose fields are labels side by side."""
    return bool(pa.types.is_struct(labels.type))


def field_of(labels: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Return one of the labels that structs hold; NULL where the struct is."""
    return pc.struct_field(labels, name)


def known(labels: pa.ChunkedArray) -> pa.ChunkedArray:
    """Tell of each row whether it has a label: of labels side by side, any of them."""
    if not is_struct(labels):
        return labels.is_valid()
    fields = [labels.type.field(at).name for at in range(labels.type.num_fields)]
    return functools.reduce(pc.or_, [field_of(labels, name).is_valid() for name in fields])


def values(model: str, label: str, labels: pa.ChunkedArray) -> Floats:
    """Return the labels of a regression as floats; raises `DataError` for NaN and infinity."""
    found = np.asarray(labels.to_numpy(), dtype=np.float64)
    if not np.isfinite(found).all():
        raise DataError(
            f"model '{model}': label '{label}' is NaN or infinite in some row; leave such rows out, or make it NULL",
            field=label,
        )
    return found


def class_numbers(model: str, label: str, classes: Sequence[Any], labels: pa.ChunkedArray) -> Integers:
    """Return the position of each label among the classes; raises `DataError` for a label that is none of them."""
    known = pa.array(classes, labels.type)
    numbers = pc.index_in(labels, value_set=known)
    if numbers.null_count:
        odd = labels.filter(numbers.is_null())[0].as_py()
        raise DataError(
            f"model '{model}' knows the labels {', '.join(map(repr, classes))}; the rows have {label}={odd!r}",
            field=label,
        )
    return np.asarray(numbers.to_numpy(), dtype=np.int64)


def class_weights(options: Mapping[str, Any], classes: Sequence[Any], numbers: Integers | Floats) -> Floats | None:
    """Return the weight of each row by its class, None where all weigh the same."""
    given = options.get("class_weights")
    numbers = numbers.astype(np.int64, copy=False)
    if options.get("auto_class_weights"):
        counts = np.bincount(numbers, minlength=len(classes))
        return np.asarray((len(numbers) / (len(classes) * np.maximum(counts, 1)))[numbers], dtype=np.float64)
    if not given:
        return None
    by_text = {str(label): weight for label, weight in given}  # SQL writes every label as a text
    odd = set(by_text) - {str(label) for label in classes}
    if odd:
        raise DataError(f"class_weights names {', '.join(sorted(odd))}; the labels are {', '.join(map(str, classes))}")
    return np.array([by_text.get(str(label), 1.0) for label in classes])[numbers]
