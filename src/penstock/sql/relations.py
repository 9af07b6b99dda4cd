"""The FROM clause: declared tables, common tables, subqueries, UNNEST and ML.* functions, joined."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from penstock.core.schema import element_type, struct_fields
from penstock.errors import SqlError, UnknownNameError
from penstock.operations import call_sql, quoted
from penstock.sql.binding import Binding
from penstock.sql.dialect import Dialect, MachineLearningTable, place
from penstock.sql.information_schema import information_schema, is_information_schema
from penstock.sql.invoking import bind_inference
from penstock.sql.pivoting import pivoted, unpivoted
from penstock.sql.scalars import bind_condition, bind_scalar
from penstock.sql.scope import Column, Relation, Scalar, Scope, field_of
from penstock.sql.statements import dotted
from penstock.sql.time_travel import instant_of

_TABLE_PARTS = {"this", "db", "catalog", "alias", "joins", "version", "sample", "pivots"}
_PLAIN = re.compile(r"[A-Za-z_]\w*")
_JOIN_PARTS = {"this", "on", "using", "side", "kind"}
_CLAUSES = {"method": "NATURAL JOIN", "into": "INTO"}


@dataclass(frozen=True, slots=True)
class _Item:
    """One item of the FROM clause: its DuckDB text, and what may be named of it."""

    text: str
    relation: Relation


def refuse_others(node: exp.Expr, accepted: set[str]) -> None:
    """Refuse every clause that a syntax node has beside the accepted ones: nothing passes that nobody thought of."""
    for name, value in node.args.items():
        if value and name not in accepted:
            clause = _CLAUSES.get(name, name.strip("_").upper().replace("_", " "))
            raise SqlError(f"{clause}{place(value if isinstance(value, exp.Expr) else node)} is not in penstock's SQL")


def refuse_names(node: exp.Expr) -> None:
    """Refuse the names of columns after an alias, which BigQuery does not have."""
    alias = node.args.get("alias")
    if alias is not None and alias.args.get("columns") and not isinstance(node, exp.Unnest):
        names = ", ".join(column.name for column in alias.columns)
        raise SqlError(f"{node.alias} ({names}){place(alias)}: name columns in the query, with AS; an alias names rows")


def bind_from(node: exp.Select, scope: Scope, binding: Binding) -> tuple[str, Scope]:
    """Return the text of the FROM clause with its joins, and the scope in which the rest of the query is read."""
    source = node.args.get("from_")
    if source is None:
        return "", scope
    text, scope = _add_tree("", scope, source.this, None, binding)
    for join in node.args.get("joins") or ():
        text, scope = _add_tree(text, scope, join.this, join, binding)
    return f" FROM {text}", scope


def _add_tree(text: str, scope: Scope, table: exp.Expr, join: exp.Join | None, binding: Binding) -> tuple[str, Scope]:
    """Add one item, and the joins that the parser has hung below it."""
    item = _bind_item(table, scope, binding)
    if join is None:
        text, scope = item.text, _with(scope, item.relation, (*scope.columns, *item.relation.columns))
    else:
        text, scope = _join(text, scope, item, join, binding)
    for inner in table.args.get("joins") or ():
        text, scope = _add_tree(text, scope, inner.this, inner, binding)
    return text, scope


def _with(scope: Scope, relation: Relation, columns: tuple[Column, ...]) -> Scope:
    if any(relation.alias and relation.alias.lower() == other.alias.lower() for other in scope.relations):
        raise SqlError(f"'{relation.alias}' stands twice in one FROM clause; give one of them another alias with AS")
    return dataclasses.replace(scope, relations=(*scope.relations, relation), columns=columns)


def _join(text: str, left: Scope, item: _Item, join: exp.Join, binding: Binding) -> tuple[str, Scope]:
    refuse_others(join, _JOIN_PARTS)
    side, kind = join.side.upper(), join.kind.upper()
    if kind not in ("", "INNER", "OUTER", "CROSS"):
        raise SqlError(f"{kind} JOIN{place(join)} is not in penstock's SQL")
    both = _with(left, item.relation, (*left.columns, *item.relation.columns))
    both = _without_rows(both, side, isinstance(join.this, exp.Unnest))
    if using := join.args.get("using"):
        merged, condition = _merge(left.columns, item.relation.columns, [name.name for name in using], side)
        return f"{text} {side or 'INNER'} JOIN {item.text} ON {condition}", dataclasses.replace(both, columns=merged)
    if on := join.args.get("on"):
        condition = bind_condition(on, both, binding, clause="ON")
        return f"{text} {side or 'INNER'} JOIN {item.text} ON {condition}", both
    if side:  # only UNNEST may leave the condition out: it is joined to the row that it reads
        if not isinstance(join.this, exp.Unnest):
            raise SqlError(f"{side} JOIN {item.relation.alias}{place(join)} needs a condition: ON ... or USING (...)")
        return f"{text} {side} JOIN {item.text} ON TRUE", both
    return f"{text} CROSS JOIN {item.text}", both


def _without_rows(scope: Scope, side: str, unnest: bool) -> Scope:
    """Take the rows of those relations out of sight that an outer join may leave out; an element that is left out is
    NULL, as it should be."""
    *left, right = scope.relations
    if side in ("RIGHT", "FULL"):
        left = [dataclasses.replace(relation, whole=None) for relation in left]
    if side in ("LEFT", "FULL") and not unnest:
        right = dataclasses.replace(right, whole=None)
    return dataclasses.replace(scope, relations=(*left, right))


def _merge(
    left: Sequence[Column], right: Sequence[Column], names: Sequence[str], side: str
) -> tuple[tuple[Column, ...], str]:
    """Return the columns after a join USING names, each of those once and first, and the condition of the join."""
    merged, conditions = [], []
    for name in names:
        pair = []
        for columns, where in ((left, "left"), (right, "right")):
            found = [column for column in columns if column.name.lower() == name.lower()]
            if len(found) != 1:
                raise UnknownNameError("column", name, [c.name for c in columns], within=f"the {where} side of USING")
            pair.append(found[0])
        one, other = pair
        if one.value.type != other.value.type:
            raise SqlError(
                f"USING ({name}) compares {one.value.type} with {other.value.type}; join ON a CAST of one of them"
            )
        equal = call_sql("eq", [one.value.text, other.value.text], [one.value.type, other.value.type])
        conditions.append(f"({equal})")
        text = {"RIGHT": other.value.text, "FULL": f"coalesce({one.value.text}, {other.value.text})"}.get(side)
        merged.append(Column(one.name, Scalar(text or one.value.text, one.value.type)))
    lowered = {name.lower() for name in names}
    rest = [column for column in (*left, *right) if column.name.lower() not in lowered]
    return (*merged, *rest), " AND ".join(conditions)


def _bind_item(node: exp.Expr, scope: Scope, binding: Binding) -> _Item:
    """Bind one item, and what of it a TABLESAMPLE leaves or a PIVOT makes."""
    item = _source(node, scope, binding)
    if sample := node.args.get("sample"):
        item = _sampled(item, sample)
    for pivot in node.args.get("pivots") or ():
        inside = Scope(relations=(item.relation,), columns=item.relation.columns, outer=scope.outer)
        made = (unpivoted if pivot.unpivot else pivoted)(pivot, item.text, inside, binding)
        item = _item(f"({made.text})", made.columns, pivot.alias or item.relation.alias, binding)
    return item


def _sampled(item: _Item, sample: exp.TableSample) -> _Item:
    """Keep each row with the probability that TABLESAMPLE names."""
    percent = sample.args.get("percent")
    refuse_others(sample, {"method", "percent"})
    if not isinstance(percent, exp.Literal) or percent.is_string or not 0 <= float(percent.name) <= 100:
        raise SqlError(f"TABLESAMPLE{place(sample)} is TABLESAMPLE SYSTEM (10 PERCENT), with 0 to 100")
    fresh = item.text.rpartition(" AS ")[2]
    return _Item(
        f"(SELECT * FROM {item.text} WHERE random() < {float(percent.name) / 100!r}) AS {fresh}", item.relation
    )


def _source(node: exp.Expr, scope: Scope, binding: Binding) -> _Item:
    refuse_names(node)
    match node:
        case exp.Table(this=MachineLearningTable()):
            refuse_others(node, _TABLE_PARTS)
            table, columns = bind_inference(node.this, scope, binding)
            return _item(table, columns, node.alias, binding)
        case exp.Table(this=exp.Identifier()) | exp.Table(this=exp.Dot()):
            refuse_others(node, _TABLE_PARTS)
            return _named(node, scope, binding)
        case exp.Table():
            raise SqlError(
                f"the table function {node.this.sql(Dialect)}{place(node)} is not in penstock's SQL; "
                "a query reads tables that the project declares"
            )
        case exp.Subquery():
            query = node.copy()
            for part in ("alias", "joins", "sample", "pivots"):
                query.set(part, None)
            inner = binding.query(query, Scope(outer=scope.outer, common=scope.common), binding)
            return _item(f"({inner.text})", inner.columns, node.alias, binding)
        case exp.Unnest():
            return _unnest(node, scope, binding)
    raise SqlError(f"{node.sql(Dialect)}{place(node)} cannot stand in a FROM clause")


def _named(node: exp.Table, scope: Scope, binding: Binding) -> _Item:
    name = dotted(node)
    as_of = instant_of(node, binding)
    if (found := scope.common.get(name.lower())) and as_of is None:
        fresh, query = found
        return _item(fresh, query.columns, node.alias or name, binding)
    if asked := is_information_schema(name):
        text, columns = information_schema(*asked, binding)
        return _item(text, columns, node.alias or asked[1], binding)
    if name not in (known := binding.catalog.tables_there()) and name not in binding.temporary:
        raise UnknownNameError("table", name, [*scope.common, *known], within=f"the query{place(node)}")
    table = binding.table(name, as_of)
    return _item(table.text, table.columns, node.alias or name.rpartition(".")[2], binding)


def _item(text: str, columns: Sequence[tuple[str, str]], alias: str, binding: Binding) -> _Item:
    """Give a table a name that nothing else in the DuckDB text has, so that no reference can be ambiguous there."""
    fresh = quoted(binding.fresh(alias or "rows"))
    named = tuple(Column(name, Scalar(f"{fresh}.{quoted(name)}", type)) for name, type in columns)
    return _Item(f"{text} AS {fresh}", Relation(alias=alias, columns=named, whole=_row(named)))


def _row(columns: Sequence[Column]) -> Scalar | None:
    """Return a struct of columns; None where a name of them is none that a struct's type can spell."""
    if not columns or not all(_PLAIN.fullmatch(column.name) for column in columns):
        return None
    pairs = ", ".join(f"{quoted(column.name)} := {column.value.text}" for column in columns)
    members = ", ".join(f"{column.name} {column.value.type}" for column in columns)
    return Scalar(f"struct_pack({pairs})", f"struct<{members}>")


