"""How a call becomes an expression: plain values become literals, arguments equal to a default are left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from penstock.core.expression import Expr, lift, literal
from penstock.errors import UnknownNameError
from penstock.operations.encoders import ENCODERS
from penstock.operations.signatures import parameters_of
from penstock.operations.table import LEARNED, OPERATIONS, Named, named

E = TypeVar("E", bound=Expr)


def call(cls: type[E], name: str, *arguments: Any) -> E:
    """Return the expression that applies an operation; both fronts make equal ones of equal calls.

    Raises `UnknownNameError` for an operation that is not in the table, `ExpressionError` for a wrong number of
    arguments.
    """
    operation = named(name)
    if operation is None:
        raise UnknownNameError("operation", name, [*OPERATIONS, *LEARNED, *ENCODERS])
    lifted = [lift(argument, cls) for argument in arguments]
    parameters_of(operation, len(lifted))
    return cls(name, tuple(_without_defaults(operation, lifted)))


def _without_defaults(operation: Named, arguments: Sequence[Expr]) -> Sequence[Expr]:
    """Drop arguments from the end that are the parameter's default."""
    if len(arguments) > len(operation.parameters):
        return arguments
    count = len(arguments)
    while count and not (last := operation.parameters[count - 1]).repeated and last.default is not ...:
        if arguments[count - 1] != literal(last.default):
            break
        count -= 1
    return arguments[:count]


def method_name(operation: str) -> str:
    """Return the name of the fluent method that applies an operation: `in` is a word of Python's own."""
    return "is_in" if operation == "in" else operation
