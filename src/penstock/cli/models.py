"""`penstock models`, `predict` and `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

import penstock
from penstock.cli.exits import FAILED
from penstock.cli.group import Command
from penstock.cli.output import moment, print_cells, print_json, print_table
from penstock.cli.rows import inline_rows, typed_rows
from penstock.cli.where import Where
from penstock.core.run import AliasChange

if TYPE_CHECKING:  # the project loads every library: not for --help
    from penstock.project import Verification

_SHOWN_DIFFERENCES = 10


class _Models(click.Group):
    """A group for which `penstock models bicycle` is `penstock models list bicycle`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the command that is meant in front."""
        named = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if named else ["list", *args])


@click.group(cls=_Models)
def models() -> None:
    """List the registered models (the default), the versions of one, or move the alias of one by hand."""


@models.command("list", cls=Command)
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def listing(root: Where, model: str | None, as_json: bool) -> None:
    """List the registered models, or the versions of MODEL."""
    registry = penstock.open(root).models
    if model is not None:
        entry = registry[model]
        things = [
            {**msgspec.to_builtins(version, enc_hook=repr), "aliases": _pointing(entry.aliases, version.version)}
            for version in reversed(entry.versions)
        ]
    else:
        things = [
            {"model": name, "versions": len(each.versions), "aliases": each.aliases} for name, each in registry.items()
        ]
    if as_json:
        print_json(things)
    elif not things:
        click.echo("no models yet; a pipeline with ps.push, or CREATE MODEL, makes one")
    else:
        print_table([_version(thing) if "version" in thing else _model(thing) for thing in things], limit=len(things))


_ALIAS = click.option("--alias", default="champion", show_default=True, help="The alias to move.")
_REASON = click.option("--reason", default="", metavar="TEXT", help="Why; the history keeps it.")


@models.command(cls=Command)
@click.argument("model")
@click.argument("version", type=click.IntRange(1))
@_ALIAS
@_REASON
@click.pass_obj
def promote(root: Where, model: str, version: int, alias: str, reason: str) -> None:
    """Point an alias of MODEL at VERSION; what serves and what infers follow it."""
    _say_moved(penstock.open(root).models[model].promote(version, alias, reason=reason))


@models.command(cls=Command)
@click.argument("model")
@_ALIAS
@_REASON
@click.pass_obj
def rollback(root: Where, model: str, alias: str, reason: str) -> None:
    """Point an alias of MODEL back at the version that it pointed at before."""
    _say_moved(penstock.open(root).models[model].rollback(alias, reason=reason))


@models.command(cls=Command)
@click.argument("model")
@click.option("--alias", help="Only changes of this alias.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def history(root: Where, model: str, alias: str | None, as_json: bool) -> None:
    """List where the aliases of MODEL pointed, the newest change first."""
    changes = [each for each in reversed(penstock.open(root).models[model].history) if alias in (None, each.alias)]
    if as_json:
        print_json([msgspec.to_builtins(each) for each in changes])
    else:
        print_cells(
            ("alias", "version", "when", "reason"),
            [(each.alias, each.version, moment(each.created), each.reason) for each in changes],
        )


def _say_moved(change: AliasChange) -> None:
    click.echo(f"{change.model}@{change.alias} points at version {change.version}: {change.reason}")


def _pointing(aliases: dict[str, int], version: int) -> list[str]:
    return [name for name, to in aliases.items() if to == version]


def _model(thing: dict[str, Any]) -> dict[str, Any]:
    return {**thing, "aliases": ", ".join(f"{alias} -> {version}" for alias, version in thing["aliases"].items())}


def _version(thing: dict[str, Any]) -> dict[str, Any]:
    """Return what a person compares versions by: the metrics stand beside each other."""
    return {
        "version": thing["version"],
        "aliases": ", ".join(thing["aliases"]),
        "created": moment(thing["created"]),
        "run": thing["lineage"].get("run", ""),
        **thing["metrics"],
    }


@click.command(cls=Command)
@click.argument("model")
@click.argument("rows")
@click.option(
    "--out",
    metavar="TO",
    help="Write all predictions: a .parquet, .csv, .arrow or .json file, a table of a .duckdb file, a Delta table "
    "(delta:PATH), a folder of Parquet files.",
)
@click.option("--table", default="", help="The table of a .duckdb file.")
@click.option("--by", multiple=True, metavar="COLUMN", help="Replace the rows there that have the same values.")
@click.option("--timestamp", help="The column with each row's time, as of which features of feature sets are read.")
@click.option("--limit", default=20, type=click.IntRange(0), show_default=True, help="How many rows to show.")
@click.option("--json", "as_json", is_flag=True, help="Print all predictions as one JSON array.")
@click.pass_obj
def predict(
    root: Where,
    model: str,
    rows: str,
    out: str | None,
    table: str,
    by: tuple[str, ...],
    timestamp: str | None,
    limit: int,
    as_json: bool,
) -> None:
    """Predict ROWS with MODEL.

    MODEL is a name, name@alias or name/3; ROWS a file, a declared table, or inline JSON: '{"km": 3}'.
    """
    from penstock.models import resolve_version  # here: it loads libraries that --help does not need
    from penstock.tables.replacing import write_to

    if out is None and (table or by):
        raise click.UsageError("--table and --by say where --out writes; give it")
    project = penstock.open(root)
    given = inline_rows(rows)
    if isinstance(given, list):
        version = resolve_version(project.metadata, model)
        given = typed_rows(given, project.models[version.model].load(version.version).signature.inputs)
    predictions = project.predict(model, given, timestamp=timestamp)
    if out is not None:
        write_to(predictions, out, Path.cwd(), table=table, by=by)
        click.echo(f"{predictions.num_rows:,} predictions written to {out}", err=True)
    elif as_json:
        print_json(predictions.to_pylist())
    else:
        print_table(predictions, limit=limit)


@click.command(cls=Command)
@click.argument("model")
@click.option("--url", help="The server to replay through (default: the row form, without a server).")
@click.option("--rows", help="Rows to replay: a file or a declared table (default: rows kept with the model).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def verify(root: Where, model: str, url: str | None, rows: str | None, as_json: bool) -> None:
    """Replay raw rows through the endpoint, compare with batch prediction; exit code 1 if any row differs."""
    found = penstock.open(root).verify(model, url=url, rows=rows)
    if as_json:
        print_json({**msgspec.to_builtins(found, enc_hook=repr), "equal": found.equal})
    else:
        _show(found)
    if not found.equal:
        raise click.exceptions.Exit(FAILED)


def _show(found: Verification) -> None:
    verdict = "all equal" if found.equal else f"{len(found.differing):,} differ"
    click.echo(f"{found.rows:,} rows of '{found.model}', {found.endpoint} against batch: ", nl=False)
    click.secho(verdict, fg="green" if found.equal else "red", nl=False)
    click.echo(f" (largest relative difference {found.largest:.3g})" if found.largest else ", bit for bit")
    for row in found.differing[:_SHOWN_DIFFERENCES]:
        print_json(row)
