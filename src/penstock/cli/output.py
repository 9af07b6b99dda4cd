"""How values are shown: tables for people, one line of JSON for machines."""

from __future__ import annotations

import datetime
import itertools
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from penstock.core.run import StepRun
from penstock.operations.glimpses import glimpse, without_bytes

if TYPE_CHECKING:
    import pyarrow as pa

STATE_STYLES = {
    "succeeded": "green",
    "up_to_date": "cyan",
    "failed": "bold red",
    "cancelled": "yellow",
    "skipped": "dim",
    "running": "bold",
    "waiting": "dim",
    "stale": "yellow",
    "unknown": "dim",
}
_PIPE_WIDTH = 10_000
_LEAST = 16  # characters that a wrapped column needs to be read


def print_json(value: Any) -> None:
    """Print one line of JSON to standard output, at once; what JSON has no form for appears as its text."""
    click.echo(msgspec.json.encode(value, enc_hook=repr))
    sys.stdout.flush()


def print_cells(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print cells under their headings to standard output; columns without any value are left out.

    Where a terminal is too narrow headings get several lines, the last column is wrapped, and columns that still do
    not fit are named below instead of being cut.
    """
    cells = [list(row) for row in rows]
    full = [at for at in range(len(columns)) if not cells or any(shown(row[at]) for row in cells)]
    console = _console()
    names, cells = [columns[at] for at in full], [[row[at] for at in full] for row in cells]
    heads = names
    if _fitting(names, cells, console.width, wrapped=_LEAST) < len(names):
        heads = [_in_lines(name, [row[at] for row in cells]) for at, name in enumerate(names)]
    fitting = _fitting(heads, cells, console.width, wrapped=_LEAST)
    console.print(_cells(heads[:fitting], [row[:fitting] for row in cells], console.width))
    if fitting < len(names):
        click.echo(f"... not shown: {', '.join(names[fitting:])}; a wider terminal, or --json, has all")


def _in_lines(heading: str, values: Sequence[Any]) -> str:
    """Return a heading in lines that are no longer than the column's values, or than its longest word."""
    width = max(map(len, (*map(shown, values), *heading.split(), "")))
    return "\n".join(textwrap.wrap(heading, width or 1))


def _console() -> Console:
    """Return standard output; into a pipe or file nothing is cut to a width."""
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)


def _widest(width: int) -> int:
    """Return the most that one column gets of a width, the last excepted; an id of a run always fits."""
    return max(24, width // 3)


def _cells(columns: Sequence[str], cells: Sequence[Sequence[Any]], width: int) -> Table:
    """Return a table whose numbers stand at the right and whose states have their colours."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for position, name in enumerate(columns):
        number = any(isinstance(row[position], (int, float)) for row in cells)
        if number or position < len(columns) - 1:
            table.add_column(name, justify="right" if number else "left", no_wrap=True, max_width=_widest(width))
        else:
            table.add_column(name, overflow="fold")
    for row in cells:
        table.add_row(*(Text(shown(value), STATE_STYLES.get(str(value), "")) for value in row))
    return table


def print_table(rows: pa.Table | Sequence[Mapping[str, Any]], *, limit: int = 20, upright: bool = False) -> None:
    """Print the first rows of a table, or of dicts that have the keys of the first, and how many there are if more.

    What is too wide for the terminal is not squeezed: one row is printed upright, as a line for each column, and of
    several rows the last columns are left out and named, unless `upright` is wanted.
    """
    first = list(rows[:limit]) if isinstance(rows, Sequence) else rows.slice(0, limit).to_pylist()
    columns = list(first[0]) if isinstance(rows, Sequence) and first else getattr(rows, "column_names", [])
    cells = [[row.get(name) for name in columns] for row in first]
    console = _console()
    fitting = _fitting(columns, cells, console.width)
    if columns and (upright or (fitting < len(columns) and len(cells) == 1)):
        for number, row in enumerate(cells, 1):
            _print_upright(console, columns, row, f"row {number}" if len(cells) > 1 else "")
        if len(rows) > limit:
            click.echo(f"... {len(rows):,} rows")
        return
    console.print(_cells(columns[:fitting], [row[:fitting] for row in cells], console.width))
    if len(rows) > limit:
        click.echo(f"... {len(rows):,} rows")
    if fitting < len(columns):
        click.echo(f"... not shown: {', '.join(columns[fitting:])}")


def _print_upright(console: Console, columns: Sequence[str], row: Sequence[Any], heading: str) -> None:
    if heading:
        console.print(Text(heading, "dim"))
    width = max(map(len, columns))
    for name, value in zip(columns, row, strict=True):
        console.print(Text.assemble((f"{name:<{width}}  ", "bold"), shown(value)))


def _fitting(columns: Sequence[str], cells: Sequence[Sequence[Any]], width: int, *, wrapped: int | None = None) -> int:
    """Return how many of the first columns fit into a width; at least one. `wrapped`: the last needs no more than so
    many characters, since it is wrapped."""
    natural = [
        max(*map(len, (*name.split("\n"), "")), *(len(shown(row[at])) for row in cells), 0)
        for at, name in enumerate(columns)
    ]
    widths = [min(each, _widest(width)) + 2 for each in natural]
    if wrapped is not None and widths:
        widths[-1] = min(widths[-1], wrapped + 2)
    return max(1, sum(total - 2 <= width for total in itertools.accumulate(widths)))


def shown(value: Any) -> str:
    """Return a value as a table cell shows it."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return f"{value:.6g}"
        case datetime.datetime():
            return value.isoformat(sep=" ", timespec="seconds")
        case bytes():
            return glimpse(value)
        case dict() | list():
            return msgspec.json.encode(without_bytes(value), enc_hook=repr).decode()
    return str(value)


def moment(seconds: float | None) -> str:
    """Return an instant (seconds since 1970) in local time, as short as it stays clear."""
    if seconds is None:
        return ""
    then = datetime.datetime.fromtimestamp(seconds).astimezone()
    today = then.date() == datetime.datetime.now().astimezone().date()
    return then.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M")


def took(step: StepRun) -> str:
    """Return how long a step ran; nothing for one that did not."""
    if step.started is None or step.ended is None or step.state in ("up_to_date", "skipped"):
        return ""
    return duration(step.ended - step.started)


def size(bytes_: int) -> str:
    """Return a number of bytes in the unit that fits it."""
    value, units = float(bytes_), iter(("kB", "MB", "GB", "TB"))
    unit = "B"
    while value >= 1000 and (larger := next(units, None)):
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def duration(seconds: float | None) -> str:
    """Return a duration in the unit that fits it."""
    if seconds is None:
        return ""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s"
