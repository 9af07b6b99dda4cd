"""INFORMATION_SCHEMA: what the catalog holds, as tables with BigQuery's names and columns."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from penstock.core.schema import Field, Schema, element_type, struct_fields
from penstock.operations import quoted
from penstock.sql.binding import Binding
from penstock.sql.catalog import Entry, View
from penstock.tables import arrow_schema

_NAME = re.compile(r"(?:(.+)\.)?INFORMATION_SCHEMA\.(\w+)", re.IGNORECASE)
_REGION = re.compile(r"(?:.+\.)?region-[\w-]+", re.IGNORECASE)
_PARTS = ("table_catalog", "table_schema", "table_name")
_TABLES = dict.fromkeys((*_PARTS, "table_type", "is_insertable_into", "is_typed"), "string") | {
    "creation_time": "timestamp"
}
_COLUMNS = dict.fromkeys((*_PARTS, "column_name"), "string") | {
    "ordinal_position": "int64",
    "is_nullable": "string",
    "data_type": "string",
    "is_hidden": "string",
}
_VIEWS = dict.fromkeys((*_PARTS, "view_definition", "check_option", "use_standard_sql"), "string")


def is_information_schema(name: str) -> tuple[str, str] | None:
    """Return the qualifier and the view of a name such as `d.INFORMATION_SCHEMA.TABLES`; None for another name."""
    found = _NAME.fullmatch(name)
    return (found[1] or "", found[2].upper()) if found and found[2].upper() in _ALL else None


def information_schema(qualifier: str, view: str, binding: Binding) -> tuple[str, Sequence[tuple[str, str]]]:
    """Return one of the tables as the text of an item of a FROM clause, and its columns.

    A data set as the qualifier leaves what lies in it; a region, which there is none here, leaves everything.
    """
    types, rows_of = _ALL[view]
    prefix = "" if not qualifier or _REGION.fullmatch(qualifier) else f"{qualifier}."
    there = {name: entry for name, entry in binding.catalog.tables_there().items() if name.startswith(prefix)}
    rows = list(rows_of(dict(sorted(there.items())), binding))
    schema = arrow_schema(Schema(tuple(Field(name, type) for name, type in types.items())))
    registered = binding.fresh("information_schema")
    binding.tables[registered] = pa.Table.from_pylist(rows, schema=schema)
    return quoted(registered), tuple(types.items())


def _parts(name: str) -> dict[str, str | None]:
    """Return the project, the data set and the table of a name; NULL for one that it does not have."""
    *before, last = name.rsplit(".", 2)
    return dict(zip(_PARTS, [*([None] * (2 - len(before))), *before, last], strict=True))


def _tables(there: Mapping[str, Entry], binding: Binding) -> Iterator[dict[str, Any]]:
    for name, entry in there.items():
        created = None if entry.created is None else datetime.datetime.fromtimestamp(entry.created, datetime.UTC)
        insertable = "YES" if entry.type == "BASE TABLE" else "NO"
        kind = {"table_type": entry.type, "is_insertable_into": insertable, "is_typed": "NO"}
        yield {**_parts(name), **kind, "creation_time": created}


def _columns(there: Mapping[str, Entry], binding: Binding) -> Iterator[dict[str, Any]]:
    """Read the columns of each table apart from the query, which reads none of their rows."""
    apart = replace(binding, declared={}, views={}, files=[], tables={}, inferences=[], models={})
    for name in there:
        if name in binding.expanding:  # a view that reads this table, which tells of it too
            continue
        for position, (column, type) in enumerate(apart.table(name).columns, start=1):
            facts = {"is_nullable": "YES", "is_hidden": "NO"}
            named = {"column_name": column, "ordinal_position": position, "data_type": bigquery_type(type)}
            yield {**_parts(name), **named, **facts}


def _views(there: Mapping[str, Entry], binding: Binding) -> Iterator[dict[str, Any]]:
    for name, entry in there.items():
        if entry.type == "VIEW" and isinstance(view := binding.catalog.source(name), View):
            facts = {"view_definition": view.query, "check_option": None, "use_standard_sql": "YES"}
            yield {**_parts(name), **facts}


def bigquery_type(type: str) -> str:
    """Return one of our types as BigQuery writes it: `ARRAY<STRUCT<name STRING>>`."""
    if type.startswith("array<"):
        return f"ARRAY<{bigquery_type(element_type(type))}>"
    if type.startswith("struct<"):
        return f"STRUCT<{', '.join(f'{name} {bigquery_type(member)}' for name, member in struct_fields(type))}>"
    return type.upper()


_Rows = Callable[[Mapping[str, Entry], Binding], Iterator[dict[str, Any]]]
_ALL: dict[str, tuple[dict[str, str], _Rows]] = {
    "TABLES": (_TABLES, _tables),
    "COLUMNS": (_COLUMNS, _columns),
    "VIEWS": (_VIEWS, _views),
}
