"""Which types an operation takes and gives: how the arguments of one call are brought to its parameters."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.expression import Expr, type_of_value
from penstock.core.operation import LearnedOperation, Operation, Parameter
from penstock.core.schema import SCALAR_TYPES, Schema, element_type
from penstock.errors import ExpressionError, UnknownNameError
from penstock.operations import readings
from penstock.operations.encoders import ENCODERS, Encoder
from penstock.operations.table import LEARNED, OPERATIONS, Named, named
from penstock.operations.windows import BEYOND_ROWS

_GROUPS = {
    "number": ("int64", "float64"),
    "temporal": ("date", "datetime", "timestamp"),
    "scalar": tuple(SCALAR_TYPES),
}
_READERS = {
    "date": readings.read_date,
    "time": readings.read_time,
    "datetime": readings.read_datetime,
    "timestamp": readings.read_timestamp,
}
_WIDER = {("int64", "float64"), ("date", "datetime")}
"""(type, wider type): what is brought to the other where the two meet."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call, resolved: the types that its arguments are brought to (plain values for constants), what it gives."""

    operation: Named
    parameters: tuple[Parameter, ...]  # one for each argument
    targets: tuple[Any, ...]
    result: str

    @property
    def plain(self) -> Operation:
        """The operation; raises `ExpressionError` where it has no value before something is learned."""
        name = self.operation.name
        if isinstance(self.operation, LearnedOperation):
            raise ExpressionError(f"{name} is learned from training rows; freeze the expression first")
        if isinstance(self.operation, Encoder):
            raise ExpressionError(
                f"{name} is learned within a network: it stands at the top of a feature of a model of type "
                "dnn_regressor, dnn_classifier or the like, and nowhere else"
            )
        return self.operation


def parameters_of(operation: Named, count: int) -> tuple[Parameter, ...]:
    """Return the parameter of each of `count` arguments; raises `ExpressionError` if there are too few or too many."""
    parameters = operation.parameters
    needed = sum(parameter.default is ... for parameter in parameters)
    repeated = parameters and parameters[-1].repeated
    if count < needed or (count > len(parameters) and not repeated):
        takes = ", ".join(f"{p.name}{'...' if p.repeated else ''}" for p in parameters)
        raise ExpressionError(f"{operation.name} takes ({takes}), but it was given {count} arguments")
    return (*parameters[:count], *(parameters[-1:] * (count - len(parameters))))


def completed(expr: Expr) -> tuple[Any, ...]:
    """Return the arguments of an operation, those left out by their default (where that is a value)."""
    operation = operation_of(expr)
    parameters_of(operation, len(expr.args))
    rest = [parameter.default for parameter in operation.parameters[len(expr.args) :]]
    return (
        *expr.args,
        *(Expr("literal", (value, type_of_value(value))) for value in rest if value is not None and value is not ...),
    )


def operation_of(expr: Expr) -> Named:
    """Return the operation that the expression applies."""
    operation = named(expr.op)
    if expr.op in BEYOND_ROWS:
        raise ExpressionError(f"{expr!r} has no value within one row: {BEYOND_ROWS[expr.op]}")
    if operation is None:
        raise UnknownNameError("operation", expr.op, [*OPERATIONS, *LEARNED, *ENCODERS])
    return operation


def resolve(operation: Named, types: Sequence[str], values: Sequence[Any] = ()) -> Call:
    """Bring arguments of these types to the operation's parameters.

    `values` holds the literals among them (an `Expr`), None elsewhere: a literal string may stand for a date, and a
    constant parameter needs one.
    """
    parameters = parameters_of(operation, len(types))
    values = values or [None] * len(types)
    common = _common(operation, parameters, types, values)
    targets: list[Any] = []
    for parameter, type, value in zip(parameters, types, values, strict=True):
        if parameter.constant:
            targets.append(_constant(operation, parameter, type, value, common))
        else:
            target = common if parameter.alike else None
            targets.append(_accepted(operation, parameter, type, value, target))
            if value is not None:
                _converted(value.args[0], type, targets[-1], f"{operation.name}: {parameter.name}")
    result = operation.result if isinstance(operation.result, str) else operation.result(targets)
    return Call(operation, parameters, tuple(targets), result)


def _common(
    operation: Named,
    parameters: Sequence[Parameter],
    types: Sequence[str],
    values: Sequence[Any],
) -> str:
    """Return the one type that the arguments of all parameters marked `alike` are brought to."""
    common, text = "null", False  # `text`: what is common so far is a literal string, which may stand for a date
    for parameter, type, value in zip(parameters, types, values, strict=True):
        if not parameter.alike:
            continue
        met = element_type(type) if parameter.constant else type
        is_text = met == "string" and value is not None
        if common in ("null", met) or (common, met) in _WIDER or (text and met in _READERS):
            text = is_text and (text or common == "null")
            common = met if met != "null" else common
        elif met != "null" and (met, common) not in _WIDER and not (is_text and common in _READERS):
            raise ExpressionError(
                f"{operation.name} needs arguments of one type, but it was given {common} and {met}; cast one"
            )
    return "int64" if common == "null" else common


