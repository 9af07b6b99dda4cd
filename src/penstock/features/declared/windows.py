"""What the windowed features of a set are made of: the values of rows that are aggregated, the windows, and the rest.

A windowed feature is an expression over aggregates. Each aggregate is a `Window` over an *input*: a value worked out
for every row, NULL where the row does not count. At an instant, windows become columns, and what is around them is an
expression over those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from penstock.core.expression import Expr, columns_of, transform, walk
from penstock.core.schema import SCALAR_TYPES, Field, Schema
from penstock.errors import DeclarationError, ExpressionError
from penstock.operations import col, is_learned, lit, type_of

Instant = TypeVar("Instant", int, Any)  # an int, or an array of them

DAY = 86_400_000_000
_NUMBERS = ("int64", "float64")
_ARITHMETIC = ("sum", "mean", "stddev")
_ORDERED = ("min", "max", "count_distinct")


@dataclass(frozen=True, slots=True)
class Window:
    """One aggregate over one window: of which input, over how many microseconds, beginning at whole `hop`s."""

    column: str
    input: str
    input_type: str
    function: str
    n: int
    length: int
    hop: int

    def bounds(self, at: Instant) -> tuple[Instant, Instant]:
        """Return where the window of an instant begins, and before what it ends.

        It begins at a whole hop and ends before the instant. With a hop as long as the window it tumbles: the last
        window that has ended, so that each event is in one window only.
        """
        if self.hop == self.length:
            end = at // self.length * self.length
            return end - self.length, end
        return (at - self.length) // self.hop * self.hop, at

    @property
    def type(self) -> str:
        """The type of its value."""
        match self.function:
            case "count" | "count_distinct":
                return "int64"
            case "mean" | "stddev":
                return "float64"
            case "last_n":
                return f"array<{self.input_type}>"
        return self.input_type


@dataclass(frozen=True)
class Windows:
    """The windows of a set. `inputs` are expressions over the columns of a row; `features` over those of `windows`."""

    inputs: dict[str, Expr] = field(default_factory=dict)
    input_schema: Schema = field(default_factory=lambda: Schema(()))
    windows: tuple[Window, ...] = ()
    features: dict[str, Expr] = field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        """The names and types of the windows' columns, over which the features are expressions."""
        return Schema(tuple(Field(window.column, window.type) for window in self.windows))

    def of(self, features: Iterable[str]) -> tuple[Window, ...]:
        """Return the windows that certain features need."""
        read = columns_of(*(self.features[name] for name in features))
        return tuple(window for window in self.windows if window.column in read)

    @property
    def longest(self) -> int:
        """How far back, at most, an event can lie and still count."""
        return max((window.length + window.hop for window in self.windows), default=0)


def plan_windows(features: Mapping[str, Expr], columns: Schema, where: str) -> Windows:
    """Return what windowed features need; raises `DeclarationError` for one that cannot be."""
    nodes = list(dict.fromkeys(node for expr in features.values() for node in _windows_in(expr)))
    for name, expr in features.items():
        _check(expr, f"{where}: feature '{name}'")
    names: dict[tuple[Expr, Expr], str] = {}
    for node in nodes:
        names.setdefault((node.args[0], node.args[1]), f":{len(names)}")
    only_counted = {pair: all(n.args[2].args[0] == "count" for n in nodes if n.args[:2] == pair) for pair in names}
    inputs = {name: _input(*pair, only_counted[pair]) for pair, name in names.items()}
    types = {}
    for (of, condition), name in names.items():
        try:
            types[name] = type_of(inputs[name], columns)
        except ExpressionError as error:
            raise DeclarationError(f"{where}: the window over {of!r} where {condition!r}: {error}") from error
    made = {node: _window(node, f":w{number}", names, types, where) for number, node in enumerate(nodes)}
    replaced = {name: transform(expr, lambda node: _replaced(node, made)) for name, expr in features.items()}
    schema = Schema(tuple(Field(name, types[name]) for name in inputs))
    return Windows(inputs, schema, tuple(made.values()), replaced)


def _replaced(node: Expr, made: Mapping[Expr, Window]) -> Expr:
    return col(made[node].column) if node.op == "window" else node


def _windows_in(expr: Expr) -> Iterator[Expr]:
    return (node for node in walk(expr) if node.op == "window")


def _input(of: Expr, condition: Expr, only_counted: bool) -> Expr:
    """Return the value that a row adds: NULL where the condition is not TRUE. Where values are only counted, that
    there is one says all."""
    counts = condition.op != "literal" or condition.args[0] is not True
    if only_counted:
        present = type(of)("is_not_null", (of,))
        both = type(of)("and", (condition, present)) if counts else present
        return type(of)("if_else", (both, lit(True), lit(None)))
    return type(of)("if_else", (condition, of, lit(None))) if counts else of


def _check(expr: Expr, where: str) -> None:
    outside = transform(expr, lambda node: lit(None) if node.op == "window" else node)
    if columns_of(outside):
        raise DeclarationError(
            f"{where} mixes the row's own {', '.join(map(repr, columns_of(outside)))} with aggregates over windows: "
            "make each a feature, and a third one of them: ps.feature('set:name')"
        )
    for node in _windows_in(expr):
        inner = [part for argument in node.args[:2] for part in walk(argument)]
        found = next((part for part in inner if part.op in ("window", "aggregate", "feature", "request")), None)
        if found is not None:
            raise DeclarationError(f"{where}: {found!r} cannot stand within an aggregate, which is over values of rows")
        if is_learned(node.args[0]) or is_learned(node.args[1]):
            raise DeclarationError(f"{where}: an aggregate over something learned belongs into a model's features")


def _window(
    node: Expr, column: str, names: Mapping[tuple[Expr, Expr], str], types: Mapping[str, str], where: str
) -> Window:
    of, condition, function, n, length, hop = node.args
    input = names[of, condition]
    type, name = types[input], function.args[0]
    if name in _ARITHMETIC and type not in _NUMBERS:
        raise DeclarationError(f"{where}: {name} takes numbers, {of!r} is {type}")
    if (name in _ORDERED and type not in SCALAR_TYPES) or (name == "last_n" and type.startswith("array<")):
        raise DeclarationError(f"{where}: {name} does not take {of!r}, which is {type}")
    return Window(column, input, type, name, n.args[0] or 0, length.args[0], hop.args[0])
