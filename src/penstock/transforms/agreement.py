"""The check that the SQL form and the row form of expressions give the same bits, on real rows and on edge rows."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from penstock.core.expression import Expr, columns_of, walk
from penstock.core.mapping import FrozenMap
from penstock.core.schema import Schema
from penstock.errors import PenstockError, SqlError
from penstock.operations import compile_row
from penstock.tables import arrow_schema, bound, clear_errors
from penstock.transforms.applying import apply, select_sql
from penstock.transforms.edges import edge_rows

RowFunction = Callable[[Mapping[str, Any]], tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Raised:
    """That a form raised an error instead of giving a value."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """One feature, one row, and the two values (or `Raised`) that should have been one."""

    feature: str
    row: FrozenMap[Any]
    sql_value: Any
    row_value: Any


@dataclass(frozen=True, slots=True)
class Disagreements:
    """Where the two forms differ, a few rows for each feature; `rows` is how many were compared."""

    rows: int
    cases: tuple[Disagreement, ...]

    @property
    def features(self) -> tuple[str, ...]:
        """The features whose forms differ somewhere."""
        return tuple(dict.fromkeys(case.feature for case in self.cases))

    def __bool__(self) -> bool:
        return bool(self.cases)


def check_forms(
    exprs: Mapping[str, Expr], schema: Schema, sample: pa.Table, *, most_rows: int = 200, most_cases: int = 3
) -> Disagreements:
    """Compare the SQL form and the row form of frozen expressions: type, bits of floats, NULL, and errors.

    One form may raise alone only where an operand raises that the result does not need: `x AND FALSE` is FALSE for
    DuckDB, which may leave x out, and an error for Python, which computes both.
    Up to `most_rows` rows spread over `sample`, then rows made from the schema that data seldom holds: NULL in each
    column and in all, extremes, unseen and empty strings. Up to `most_cases` rows are kept of each feature.
    """
    used = Schema(tuple(schema[name] for name in columns_of(*exprs.values())))
    real = _spread(sample, used, most_rows)
    rows = real + edge_rows(used, max(real, key=_present, default={}))
    by_row = _by_row(exprs, used, rows)
    by_sql = _by_sql(exprs, used, rows, by_row)
    cases = []
    for feature, expr in exprs.items():
        pairs = zip(rows, by_sql[feature], by_row[feature], strict=True)
        differ = [at for at, (row, *pair) in enumerate(pairs) if not _agree(expr, used, row, *pair)]
        cases += [
            Disagreement(
                feature=feature, row=FrozenMap(rows[at]), sql_value=by_sql[feature][at], row_value=by_row[feature][at]
            )
            for at in differ[:most_cases]
        ]
    return Disagreements(len(rows), tuple(cases))


def same_bits(one: Any, other: Any) -> bool:
    """Tell whether two values are the same in type and bits; every NaN is one value, and so is every error."""
    if type(one) is not type(other):
        return False
    match one:
        case float():
            return struct.pack("<d", one) == struct.pack("<d", other) or (one != one and other != other)
        case list():
            return len(one) == len(other) and all(map(same_bits, one, other))
        case dict():
            return list(one) == list(other) and all(same_bits(one[key], other[key]) for key in one)
        case Raised():
            return True
    return bool(one == other)


def _agree(expr: Expr, schema: Schema, row: Mapping[str, Any], from_sql: Any, from_row: Any) -> bool:
    if same_bits(from_sql, from_row):
        return True
    one_raised = isinstance(from_sql, Raised) or isinstance(from_row, Raised)
    return one_raised and _operand_raises(expr, schema, row)


def _operand_raises(expr: Expr, schema: Schema, row: Mapping[str, Any]) -> bool:
    """Tell whether what an operation of the expression is applied to raises, computed on its own by the row form."""
    operands = {part for part in walk(expr) if part is not expr and part.op not in ("column", "literal")}
    return any(isinstance(_called(compile_row({"operand": part}, schema), row), Raised) for part in operands)


def _present(row: Mapping[str, Any]) -> int:
    return sum(value is not None for value in row.values())


def _spread(sample: pa.Table, used: Schema, most: int) -> list[dict[str, Any]]:
    step = max(1, -(-sample.num_rows // most))
    return sample.select(used.names).take(pa.array(range(0, sample.num_rows, step))).to_pylist() if used.fields else []


def _by_row(exprs: Mapping[str, Expr], schema: Schema, rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Compute every feature of every row by the row form; where one raises, each on its own."""
    together = compile_row(exprs, schema)
    alone: dict[str, RowFunction] = {}
    values: dict[str, list[Any]] = {feature: [] for feature in exprs}
    for row in rows:
        answer = _called(together, row)
        if isinstance(answer, Raised):
            alone = alone or {feature: compile_row({feature: expr}, schema) for feature, expr in exprs.items()}
            singles = [_called(function, row) for function in alone.values()]
            answer = tuple(single if isinstance(single, Raised) else single[0] for single in singles)
        for column, value in zip(values.values(), answer, strict=True):
            column.append(value)
    return values


def _called(function: RowFunction, row: Mapping[str, Any]) -> tuple[Any, ...] | Raised:
    try:
        return function(row)
    except Exception as error:  # whatever it raises is what is compared
        return Raised(f"{type(error).__name__}: {error}")


def _by_sql(
    exprs: Mapping[str, Expr], schema: Schema, rows: Sequence[dict[str, Any]], by_row: Mapping[str, Sequence[Any]]
) -> dict[str, list[Any]]:
    """Compute by SQL: all rows at once where no row form raised, and the others so that an error can be pinned down."""
    table = pa.Table.from_pylist(list(rows), schema=arrow_schema(schema))
    raised = {
        feature: {at for at, value in enumerate(by_row[feature]) if isinstance(value, Raised)} for feature in exprs
    }
    odd = set().union(*raised.values())
    values: dict[str, list[Any]] = {feature: [None] * len(rows) for feature in exprs}
    sound = [at for at in range(len(rows)) if at not in odd]
    try:
        made = apply(exprs, table.take(sound), schema)
        for feature in exprs:
            _place(values[feature], sound, made[feature].to_pylist())
    except PenstockError:
        for feature, expr in exprs.items():
            _place(values[feature], sound, _halving(feature, expr, table, schema, sound))
    for feature, expr in exprs.items() if odd else ():
        apart = sorted(odd - raised[feature])
        _place(values[feature], apart, _halving(feature, expr, table, schema, apart))
        for at in sorted(raised[feature]):
            _place(values[feature], [at], _halving(feature, expr, table, schema, [at]))
    return values


def _halving(feature: str, expr: Expr, table: pa.Table, schema: Schema, at: Sequence[int]) -> list[Any]:
    """Compute one feature of some rows by SQL; where that raises, each half on its own, down to the row that raises."""
    if not at:
        return []
    try:
        with bound({"rows": table.take(list(at))}) as cursor, clear_errors():
            made = cursor.sql(select_sql({feature: expr}, schema, "rows")).to_arrow_table()
        return list(made[feature].to_pylist())
    except PenstockError as error:
        if len(at) == 1 or isinstance(error, SqlError):  # a text that is wrong is wrong for every row
            return [Raised(str(error))] * len(at)
        middle = len(at) // 2
        halves = at[:middle], at[middle:]
        return [value for half in halves for value in _halving(feature, expr, table, schema, half)]


def _place(values: list[Any], at: Sequence[int], found: Sequence[Any]) -> None:
    for position, value in zip(at, found, strict=True):
        values[position] = value
