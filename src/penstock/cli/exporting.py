"""`penstock export`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import click
import msgspec

import penstock
from penstock.cli.group import Command
from penstock.cli.where import Where
from penstock.errors import DeclarationError


@click.command(cls=Command)
@click.argument("model")
@click.option("--format", "format", required=True, help="onnx, sql, mlflow: one file, one query, a folder for MLflow.")
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
    registered = penstock.open(root).models[name]
    written = registered.export(format, out, version=version, **dict(map(_option, options)))
    click.echo(f"wrote {written}{_compared(written) if format == 'onnx' and _readable() else ''}")


def _compared(path: Path) -> str:
    """Return how an ONNX file compares with the model, which it tells of itself."""
    from penstock.models.exporting.onnx_model import parity_of  # loads libraries that --help does not need

    parity = parity_of(path)
    return (
        f" ({path.stat().st_size:,} bytes): {parity.rows:,} rows that it learned from and {parity.edge_rows} at the "
        f"edges of types are predicted alike in ONNX Runtime, within {parity.largest:.1g}"
    )


def _readable() -> bool:
    """Tell whether an ONNX file can be asked here what it tells of itself: a server may have written it."""
    return importlib.util.find_spec("onnx") is not None


def _option(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not equals:
        raise DeclarationError(f"-o {text}: an option is NAME=VALUE, such as dialect=postgres")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value
