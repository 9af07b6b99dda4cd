"""`penstock init`: a project that runs."""

from __future__ import annotations

import csv
import datetime
import io
import math
import random
from importlib.resources import files
from pathlib import Path

import click

from penstock.cli.drafting import drafted
from penstock.cli.group import Command
from penstock.errors import ConflictError

_RIDES = 400
_NEVER_COMMITTED = (".penstock/", ".secrets.toml")  # what runs leave, and the secrets that a configuration may name
_NEXT = """\
  penstock run rides
  penstock predict duration '{"started": "2026-04-01T08:00:00Z", "station": "Museum", "km": 3.2}'
  penstock serve"""
_STATIONS = {"Harbour": 0.0, "Museum": 1.5, "Station": -1.0, "University": 3.0}


@click.command(cls=Command)
@click.argument("directory", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--rows", metavar="FILE", help="Begin with these rows of yours: a file, or a pattern in quotes.")
@click.option("--label", metavar="COLUMN", help="With --rows: the column that is to be predicted.")
def init(directory: Path, rows: str | None, label: str | None) -> None:
    """Start a project in DIRECTORY: penstock.toml, and a pipeline that runs, on a little data or on yours.

    penstock init trips --rows trips.csv --label duration
    """
    if label is not None and rows is None:
        raise click.UsageError("--label is a column of --rows FILE; give both")
    contents, following = _example() if rows is None else drafted(rows, label, directory)
    there = [name for name in contents if (directory / name).exists()]
    if there:
        raise ConflictError(f"{directory} has {', '.join(there)} already; start in another folder")
    for name, content in contents.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    _add_to_gitignore(directory / ".gitignore")
    click.echo(f"made {', '.join(contents)} in {directory}; next:\n")
    if directory != Path():
        click.echo(f"  cd {directory}")
    click.echo(following)


def _example() -> tuple[dict[str, str], str]:
    template = files("penstock.cli") / "template"
    contents = {name: (template / name).read_text() for name in ("penstock.toml", "pipelines.py")}
    return {**contents, "data/rides.csv": rides()}, _NEXT


def rides() -> str:
    """Return made-up bicycle rides as CSV, always the same."""
    draw = random.Random(7)  # noqa: S311  # no secret
    start = datetime.datetime(2026, 3, 1, 6, tzinfo=datetime.UTC)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["started", "station", "km", "minutes"])
    for ride in range(_RIDES):
        started = start + datetime.timedelta(minutes=37 * ride + draw.randrange(30))
        station, km = draw.choice(sorted(_STATIONS)), round(math.exp(draw.gauss(0.8, 0.5)), 2)
        minutes = 3 + 4.2 * km + _STATIONS[station] + (4 if started.hour in (8, 17, 18) else 0) + draw.gauss(0, 1)
        writer.writerow([started.strftime("%Y-%m-%dT%H:%M:%SZ"), station, km, round(max(minutes, 1), 1)])
    return text.getvalue()


def _add_to_gitignore(path: Path) -> None:
    lines = path.read_text().splitlines() if path.exists() else []
    missing = [name for name in _NEVER_COMMITTED if name not in lines]
    if missing:
        path.write_text("\n".join([*lines, *missing]) + "\n")
