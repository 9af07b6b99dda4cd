"""`penstock shadow`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

import penstock
from penstock.cli.group import Command
from penstock.cli.output import print_json, print_table
from penstock.cli.where import Where

if TYPE_CHECKING:  # the project loads every library: not for --help
    from penstock.project.requests import Shadow

_SHOWN_ERRORS = 5


@click.command(cls=Command)
@click.argument("model")
@click.option("--version", type=int, help="The shadow's version (default: the newest that is logged).")
@click.option("--truth", help="Rows with the label, when it is known: a file, a declared table, a query.")
@click.option("--key", multiple=True, help="A column by which a row's truth is found; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def shadow(
    root: Where, model: str, version: int | None, truth: str | None, key: tuple[str, ...], as_json: bool
) -> None:
    """Compare what a shadow of MODEL has said on live requests with what was served.

    penstock.toml names it: [server] shadow = { MODEL = "challenger" }, and [monitoring] log_requests = 0.1.
    """
    found = penstock.open(root).requests.shadow(model, version=version, truth=truth, key=key)
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        _show(found)


def _show(found: Shadow) -> None:
    click.echo(
        f"{found.model}: version {found.shadow_version} in the shadow of version {found.version}, {found.rows:,} rows"
    )
    for error, count in list(found.errors.items())[:_SHOWN_ERRORS]:
        click.echo(f"  failed on {count:,}: {error}")
    if found.same_routes is not None:
        click.echo(f"the same route: {found.same_routes:.2%}")
        routes = [{"served": served, **others} for served, others in found.routes.items()]
        print_table([{name: each.get(name) for name in _columns(routes)} for each in routes], limit=len(routes))
    if found.same_labels is not None:
        click.echo(f"the same label: {found.same_labels:.2%}")
    if found.difference is not None:
        told = ", ".join(f"{name.replace('_', ' ')} {value:.6g}" for name, value in found.difference.items())
        click.echo(f"shadow minus served: {told}")
    if found.metrics:
        click.echo(f"on the {found.judged:,} rows whose truth is known:")
        names = list(found.metrics["served"])
        rows = [{"metric": name, **{who: each[name] for who, each in found.metrics.items()}} for name in names]
        print_table(rows, limit=len(rows))


def _columns(rows: list[dict[str, object]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))
