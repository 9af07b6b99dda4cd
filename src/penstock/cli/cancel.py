"""`penstock cancel`."""

from __future__ import annotations

import click

import penstock
from penstock.artifacts import find_run
from penstock.cli.group import Command
from penstock.cli.where import Where


@click.command(cls=Command)
@click.argument("run")
@click.option("--reason", default="", metavar="TEXT", help="Why; the run keeps it.")
@click.pass_obj
def cancel(root: Where, run: str, reason: str) -> None:
    """Stop RUN (its id, the beginning of it, or `latest`), with every process that its steps have started."""
    project = penstock.open(root)
    found = find_run(project.metadata, run)
    project.get_run(found.id).cancel(reason=reason)
    click.echo(f"asked run {found.id} of {found.pipeline} to stop; see: penstock show {found.id}")
