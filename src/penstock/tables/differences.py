"""Where two tables differ, in words."""

from __future__ import annotations

import pyarrow as pa

_ROWS = 8192


def table_difference(then: pa.Table, now: pa.Table) -> str:
    """Return the first difference that a person would name: columns, types, number of rows, values; "" where none."""
    if then.schema.names != now.schema.names:
        return f"columns {', '.join(then.schema.names)} then, {', '.join(now.schema.names)} now"
    types = [(name, then.schema.field(name).type, now.schema.field(name).type) for name in then.schema.names]
    if other := [f"{name} was {before}, is {after}" for name, before, after in types if before != after]:
        return f"types: {'; '.join(other)}"
    if then.num_rows != now.num_rows:
        return f"{then.num_rows} rows then, {now.num_rows} now"
    firsts = {name: _first_row(then[name], now[name]) for name in then.schema.names}
    rows = {name: row for name, row in firsts.items() if row is not None}
    if not rows:
        return ""
    name = min(rows, key=lambda name: rows[name])
    row = rows[name]
    return (
        f"column{'s' if len(rows) > 1 else ''} {', '.join(rows)}; first in row {row}: {name} was "
        f"{then[name][row].as_py()!r}, is {now[name][row].as_py()!r}"
    )


def _first_row(then: pa.ChunkedArray, now: pa.ChunkedArray) -> int | None:
    for start in range(0, len(then), _ROWS):
        one, other = then.slice(start, _ROWS), now.slice(start, _ROWS)
        if not one.equals(other):  # a NaN equals no other: by what they print
            for offset, (before, after) in enumerate(zip(one.to_pylist(), other.to_pylist(), strict=True)):
                if repr(before) != repr(after):
                    return start + offset
    return None
