"""The row form: Python source of expressions, for one row. NULL is None; a value used twice is computed once.

A `_Value` is Python source that holds only where all of its `guards` (names of variables) are not None; where one is,
the value is NULL. So `ln(km) * 2` is one expression with one test of `km`, however deep it is.
"""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from penstock.core.expression import Expr, columns_of, walk
from penstock.core.schema import Schema
from penstock.errors import ExpressionError
from penstock.operations.conversion import conversion
from penstock.operations.literals import python_source
from penstock.operations.signatures import Call, Types, completed, converted

_INDENT = "    "


@dataclass(frozen=True, slots=True)
class RowSource:
    """Python statements that compute expressions of one row, the source of each result, and the globals they need."""

    lines: tuple[str, ...]
    results: dict[str, str]
    names: dict[str, object]


@dataclass(frozen=True, slots=True)
class _Value:
    source: str
    guards: tuple[str, ...] = ()
    plain: bool = False  # a name or a literal: may be written any number of times

    @property
    def closed(self) -> str:
        """Source that holds everywhere: None where the value is NULL."""
        if self.source == "None" or self.guards == (self.source,) or not self.guards:
            return self.source
        missing = " or ".join(f"{guard} is None" for guard in self.guards)
        return f"None if {missing} else {self.source}"


_NULL = _Value("None", (), True)


def row_source(exprs: Mapping[str, Expr], schema: Schema, variables: Mapping[str, str]) -> RowSource:
    """Return Python statements that compute the expressions of one row.

    The statements use the local names `v1`, `v2`, ... and `w`, and the globals in `names`.
    `variables` maps columns to the Python source of their value (`{"km": 'row["km"]'}`), None for NULL. What an
    operation refuses (a value outside its domain, an overflow) raises `ExpressionError`, `ArithmeticError` or
    `ValueError`.
    """
    writer = _Writer(exprs.values(), schema, variables)
    results = {name: writer.value(expr).closed for name, expr in exprs.items()}
    return RowSource(tuple(writer.lines), results, writer.names)


def compile_row(exprs: Mapping[str, Expr], schema: Schema) -> Callable[[Mapping[str, Any]], tuple[Any, ...]]:
    """Return a function from a row (column -> value) to the values of the expressions, in order.

    It raises `ExpressionError` where an operation refuses a value.
    """
    columns = columns_of(*exprs.values())
    source = row_source(exprs, schema, {name: f"row[{name!r}]" for name in columns})
    body = [*source.lines, f"return ({''.join(f'{result}, ' for result in source.results.values())})"]
    text = "\n".join(
        [
            "def compute(row):",
            f"{_INDENT}try:",
            *(f"{_INDENT * 2}{line}" for line in body),
            f"{_INDENT}except (ArithmeticError, ValueError) as error:",
            f"{_INDENT * 2}raise ExpressionError(f'no value for this row: {{error}}') from error",
        ]
    )
    scope: dict[str, Any] = {**source.names, "ExpressionError": ExpressionError}
    exec(compile(text, "<row form>", "exec"), scope)  # noqa: S102  # the text comes from the table of operations only
    return scope["compute"]  # type: ignore[no-any-return]


