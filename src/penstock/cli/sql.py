"""`penstock sql`."""

from __future__ import annotations

import sys
from typing import IO

import click

import penstock
from penstock.cli.group import Command
from penstock.cli.output import print_json, print_table
from penstock.cli.where import Where


@click.command(cls=Command)
@click.argument("text", required=False)
@click.option("-f", "--file", type=click.File(), help="Read the statements from a file ('-': standard input).")
@click.option("--no-history", is_flag=True, help="Interactive: do not keep what is typed.")
@click.option("--limit", default=20, type=click.IntRange(0), show_default=True, help="How many rows to show.")
@click.option("--json", "as_json", is_flag=True, help="Print all rows as one JSON array.")
@click.pass_obj
def sql(root: Where, text: str | None, file: IO[str] | None, no_history: bool, limit: int, as_json: bool) -> None:
    """Run SQL in BigQuery's dialect: CREATE MODEL, ML.EVALUATE, ML.PREDICT, ordinary queries.

    TEXT may be left out: the statements are then read from a file (-f) or a pipe; at a terminal, one after another,
    with completion and history.
    """
    if text is None and file is None and sys.stdin.isatty() and not as_json:
        from penstock.cli.shell import HISTORY, converse  # takes a while to import: only at a terminal

        converse(penstock.open(root), limit=limit, history=None if no_history else HISTORY)
        return
    result = penstock.open(root).sql(_statements(text, file))
    if as_json:
        print_json(result.to_pylist())
    else:
        print_table(result, limit=limit)


def _statements(text: str | None, file: IO[str] | None) -> str:
    """Return what is to run: the argument, a file, or what a pipe brings."""
    if text is not None and file is not None:
        raise click.UsageError("give the statement as TEXT or in a file with -f, not both")
    if text is None and file is None and not sys.stdin.isatty():
        file = sys.stdin
    try:
        statements = text if text is not None else file.read() if file is not None else ""
    except UnicodeDecodeError as error:
        raise click.UsageError(f"the statements are not UTF-8 text: {error}") from error
    if not statements.strip():
        raise click.UsageError("give the statement as TEXT, in a file with -f, or through a pipe")
    return statements
