"""`penstock tag`: what runs are called, so that they are found again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

import penstock
from penstock.artifacts import find_run
from penstock.cli.group import Command
from penstock.cli.output import print_json
from penstock.cli.params import read_tags
from penstock.pipelines import tag_run


@click.command(cls=Command)
@click.argument("run")
@click.argument("changes", nargs=-1, metavar="[NAME=VALUE | NAME-]...")
@click.option("--note", metavar="TEXT", help="Replace the run's note.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def tag(root: Path, run: str, changes: tuple[str, ...], note: str | None, as_json: bool) -> None:
    """Give RUN tags (`team=delays`), take some away (`team-`), or write a note; without any, show them."""
    metadata = penstock.open(root).metadata
    gone = [text.removesuffix("-") for text in changes if text.endswith("-") and "=" not in text]
    given = read_tags([text for text in changes if not (text.endswith("-") and "=" not in text)], "")
    tags: dict[str, Any] = {**dict.fromkeys(gone), **given}
    found = find_run(metadata, run)
    changed = tag_run(metadata, found.id, tags, note=note) if tags or note is not None else found
    if as_json:
        print_json({"run": changed.id, "tags": changed.tags, "notes": changed.notes})
        return
    for name, value in changed.tags.items():
        click.echo(f"{name}={value}")
    if changed.notes:
        click.echo(changed.notes)