class _Writer:
    """Writes the statements of one function, each expression once in each branch that needs it."""

    def __init__(self, exprs: Any, schema: Schema, variables: Mapping[str, str]) -> None:
        self.types = Types(schema)
        self.lines: list[str] = []
        self.names: dict[str, object] = {}
        self.depth = 0
        self.made = 0
        exprs = list(exprs)
        self.uses = Counter(node for expr in exprs for node in walk(expr))
        self.known: ChainMap[Expr, _Value] = ChainMap()
        for name in columns_of(*exprs):
            variable = variables[name] if variables[name].isidentifier() else self.assign(variables[name])
            self.known[Expr("column", (name,))] = _Value(variable, (variable,) if schema[name].nullable else (), True)

    def assign(self, source: str) -> str:
        """Write an assignment to a new variable; return its name."""
        self.made += 1
        self._line(f"v{self.made} = {source}")
        return f"v{self.made}"

    def _line(self, text: str) -> None:
        self.lines.append(_INDENT * self.depth + text)

    def _constant(self, value: object) -> str:
        """Keep an object as a global; return its name."""
        name = f"k{sum(key[0] == 'k' and key[1:].isdigit() for key in self.names)}"
        self.names[name] = value
        return name

    def _literal(self, value: Any) -> _Value:
        if value is None:
            return _NULL
        return _Value(
            python_source(value) or self._constant(list(value) if isinstance(value, tuple) else value), (), True
        )

    def value(self, expr: Expr) -> _Value:
        """Return the value of an expression, written before if it is used more than once."""
        if expr.op == "literal":
            return self._literal(expr.args[0])
        if expr not in self.known:
            value = self.apply(expr)
            self.known[expr] = self.kept(value) if self.uses[expr] > 1 else value
        return self.known[expr]

    def kept(self, value: _Value) -> _Value:
        """Return the value as a variable that is None where it is NULL."""
        if value.plain and value.guards in ((), (value.source,)):
            return value
        variable = self.assign(value.closed)
        return _Value(variable, (variable,) if value.guards else (), True)

    def _named(self, value: _Value) -> _Value:
        """Return a value that may be asked whether it is None: a variable, or source that never gives None."""
        if value.plain and not value.source.isidentifier():
            return _Value(self.assign(value.source), (), True)  # Python warns of `5 is None`
        return self.kept(value) if value.guards else value

    def argument(self, expr: Expr, target: str) -> _Value:
        """Return an argument's value, brought to the type that the operation takes."""
        if expr.op == "literal":
            return self._literal(converted(expr.args[0], expr.args[1], target))
        value, type = self.value(expr), self.types.of(expr)
        if type in (target, "null") or value is _NULL:
            return value
        how = conversion(type, target)
        self.names |= how.names
        return _Value(how.row.format(value.source), value.guards)

    def apply(self, expr: Expr) -> _Value:
        """Return the value of an operation applied to its arguments."""
        call = self.types.call(expr)
        operation = call.plain
        arguments = completed(expr)
        match expr.op:
            case "if_else":
                return self._choice(arguments, call)
            case "coalesce":
                return self._first_known(arguments, call)
        for name, value in operation.names.items():
            self.names[name] = value
        values = [
            self._prepared(parameter, target) if parameter.constant else self.argument(argument, target)
            for argument, target, parameter in zip(arguments, call.targets, call.parameters, strict=True)
        ]
        return self._guarded(call, values) if operation.nulls in ("propagate", "makes") else self._handled(call, values)

    def _prepared(self, parameter: Any, value: Any) -> Any:
        """Return the name of the object that is prepared of a constant, or the plain value (not a `_Value`)."""
        made = None if parameter.prepare is None or value is None else parameter.prepare(value)
        return value if made is None else self._constant(made)

    def _guarded(self, call: Call, values: list[Any]) -> _Value:
        """Apply an operation that is NULL where an argument is."""
        given = [value for value in values if isinstance(value, _Value)]
        if None in values or _NULL in given:
            return _NULL
        guards = tuple(dict.fromkeys(guard for value in given for guard in value.guards))
        # What is computed under fewer tests is computed before: it may refuse its value where another is NULL.
        ready = [
            self.kept(value) if isinstance(value, _Value) and not value.plain and value.guards != guards else value
            for value in values
        ]
        guards = tuple(dict.fromkeys(guard for value in ready if isinstance(value, _Value) for guard in value.guards))
        result = _Value(self._source(call, ready), guards)
        if call.plain.nulls == "propagate":
            return result
        variable = self.assign(result.closed)
        return _Value(variable, (variable,), True)

    def _handled(self, call: Call, values: list[Any]) -> _Value:
        """Apply an operation that sees None."""
        given = [value for value in values if isinstance(value, _Value)]
        guards = given[0].guards if given else ()
        if (
            call.operation.name in ("and", "or")
            and all(value.guards == guards for value in given)
            and _NULL not in given
        ):
            symbol = "&" if call.operation.name == "and" else "|"  # both sides are computed, as in SQL
            return _Value(f"({given[0].source} {symbol} {given[1].source})", guards)
        ready = [self._named(value) if isinstance(value, _Value) else value for value in values]
        source = self._source(call, ready)
        if call.plain.nulls == "answers":
            return _Value(source)
        variable = self.assign(source)
        return _Value(variable, (variable,), True)

    def _source(self, call: Call, values: Sequence[Any]) -> str:
        """Return the operation's source over the values; one that it reads twice is made a variable first."""
        sources = [value.source if isinstance(value, _Value) else value for value in values]
        operation: Any = call.operation
        source = operation.row(sources, call.targets)
        for place, value in enumerate(values):
            if isinstance(value, _Value) and not value.plain and source.count(value.source) > 1:
                variable = self.assign(value.closed)
                sources[place] = variable
        return str(operation.row(sources, call.targets))

    def _branch(self, expr: Expr, target: str) -> tuple[list[str], _Value]:
        """Return the statements and the value of an argument that may not be needed."""
        lines, self.lines = self.lines, []
        self.known = self.known.new_child()
        self.depth += 1
        value = self.argument(expr, target)
        self.depth -= 1
        self.known = self.known.parents
        lines, self.lines = self.lines, lines
        return lines, value

    def _choice(self, arguments: Sequence[Expr], call: Call) -> _Value:
        """Write IF: a conditional expression, or statements where a branch needs some."""
        condition = self.argument(arguments[0], "bool")
        condition = self.kept(condition) if condition.guards else condition
        (lines, then), (other_lines, otherwise) = (self._branch(arguments[i], call.targets[i]) for i in (1, 2))
        nullable = _NULL in (then, otherwise) or then.guards or otherwise.guards
        if not lines and not other_lines:
            source = f"({_wrapped(then)} if {condition.source} else {_wrapped(otherwise)})"
            if not nullable:
                return _Value(source)
            variable = self.assign(source)
            return _Value(variable, (variable,), True)
        self.made += 1
        variable = f"v{self.made}"
        self._line(f"if {condition.source}:")
        self.lines += [*lines, _INDENT * (self.depth + 1) + f"{variable} = {then.closed}"]
        self._line("else:")
        self.lines += [*other_lines, _INDENT * (self.depth + 1) + f"{variable} = {otherwise.closed}"]
        return _Value(variable, (variable,) if nullable else (), True)

    def _first_known(self, arguments: Sequence[Expr], call: Call) -> _Value:
        """Write COALESCE: each argument is computed only where those before it are NULL."""
        first = self.argument(arguments[0], call.targets[0])
        if not first.guards and first is not _NULL:
            return first
        if len(arguments) == 1:
            return first
        variable = first.source if first.plain and first is not _NULL else self.assign(first.closed)
        lines, second = self._branch(arguments[1], call.targets[1])
        nullable = second is _NULL or bool(second.guards)
        if not lines and len(arguments) == 2 and not nullable:
            return _Value(f"({_wrapped(second)} if {variable} is None else {variable})")
        self.made += 1
        result = f"v{self.made}"
        self._line(f"{result} = {variable}")
        for place, argument in enumerate(arguments[1:], 1):
            lines, value = self._branch(argument, call.targets[place])
            self._line(f"if {result} is None:")
            self.lines += [*lines, _INDENT * (self.depth + 1) + f"{result} = {value.closed}"]
            if value is not _NULL and not value.guards:
                return _Value(result, (), True)
        return _Value(result, (result,), True)


def _wrapped(value: _Value) -> str:
    return f"({value.closed})" if value.guards and not value.plain else value.closed
