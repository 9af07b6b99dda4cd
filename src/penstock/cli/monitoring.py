"""`penstock monitor` and `penstock labels`."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import penstock
from penstock.cli.exits import FAILED
from penstock.cli.group import Command
from penstock.cli.output import print_cells, print_json
from penstock.cli.rows import inline_rows
from penstock.cli.where import Where
from penstock.errors import DeclarationError, StorageError

if TYPE_CHECKING:  # the project loads every library: not for --help
    from penstock.production import Monitoring

_DAY_SECONDS = 86400
_LAST = ("labelled_share", "latency_median_seconds")  # what matters less than metrics, where there is little room
_OWN = ("window_start", "window_end", "complete", "latency_p99_seconds")


@click.command(cls=Command)
@click.argument("model")
@click.option("--window", default="1d", show_default=True, help="How long a window is: 1h, 1d.")
@click.option("--windows", type=click.IntRange(1), default=7, show_default=True, help="How many that have ended.")
@click.option("--by", multiple=True, metavar="EXPRESSION", help="Slice the rows; may be given several times.")
@click.option("--over", type=float, default=0.2, show_default=True, help="The distance that is too far.")
@click.option("--metric", default="PSI", show_default=True, help="PSI, JENSEN_SHANNON_DIVERGENCE, L_INFTY or KS.")
@click.option("--threshold", multiple=True, metavar="FEATURE=NUMBER", help="A bound of a feature's own.")
@click.option("--minimum", type=click.IntRange(1), default=500, show_default=True, help="Rows that a window needs.")
@click.option("--now", help="The moment to look from, 2026-11-25T03:00:00Z (default: now).")
@click.option("--html", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with charts, too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def monitor(
    root: Where, model: str, window: str, windows: int, by: tuple[str, ...], over: float, metric: str,
    threshold: tuple[str, ...], minimum: int, now: str | None, html: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Say what MODEL does in production: metrics over time, and how far its requests have changed.

    Ends with 1 where a feature is beyond its bounds in the newest window that has ended.
    """
    how: Any = {"over": over, "metric": metric, "minimum": minimum, "now": _moment(now)}
    thresholds = dict(map(_threshold, threshold))
    found = penstock.open(root).monitor(model, window=window, windows=windows, by=by, thresholds=thresholds, **how)
    if html is not None:
        from penstock.production.page import page

        try:
            html.write_text(page(found), encoding="utf-8")
        except OSError as error:
            raise StorageError(f"{html} cannot be written: {error.strerror or error}") from error
    if as_json:
        print_json(found.to_json())
    else:
        _show(found)
    if found.breaches:
        raise SystemExit(FAILED)


@click.command(cls=Command)
@click.argument("model")
@click.argument("rows")
@click.option("--id", "id_column", default="id", show_default=True, help="The column with the ids of the log.")
@click.option("--label", help="The column with the labels (default: as the model's label is called, or label).")
@click.option("--time", "time_column", help="The column that says when a label was found to be so (default: now).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def labels(
    root: Where, model: str, rows: str, id_column: str, label: str | None, time_column: str | None, as_json: bool
) -> None:
    """Tell what was true of rows that MODEL has predicted: ROWS are a file, a declared table, a query, or JSON."""
    given = inline_rows(rows)
    count = penstock.open(root).add_labels(model, given, id=id_column, label=label, time=time_column)
    if as_json:
        print_json({"labels": count})
    else:
        click.echo(f"{count:,} {'label' if count == 1 else 'labels'} of {model}")


def _show(found: Monitoring) -> None:
    rows = found.performance.to_pylist()
    if not rows:
        click.echo(
            f"no request to {found.model} is logged in these windows; servers log them where [monitoring] log_requests "
            "in penstock.toml is more than 0"
        )
    else:
        names = [name for name in found.performance.column_names if name not in (*_OWN, *_LAST)] + list(_LAST)
        sliced = any(row["slice"] for row in rows)
        names = names if sliced else [name for name in names if name not in ("slice", "value")]
        print_cells(
            ["window", *(name.replace("_", " ") for name in names)],
            [[_window(found, row), *(_cell(row[name]) for name in names)] for row in rows],
        )
    ended = [row for row in found.changes.to_pylist() if row["complete"]]
    newest = max((row["window_start"] for row in ended), default=None)
    changes = [row for row in ended if row["window_start"] == newest]
    if changes:
        click.echo(f"\nhow far {_window(found, changes[0])} is from what was learned from (training) and from before:")
        columns = ("feature", "against", "version", "metric", "distance", "threshold", "rows")
        shown = sorted(changes, key=lambda row: (-row["distance"], row["feature"]))
        heads = ["feature", "against", "version", "metric", "distance", "threshold", "rows", ""]
        print_cells(heads, [[*(_cell(row[name]) for name in columns), _above(row)] for row in shown])
    if found.events:
        click.echo("\nwhat came of it:")
        names = ["time", "event", "trigger", "about", "run", "state"]
        print_cells(names, [[_cell(each[name]) for name in names] for each in found.events])
    for each in found.breaches:
        click.echo(f"BREACH: {each['feature']} against {each['against']}: {_cell(each['distance'])}")


def _above(row: dict[str, Any]) -> str:
    return "BREACH" if row["is_above"] else ""


def _window(found: Monitoring, row: dict[str, Any]) -> str:
    form = "%Y-%m-%d" if found.window >= _DAY_SECONDS else "%Y-%m-%d %H:%M"
    return str(row["window_start"].strftime(form)) + ("" if row["complete"] else " (under way)")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)


def _moment(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        found = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise DeclarationError(f"--now is '{text}'; give a time as 2026-11-25T03:00:00Z") from error
    return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).timestamp()


def _threshold(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        return name, float(value)
    except ValueError as error:
        raise DeclarationError(f"--threshold is '{text}'; give a feature and its bound: distance=0.3") from error
