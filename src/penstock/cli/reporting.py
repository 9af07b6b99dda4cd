"""`penstock report`: what there is to know of how good a cascade is, in tables, as JSON, or as a page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import penstock
from penstock.cli.group import Command
from penstock.cli.output import print_cells, print_json
from penstock.cli.where import Where

if TYPE_CHECKING:
    from penstock.project import Project
    from penstock.remote import RemoteProject


@click.command(cls=Command)
@click.argument("model")
@click.argument("rows", required=False)
@click.option("--baseline", help="On ROWS: the model to compare with, one of all rows.")
@click.option("--slice", "slices", multiple=True, metavar="COLUMN", help="On ROWS: judge the rows of each value apart.")
@click.option("--serving", is_flag=True, help="Tell the shares of the routes among logged requests too.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the page, a drawing and all tables."
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as JSON.")
@click.pass_obj
def report(
    root: Where,
    model: str,
    rows: str | None,
    baseline: str | None,
    slices: tuple[str, ...],
    serving: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Say how good the cascade MODEL is: as a whole, and each route in it.

    Beside it stand one model of all rows, and the cascade as it would be if its router were always right. MODEL is a
    name, name@alias or name/3; ROWS a file or a declared table with labels (default: what was found of the rows held
    out when it was learned).
    """
    from penstock.remote.rows import as_query, rows_or_name  # here: it loads libraries that --help does not need

    if rows is None and (baseline or slices):
        raise click.UsageError("--baseline and --slice are for ROWS; name a file or a declared table")
    project = penstock.open(root)
    (graph, version), other = _loaded(project, model), None if baseline is None else _loaded(project, baseline)[0]
    given: Any = None if rows is None else rows_or_name(rows)
    given = project.sql(as_query(given)) if isinstance(given, str) else given
    served = project.requests.route_shares(version.model, version=version.version) if serving else None
    found = graph.report(given, baseline=other, slices=slices or None, serving=served)
    if out is not None:
        penstock.plot_cascade(found).save(out)
        click.echo(f"the page is written to {out}", err=True)
    if as_json:
        print_json(found)
    elif out is None:
        _show(found)


def _loaded(project: Project | RemoteProject, model: str) -> tuple[Any, Any]:
    from penstock.models import resolve_version

    version = resolve_version(project.metadata, model)
    return project.models[version.model].load(version.version), version


def _show(found: Mapping[str, Any], within: str = "") -> None:
    from penstock.models.reporting import metric_name, number, of_whole, percent

    metric = found["metric"]
    head = f"{within}: {found['rows']['judged']:,} rows that are routed to it" if within else found["verdict"]
    click.secho(head, bold=True)
    words = {"cascade": "this cascade", "baseline": "one model of all rows", "oracle": "a router that is always right"}
    whole = [(words[name], number(value)) for name, value in of_whole(found).items() if value is not None]
    print_cells(("", metric_name(metric)), whole)
    click.echo()
    shares = ("judged", "training", "refitted", "label", "serving")
    print_cells(
        (
            "route",
            "share",
            "in training",
            "refitted",
            "by label",
            "serving",
            "routed to it",
            "belong to it",
            "one model",
        ),
        [
            (
                each["name"],
                *("" if each["shares"][name] is None else percent(each["shares"][name]) for name in shares),
                *(number(each[rows][metric]) if each[rows] else "" for rows in ("routed", "of_label", "baseline")),
            )
            for each in found["routes"]
        ],
    )
    for warning in found["warnings"]:
        click.secho(f"! {warning}", fg="yellow")
    for name, inner in found["inner"].items():
        click.echo()
        _show(inner, f"{within}/{name}" if within else name)
