"""What names mean at one place of a query: the columns, relations, select aliases and common tables in sight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from sqlglot import exp

from penstock.core.schema import struct_fields
from penstock.errors import SqlError, UnknownNameError
from penstock.operations import sql_literal
from penstock.sql.dialect import place


@dataclass(frozen=True, slots=True)
class Scalar:
    """A DuckDB expression and its type in our vocabulary."""

    text: str
    type: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a query may name, and what stands for it in the DuckDB text."""

    name: str
    value: Scalar


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """One item of a FROM clause. `whole` is the value of its alias alone: the element of an UNNEST, else a struct of
    the columns; None where an outer join may leave the row out, which no struct tells."""

    alias: str
    columns: tuple[Column, ...]
    whole: Scalar | None = None


@dataclass(frozen=True, slots=True)
class Bound:
    """A query as DuckDB text, and the names and types of the columns that it gives. With `row` (SELECT AS STRUCT) it
    stands, where a value does, for a struct of them."""

    text: str
    columns: tuple[tuple[str, str], ...]
    row: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The names in sight. `columns` are what `*` stands for: those of all relations, a USING column once.

    `aliases` are the select list's, which GROUP BY, HAVING, QUALIFY and ORDER BY see first. `common` maps the names of
    common tables to their name in the DuckDB text and their query, `windows` those of the WINDOW clause to what they
    are. `outer` is the query around a subquery. `rows` is what the select list reads, as FROM and WHERE; None where
    that is not known yet, or is groups.
    """

    relations: tuple[Relation, ...] = ()
    columns: tuple[Column, ...] = ()
    aliases: Mapping[str, Scalar] = field(default_factory=dict)
    common: Mapping[str, tuple[str, Bound]] = field(default_factory=dict)
    windows: Mapping[str, exp.Window] = field(default_factory=dict)
    outer: Scope | None = None
    rows: str | None = None


def resolve(node: exp.Column, scope: Scope) -> Scalar:
    """Return what a column reference stands for: `duration`, `hire.duration`, `hire.place.latitude`."""
    names = [part.name for part in node.parts]
    searched: Scope | None = scope
    while searched is not None:
        found = list(_matches(names, searched))
        if len(found) > 1:
            owners = [relation.alias for relation in searched.relations if _named(relation.columns, names[0])]
            raise SqlError(
                f"column '{names[0]}'{place(node)} is in {' and '.join(owners)}; write {owners[0]}.{names[0]}"
            )
        if found:
            return found[0]
        searched = searched.outer
    raise UnknownNameError("column", ".".join(names), list(_visible(scope)), within=f"the query{place(node)}")


def field_of(value: Scalar, name: str) -> Scalar:
    """Return one field of a struct."""
    if not value.type.startswith("struct<"):
        raise SqlError(f".{name} reads a field of a struct, but this is {value.type}")
    fields = dict(struct_fields(value.type))
    for known, type in fields.items():
        if known.lower() == name.lower():
            return Scalar(f"struct_extract({value.text}, {sql_literal(known, 'string')})", type)
    raise UnknownNameError("field", name, fields, within=value.type)


def _matches(names: Sequence[str], scope: Scope) -> Iterator[Scalar]:
    """Yield what the names may stand for in one scope, by BigQuery's precedence: the first kind that has any."""
    head, *rest = names
    if alias := next((value for name, value in scope.aliases.items() if name.lower() == head.lower()), None):
        yield _fields(alias, rest)
        return
    if rest and (relation := _relation(head, scope)) and (columns := _named(relation.columns, rest[0])):
        yield from (_fields(column.value, rest[1:]) for column in columns)
        return
    if columns := _named(scope.columns, head):
        yield from (_fields(column.value, rest) for column in columns)
        return
    if (relation := _relation(head, scope)) and relation.whole:
        yield _fields(relation.whole, rest)


def _fields(value: Scalar, names: Sequence[str]) -> Scalar:
    for name in names:
        value = field_of(value, name)
    return value


def _named(columns: Sequence[Column], name: str) -> list[Column]:
    return [column for column in columns if column.name.lower() == name.lower()]


def _relation(alias: str, scope: Scope) -> Relation | None:
    return next((item for item in scope.relations if item.alias.lower() == alias.lower()), None)


def has_relation(alias: str, scope: Scope) -> bool:
    """Tell whether a relation of that alias is in sight, here or in a query around."""
    return _relation(alias, scope) is not None or (scope.outer is not None and has_relation(alias, scope.outer))


def relation(alias: str, scope: Scope) -> Relation:
    """Return the relation of that alias, here or in a query around."""
    searched: Scope | None = scope
    while searched is not None:
        if found := _relation(alias, searched):
            return found
        searched = searched.outer
    raise UnknownNameError("table", alias, [item.alias for item in scope.relations], within="the FROM clause")


def _visible(scope: Scope) -> Iterator[str]:
    searched: Scope | None = scope
    while searched is not None:
        yield from (column.name for column in searched.columns)
        searched = searched.outer