def _accepted(operation: Named, parameter: Parameter, type: str, value: Any, common: str | None) -> str:
    """Return the type that an argument is brought to; raises `ExpressionError` if the parameter takes none such."""
    wanted = common or type
    takes = [member for group in parameter.types for member in _GROUPS.get(group, (group,))]
    kind = wanted.partition("<")[0]
    if "any" in takes or wanted in takes or (kind in takes and kind != wanted):
        return wanted
    if wanted == "null":
        return takes[0] if takes[0] in SCALAR_TYPES or "<" in takes[0] else "array<int64>"
    if wanted == "int64" and "float64" in takes:
        return "float64"
    readable = next((target for target in takes if target in _READERS), None)
    if wanted == "string" and value is not None and readable is not None:
        return readable
    raise ExpressionError(
        f"{operation.name} takes {' or '.join(parameter.types)} for {parameter.name}, but it was given {wanted}"
        + _hint(wanted, takes)
    )


def _hint(given: str, takes: Sequence[str]) -> str:
    return f"; cast it: .cast('{takes[0]}')" if given in SCALAR_TYPES and takes[0] in SCALAR_TYPES else ""


def _constant(operation: Named, parameter: Parameter, type: str, value: Any, common: str) -> Any:
    """Return a constant's plain value, of the parameter's type."""
    where = f"{operation.name}: {parameter.name}"
    if not isinstance(value, Expr) or value.op != "literal":
        raise ExpressionError(f"{where} must be a constant, not an expression")
    plain = value.args[0]
    if parameter.alike:
        return tuple(_converted(item, element_type(type), common, where) for item in plain or ())
    if plain is None:
        return None
    if parameter.types[0].startswith("array<") and type.startswith("array<"):
        member = element_type(parameter.types[0])
        plain = tuple(_converted(item, element_type(type), member, where) for item in plain)
    else:
        plain = _converted(plain, type, _accepted(operation, parameter, type, None, None), where)
    if parameter.choices and plain not in parameter.choices:
        near = difflib.get_close_matches(str(plain), parameter.choices, n=1)
        hint = f". Did you mean '{near[0]}'?" if near else ""
        raise ExpressionError(f"{where} is one of {', '.join(parameter.choices)}, not {plain!r}{hint}")
    if parameter.prepare is not None:
        try:
            parameter.prepare(plain)
        except (ValueError, KeyError, OSError) as error:
            raise ExpressionError(f"{where} cannot be {plain!r}: {error}") from error
    return plain


def converted(value: Any, type: str, target: str) -> Any:
    """Return a literal's plain value in the type that it is brought to."""
    return _converted(value, type, target, "a literal")


def _converted(value: Any, type: str, target: str, where: str) -> Any:
    if value is None or type == target:
        return value
    if target == "float64" and type == "int64":
        return float(value)
    if type == "string" and target in _READERS:
        read = _READERS[target](value)
        if read is None:
            raise ExpressionError(f"{where}: {value!r} is no {target}")
        return read
    if (type, target) == ("date", "datetime"):
        return readings.read_datetime(value.isoformat())
    if type.startswith("array<") and target.startswith("array<"):
        return tuple(_converted(item, element_type(type), element_type(target), where) for item in value)
    raise ExpressionError(f"{where}: {value!r} is {type}, not {target}")


class Types:
    """The types of expressions over one schema, each worked out once."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self._calls: dict[Expr, Call] = {}

    def call(self, expr: Expr) -> Call:
        """Return how the call at the top of an expression resolves."""
        if expr not in self._calls:
            arguments = completed(expr)
            types = [self.of(argument) for argument in arguments]
            literals = [argument if argument.op == "literal" else None for argument in arguments]
            self._calls[expr] = resolve(operation_of(expr), types, literals)
        return self._calls[expr]

    def of(self, expr: Expr) -> str:
        """Return the type of an expression's value."""
        if expr.op == "column":
            return self.schema[expr.args[0]].type
        if expr.op == "literal":
            return str(expr.args[1])
        return self.call(expr).result


def type_of(expr: Expr, schema: Schema) -> str:
    """Return the type of an expression over these columns.

    Raises `ExpressionError` where no operation takes those argument types, `UnknownNameError` for a missing column.
    """
    return Types(schema).of(expr)
