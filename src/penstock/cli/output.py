"""How values are shown: tables for people, one line of JSON for machines."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from penstock.core.run import StepRun

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


def print_json(value: Any) -> None:
    """Print one line of JSON to standard output, at once; what JSON has no form for appears as its text."""
    click.echo(msgspec.json.encode(value, enc_hook=repr))
    sys.stdout.flush()


def print_cells(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print cells under their headings to standard output; into a pipe or file they are never cut to a width."""
    console = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)
    console.print(_cells(columns, rows))


def _cells(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Return a table whose numbers stand at the right and whose states have their colours."""
    cells = [list(row) for row in rows]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for position, name in enumerate(columns):
        number = any(isinstance(row[position], (int, float)) for row in cells)
        table.add_column(name, justify="right" if number else "left", overflow="ellipsis", no_wrap=number)
    for row in cells:
        table.add_row(*(Text(shown(value), STATE_STYLES.get(str(value), "")) for value in row))
    return table


def print_table(rows: pa.Table | Sequence[Mapping[str, Any]], *, limit: int = 20) -> None:
    """Print the first rows of a table, or of dicts that have the keys of the first, and how many there are if more."""
    first = list(rows[:limit]) if isinstance(rows, Sequence) else rows.slice(0, limit).to_pylist()
    columns = list(first[0]) if isinstance(rows, Sequence) and first else getattr(rows, "column_names", [])
    print_cells(columns, [[row.get(name) for name in columns] for row in first])
    if len(rows) > limit:
        click.echo(f"... {len(rows):,} rows")


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
        case dict() | list():
            return msgspec.json.encode(value, enc_hook=repr).decode()
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
    if step.started is None or step.ended is None or step.state == "up_to_date":
        return ""
    return duration(step.ended - step.started)


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
