"""Structs as named values side by side: made, taken apart, their fields combined; and points on the globe."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from penstock.operations.crosses import crosses, name_of, products
from penstock.operations.fluent import Expression, col
from penstock.operations.geography import DEGREE, POINT, RADIUS_METRES
from penstock.operations.tensors.flags import either, unless
from penstock.operations.tensors.mathematics import asin
from penstock.operations.tensors.recording import Recorder
from penstock.operations.tensors.values import Handling, Lowers, Many, Scalar, Strict, Struct, Value, Whole
from penstock.operations.trigonometry import turn


def _struct(lowering: Lowers, types: Sequence[Any], names: Sequence[str], *given: Value) -> Struct:
    members = dict(zip(names, given, strict=True))
    listed = ", ".join(f"{name} {type}" for name, type in zip(names, types[1:], strict=True))
    return Struct(type=f"struct<{listed}>", members=members)


def _field(lowering: Lowers, types: Sequence[Any], x: Value, name: str) -> Value | None:
    return x.members[name] if isinstance(x, Struct) else None


def _combined(lowering: Lowers, x: Struct, made: Mapping[str, Expression]) -> Struct:
    """Return a struct of expressions over the fields of another; what is finite stays so."""
    within = lowering.within(x.members)
    members = {name: within.value(expr) for name, expr in made.items()}
    listed = ", ".join(f"{name} {member.type}" for name, member in members.items())
    return Struct(type=f"struct<{listed}>", members=members)


def _feature_cross(lowering: Lowers, types: Sequence[Any], x: Value, degree: int = 2) -> Value | None:
    if not isinstance(x, Struct):
        return None
    made = {}
    for combination in crosses(types[0], degree):
        first, *rest = [_as_text(name, type) for name, type in combination]
        for other in rest:
            first = first.concat("_", other)
        made[name_of(combination)] = first
    return _combined(lowering, x, made)


def _as_text(name: str, type: str) -> Expression:
    return col(name) if type == "string" else col(name).cast("string")


def _polynomial_expand(lowering: Lowers, types: Sequence[Any], x: Value, degree: int = 2) -> Value | None:
    if not isinstance(x, Struct):
        return None
    made = {}
    for combination in products(types[0], degree):
        first, *rest = [col(name).cast("float64") for name, _ in combination]
        for other in rest:
            first = first * other
        made[name_of(combination)] = first
    return _combined(lowering, x, made)


def _periodic(lowering: Lowers, types: Sequence[Any], x: Value, period: float) -> Value | None:
    if not isinstance(x, Scalar):
        return None
    angle = col("x") * turn(period)
    made = lowering.tensor(lowering.within({"x": x}).value(Expression("array", (angle.sin(), angle.cos()))))
    return replace(made, null=x.null) if isinstance(made, Many) else None


_FAR, _TURN = 2.0**40, 360.0


def _point(t: Recorder, types: Sequence[Any], x: Scalar, latitude: Scalar, *, safe: bool = False) -> Struct:
    """Return a point; a longitude counts modulo 360, and outside of the globe there is none: refused, or NULL."""
    given, north = x.data, latitude.data
    turns = t.node("Floor", t.node("Div", t.node("Add", given, t.number(180.0)), t.number(_TURN)))
    turned = t.node("Sub", given, t.node("Mul", t.number(_TURN), turns))
    near = t.node("Less", t.node("Abs", given), t.number(_FAR))
    turned = t.node("Where", t.node("And", t.node("Not", _within(t, given, 180.0)), near), turned, given)
    there = t.node("And", _within(t, turned, 180.0), _within(t, north, 90.0))
    null = either(t, x.null, latitude.null)
    outside = unless(t, t.node("Not", there), null)
    refused = either(t, x.refused, latitude.refused, None if safe else outside)
    null = either(t, null, outside if safe else None)
    members = {
        name: Scalar(type="float64", data=data, null=null, refused=refused)
        for name, data in (("longitude", turned), ("latitude", north))
    }
    return Struct(type=POINT, members=members)


def _within(t: Recorder, x: str, most: float) -> str:
    return t.node("LessOrEqual", t.node("Abs", x), t.number(most))


def _coordinate(name: str) -> Whole:
    return lambda lowering, types, x: _field(lowering, types, x, name)


def _distance(lowering: Lowers, types: Sequence[Any], x: Value, other: Value) -> Value | None:
    """Return the metres between two points, by the same formula as in the other forms."""
    if not isinstance(x, Struct) or not isinstance(other, Struct):
        return None
    columns = {
        f"{place}{name}": value
        for place, point in (("from ", x), ("to ", other))
        for name, value in point.members.items()
    }
    south, north = col("from latitude") * DEGREE, col("to latitude") * DEGREE
    up = ((north - south) / 2.0).sin()
    along = ((col("to longitude") - col("from longitude")) * DEGREE / 2.0).sin()
    part = (up * up + south.cos() * north.cos() * along * along).least(1.0)
    t, made = lowering.recorder, lowering.tensor(lowering.within(columns).value(part))
    if not isinstance(made, Scalar):
        return None
    angle = asin(t, types, replace(made, data=t.node("Sqrt", made.data))).data
    return replace(made, data=t.node("Mul", t.number(2.0 * RADIUS_METRES), angle), literal=())


def _within_metres(lowering: Lowers, types: Sequence[Any], x: Value, other: Value, metres: Value) -> Value | None:
    distance = _distance(lowering, types, x, other)
    if distance is None:
        return None
    return lowering.within({"distance": distance, "metres": metres}).value(col("distance") <= col("metres"))


WHOLE: dict[str, Whole] = {
    "struct": _struct,
    "field": _field,
    "feature_cross": _feature_cross,
    "polynomial_expand": _polynomial_expand,
    "periodic": _periodic,
    "st_x": _coordinate("longitude"),
    "st_y": _coordinate("latitude"),
    "st_distance": _distance,
    "st_dwithin": _within_metres,
}
HANDLING: dict[str, Handling] = {"st_geogpoint": _point, "safe_st_geogpoint": functools.partial(_point, safe=True)}
STRICT: dict[str, Strict] = {}
