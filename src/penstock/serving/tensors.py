"""Rows as the tensors of the Open Inference Protocol, and back. A tensor has one length in every dimension and values
of one scalar type, so a struct is a tensor for each of its fields, and lists have to be as long as each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple

import msgspec

from penstock.core.schema import Field, Schema, element_type, struct_fields
from penstock.errors import DataError, UnknownNameError

_INTEGERS = frozenset({"INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64"})
_TAKEN = {
    "bool": frozenset({"BOOL"}),
    "int64": _INTEGERS,
    "float64": _INTEGERS | {"FP16", "FP32", "FP64"},
}
_GIVEN = {"bool": "BOOL", "int64": "INT64", "float64": "FP64"}
_BYTES = "BYTES"
"""Texts; times as ISO 8601 and bytes as base64, as in the JSON of rows."""


class Tensor(msgspec.Struct):
    """A tensor of a request: the values of one input, row after row, nested or not. Null is a missing value."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class _Leaf(NamedTuple):
    """A tensor of a schema: `path` leads to it through the fields of structs; `dimensions` are those of one row."""

    name: str
    type: str
    path: tuple[str, ...]
    dimensions: int


def described(schema: Schema) -> list[dict[str, Any]]:
    """Return the metadata of the tensors of rows; -1 is a length that is not known before."""
    return [
        {"name": leaf.name, "datatype": _GIVEN.get(leaf.type, _BYTES), "shape": [-1] * (1 + leaf.dimensions)}
        for field in schema
        for leaf in _leaves(field)
    ]


def instances(tensors: Sequence[Tensor], inputs: Schema) -> list[dict[str, Any]]:
    """Return the rows that tensors hold.

    Raises `DataError` naming the tensor whose shape, datatype or length is wrong, `UnknownNameError` for one that is
    no input.
    """
    fields = {field.name: field for field in inputs}
    count: int | None = None
    columns: dict[str, list[Any]] = {}
    for tensor in tensors:
        if tensor.name not in fields:
            raise UnknownNameError("input", tensor.name, fields)
        if tensor.name in columns:
            raise _wrong(tensor.name, "is there twice")
        column = columns[tensor.name] = _column(tensor, fields[tensor.name].type)
        if count is not None and len(column) != count:
            raise _wrong(tensor.name, f"has {len(column)} rows, and the tensors before it have {count}")
        count = len(column)
    return [{name: column[number] for name, column in columns.items()} for number in range(count or 0)]


def outputs(
    predictions: Sequence[dict[str, Any]], schema: Schema, wanted: Sequence[str] | None
) -> list[dict[str, Any]]:
    """Return predictions as tensors, those of `wanted` or all; raises `UnknownNameError` for one that is none, and
    `DataError` where lists are of different lengths."""
    leaves = {leaf.name: leaf for field in schema for leaf in _leaves(field)}
    chosen = list(leaves) if wanted is None else list(wanted)
    found = []
    for name in chosen:
        if name not in leaves:
            raise UnknownNameError("output", name, leaves)
        leaf = leaves[name]
        values = [_picked(row.get(leaf.path[0]), leaf.path[1:]) for row in predictions]
        shape, data = [len(values)], values
        for _ in range(leaf.dimensions):
            lengths = {-1 if each is None else len(each) for each in data} or {0}
            if len(lengths) > 1 or -1 in lengths:
                raise _wrong(name, "has lists of different lengths, which is no tensor; ask /v1/models/NAME:predict")
            shape.append(lengths.pop())
            data = [value for each in data for value in each]
        found.append({"name": name, "datatype": _GIVEN.get(leaf.type, _BYTES), "shape": shape, "data": data})
    return found


def _leaves(field: Field) -> Iterator[_Leaf]:
    def below(type: str, path: tuple[str, ...], dimensions: int) -> Iterator[_Leaf]:
        if type.startswith("array<"):
            yield from below(element_type(type), path, dimensions + 1)
        elif type.startswith("struct<"):
            for name, of in struct_fields(type):
                yield from below(of, (*path, name), dimensions)
        else:
            yield _Leaf(".".join(path), type, path, dimensions)

    return below(field.type, (field.name,), 0)


def _picked(value: Any, path: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_picked(each, path) for each in value]
    return _picked(value[path[0]], path[1:]) if path and value is not None else value


def _column(tensor: Tensor, type: str) -> list[Any]:
    """Return the value of each row."""
    name, shape = tensor.name, tensor.shape
    dimensions = type.count("array<")
    scalar = type.removeprefix("array<" * dimensions).removesuffix(">" * dimensions)
    if scalar.startswith("struct<"):
        raise _wrong(name, f"is {type}, which no tensor holds; ask /v1/models/NAME:predict")
    taken = _TAKEN.get(scalar, frozenset({_BYTES}))
    if tensor.datatype not in taken:
        raise _wrong(name, f"is {type} and takes {', '.join(sorted(taken))}; it came as {tensor.datatype}")
    own = shape[1:-1] if len(shape) == dimensions + 2 and shape[-1] == 1 else shape[1:]
    if not shape or min(shape) < 0 or len(own) != dimensions:
        form = ", ".join(["rows", *["length"] * dimensions])
        raise _wrong(name, f"is {type}: its shape has to be [{form}]; it came as {shape}")
    flat = list(_flattened(tensor.data))
    if len(flat) != prod(shape):
        raise _wrong(name, f"has {len(flat)} values, and its shape {shape} says {prod(shape)}")
    return _shaped(flat, shape[0], own)


def _flattened(data: list[Any]) -> Iterator[Any]:
    for each in data:
        if isinstance(each, list):
            yield from _flattened(each)
        else:
            yield each


def _shaped(flat: list[Any], count: int, own: list[int]) -> list[Any]:
    if not own:
        return flat
    below = _shaped(flat, count * own[0], own[1:])
    return [below[start : start + own[0]] for start in range(0, count * own[0], own[0])] if own[0] else [[]] * count


def _wrong(name: str, what: str) -> DataError:
    return DataError(f"tensor '{name}' {what}", field=name)
