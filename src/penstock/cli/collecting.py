"""`penstock gc`: take away what nothing needs any more."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

import penstock
from penstock.cli.group import Command
from penstock.cli.output import print_cells, print_json, size
from penstock.cli.where import Where, here

if TYPE_CHECKING:  # it loads every library: not for --help
    from penstock.artifacts import Collection, OnProgress

_SHOWN = 10


@click.command(cls=Command)
@click.option("--delete", is_flag=True, help="Take it away (default: only say what would go).")
@click.option("--keep-runs", type=click.IntRange(1), help="Keep the newest so many runs of each pipeline.")
@click.option("--older-than", help="Keep runs that are younger than this: 12h, 30d, ...")
@click.option("--runs-older-than", help="Delete the records and logs of runs older than this, if they are not kept.")
@click.option("--firings-older-than", help="Delete firings of triggers older than this that nothing needs.")
@click.option("--keep-firings", type=click.IntRange(0), help="But keep the newest so many of each trigger (100).")
@click.option("--grace", help="Leave what was used within this time (default: 1h).")
@click.option("--forget", metavar="PROJECT", help="Forget a project that kept artifacts in this store and is gone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def gc(
    root: Where,
    /,
    delete: bool,
    keep_runs: int | None,
    older_than: str | None,
    forget: str | None,
    as_json: bool,
    **limits: Any,
) -> None:
    """Find what nothing needs any more, and with --delete take it away; runs may go on meanwhile.

    Kept is what names, models and kept runs need. Every recorded run is kept, unless --keep-runs or --older-than (or
    [gc] of penstock.toml) say less.
    """
    repository = penstock.open(root).repository
    if forget is not None:
        gone = penstock.open(here(root, "forgetting a project")).repository.forget_project(forget)
        click.echo(f"project '{gone.project}' ({gone.metadata}) is forgotten", err=True)
    with _progress() as on_progress:
        found = repository.gc(
            dry_run=not delete,
            keep_runs=keep_runs,
            older_than=older_than,
            **limits,
            on_progress=on_progress,
        )
    if as_json:
        print_json({**msgspec.to_builtins(found), "blob_bytes": found.blob_bytes, "size_bytes": found.size_bytes})
    else:
        _show(found)


@contextmanager
def _progress() -> Iterator[OnProgress | None]:
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("")
        yield lambda what, done, of: progress.update(bar, description=what, completed=done, total=of)


def _show(found: Collection) -> None:
    kinds: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for each in found.garbage:
        what = "shared with other projects" if each.shared else each.kind or "bytes without a record"
        counts[what] += 1
        kinds[what] += 0 if each.shared else each.size_bytes
    rows: list[tuple[str, int, str]] = [(what, counts[what], size(kinds[what])) for what in sorted(counts)]
    rows += [
        (what, count, told)
        for what, count, told in (
            ("cache entries", found.entries, ""),
            ("runs", len(found.runs), ""),
            ("firings of triggers", found.firings, ""),
            ("logs and temporary files", len(found.files), size(found.file_bytes)),
            ("leases and wishes of ended runs", found.records, ""),
        )
        if count
    ]
    if rows:
        print_cells(("would go" if found.dry_run else "went", "count", "size"), rows)
        largest = sorted(found.garbage, key=lambda each: each.size_bytes, reverse=True)[:_SHOWN]
        click.echo()
        print_cells(
            ("largest", "kind", "size", "made by"),
            [(each.digest[:12], each.kind, size(each.size_bytes), each.made_by) for each in largest],
        )
        click.echo()
    recent = (
        f"; {found.recent} ({size(found.recent_bytes)}) that nothing needs were used lately" if found.recent else ""
    )
    click.echo(f"kept: {found.kept_blobs:,} blobs ({size(found.kept_bytes)}){recent}")
    if found.dry_run:
        again = ": nothing was deleted; `penstock gc --delete` with the same options does it" if rows else ""
        click.echo(f"would free {size(found.size_bytes)}{again}")
    else:
        click.echo(f"freed {size(found.size_bytes)}")