def _unnest(node: exp.Unnest, scope: Scope, binding: Binding) -> _Item:
    """`UNNEST(array) AS alias WITH OFFSET AS position`: positions count from 0; a struct's fields become columns."""
    array = bind_scalar(node.expressions[0], scope, binding)
    if len(node.expressions) != 1 or not array.type.startswith("array<"):
        raise SqlError(f"UNNEST{place(node)} takes one array, not {array.type}")
    alias = node.args.get("alias")
    name = alias.columns[0].name if alias and alias.columns else node.alias
    fresh, element = quoted(binding.fresh(name or "element")), element_type(array.type)
    whole = Scalar(f'{fresh}."element"', element)
    if element.startswith("struct<"):
        columns = [Column(field, field_of(whole, field)) for field, _ in struct_fields(element)]
    else:
        columns = [Column(name or "element", whole)]
    if offset := node.args.get("offset"):
        position = Scalar(f'{fresh}."position"', "int64")
        columns.append(Column(offset.name if isinstance(offset, exp.Identifier) else "offset", position))
    text = f'SELECT unnest({array.text}) AS "element", unnest(range(len({array.text}))) AS "position"'
    return _Item(f"LATERAL ({text}) AS {fresh}", Relation(alias=name or "", columns=tuple(columns), whole=whole))
