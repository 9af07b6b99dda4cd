"""Tables: an operation on values of which there are few is computed for each of them by its row form, and looked up.

So parts of dates, buckets, places in vocabularies and everything made of them alone are exact to the bit, and an
operation that ONNX has no operators for is possible where its arguments are such.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.core.expression import Expr
from penstock.core.schema import Field, Schema, element_type, struct_fields
from penstock.errors import ExpressionError
from penstock.operations.calendar import EPOCH
from penstock.operations.rowform import compile_row
from penstock.operations.tensors.flags import either
from penstock.operations.tensors.recording import TENSOR_TYPES, Recorder
from penstock.operations.tensors.values import FILLERS, Finite, Many, Refused, Root, Scalar, Struct

LARGEST = 1 << 16
"""The most entries of a table: half a megabyte of numbers."""

LAZY = ("if_else", "coalesce")
"""What leaves arguments out that it does not need: one that is refused there does not matter."""


def finite(recorder: Recorder, value: Scalar | Finite) -> Finite | None:
    """Return the value as one of few, if there are few: flags, and integers within narrow bounds."""
    if isinstance(value, Finite) or value.literal:
        return value if isinstance(value, Finite) else None
    if value.type == "bool":
        index = recorder.to("int64", value.data)
        values: list[Any] = [False, True]
    elif value.type == "int64" and value.bounds is not None and value.bounds[1] - value.bounds[0] < LARGEST:
        low, high = value.bounds
        index = recorder.node("Sub", value.data, recorder.integer(low)) if low else value.data
        values = list(range(low, high + 1))
    else:
        return None
    if value.null is not None:
        index = recorder.where(value.null, recorder.integer(len(values)), index, "int64")
        values = [*values, None]
    root = Root(index, len(values), value.type == "bool")
    return Finite(type=value.type, roots=(root,), values=tuple(values), refused=value.refused)


def roots_of(values: Sequence[Finite]) -> tuple[Root, ...]:
    """Return the roots of all values, each once."""
    return tuple(dict.fromkeys(root for value in values for root in value.roots))


def size_of(roots: Sequence[Root]) -> int:
    """Return how many combinations of the roots' numbers there are."""
    return math.prod(root.size for root in roots)


def spread(value: Finite, roots: Sequence[Root]) -> list[Any]:
    """Return the value for each combination of the numbers of more roots than it has itself."""
    own = [roots.index(root) for root in value.roots]
    sizes = [root.size for root in value.roots]
    found = []
    for numbers in itertools.product(*(range(root.size) for root in roots)):
        place = 0
        for position, size in zip(own, sizes, strict=True):
            place = place * size + numbers[position]
        found.append(value.values[place])
    return found


def tabulated(
    recorder: Recorder, expr: Expr, values: Mapping[int, Finite], types: Mapping[int, str], result: str
) -> Finite:
    """Return an operation whose arguments at these places are finite; the others are literals and stand in `expr`."""
    roots = roots_of(tuple(values.values()))
    columns = {f"x{place}": spread(value, roots) for place, value in values.items()}
    arguments = tuple(
        Expr("column", (f"x{place}",)) if place in values else argument for place, argument in enumerate(expr.args)
    )
    schema = Schema(tuple(Field(f"x{place}", types[place]) for place in values))
    compute = compile_row({"value": Expr(expr.op, arguments)}, schema)
    computed = []
    for row in zip(*columns.values(), strict=True):
        computed.append(_computed(compute, dict(zip(columns, row, strict=True)), expr))
    refused = either(recorder, *(value.refused for value in values.values()))
    return Finite(type=result, roots=roots, values=tuple(computed), refused=refused)


def folded(recorder: Recorder, expr: Expr, values: Mapping[int, Scalar], result: str) -> Scalar | Struct:
    """Return an operation on literals alone, at these places."""
    known = all(value.refused is None for value in values.values())
    arguments = tuple(
        Expr("literal", (values[place].literal[0], values[place].type)) if known and place in values else argument
        for place, argument in enumerate(expr.args)
    )
    value = _computed(compile_row({"value": Expr(expr.op, arguments)}, Schema(())), {}, expr)
    refused = recorder.scalar("bool", True) if value is Refused else None
    value = None if value is Refused else value
    if not result.startswith("struct<"):
        return literal(recorder, value, result, refused=refused)
    members = {
        name: literal(recorder, None if value is None else value[name], type, refused=refused)
        for name, type in struct_fields(result)
    }
    return Struct(type=result, members=members)


def _computed(compute: Any, row: dict[str, Any], expr: Expr) -> Any:
    if Refused in row.values():
        if expr.op not in LAZY:
            return Refused
        return _needed(row, expr)
    try:
        return compute(row)[0]
    except ExpressionError:
        return Refused


