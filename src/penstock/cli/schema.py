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
    from penstock.core.artifact import Source

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
    from penstock.transforms import infer_schema, profile, reviewed_schema, write_schema  # here: it loads libraries

    if file.exists():
        raise ConflictError(f"'{file}' is there already; widen it: penstock schema evolve {file} {rows}")
    made = reviewed_schema(infer_schema(profile(_source(root, rows))), {}, label=labels)
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
    """Say in what ROWS do not fit FILE; exit code 1 where they do not. Behind ! stands what no widening mends."""
    changes, _, broken = _changes(ctx.obj, file, rows)
    _say([*changes, *broken], as_json, "they fit")
    if changes or broken:
        ctx.exit(FAILED)


@schema.command("evolve", cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("rows")
@JSON
@click.pass_obj
def evolve(root: Where, file: Path, rows: str, as_json: bool) -> None:
    """Widen FILE so that ROWS fit it too, and say how. Behind ! stands what no widening mends."""
    from penstock.transforms import write_schema

    changes, wider, broken = _changes(root, file, rows)
    if changes:
        write_schema(wider, file)
    _say([*changes, *broken], as_json, "they fit; nothing is changed")


def _changes(root: Where, file: Path, rows: str) -> tuple[list[str], dict[str, Any], list[str]]:
    """Return how a schema has to be widened for rows, the wider one, and in what they do not fit that one either."""
    from penstock.transforms import check, other_table, profile, read_schema, schema_changes, widened

    source = _source(root, rows)
    held, found = read_schema(file), profile(source)
    wider = widened(held, found)
    there = {column["name"] for column in found["columns"]}
    labelled = all(column["name"] in there for column in wider["columns"] if column.get("modes"))
    names = {other_table(rule)[0] for rule in wider.get("rules", ()) if "found_in" in rule}
    checked = check(
        source,
        wider,
        tables={name: _source(root, name) for name in names},
        mode="train" if labelled else "infer",
    )
    broken = [f"! {each.anomaly['message']}" for each in checked.findings]
    return schema_changes(held, wider), wider, broken


def _say(changes: list[str], as_json: bool, otherwise: str) -> None:
    if as_json:
        print_json(changes)
    else:
        click.echo("\n".join(changes) or otherwise)


def _source(root: Where, rows: str) -> Source:
    from penstock.project.driving import resolve_source

    project: Any = penstock.open(here(root, "a schema"))
    return resolve_source(project.config, rows)
