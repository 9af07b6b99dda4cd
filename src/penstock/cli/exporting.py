"""`penstock export`."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

import penstock
from penstock.cli.group import Command
from penstock.cli.where import Where, here
from penstock.errors import DeclarationError


@click.command(cls=Command)
@click.argument("model")
@click.option("--format", "format", required=True, help="sql: one query from raw rows to prediction.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The file, or the folder, to write.")
@click.option(
    "-o",
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help='What the format takes, JSON or a text; sql: dialect=postgres, rows=rides, keep=["ride_id"].',
)
@click.pass_obj
def export(root: Where, model: str, format: str, out: Path, options: tuple[str, ...]) -> None:
    """Write MODEL (a name, name@alias or name/version) in a form that others run."""
    name, _, reference = model.partition("@") if "@" in model else model.partition("/")
    version = int(reference) if reference.isdecimal() else reference or None
    graph = penstock.open(here(root, "an export")).models[name].load(version)
    written = graph.export(format, out, **dict(map(_option, options)))
    click.echo(f"wrote {written}")


def _option(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise DeclarationError(f"-o {text}: an option is NAME=VALUE, such as dialect=postgres")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value
