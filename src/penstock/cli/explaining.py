"""`penstock explain`: which features led to a prediction, as a table for each row."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import penstock
from penstock.cli.group import Command
from penstock.cli.output import print_cells, print_json, shown
from penstock.cli.rows import inline_rows, typed_rows
from penstock.cli.where import Where

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.models import ModelGraph


@click.command(cls=Command)
@click.argument("model")
@click.argument("rows")
@click.option("--top", default=5, type=click.IntRange(1), show_default=True, help="How many features to name.")
@click.option("--limit", default=3, type=click.IntRange(1), show_default=True, help="How many rows to show.")
@click.option("--label", help="Of several labels which; of classes that may hold at once: red, tags.red.")
@click.option("--text", metavar="COLUMN", help="Of the first row: what each word of a text adds.")
@click.option("--image", metavar="COLUMN", help="Of the first row: what each part of an image adds.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the coloured text or image here.")
@click.option("--json", "as_json", is_flag=True, help="Print all explanations as one JSON array.")
@click.pass_obj
def explain(
    root: Where, /, model: str, rows: str, top: int, limit: int, as_json: bool, label: str | None, **within: Any
) -> None:
    """Say which features led to the predictions of ROWS by MODEL.

    MODEL is a name, name@alias or name/3; ROWS a file, a declared table, or inline JSON: '{"km": 3}'. With --text or
    --image it is told what is in one column of the first row: each word, or each part of the picture.
    """
    if (within["text"] is None) == (within["image"] is None) and any(within.values()):
        raise click.UsageError("give --text COLUMN or --image COLUMN; --out is for one of them")
    from penstock.models import resolve_version  # here: they load libraries that --help does not need
    from penstock.remote.rows import as_query, rows_or_name
    from penstock.tables import to_arrow

    project = penstock.open(root)
    version = resolve_version(project.metadata, model)
    graph = project.models[version.model].load(version.version)
    given: Any = inline_rows(rows)
    given = typed_rows(given, graph.signature.inputs) if isinstance(given, list) else rows_or_name(given)
    given = to_arrow(project.sql(as_query(given)) if isinstance(given, str) else given)
    if any(within.values()):
        _show_within(graph, given.slice(0, 1), as_json=as_json, label=label, **within)
        return
    found = graph.explain(given, top, label=label)
    if as_json:
        print_json(found.to_pylist())
        return
    for row in found.slice(0, limit).to_pylist():
        _show(row, found.column_names[0])
    if found.num_rows > limit:
        click.echo(f"... {found.num_rows:,} rows")


def _show_within(
    graph: ModelGraph,
    row: pa.Table,
    *,
    label: str | None,
    text: str | None,
    image: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Print what the words of a text add, or the parts of an image, row by row; write it as a page or picture."""
    found: Any = (
        penstock.explain_image(graph, row, image, label=label)
        if image is not None
        else penstock.explain_text(graph, row, str(text), label=label)
    )
    if out is not None:
        found.figure.save(out)
        click.echo(f"written to {out}", err=True)
    told = found.parts.tolist() if image is not None else found.words.to_pylist()
    if as_json:
        whole = {"predicted": found.predicted, "baseline": found.baseline, "score": found.score}
        print_json({**whole, "words" if image is None else "parts": told})
        return
    click.secho(f"predicted: {shown(found.predicted)}", bold=True)
    if image is None:
        told = [(each["word"], _signed(each["attribution"])) for each in told]
        ends = [(name, f"{value:.6g}") for name, value in (("baseline", found.baseline), ("score", found.score))]
        print_cells(("word", "attribution"), [ends[0], *told, ends[1]])
        return
    click.echo(f"baseline {found.baseline:.6g}, score {found.score:.6g}; parts of the image:")
    print_cells(
        ("", *(str(at + 1) for at in range(len(told[0])))),
        [(str(at + 1), *(f"{part:+.2g}" if part else "" for part in line)) for at, line in enumerate(told)],
    )


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
