"""`penstock ablate`: what each feature is worth to a model, as a table."""

from __future__ import annotations

from typing import Any

import click

import penstock
from penstock.cli.display import RunDisplay
from penstock.cli.group import Command
from penstock.cli.output import print_cells, print_json
from penstock.cli.where import Where, here


@click.command(cls=Command)
@click.argument("model")
@click.argument("rows")
@click.option(
    "--how",
    default="refit",
    type=click.Choice(["refit", "permute"]),
    show_default=True,
    help="Leave features out and learn again, or put those of other rows in their place.",
)
@click.option("--metric", help="What to judge by (default: what a tuning would go by).")
@click.option("--feature", "features", multiple=True, metavar="NAME", help="Try this one; may be given again.")
@click.option("--no-alone", "alone", flag_value=False, default=True, help="Do not try each feature by itself.")
@click.option("--seeds", default=1, type=click.IntRange(1), show_default=True, help="How often rows are divided anew.")
@click.option("--repeats", default=5, type=click.IntRange(1), show_default=True, help="permute: how often.")
@click.option("--test", default=0.2, show_default=True, help="Which part of the rows to judge by.")
@click.option("--by", metavar="COLUMN", help="Divide rows by a time (the newest judge) or a group.")
@click.option("-q", "--quiet", is_flag=True, help="Do not show how the run goes.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as one JSON array.")
@click.pass_obj
def ablate(
    root: Where, /, model: str, rows: str, features: tuple[str, ...], quiet: bool, as_json: bool, **how: Any
) -> None:
    """Say what each feature, and all that show an image, a text or columns, are worth to MODEL.

    MODEL is a registered model (a name, name@alias or name/3), whose declaration learns from ROWS again; with --how
    permute it is judged on ROWS as it is. ROWS is a file, a declared table or a query, with labels.
    """
    folder = here(root, "an ablation")
    project: Any = penstock.open(folder)
    with RunDisplay(root=folder.resolve()) as display:
        show = None if quiet or as_json else display
        found = project.ablate(model, rows, features=features or None, on_event=show, **how).to_pylist()
    if as_json:
        print_json(found)
        return
    from penstock.models.judging.scores import is_rising  # here: it loads libraries that --help does not need

    whole, others = found[0], found[1:]
    sign = 1.0 if is_rising(whole["metric"].rpartition(".")[2]) else -1.0
    without = sorted((row for row in others if not row["alone"]), key=lambda row: sign * (row["difference"] or 0.0))
    alone = sorted((row for row in others if row["alone"]), key=lambda row: -sign * (row["value"] or 0.0))
    print_cells(
        ("variant", whole["metric"], "difference", "standard error"),
        [
            (row["variant"], _number(row["value"]), _signed(row["difference"]), _error(row))
            for row in (whole, *without, *alone)
        ],
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5g}"


def _signed(value: float | None) -> str:
    return "" if not value else f"{value:+.4g}"


def _error(row: dict[str, Any]) -> str:
    return _number(row["standard_error"]) if row["difference"] else ""