def _needed(row: dict[str, Any], expr: Expr) -> Any:
    """Return what a lazy operation gives where one of its arguments is refused."""
    arguments = [
        row[f"x{place}"] if f"x{place}" in row else argument.args[0] for place, argument in enumerate(expr.args)
    ]
    if expr.op == "if_else":
        condition, then, otherwise = arguments
        return Refused if condition is Refused else then if condition else otherwise
    return next((value for value in arguments if value is not None), None)


def literal(recorder: Recorder, value: Any, type: str, *, refused: str | None = None) -> Scalar:
    """Return a literal as a value; a type that no tensor holds is one only in tables and as a constant."""
    tensor = TENSOR_TYPES.get(type, "string" if type == "bytes" else "int64")
    held = value is not None and type in TENSOR_TYPES
    data = recorder.scalar(tensor, encoded(value, type) if held else FILLERS[tensor])
    null = recorder.scalar("bool", True) if value is None else None
    bounds = (value, value) if type == "int64" and value is not None else None
    return Scalar(type=type, data=data, null=null, refused=refused, bounds=bounds, literal=(value,))


def looked_up(recorder: Recorder, value: Finite) -> Scalar | None:
    """Return the value as a tensor, looked up in a table; None where no tensor holds its type."""
    tensor = TENSOR_TYPES.get(value.type)
    if tensor is None:
        return None
    index = index_of(recorder, value.roots)
    known = [item for item in value.values if item is not None and item is not Refused]
    data = [FILLERS[tensor] if item is None or item is Refused else encoded(item, value.type) for item in value.values]
    missing, refused = [item is None for item in value.values], [item is Refused for item in value.values]

    def flags(marked: list[bool]) -> str | None:
        return recorder.node("Gather", recorder.tensor("bool", marked), index) if any(marked) else None

    integers = value.type == "int64" and known
    return Scalar(
        type=value.type,
        data=recorder.node("Gather", recorder.tensor(tensor, data), index),
        null=flags(missing),
        refused=either(recorder, value.refused, flags(refused)),
        bounds=(min(min(known), 0), max(max(known), 0)) if integers and len(known) < len(data)
        else (min(known), max(known)) if integers else None,
    )  # fmt: skip


def listed(recorder: Recorder, value: Finite) -> Many | None:
    """Return an array out of few as tensors, looked up in a table with a column for each place."""
    item = element_type(value.type)
    fields = dict(struct_fields(item)) if item.startswith("struct<") else {"": item}
    if not all(type in TENSOR_TYPES for type in fields.values()):
        return None
    index = index_of(recorder, value.roots)
    arrays = [[] if each is None or each is Refused else each for each in value.values]
    width = max([1, *map(len, arrays)])

    def tensor(type: str, rows: list[list[Any]], filler: Any) -> str:
        flat = [each for row in rows for each in (*row, *[filler] * (width - len(row)))]
        return recorder.node("Gather", recorder.tensor(type, flat, (len(rows), width)), index)

    members: dict[str, Scalar] = {}
    for name, type in fields.items():
        items = [[each[name] if name else each for each in row] for row in arrays]
        missing = [[each is None for each in row] for row in items]
        filler = FILLERS[TENSOR_TYPES[type]]
        plain = [[filler if each is None else encoded(each, type) for each in row] for row in items]
        null = tensor("bool", missing, False) if any(map(any, missing)) else None
        members[name] = Scalar(type=type, data=tensor(TENSOR_TYPES[type], plain, filler), null=null)
    present = tensor("bool", [[True] * len(row) for row in arrays], False)
    null, refused = (
        recorder.node("Gather", recorder.tensor("bool", marked), index) if any(marked) else None
        for marked in ([each is None for each in value.values], [each is Refused for each in value.values])
    )
    return Many(
        type=value.type,
        items=members[""] if "" in members else Struct(type=item, members=members),
        present=present,
        null=null,
        refused=either(recorder, value.refused, refused),
    )


def index_of(recorder: Recorder, roots: Sequence[Root]) -> str:
    """Return the number of the combination that the roots' numbers are."""
    index = roots[0].index
    for root in roots[1:]:
        index = recorder.node("Add", recorder.node("Mul", index, recorder.integer(root.size)), root.index)
    return index


def encoded(value: Any, type: str) -> Any:
    """Return a Python value as a tensor holds it; raises `ExpressionError` for a text that ONNX would cut off."""
    match type:
        case "string" if "\0" in value:
            raise ExpressionError(f"{value!r} has a zero character, where a text ends in ONNX; replace it before")
        case "float64":
            return float(value)
        case "date":
            return value.toordinal() - EPOCH.toordinal()
        case "time":
            return ((value.hour * 60 + value.minute) * 60 + value.second) * 1_000_000 + value.microsecond
        case "datetime" | "timestamp":
            since = value.replace(tzinfo=None) - EPOCH.replace(tzinfo=None)
            return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return value
