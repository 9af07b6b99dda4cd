"""From an expression to tensors: what is finite becomes a table, the rest what its operation says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from penstock.core.expression import Expr
from penstock.core.schema import Field, Schema
from penstock.errors import ExpressionError
from penstock.operations.signatures import Call, Types, completed, converted
from penstock.operations.tensors.flags import either, unless
from penstock.operations.tensors.forms import HANDLING, STRICT, WHOLE
from penstock.operations.tensors.recording import Recorder
from penstock.operations.tensors.tables import (
    LARGEST,
    LAZY,
    finite,
    folded,
    listed,
    literal,
    looked_up,
    roots_of,
    size_of,
    tabulated,
)
from penstock.operations.tensors.values import Finite, Result, Scalar, Value
from penstock.operations.text import text

_SMALL = 1 << 12
"""The most entries of a table that is made though the operation has a form of its own."""

_FILLED_IN = "compute it before the model, as a column of the rows, or leave the feature out"


class Lowering:
    """Lowers expressions over columns that are tensors already, and over other expressions that are; each once."""

    def __init__(
        self,
        schema: Schema,
        columns: Mapping[str, Value],
        recorder: Recorder,
        known: Mapping[Expr, Value] = MappingProxyType({}),
    ) -> None:
        self.recorder = recorder
        self._types = Types(schema)
        self._known: dict[Expr, Value] = {Expr("column", (name,)): value for name, value in columns.items()}
        self._known |= known

    def value(self, expr: Expr) -> Value:
        """Return the value of an expression; raises `ExpressionError` naming the operation that has no form."""
        if expr not in self._known:
            self._known[expr] = literal(self.recorder, *expr.args) if expr.op == "literal" else self._applied(expr)
        return self._known[expr]

    def tensor(self, value: Value) -> Value:
        """Return a value with its tensor: one that is finite is looked up."""
        if not isinstance(value, Finite):
            return value
        made = (listed if value.type.startswith("array<") else looked_up)(self.recorder, value)
        if made is None:
            raise ExpressionError(f"a value of type {value.type} cannot be a tensor; {_FILLED_IN}")
        return made

    def within(self, values: Mapping[str, Value]) -> Lowering:
        """Return what lowers expressions over these values as columns."""
        schema = Schema(tuple(Field(name, value.type) for name, value in values.items()))
        return Lowering(schema, values, self.recorder)

    def _applied(self, expr: Expr) -> Value:
        call = self._types.call(expr)
        call.plain  # noqa: B018 - raises for what has no form
        arguments = completed(expr)
        values = {
            place: self.value(argument)
            for place, (argument, parameter) in enumerate(zip(arguments, call.parameters, strict=True))
            if not parameter.constant
        }
        known = {place: value for place, value in values.items() if isinstance(value, Scalar) and value.literal}
        if len(known) == len(values):
            return folded(self.recorder, Expr(expr.op, tuple(arguments)), known, call.result)
        table = self._table(Expr(expr.op, tuple(arguments)), call, values)
        made = table() if table is not None and table.preferred else self._lowered(expr, arguments, call, values)
        if made is None and table is not None:
            made = table()
        if made is None:
            raise ExpressionError(f"{expr.op} has no form in ONNX: {text(expr)}; {_FILLED_IN}")
        return made

    def _table(self, expr: Expr, call: Call, values: Mapping[int, Value]) -> _Table | None:
        """Return how the operation would be a table, if it can be one."""
        found: dict[int, Finite] = {}
        for place, value in values.items():
            if isinstance(value, Scalar) and value.literal and value.refused is None:
                continue
            few = finite(self.recorder, value) if isinstance(value, Scalar | Finite) else None
            if few is None or (expr.op in LAZY and few.refused is not None):
                return None
            found[place] = few
        return _Table(self, expr, call.result, found) if size_of(roots_of(tuple(found.values()))) <= LARGEST else None

    def _lowered(self, expr: Expr, arguments: Sequence[Any], call: Call, values: Mapping[int, Value]) -> Value | None:
        name = expr.op
        if name in WHOLE:
            whole = [
                target if parameter.constant else self._whole(argument, values[place], target)
                for place, (argument, parameter, target) in enumerate(
                    zip(arguments, call.parameters, call.targets, strict=True)
                )
            ]
            if None in whole:
                return literal(self.recorder, None, call.result)
            found: Value | None = WHOLE[name](self, call.targets, *whole)
            return found
        handling, strict = HANDLING.get(name), STRICT.get(name)
        safe = strict is None and handling is None and name.startswith("safe_")
        if safe:
            strict = STRICT.get(name.removeprefix("safe_"))
        if handling is None and strict is None:
            return None
        given = [
            target if parameter.constant else self._argument(argument, values[place], target)
            for place, (argument, parameter, target) in enumerate(
                zip(arguments, call.parameters, call.targets, strict=True)
            )
        ]
        if handling is not None:
            handled: Value | None = handling(self.recorder, call.targets, *given)
            return handled
        if None in given or any(isinstance(value, Scalar) and value.is_null for value in given):
            return literal(self.recorder, None, call.result)
        assert strict is not None  # noqa: S101 - one of the two is there
        return self._strict(call.result, given, strict(self.recorder, call.targets, *given), safe=safe)

    def _strict(self, type: str, given: Sequence[Any], result: Result | None, *, safe: bool) -> Value | None:
        """Return a result that is NULL, or refused, also where an argument is."""
        if result is None:
            return None
        recorder = self.recorder
        null = either(recorder, *(getattr(value, "null", None) for value in given))
        refused = either(recorder, *(getattr(value, "refused", None) for value in given))
        own, unable = unless(recorder, result.refused, null), unless(recorder, result.unable, null)
        null = either(recorder, null, result.null, own if safe else None)
        refused = either(recorder, refused, unable, None if safe else own)
        return Scalar(type=type, data=result.data, null=null, refused=refused, bounds=result.bounds)

    def _whole(self, expr: Expr, value: Value, target: str) -> Value:
        """Return an argument as it is, where it is of the type that the operation takes."""
        return value if value.type == target else self._argument(expr, value, target)

    def _argument(self, expr: Expr, value: Value, target: str) -> Value:
        """Return an argument as a tensor, brought to the type that the operation takes."""
        if expr.op == "literal":
            return literal(self.recorder, converted(expr.args[0], expr.args[1], target), target)
        made = self.tensor(value)
        if not isinstance(made, Scalar) or made.type == target:
            return made
        return brought(self.recorder, made, target)


class _Table:
    """An operation that can be a table: made when it is called."""

    def __init__(self, lowering: Lowering, expr: Expr, result: str, values: Mapping[int, Finite]) -> None:
        self._lowering, self._expr, self._result, self._values = lowering, expr, result, values
        roots = roots_of(tuple(values.values()))
        self.preferred = size_of(roots) <= _SMALL and not any(root.flag for root in roots)

    def __call__(self) -> Finite:
        types = {place: value.type for place, value in self._values.items()}
        return tabulated(self._lowering.recorder, self._expr, self._values, types, self._result)


def brought(recorder: Recorder, value: Scalar, target: str) -> Scalar:
    """Return a value in the wider type: an integer as a float, a date as its midnight."""
    match value.type, target:
        case "int64", "float64":
            data = recorder.to("float64", value.data)
        case "date", "datetime":
            data = recorder.node("Mul", value.data, recorder.integer(86_400_000_000))
        case _:
            data = value.data  # NULL, of which the type does not matter
    return Scalar(type=target, data=data, null=value.null, refused=value.refused)
