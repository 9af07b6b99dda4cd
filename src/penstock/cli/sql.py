"""`penstock sql`."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import click

import penstock
from penstock.cli.group import Command
from penstock.cli.output import print_json, print_table


@click.command(cls=Command)
@click.argument("text", required=False)
@click.option("-f", "--file", type=click.File(), help="Read the statements from a file ('-': standard input).")
@click.option("--limit", default=20, show_default=True, help="How many rows to show.")
@click.option("--json", "as_json", is_flag=True, help="Print all rows as one JSON array.")
@click.pass_obj
def sql(root: Path, text: str | None, file: IO[str] | None, limit: int, as_json: bool) -> None:
    """Run SQL in BigQuery's dialect: CREATE MODEL, ML.EVALUATE, ML.PREDICT, ordinary queries."""
    if (text is None) == (file is None):
        raise click.UsageError("give the statement as TEXT, or a file of it with -f")
    result = penstock.open(root).sql(text if text is not None else file.read())  # type: ignore[union-attr]
    if as_json:
        print_json(result.to_pylist())
    else:
        print_table(result, limit=limit)
