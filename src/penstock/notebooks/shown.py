"""A result as a notebook shows it: the first rows as an HTML table; underneath it is the whole table."""

from __future__ import annotations

import html
from typing import Any

import pyarrow as pa

from penstock.cli.output import shown

_STYLE = "text-align:right"


class Shown:
    """The rows of a statement. `table` is the `pyarrow.Table`; `.to_pandas()` and the like are asked of it."""

    def __init__(self, table: pa.Table, *, limit: int) -> None:
        self.table = table
        self._limit = limit

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand the rows to any library of the Arrow interface."""
        return self.table.__arrow_c_stream__(requested_schema)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return str(self.table.slice(0, self._limit))

    def _repr_html_(self) -> str:
        first = self.table.slice(0, self._limit)
        heads = "".join(
            f"<th title='{html.escape(str(field.type), quote=True)}'>{html.escape(field.name)}</th>"
            for field in first.schema
        )
        numbers = [pa.types.is_floating(field.type) or pa.types.is_integer(field.type) for field in first.schema]
        body = "".join(
            f"<tr>{''.join(map(_cell, row.values(), numbers))}</tr>"
            for row in first.to_pylist(maps_as_pydicts="strict")
        )
        rest = f"{self.table.num_rows:,} row{'' if self.table.num_rows == 1 else 's'}"
        more = f", {first.num_rows:,} of them here" if first.num_rows < self.table.num_rows else ""
        return f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table><p>{rest}{more}</p>"


def _cell(value: Any, is_number: bool) -> str:
    if value is None:
        return "<td><i>NULL</i></td>"
    style = f' style="{_STYLE}"' if is_number else ""
    return f"<td{style}>{html.escape(shown(value))}</td>"
