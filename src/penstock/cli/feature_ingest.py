"""`penstock features ingest`: rows into a feature set, with how far it is."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress as Bar, TextColumn, TimeElapsedColumn

import penstock
from penstock.cli.group import Command
from penstock.cli.output import print_json, print_table
from penstock.cli.where import Where, here

if TYPE_CHECKING:
    from penstock.features import Progress


@click.command(cls=Command)
@click.argument("name", metavar="SET")
@click.argument("rows", metavar="[ROWS]", required=False)
@click.option("--batch", default="", help="Name the rows: a batch that was ingested before is not ingested again.")
@click.option(
    "--on-bad",
    type=click.Choice(["fail", "dead_letter"]),
    help="What becomes of rows that cannot be stored (default: fail; of a stream, dead_letter).",
)
@click.option("--follow", is_flag=True, help="Go on storing what a stream brings, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def ingest(root: Where, name: str, rows: str | None, batch: str, on_bad: Any, follow: bool, as_json: bool) -> None:
    """Add ROWS to a feature set, all or none; without ROWS, those of its source.

    ROWS is a file or a pattern, the name of a table, a query in quotes, or a stream: redis://host:6379/rides.
    """
    project = penstock.open(here(root, "features ingest"))
    stop = threading.Event()
    with _stopping(stop) if follow else _nothing(), _shown(as_json) as tell:
        done = project.features.ingest(
            name, rows, batch=batch, on_bad=on_bad, follow=stop if follow else False, on_progress=tell
        )
    if as_json:
        print_json(
            {
                "feature_set": done.feature_set,
                "rows": done.rows,
                "version": done.version,
                "repeated": done.repeated,
                "dead_letters": done.dead_letters,
                "unread": list(done.unread),
                "seconds": done.seconds,
            }
        )
        return
    click.echo(done.message)
    if done.unread:
        click.echo(f"no feature reads {', '.join(done.unread)}")
    if done.dead_letters:
        click.echo(f"see: penstock features dead-letters {name.partition('@')[0]}")


@click.command("dead-letters", cls=Command)
@click.argument("name", metavar="SET")
@click.option("--limit", default=20, type=click.IntRange(1), show_default=True, help="How many, the newest.")
@click.option("--clear", is_flag=True, help="Take them out for good.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def dead_letters(root: Where, name: str, limit: int, clear: bool, as_json: bool) -> None:
    """List rows and messages of a feature set that could not be stored, each with the reason."""
    store = penstock.open(here(root, "features dead-letters")).features
    letters, bare = store.dead_letters, store[name].name
    if clear:
        count = letters.clear(bare)
        print_json({"cleared": count}) if as_json else click.echo(f"{count} dead letters taken out")
        return
    found = letters.read(bare)
    shown = found.slice(max(found.num_rows - limit, 0))
    if as_json:
        print_json(shown.to_pylist())
    elif not found.num_rows:
        click.echo(f"{bare} has no dead letters")
    else:
        print_table(shown, limit=limit)


@contextmanager
def _nothing() -> Iterator[None]:
    yield


@contextmanager
def _stopping(stop: threading.Event) -> Iterator[None]:
    """Let the first Ctrl-C, or a request to end, store what is under way; a second one interrupts."""

    def ask(*_: object) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    before = {each: signal.signal(each, ask) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def _shown(as_json: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Give what draws a bar on a terminal; elsewhere nothing is drawn."""
    if as_json or not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"),
        TimeElapsedColumn(),
    )  # fmt: skip
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("checking", total=None, speed="")

        def tell(progress: Progress) -> None:
            speed = f"{progress.rows_per_second:,.0f} rows/s"
            bar.update(task, description=progress.stage, completed=progress.rows, total=progress.total, speed=speed)

        yield tell
