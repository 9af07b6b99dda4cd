"""`penstock schema`: what rows should look like, in a file that people review."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import penstock
from penstock.cli.exits import FAILED
from penstock.cli.group import Command
from penstock.cli.output import print_json
from penstock.cli.where import Where, here
from penstock.errors import ConflictError

if TYPE_CHECKING:
    from penstock.transforms import Profile

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def schema() -> None:
    """What rows should look like, in a file that people review: infer it, see how rows differ, widen it."""


@schema.command("infer", cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("rows")
@click.option("--label", "labels", multiple=True, metavar="COLUMN", help="Is there in training only; may be repeated.")
@JSON
@click.pass_obj
def infer(root: Where, file: Path, rows: str, labels: tuple[str, ...], as_json: bool) -> None:
    """Write to FILE what ROWS look like: a file, a pattern, or a declared table."""
    from penstock.transforms import infer_schema, reviewed_schema, write_schema  # here: it loads libraries

    if file.exists():
        raise ConflictError(f"'{file}' is there already; widen it: penstock schema evolve {file} {rows}")
    made = reviewed_schema(infer_schema(_profile(root, rows)), {}, label=labels)
    write_schema(made, file)
    if as_json:
        print_json(made)
    else:
        count = len(made["columns"])
        click.echo(f"wrote {file}: {count} {'column' if count == 1 else 'columns'}; review it, and commit it")


@schema.command("diff", cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("rows")
@JSON
@click.pass_context
def diff(ctx: click.Context, file: Path, rows: str, as_json: bool) -> None:
    """Say in what ROWS do not fit FILE; exit code 1 where they do not."""
    changes = _changes(ctx.obj, file, rows)[0]
    _say(changes, as_json, "they fit")
    if changes:
        ctx.exit(FAILED)


@schema.command("evolve", cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("rows")
@JSON
@click.pass_obj
def evolve(root: Where, file: Path, rows: str, as_json: bool) -> None:
    """Widen FILE so that ROWS fit it too, and say how."""
    from penstock.transforms import write_schema

    changes, wider = _changes(root, file, rows)
    if changes:
        write_schema(wider, file)
    _say(changes, as_json, "they fit; nothing is changed")


def _changes(root: Where, file: Path, rows: str) -> tuple[list[str], dict[str, Any]]:
    from penstock.transforms import read_schema, schema_changes, widened

    held = read_schema(file)
    wider = widened(held, _profile(root, rows))
    return schema_changes(held, wider), wider


def _say(changes: list[str], as_json: bool, otherwise: str) -> None:
    if as_json:
        print_json(changes)
    else:
        click.echo("\n".join(changes) or otherwise)


def _profile(root: Where, rows: str) -> Profile:
    from penstock.project.driving import resolve_source
    from penstock.transforms import profile

    project: Any = penstock.open(here(root, "a schema"))
    return profile(resolve_source(project.config, rows))
