"""PIVOT and UNPIVOT: rows that become columns, and columns that become rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from penstock.errors import SqlError, UnknownNameError
from penstock.operations import quoted, sql_literal
from penstock.sql.binding import Binding
from penstock.sql.dialect import Dialect, place
from penstock.sql.scalars import bind_aggregate, bind_scalar
from penstock.sql.scope import Bound, Column, Scalar, Scope


def pivoted(node: exp.Pivot, rows: str, scope: Scope, binding: Binding) -> Bound:
    """Return the query for `rows PIVOT(SUM(x) AS total FOR k IN ('a', 'b' AS second))`: a column for each value of
    k and each aggregate, in groups of the columns that neither of them names."""
    field = _only_field(node)
    used = {column.name.lower() for part in (*node.expressions, field.this) for column in part.find_all(exp.Column)}
    kept = [(column.name, column.value) for column in scope.columns if column.name.lower() not in used]
    made = [*kept, *_pivots(node, field, scope, binding)]
    group = f" GROUP BY {', '.join(map(str, range(1, len(kept) + 1)))}" if kept else ""
    return _bound(made, f" FROM {rows}{group}", node)


def _pivots(node: exp.Pivot, field: exp.In, scope: Scope, binding: Binding) -> Iterator[tuple[str, Scalar]]:
    for item in field.expressions:
        value, name = (item.this, item.alias) if isinstance(item, exp.PivotAlias) else (item, _name(item))
        equals = exp.Is if isinstance(value, exp.Null) else exp.EQ
        equal = bind_scalar(equals(this=field.this.copy(), expression=value.copy()), scope, binding)
        for aggregate in node.expressions:
            column = bind_aggregate(aggregate.unalias(), f" FILTER ({equal.text})", scope, binding)
            yield (f"{aggregate.alias}_{name}" if aggregate.alias else name), column


def _name(value: exp.Expr) -> str:
    """Return the name of the column for a value without AS, as BigQuery makes it."""
    match value:
        case exp.Literal(is_string=True):
            return str(value.name)
        case exp.Literal() if value.is_int:
            return f"_{value.name}"
        case exp.Boolean():
            return str(value.this).upper()
        case exp.Null():
            return "NULL"
    raise SqlError(f"the value {value.sql(Dialect)}{place(value)} of PIVOT needs a name: {value.sql(Dialect)} AS name")


def unpivoted(node: exp.Pivot, rows: str, scope: Scope, binding: Binding) -> Bound:
    """Return the query for `rows UNPIVOT(x FOR k IN (a, b AS 'second'))`: a row for each of the columns, its value
    as x and its name as k; rows without a value are left out, but for INCLUDE NULLS. Several at once stand in
    parentheses: `UNPIVOT((x, y) FOR k IN ((a, b), (c, d)))`."""
    field = _only_field(node)
    [target] = node.expressions
    values, name = [part.name for part in (target.expressions or [target])], field.this.name
    entries = [_entry(item, scope, len(values)) for item in field.expressions]
    gone = {column.name.lower() for columns, _ in entries for column in columns}
    kept = [(column.name, column.value) for column in scope.columns if column.name.lower() not in gone]
    fresh = quoted(binding.fresh("unpivoted"))
    types = [_one_type(position, entries, node) for position in range(len(values))]
    label = entries[0][1].type
    structs = []
    for columns, told in entries:
        pairs = ", ".join(f"v{at} := {column.value.text}" for at, column in enumerate(columns))
        structs.append(f"struct_pack({pairs}, n := {told.text})")
    made = [*kept, *((value, Scalar(f"{fresh}.e.v{at}", types[at])) for at, value in enumerate(values))]
    source = f" FROM {rows}, LATERAL (SELECT unnest([{', '.join(structs)}]) AS e) AS {fresh}"
    if not node.args.get("include_nulls"):
        source += f" WHERE {' OR '.join(f'{fresh}.e.v{at} IS NOT NULL' for at in range(len(values)))}"
    return _bound([*made, (name, Scalar(f"{fresh}.e.n", label))], source, node)


def _entry(item: exp.Expr, scope: Scope, size: int) -> tuple[list[Column], Scalar]:
    """Return the columns that one item of UNPIVOT's list reads, and what stands for their name."""
    given = item.this if isinstance(item, exp.PivotAlias) else item
    names = [part.name for part in (given.expressions if isinstance(given, exp.Tuple) else [given])]
    if len(names) != size:
        raise SqlError(f"UNPIVOT{place(given)} takes {size} columns at a time, not {', '.join(names)}")
    there = {column.name.lower(): column for column in scope.columns}
    for name in names:
        if name.lower() not in there:
            known = [column.name for column in scope.columns]
            raise UnknownNameError("column", name, known, within=f"UNPIVOT{place(given)}")
    if not isinstance(item, exp.PivotAlias):
        return [there[name.lower()] for name in names], Scalar(sql_literal("_".join(names), "string"), "string")
    label = item.args["alias"]
    if isinstance(label, exp.Literal) and label.is_int:
        return [there[name.lower()] for name in names], Scalar(sql_literal(int(label.name), "int64"), "int64")
    return [there[name.lower()] for name in names], Scalar(sql_literal(label.name, "string"), "string")


def _one_type(position: int, entries: Sequence[tuple[list[Column], Scalar]], node: exp.Pivot) -> str:
    columns = [columns[position] for columns, _ in entries]
    labels = {told.type for _, told in entries}
    if len({column.value.type for column in columns}) > 1 or len(labels) > 1:
        shown = ", ".join(f"{column.name} {column.value.type}" for column in columns)
        raise SqlError(f"UNPIVOT{place(node)} makes one column of values of one type, named alike; here are {shown}")
    return columns[0].value.type


def _only_field(node: exp.Pivot) -> exp.In:
    fields = node.args.get("fields") or []
    if len(fields) != 1 or not isinstance(fields[0], exp.In) or fields[0].args.get("query"):
        raise SqlError(f"PIVOT{place(node)} takes one FOR column IN (value, ...), with the values written out")
    field: exp.In = fields[0]
    return field


def _bound(items: Sequence[tuple[str, Scalar]], source: str, node: exp.Pivot) -> Bound:
    names = [name.lower() for name, _ in items]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SqlError(f"PIVOT{place(node)} makes two columns '{twice}'; name them apart with AS")
    chosen = ", ".join(f"{value.text} AS {quoted(name)}" for name, value in items)
    return Bound(f"SELECT {chosen}{source}", tuple((name, value.type) for name, value in items))
