"""Comparison, three-valued logic, and choosing between values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.operations.tensors.arithmetic import bounds_of
from penstock.operations.tensors.flags import both, chosen, either, unless
from penstock.operations.tensors.recording import TENSOR_TYPES, Constant, Recorder
from penstock.operations.tensors.steps import places
from penstock.operations.tensors.tables import encoded
from penstock.operations.tensors.values import Finite, Handling, Many, Result, Scalar, Strict, Struct, Value


def _equal(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar) -> Result | None:
    return None if x.type == "bytes" else Result(data=t.node("Equal", x.data, y.data))


def _unequal(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar) -> Result | None:
    return None if x.type == "bytes" else Result(data=t.node("Not", t.node("Equal", x.data, y.data)))


def _ordered(operator: str) -> Strict:
    """Compare numbers; ONNX has no order of strings."""

    def lower(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar) -> Result | None:
        if x.type in ("string", "bytes"):
            return None
        given = [t.to("int64", value.data) if value.type == "bool" else value.data for value in (x, y)]
        return Result(data=t.node(operator, *given))

    return lower


def known_places(t: Recorder, x: str, type: str, values: Sequence[Any]) -> str | None:
    """Return the place of x among values, from 1; 0 where it is none of them, as NaN always is."""
    tensor = TENSOR_TYPES.get(type)
    if tensor is None:
        return None
    numbered = {
        encoded(value, type): place for place, value in enumerate(values, 1) if value is not None and value == value
    }
    if tensor == "bool":
        x, tensor = t.to("int64", x), "int64"
        numbered = {int(value): place for value, place in numbered.items()}
    if not numbered:
        return t.node("Mul", t.to("int64", t.node("Equal", x, x)), t.integer(0))
    keys, numbers = tuple(numbered), tuple(numbered.values())
    if tensor == "float64":
        count = (len(keys),)
        return t.learned(
            "LabelEncoder",
            x,
            keys_tensor=Constant("float64", keys, count),
            values_tensor=Constant("int64", numbers, count),
            default_tensor=Constant("int64", (0,), (1,)),
        )
    given: dict[str, Any] = {f"keys_{'strings' if tensor == 'string' else 'int64s'}": keys}
    return t.learned("LabelEncoder", x, values_int64s=numbers, default_int64=0, **given)


def _in(t: Recorder, types: Sequence[Any], x: Scalar, values: Sequence[Any]) -> Result | None:
    found = known_places(t, x.data, types[0], values)
    return None if found is None else Result(data=t.node("Greater", found, t.integer(0)))


def _range_bucket(t: Recorder, types: Sequence[Any], x: Scalar, boundaries: Sequence[Any]) -> Result | None:
    if x.type not in ("int64", "float64", "date", "datetime", "timestamp", "time"):
        return None
    if x.type != "float64" and any(abs(encoded(value, x.type)) >= 2**53 for value in boundaries):
        return None
    number = x.data if x.type == "float64" else t.to("float64", x.data)
    if x.type != "float64" and not (x.bounds and max(map(abs, x.bounds)) < 2**53):
        # Above 2^53 an integer as a float may reach a boundary that it is below: none is there, all are smaller.
        number = t.node("Max", t.node("Min", number, t.number(2.0**53)), t.number(-(2.0**53)))
    data = places(t, number, [float(encoded(value, x.type)) for value in boundaries])
    null = t.node("IsNaN", x.data) if x.type == "float64" else None
    return Result(data=data, null=null, bounds=(0, len(boundaries)))


def _is_null(t: Recorder, types: Sequence[Any], x: Value) -> Scalar:
    return _flag(x, _null_of(x) or t.scalar("bool", False))


def _is_not_null(t: Recorder, types: Sequence[Any], x: Value) -> Scalar:
    null = _null_of(x)
    return _flag(x, t.scalar("bool", True) if null is None else t.node("Not", null))


def _null_of(x: Value) -> str | None:
    return x.null if isinstance(x, Scalar | Many) else None


def _flag(x: Value, data: str) -> Scalar:
    refused = None if isinstance(x, Struct | Finite) else x.refused
    return Scalar(type="bool", data=data, refused=refused)


def _true(t: Recorder, x: Scalar) -> str:
    return unless(t, x.data, x.null) or x.data


def _false(t: Recorder, x: Scalar) -> str:
    return unless(t, t.node("Not", x.data), x.null) or x.data


def _and(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar) -> Scalar:
    data, refused = t.node("And", _true(t, x), _true(t, y)), either(t, x.refused, y.refused)
    if x.null is None and y.null is None:
        return Scalar(type="bool", data=data, refused=refused)
    known = t.node("Or", data, t.node("Or", _false(t, x), _false(t, y)))
    return Scalar(type="bool", data=data, null=t.node("Not", known), refused=refused)


def _or(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar) -> Scalar:
    data, refused = t.node("Or", _true(t, x), _true(t, y)), either(t, x.refused, y.refused)
    return Scalar(type="bool", data=data, null=unless(t, either(t, x.null, y.null), data), refused=refused)


def _not(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    return Result(data=t.node("Not", x.data))


def _is_true(t: Recorder, types: Sequence[Any], x: Scalar) -> Scalar:
    return Scalar(type="bool", data=_true(t, x), refused=x.refused)


def _is_false(t: Recorder, types: Sequence[Any], x: Scalar) -> Scalar:
    return Scalar(type="bool", data=_false(t, x), refused=x.refused)


def _if_else(t: Recorder, types: Sequence[Any], condition: Scalar, then: Value, otherwise: Value) -> Value | None:
    if not isinstance(then, Scalar) or not isinstance(otherwise, Scalar) or types[1] not in TENSOR_TYPES:
        return None
    taken = _true(t, condition)
    return Scalar(
        type=types[1],
        data=t.where(taken, then.data, otherwise.data, TENSOR_TYPES[types[1]]),
        null=chosen(t, taken, then.null, otherwise.null),
        refused=either(t, condition.refused, chosen(t, taken, then.refused, otherwise.refused)),
        bounds=_joined(then, otherwise),
    )


def _joined(one: Scalar, other: Scalar) -> tuple[int, int] | None:
    if one.type != "int64" or other.type != "int64":
        return None
    # The tensor of a NULL holds 0.
    (low, high), (least, most) = ((0, 0) if value.is_null else bounds_of(value) for value in (one, other))
    return min(low, least), max(high, most)


def _coalesce(t: Recorder, types: Sequence[Any], *given: Value) -> Value | None:
    if types[0] not in TENSOR_TYPES or not all(isinstance(value, Scalar) for value in given):
        return None
    found, *rest = [value for value in given if isinstance(value, Scalar)]
    for value in rest:
        if found.null is None:
            break
        found = Scalar(
            type=types[0],
            data=t.where(found.null, value.data, found.data, TENSOR_TYPES[types[0]]),
            null=both(t, found.null, value.null),
            refused=either(t, found.refused, both(t, found.null, value.refused)),
            bounds=_joined(found, value),
        )
    return found


def _nullif(t: Recorder, types: Sequence[Any], x: Scalar, y: Scalar) -> Scalar | None:
    if x.type == "bytes":
        return None
    equal = unless(t, t.node("Equal", x.data, y.data), either(t, x.null, y.null))
    refused = either(t, x.refused, y.refused)
    return Scalar(type=x.type, data=x.data, null=either(t, x.null, equal), refused=refused, bounds=x.bounds)


def _nullifzero(t: Recorder, types: Sequence[Any], x: Scalar) -> Result:
    zero = t.integer(0) if x.type == "int64" else t.number(0.0)
    return Result(data=x.data, null=t.node("Equal", x.data, zero), bounds=x.bounds)


def _zeroifnull(t: Recorder, types: Sequence[Any], x: Scalar) -> Value | None:
    zero = t.integer(0) if x.type == "int64" else t.number(0.0)
    bounds = (0, 0) if x.type == "int64" else None
    return _coalesce(t, types, x, Scalar(type=x.type, data=zero, bounds=bounds))


def _extreme(operator: str) -> Strict:
    """Return the greatest or the least: of equal ones the first, which tells 0.0 from -0.0; NaN if any is."""

    def lower(t: Recorder, types: Sequence[Any], *given: Scalar) -> Result | None:
        if any(value.type in ("string", "bytes", "bool") for value in given):
            return None
        data = given[0].data
        for value in given[1:]:
            further = t.node(operator, value.data, data)
            if value.type == "float64":
                further = t.node("Or", further, t.node("IsNaN", value.data))
            data = t.node("Where", further, value.data, data)
        if given[0].type != "int64":
            return Result(data=data)
        pick = max if operator == "Greater" else min
        lows, highs = zip(*map(bounds_of, given), strict=True)
        return Result(data=data, bounds=(pick(lows), pick(highs)))

    return lower


STRICT: dict[str, Strict] = {
    "eq": _equal,
    "ne": _unequal,
    "lt": _ordered("Less"),
    "le": _ordered("LessOrEqual"),
    "gt": _ordered("Greater"),
    "ge": _ordered("GreaterOrEqual"),
    "in": _in,
    "range_bucket": _range_bucket,
    "not": _not,
    "nullifzero": _nullifzero,
    "greatest": _extreme("Greater"),
    "least": _extreme("Less"),
}
HANDLING: dict[str, Handling] = {
    "is_null": _is_null,
    "is_not_null": _is_not_null,
    "and": _and,
    "or": _or,
    "is_true": _is_true,
    "is_false": _is_false,
    "if_else": _if_else,
    "coalesce": _coalesce,
    "nullif": _nullif,
    "zeroifnull": _zeroifnull,
}
