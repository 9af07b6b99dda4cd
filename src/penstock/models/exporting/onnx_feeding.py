"""Rows as the tensors that an exported model takes, and how it says that a value is NULL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.schema import Field
from penstock.operations.tensors import Constant, Recorder, Scalar
from penstock.operations.tensors.onnx_file import Port
from penstock.operations.tensors.recording import TENSOR_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

_MEANINGS = {
    "bool": "bool",
    "int64": "whole number",
    "float64": "number; NaN is NULL",
    "string": "UTF-8 text",
    "date": "days since 1970-01-01",
    "time": "microseconds since midnight",
    "datetime": "microseconds since 1970-01-01 00:00 by the wall clock",
    "timestamp": "microseconds since 1970-01-01 00:00 UTC",
}


def null_name(name: str, taken: Sequence[str]) -> str:
    """Return the name of the input that says where another is NULL."""
    name = f"{name}__is_null"
    while name in taken:
        name += "_"
    return name


def ports(field: Field, taken: Sequence[str]) -> list[Port] | None:
    """Return the inputs of one raw column: its values and, where it may be NULL and has no NaN to say so, flags that
    may be left out. None where no tensor holds its type."""
    tensor = TENSOR_TYPES.get(field.type)
    if tensor is None:
        return None
    values = Port(name=field.name, type=tensor, meaning=f"{field.type}: {_MEANINGS[field.type]}")
    if field.type == "float64" or not field.nullable:
        return [values]
    flags = Port(
        name=null_name(field.name, taken),
        type="bool",
        dimensions=(f"rows of {field.name}",),
        meaning=f"true where {field.name} is NULL; left out, it never is",
        default=Constant("bool", (False,), (1,)),
    )
    return [values, flags]


def received(recorder: Recorder, field: Field, made: Sequence[Port]) -> Scalar:
    """Return the value that the inputs of one column bring."""
    if field.type == "float64":
        return Scalar(type="float64", data=field.name, null=recorder.node("IsNaN", field.name))
    return Scalar(type=field.type, data=field.name, null=made[1].name if len(made) > 1 else None)


def feed(rows: pa.Table, fields: Sequence[Field], by_field: Mapping[str, Sequence[Port]]) -> dict[str, Any]:
    """Return the tensors that stand for rows of these columns, in the types of a graph's inputs."""
    tensors = {}
    for field in fields:
        if field.name not in by_field:
            continue  # of files images enter, as tensors of their own
        column = rows.column(field.name)
        values, *flags = by_field[field.name]
        tensors[values.name] = values_of(column, field.type)
        for port in flags:
            tensors[port.name] = pc.is_null(column).to_numpy()
    return tensors


def values_of(column: pa.ChunkedArray, type: str) -> np.ndarray[Any, Any]:
    """Return a column as a tensor holds it, with anything where it is NULL."""
    match type:
        case "float64":
            return np.asarray(column.to_numpy(), dtype=np.float64)
        case "string":
            return np.asarray(column.cast(pa.string()).fill_null("").to_pylist(), dtype=object)
        case "bool":
            return np.asarray(column.fill_null(False).to_numpy(zero_copy_only=False), dtype=np.bool_)
        case "date":
            column = column.cast(pa.int32())
    return np.asarray(column.cast(pa.int64()).fill_null(0).to_numpy(), dtype=np.int64)
