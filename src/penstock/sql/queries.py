"""A query as DuckDB text: every clause is written out here, and what nobody has thought of is refused by name."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

from sqlglot import exp

from penstock.core.schema import struct_fields
from penstock.errors import SqlError, UnknownNameError
from penstock.operations import quoted
from penstock.sql.binding import Binding
from penstock.sql.dialect import Dialect, place
from penstock.sql.relations import bind_from, refuse_names, refuse_others
from penstock.sql.scalars import bind_condition, bind_scalar, order_key
from penstock.sql.scope import Bound, Column, Relation, Scalar, Scope, field_of, has_relation, relation
from penstock.sql.statements import dotted

_MODIFIERS = {"order", "limit", "offset"}
_SELECT = {
    "with_",
    "kind",
    "distinct",
    "expressions",
    "from_",
    "joins",
    "where",
    "group",
    "having",
    "qualify",
    "windows",
}
_SET_OPERATIONS = {exp.Union: "UNION", exp.Except: "EXCEPT", exp.Intersect: "INTERSECT"}


def bind_query(node: exp.Expr, scope: Scope, binding: Binding) -> Bound:
    """Return a query as DuckDB text, with the names and types of its columns."""
    match node:
        case exp.Query() if node.args.get("with_"):
            return _with(node, scope, binding)
        case exp.Subquery() if any(node.args.get(name) for name in _MODIFIERS):
            refuse_others(node, {"this", *_MODIFIERS})
            return _ordered(bind_query(node.this, scope, binding), node, scope, binding)
        case exp.Subquery():
            refuse_others(node, {"this"})
            return bind_query(node.this, scope, binding)
        case exp.Select():
            return _select(node, scope, binding)
        case exp.SetOperation():
            refuse_others(node, {"this", "expression", "distinct", *_MODIFIERS})
            return _ordered(_set_operation(node, scope, binding), node, scope, binding)
    raise SqlError(f"{node.sql(Dialect)}{place(node)} is no query")


def _with(node: exp.Query, scope: Scope, binding: Binding) -> Bound:
    """Bind common tables one after another; each sees those before it."""
    clause = node.args["with_"]
    texts = []
    for table in clause.expressions:
        refuse_names(table)
        fresh = quoted(binding.fresh(table.alias))
        inside = Scope(outer=scope.outer, common=scope.common)
        if clause.recursive and any(dotted(part) == table.alias for part in table.this.find_all(exp.Table)):
            bound = _recursive(table, fresh, inside, binding)
        else:
            bound = bind_query(table.this, inside, binding)
        texts.append(f"{fresh} AS ({bound.text})")
        scope = dataclasses.replace(scope, common={**scope.common, table.alias.lower(): (fresh, bound)})
    rest = node.copy()
    rest.set("with_", None)
    bound = bind_query(rest, scope, binding)
    return dataclasses.replace(bound, text=f"WITH RECURSIVE {', '.join(texts)} {bound.text}")


def _recursive(table: exp.CTE, fresh: str, scope: Scope, binding: Binding) -> Bound:
    """Bind `first UNION ALL again`, where again reads the table: what it gave last, until that is nothing."""
    union = table.this
    if not isinstance(union, exp.Union) or union.args.get("distinct") or any(union.args.get(n) for n in _MODIFIERS):
        raise SqlError(f"the table {table.alias}{place(table)} reads itself; it is made of: a query UNION ALL another")
    first = bind_query(union.this, scope, binding)
    known = dataclasses.replace(scope, common={**scope.common, table.alias.lower(): (fresh, first)})
    again = bind_query(union.expression, known, binding)
    given, types = [type for _, type in again.columns], [type for _, type in first.columns]
    if given != types:
        raise SqlError(
            f"the two sides of UNION ALL in {table.alias}{place(table)} give {', '.join(types)} and {', '.join(given)}"
            "; CAST the columns of one side to the types of the other"
        )
    return Bound(f"({first.text}) UNION ALL ({again.text})", first.columns)


def _select(node: exp.Select, scope: Scope, binding: Binding) -> Bound:
    """Bind SELECT; `AS STRUCT` makes a struct of its columns where a value stands, `AS VALUE` a row of a struct."""
    bound = _columns_of(node, scope, binding)
    match node.args.get("kind"):
        case "STRUCT":
            return dataclasses.replace(bound, row=True)
        case "VALUE":
            if len(bound.columns) != 1:
                raise SqlError(f"SELECT AS VALUE{place(node)} takes one column; here are {len(bound.columns)}")
            [(name, type)] = bound.columns
            if type.startswith("struct<"):
                fresh = quoted(binding.fresh("rows"))
                whole = Scalar(f"{fresh}.{quoted(name)}", type)
                fields = [(field, field_of(whole, field)) for field, _ in struct_fields(type)]
                chosen = ", ".join(f"{value.text} AS {quoted(field)}" for field, value in fields)
                columns = tuple((field, value.type) for field, value in fields)
                return Bound(f"SELECT {chosen} FROM ({bound.text}) AS {fresh}", columns, row=True)
    return bound


def _columns_of(node: exp.Select, scope: Scope, binding: Binding) -> Bound:
    refuse_others(node, _SELECT | _MODIFIERS)
    windows = {window.name.lower(): window for window in node.args.get("windows") or ()}
    source, scope = bind_from(node, dataclasses.replace(scope, windows=windows), binding)
    where = _condition(node, "where", scope, binding)
    scope = dataclasses.replace(scope, rows=None if node.args.get("group") else f"{source}{where}")
    items = list(_projections(node, scope, binding))
    columns = _unique(items)
    named = {item.alias.lower() for item in node.expressions if isinstance(item, exp.Alias)}
    aliases = {name: Scalar(f"({value.text})", value.type) for name, value in items if name.lower() in named}
    scope = dataclasses.replace(scope, aliases=aliases)
    chosen = dataclasses.replace(scope, rows=None)
    clauses = [
        source,
        where,
        _group(node.args.get("group"), items, chosen, binding),
        _condition(node, "having", chosen, binding),
        _condition(node, "qualify", chosen, binding),
    ]
    select = ", ".join(f"{value.text} AS {quoted(name)}" for name, value in items)
    if _distinct(node):
        return _ordered(Bound(f"SELECT DISTINCT {select}{''.join(clauses)}", columns), node, scope, binding)
    order = _order(node.args.get("order"), items, scope, binding)
    return Bound(f"SELECT {select}{''.join(clauses)}{order}{_limits(node)}", columns)


def _distinct(node: exp.Select) -> bool:
    distinct = node.args.get("distinct")
    if distinct is not None and distinct.args.get("on"):
        raise SqlError(f"DISTINCT ON{place(distinct)} is not in penstock's SQL")
    return distinct is not None


def _projections(node: exp.Select, scope: Scope, binding: Binding) -> Iterator[tuple[str, Scalar]]:
    """Yield the name and the value of each column that the select list gives, with the stars written out."""
    unnamed = 0
    for item in node.expressions:
        match item:
            case exp.Star():
                if not scope.columns:
                    raise SqlError(f"*{place(item)} has no columns to stand for; add a FROM clause")
                yield from _star(item, scope.columns, scope, binding)
            case exp.Column(this=exp.Star()) | exp.Dot(expression=exp.Star()):
                yield from _star(item.find(exp.Star) or exp.Star(), _starred(item, scope, binding), scope, binding)
            case _:
                value = bind_scalar(item.unalias(), scope, binding)
                name = item.alias_or_name if isinstance(item, exp.Alias | exp.Column | exp.Dot) else ""
                if not name:
                    name, unnamed = f"f{unnamed}_", unnamed + 1
                yield name, value


def _starred(item: exp.Column | exp.Dot, scope: Scope, binding: Binding) -> Sequence[Column]:
    """Return what the star of `t.*` stands for: the columns of a relation, or the fields of a struct."""
    before = item.this if isinstance(item, exp.Dot) else None
    if before is None:
        *_, owner = names = item.parts[:-1]
        is_column = any(column.name.lower() == owner.name.lower() for column in scope.columns)
        if len(names) == 1 and (has_relation(owner.name, scope) or not is_column):
            return relation(owner.name, scope).columns
        before = exp.Column(this=owner.copy(), table=names[-2].copy() if len(names) > 1 else None)
    whole = bind_scalar(before, scope, binding)
    if not whole.type.startswith("struct<"):
        raise SqlError(f"{item.sql(Dialect)}{place(item)} is of {whole.type}; .* stands for the fields of a struct")
    return [Column(field, field_of(whole, field)) for field, _ in struct_fields(whole.type)]


def _star(star: exp.Star, columns: Sequence[Column], scope: Scope, binding: Binding) -> Iterator[tuple[str, Scalar]]:
    excluded, replaced = star_changes(star, [column.name for column in columns])
    for column in columns:
        key = column.name.lower()
        if key in replaced:
            yield column.name, bind_scalar(replaced[key], scope, binding)
        elif key not in excluded:
            yield column.name, column.value


def star_changes(star: exp.Star, columns: Sequence[str]) -> tuple[set[str], Mapping[str, exp.Expr]]:
    """Return what `* EXCEPT (a) REPLACE (x AS b)` leaves out and what it puts in place of which column."""
    refuse_others(star, {"except_", "replace"})
    excluded = {item.name.lower(): item.name for item in star.args.get("except_") or ()}
    replaced = {item.alias.lower(): item for item in star.args.get("replace") or ()}
    known = {column.lower() for column in columns}
    for name in (*excluded, *replaced):
        if name not in known:
            written = excluded.get(name) or replaced[name].alias
            raise UnknownNameError("column", written, columns, within=f"what * stands for{place(star)}")
    return set(excluded), {name: item.this for name, item in replaced.items()}


def _unique(items: Sequence[tuple[str, Scalar]]) -> tuple[tuple[str, str], ...]:
    seen: set[str] = set()
    for name, _ in items:
        if name.lower() in seen:
            raise SqlError(f"column '{name}' is in the select list twice; name one of them apart with AS, or EXCEPT it")
        seen.add(name.lower())
    return tuple((name, value.type) for name, value in items)


def _condition(node: exp.Select, clause: str, scope: Scope, binding: Binding) -> str:
    part = node.args.get(clause)
    if part is None:
        return ""
    return f" {clause.upper()} {bind_condition(part.this, scope, binding, clause=clause.upper())}"


def _group(group: exp.Group | None, items: Sequence[tuple[str, Scalar]], scope: Scope, binding: Binding) -> str:
    if group is None:
        return ""
    if group.args.get("all"):
        return " GROUP BY ALL"
    refuse_others(group, {"expressions"})
    keys = (_group_key(item, items, scope, binding) for item in group.expressions)
    return f" GROUP BY {', '.join(keys)}"


def _group_key(item: exp.Expr, items: Sequence[tuple[str, Scalar]], scope: Scope, binding: Binding) -> str:
    match item:
        case exp.Rollup() | exp.Cube() | exp.GroupingSets() | exp.Tuple():
            word = {exp.Rollup: "ROLLUP ", exp.Cube: "CUBE ", exp.GroupingSets: "GROUPING SETS "}.get(type(item), "")
            return f"{word}({', '.join(_group_key(part, items, scope, binding) for part in item.expressions)})"
        case exp.Paren():
            return f"({_group_key(item.this, items, scope, binding)})"
    position = _position(item, items, scope)
    return (bind_scalar(item, scope, binding) if position is None else items[position][1]).text


def _order(order: exp.Order | None, items: Sequence[tuple[str, Scalar]], scope: Scope, binding: Binding) -> str:
    if order is None:
        return ""
    keys = []
    for item in order.expressions:
        position = _position(item.this, items, scope)
        value = bind_scalar(item.this, scope, binding) if position is None else items[position][1]
        keys.append(order_key(item, value))
    return f" ORDER BY {', '.join(keys)}"


def _position(node: exp.Expr, items: Sequence[tuple[str, Scalar]], scope: Scope) -> int | None:
    """Return which item of the select list a key of GROUP BY or ORDER BY is: by its number, or by its alias."""
    if isinstance(node, exp.Literal) and node.is_int:
        if not 1 <= int(node.name) <= len(items):
            raise SqlError(
                f"position {node.name}{place(node)} is outside the select list, which has {len(items)} columns"
            )
        return int(node.name) - 1
    if isinstance(node, exp.Column) and not node.table and node.name.lower() in map(str.lower, scope.aliases):
        return [name.lower() for name, _ in items].index(node.name.lower())
    return None


def _limits(node: exp.Query) -> str:
    text = ""
    for clause in ("limit", "offset"):
        if part := node.args.get(clause):
            number = part.expression
            if not (isinstance(number, exp.Literal) and number.is_int):
                raise SqlError(f"{clause.upper()}{place(part)} takes a whole number")
            text += f" {clause.upper()} {number.name}"
    return text


def _set_operation(node: exp.SetOperation, scope: Scope, binding: Binding) -> Bound:
    sides = [bind_query(node.this, scope, binding), bind_query(node.expression, scope, binding)]
    word = _SET_OPERATIONS[type(node)]
    left, right = (side.columns for side in sides)
    if len(left) != len(right):
        raise SqlError(f"{word} joins queries of as many columns; here they give {len(left)} and {len(right)}")
    columns = tuple(
        (name, _common_type(name, one, other, word)) for (name, one), (_, other) in zip(left, right, strict=True)
    )
    quantifier = "" if node.args.get("distinct") else " ALL"
    return Bound(f"({sides[0].text}) {word}{quantifier} ({sides[1].text})", columns)


def _common_type(name: str, one: str, other: str, word: str) -> str:
    """DuckDB brings int64 and float64, and NULL and anything, to one type as BigQuery does; it must do no more."""
    if one == other or other == "null":
        return one
    if one == "null":
        return other
    if {one, other} == {"int64", "float64"}:
        return "float64"
    raise SqlError(f"{word}: column '{name}' is {one} on one side and {other} on the other; CAST one of them")


def _ordered(bound: Bound, node: exp.Query, scope: Scope, binding: Binding) -> Bound:
    """Order and limit the rows of a set operation or a query in parentheses, by the columns that it gives."""
    if not any(node.args.get(name) for name in _MODIFIERS):
        return bound
    fresh = quoted(binding.fresh("rows"))
    items = [(name, Scalar(f"{fresh}.{quoted(name)}", type)) for name, type in bound.columns]
    columns = tuple(Column(name, value) for name, value in items)
    inside = Scope(relations=(Relation(alias="", columns=columns),), columns=columns, common=scope.common)
    order = _order(node.args.get("order"), items, inside, binding)
    return Bound(f"SELECT * FROM ({bound.text}) AS {fresh}{order}{_limits(node)}", bound.columns)  # our own text
