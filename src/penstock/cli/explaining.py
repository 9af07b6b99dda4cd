"""`penstock explain`: which features led to a prediction, as a table for each row."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

import penstock
from penstock.cli.group import Command
from penstock.cli.output import print_cells, print_json, shown
from penstock.cli.rows import inline_rows, typed_rows
from penstock.cli.where import Where


@click.command(cls=Command)
@click.argument("model")
@click.argument("rows")
@click.option("--top", default=5, type=click.IntRange(1), show_default=True, help="How many features to name.")
@click.option("--limit", default=3, type=click.IntRange(1), show_default=True, help="How many rows to show.")
@click.option("--json", "as_json", is_flag=True, help="Print all explanations as one JSON array.")
@click.pass_obj
def explain(root: Where, model: str, rows: str, top: int, limit: int, as_json: bool) -> None:
    """Say which features led to the predictions of ROWS by MODEL.

    MODEL is a name, name@alias or name/3; ROWS a file, a declared table, or inline JSON: '{"km": 3}'.
    """
    from penstock.models import resolve_version  # here: they load libraries that --help does not need
    from penstock.remote.rows import as_query, rows_or_name

    project = penstock.open(root)
    version = resolve_version(project.metadata, model)
    graph = project.models[version.model].load(version.version)
    given: Any = inline_rows(rows)
    given = typed_rows(given, graph.signature.inputs) if isinstance(given, list) else rows_or_name(given)
    found = graph.explain(project.sql(as_query(given)) if isinstance(given, str) else given, top)
    if as_json:
        print_json(found.to_pylist())
        return
    for row in found.slice(0, limit).to_pylist():
        _show(row, found.column_names[0])
    if found.num_rows > limit:
        click.echo(f"... {found.num_rows:,} rows")


def _show(row: Mapping[str, Any], predicted: str) -> None:
    """Print the prediction, and the way to it: the baseline, what each feature adds, the score where that ends."""
    probability = f" (probability {row['probability']:.3g})" if "probability" in row else ""
    click.secho(f"{predicted}: {shown(row[predicted])}{probability}", bold=True)
    told = sum(each["attribution"] for each in row["top_feature_attributions"])
    rest = row["prediction_value"] - row["baseline_prediction_value"] - told
    steps = [(each["feature"], shown(row.get(each["feature"])), _signed(each["attribution"])) for each in _told(row)]
    others = [("all others", "", _signed(rest))] if abs(rest) > 1e-9 * abs(row["prediction_value"]) else []
    ends = (("baseline", row["baseline_prediction_value"]), ("prediction", row["prediction_value"]))
    first, last = ((name, "", shown(value)) for name, value in ends)
    print_cells(("feature", "value", "attribution"), [first, *steps, *others, last])


def _told(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = row["top_feature_attributions"]
    return found


def _signed(value: float) -> str:
    return f"{value:+.6g}"
