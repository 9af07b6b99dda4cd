"""`penstock models`, `predict` and `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

import penstock
from penstock.cli.exits import FAILED
from penstock.cli.group import Command
from penstock.cli.output import moment, print_json, print_rows, print_table
from penstock.errors import DataError, DeclarationError

if TYPE_CHECKING:
    import pyarrow as pa

_SHOWN_DIFFERENCES = 10


@click.command(cls=Command)
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def models(root: Path, model: str | None, as_json: bool) -> None:
    """List the registered models, or the versions of one."""
    registry = penstock.open(root).models
    if model is None:
        names = [{"name": name, "versions": len(each.versions), "aliases": each.aliases} for name, each in registry.items()]
        _print(names, as_json=as_json)
        return
    entry = registry[model]
    pointing = {version: [name for name, to in entry.aliases.items() if to == version] for version in entry.aliases.values()}
    versions = [
        {
            "version": version.version,
            "aliases": pointing.get(version.version, []),
            "created": version.created if as_json else moment(version.created),
            "digest": version.digest if as_json else version.digest[:12],
            "metrics": version.metrics,
            "lineage": version.lineage,
        }
        for version in reversed(entry.versions)
    ]
    _print(versions, as_json=as_json)


def _print(things: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(things)
    elif things:
        print_table([*things[0]], [[*thing.values()] for thing in things])
    else:
        click.echo("no models yet; a pipeline with ps.push, or CREATE MODEL, makes one")


@click.command(cls=Command)
@click.argument("model")
@click.argument("rows")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write to a .parquet, .csv, .arrow or .json file.")
@click.option("--limit", default=20, show_default=True, help="How many rows to show.")
@click.option("--json", "as_json", is_flag=True, help="Print all predictions as one JSON array.")
@click.pass_obj
def predict(root: Path, model: str, rows: str, out: Path | None, limit: int, as_json: bool) -> None:
    """Predict ROWS (a file, a declared table, or inline JSON: '{"km": 3}') with MODEL (a name, name@alias or name/3)."""
    predictions = penstock.open(root).predict(model, inline_rows(rows))
    if out is not None:
        write_rows(predictions, out)
        click.echo(f"{predictions.num_rows:,} predictions written to {out}", err=True)
    elif as_json:
        print_json(predictions.to_pylist())
    else:
        print_rows(predictions, limit)


def inline_rows(text: str) -> str | list[dict[str, Any]]:
    """Return the rows that a text is (JSON: an object, or an array of objects), or the text: a path or a table's name."""
    if not text.lstrip().startswith(("{", "[")):
        return text
    try:
        decoded = msgspec.json.decode(text, type=dict[str, Any] | list[dict[str, Any]])
    except msgspec.DecodeError as error:
        raise DataError(f"ROWS are not a JSON object or an array of objects: {error}") from error
    return decoded if isinstance(decoded, list) else [decoded]


def write_rows(table: pa.Table, path: Path) -> None:
    """Write a table to a file of the format that its suffix says."""
    import pyarrow.csv
    import pyarrow.feather
    import pyarrow.parquet

    match path.suffix:
        case ".parquet":
            pyarrow.parquet.write_table(table, path)
        case ".csv":
            pyarrow.csv.write_csv(table, path)
        case ".arrow":
            pyarrow.feather.write_feather(table, path, compression="uncompressed")
        case ".json":
            path.write_bytes(msgspec.json.encode(table.to_pylist()))
        case other:
            raise DeclarationError(f"'{other}' is not a format to write; give a .parquet, .csv, .arrow or .json file")


@click.command(cls=Command)
@click.argument("model")
@click.option("--url", help="The server to replay through (default: the row form, without a server).")
@click.option("--rows", help="Rows to replay: a file or a declared table (default: rows kept with the model).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def verify(root: Path, model: str, url: str | None, rows: str | None, as_json: bool) -> None:
    """Replay raw rows through the endpoint, compare with batch prediction; exit code 1 if any row differs."""
    found = penstock.open(root).verify(model, url=url, rows=rows)
    if as_json:
        print_json({**msgspec.to_builtins(found), "equal": found.equal})
    else:
        verdict = "all equal" if found.equal else f"{len(found.differing):,} differ"
        style = "green" if found.equal else "red"
        click.echo(f"{found.rows:,} rows of '{found.model}' through {found.endpoint} against batch: ", nl=False)
        click.secho(verdict, fg=style, nl=False)
        click.echo(f" (largest relative difference {found.largest:.3g})")
        for row in found.differing[:_SHOWN_DIFFERENCES]:
            print_json(row)
    if not found.equal:
        raise click.exceptions.Exit(FAILED)
