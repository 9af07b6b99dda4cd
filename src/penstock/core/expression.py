"""An expression over the columns of one row: a tree of named operations, a value like any other."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, Self, TypeVar

from penstock.errors import DeclarationError

E = TypeVar("E", bound="Expr")


class Expr:
    """An operation applied to arguments: `Expr("log1p", (Expr("column", ("km",)),))`.

    Two leaves hold plain values: `column` holds (name,), `literal` holds (value, type); the arguments of every other
    operation are expressions. Expressions are immutable, hashable, and equal when their trees are equal (1, 1.0 and
    True differ). What an operation means stands in the table of `penstock.operations`, not here.
    """

    __slots__ = ("args", "hash", "op")
    op: str
    args: tuple[Any, ...]
    hash: int

    def __init__(self, op: str, args: tuple[Any, ...]) -> None:
        object.__setattr__(self, "op", op)
        object.__setattr__(self, "args", args)
        object.__setattr__(self, "hash", hash((op, self.identity)))

    @property
    def identity(self) -> tuple[Any, ...]:
        """What tells this expression's arguments from others: a literal's type and exact value, else the arguments."""
        return (self.args[1], repr(self.args[0])) if self.op == "literal" else self.args

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("an expression cannot change; make another")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Expr):
            raise DeclarationError(
                f"'==' compares two declared expressions; to compare a column with {other!r} write .eq({other!r})"
            )
        return self.hash == other.hash and self.op == other.op and self.identity == other.identity

    def __hash__(self) -> int:
        return self.hash

    def __bool__(self) -> NoReturn:
        raise DeclarationError(
            f"{self!r} has no truth value before there are rows; use & | ~ instead of and, or, not, "
            "and .if_else(a, b) instead of if"
        )

    def __iter__(self) -> NoReturn:
        raise DeclarationError(f"{self!r} is an expression, not a sequence")

    def __reduce__(self) -> tuple[type[Self], tuple[str, tuple[Any, ...]]]:
        return type(self), (self.op, self.args)

    def __repr__(self) -> str:
        if self.op == "column":
            return str(self.args[0])
        if self.op == "literal":
            return repr(self.args[0])
        return f"{self.op}({', '.join(map(repr, self.args))})"

    def _with(self, op: str, *others: Any) -> Self:
        """Apply `op` to this expression and others; Python values among them become literals."""
        return type(self)(op, (self, *(lift(other, type(self)) for other in others)))

    # Python's operators are other spellings of operations in the table.
    def __add__(self, other: Any) -> Self:
        return self._with("add", other)

    def __radd__(self, other: Any) -> Self:
        return type(self)("add", (lift(other, type(self)), self))

    def __sub__(self, other: Any) -> Self:
        return self._with("subtract", other)

    def __rsub__(self, other: Any) -> Self:
        return type(self)("subtract", (lift(other, type(self)), self))

    def __mul__(self, other: Any) -> Self:
        return self._with("multiply", other)

    def __rmul__(self, other: Any) -> Self:
        return type(self)("multiply", (lift(other, type(self)), self))

    def __truediv__(self, other: Any) -> Self:
        return self._with("divide", other)

    def __rtruediv__(self, other: Any) -> Self:
        return type(self)("divide", (lift(other, type(self)), self))

    def __mod__(self, other: Any) -> Self:
        return self._with("mod", other)

    def __rmod__(self, other: Any) -> Self:
        return type(self)("mod", (lift(other, type(self)), self))

    def __and__(self, other: Any) -> Self:
        return self._with("and", other)

    def __rand__(self, other: Any) -> Self:
        return type(self)("and", (lift(other, type(self)), self))

    def __or__(self, other: Any) -> Self:
        return self._with("or", other)

    def __ror__(self, other: Any) -> Self:
        return type(self)("or", (lift(other, type(self)), self))

    def __lt__(self, other: Any) -> Self:
        return self._with("lt", other)

    def __le__(self, other: Any) -> Self:
        return self._with("le", other)

    def __gt__(self, other: Any) -> Self:
        return self._with("gt", other)

    def __ge__(self, other: Any) -> Self:
        return self._with("ge", other)

    def __neg__(self) -> Self:
        return self._with("negate")

    def __invert__(self) -> Self:
        return self._with("not")


def type_of_value(value: Any) -> str:
    """Return the type of a plain Python value: 5 is `int64`, None is `null`, (1.5, 2) is `array<float64>`."""
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case int():
            if not -(2**63) <= value < 2**63:
                raise DeclarationError(f"{value} does not fit into int64")
            return "int64"
        case float():
            return "float64"
        case str():
            return "string"
        case bytes():
            return "bytes"
        case datetime.datetime():
            return "datetime" if value.tzinfo is None else "timestamp"
        case datetime.date():
            return "date"
        case datetime.time():
            return "time"
        case list() | tuple():
            types = {type_of_value(item) for item in value} - {"null"}
            if types == {"int64", "float64"}:
                return "array<float64>"
            if len(types) > 1:
                raise DeclarationError(f"an array holds one type; {value!r} holds {', '.join(sorted(types))}")
            return f"array<{types.pop()}>" if types else "array<null>"
    raise DeclarationError(f"a value of {type(value).__module__}.{type(value).__name__} cannot stand in an expression")


def literal(value: Any, *, as_type: str | None = None, cls: type[E] | None = None) -> E:
    """Return the expression that is `value` in every row."""
    type_name = as_type or type_of_value(value)
    if type_name == "array<float64>" and value is not None:
        value = tuple(None if item is None else float(item) for item in value)
    elif type_name == "float64" and value is not None:
        value = float(value)
    elif isinstance(value, list):
        value = tuple(value)
    return (cls or Expr)("literal", (value, type_name))  # type: ignore[return-value]  # E is Expr where cls is not given


def lift(value: Any, cls: type[E]) -> E:
    """Return `value` if it is an expression already, else the literal of it."""
    return value if isinstance(value, cls) else literal(value, cls=cls)


def walk(expr: Expr) -> Iterator[Expr]:
    """Yield `expr` and every expression below it, parents first."""
    yield expr
    for argument in expr.args:
        if isinstance(argument, Expr):
            yield from walk(argument)


def columns_of(*exprs: Expr) -> tuple[str, ...]:
    """Return the names of the columns that the expressions read, each once, in order of first use."""
    return tuple(dict.fromkeys(node.args[0] for expr in exprs for node in walk(expr) if node.op == "column"))


def transform(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """Return `expr` with `change` applied to every node, arguments before the operation that takes them."""
    arguments = tuple(transform(item, change) if isinstance(item, Expr) else item for item in expr.args)
    same = all(new is old for new, old in zip(arguments, expr.args, strict=True))
    return change(expr if same else type(expr)(expr.op, arguments))
