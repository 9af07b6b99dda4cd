"""`penstock artifacts`: what was made, listed, shown, named, written to files."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import click
import msgspec

import penstock
from penstock.artifacts import size_of
from penstock.cli.group import Command
from penstock.cli.output import moment, print_cells, print_json, print_table, size
from penstock.cli.rows import write_rows
from penstock.cli.where import Where
from penstock.core.artifact import Artifact
from penstock.core.run import NamedVersion
from penstock.errors import ConflictError, StorageError

_DIGITS = 12


@click.group(invoke_without_command=True)
@click.pass_context
def artifacts(ctx: click.Context) -> None:
    """Work with artifacts: list (the default), show, name, alias, usage, export.

    An ARTIFACT is a name (prices, prices@latest, prices/3), what made it (RUN/STEP or RUN/STEP.OUTPUT, RUN may be
    `latest`), or the beginning of its digest.
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(listing)


@artifacts.command("list", cls=Command)
@click.option("--kind", help="Only artifacts of this kind: table, json, model, text, ...")
@click.option("--made-by", help="Only what this run, step or RUN/STEP made.")
@click.option("--min-size", default=0, type=click.IntRange(0), help="Only artifacts of so many bytes or more.")
@click.option("--limit", default=20, type=click.IntRange(0), show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def listing(root: Where, kind: str | None, made_by: str | None, min_size: int, limit: int, as_json: bool) -> None:
    """List artifacts, newest first."""
    project = penstock.open(root)
    found = [
        view.record for view in project.repository.find(kind=kind, made_by=made_by, min_bytes=min_size, limit=limit)
    ]
    named = _named(project.metadata.find(NamedVersion))
    if as_json:
        print_json(
            [{**msgspec.to_builtins(each, enc_hook=repr), "names": named.get(each.digest, [])} for each in found]
        )
    elif not found:
        click.echo("no artifacts here; penstock run PIPELINE makes some")
    else:
        columns = ("artifact", "kind", "size", "rows", "made by", "created", "names")
        print_cells(columns, ([*_row(each), ", ".join(named.get(each.digest, []))] for each in found))


def _named(versions: list[NamedVersion]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for version in versions:
        names.setdefault(version.digest, []).append(f"{version.name}/{version.version}")
    return names


def _row(artifact: Artifact) -> list[Any]:
    rows = artifact.facts.get("rows")
    made = (artifact.made_by, moment(artifact.created) if artifact.created else "")
    return [artifact.digest[:_DIGITS], artifact.kind, size(size_of(artifact)), rows, *made]


@artifacts.command(cls=Command)
@click.argument("artifact")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(root: Where, artifact: str, as_json: bool) -> None:
    """Show what is known of ARTIFACT: its schema, its first rows, its names, what made it."""
    project = penstock.open(root)
    record = project.repository[artifact].record
    names = [
        _pointed(version, project.repository.names[version.name].aliases, version.expires)
        for version in project.metadata.find(NamedVersion, digest=record.digest)
    ]
    if as_json:
        print_json(
            {
                **msgspec.to_builtins(record, enc_hook=repr),
                "names": names,
                "stored": project.artifacts.has(record.digest),
            }
        )
        return
    facts = {name: value for name, value in record.facts.items() if name not in ("preview", "size_bytes")}
    for name, value in (
        ("artifact", record.digest),
        ("kind", record.kind),
        ("size", size(size_of(record))),
        ("made by", record.made_by),
        ("created", moment(record.created) if record.created else ""),
        ("names", ", ".join(map(_said, names))),
        *((name, msgspec.json.encode(value, enc_hook=repr).decode()) for name, value in facts.items()),
        ("", "" if project.artifacts.has(record.digest) else "its bytes are not in the store any more"),
    ):
        if value:
            click.echo(f"{name:<12}{value}")
    if record.schema:
        click.echo()
        print_cells(("column", "type"), record.schema)
    _preview(record.facts.get("preview"))


def _pointed(version: NamedVersion, aliases: dict[str, int], expires: float | None) -> dict[str, Any]:
    pointing = [alias for alias, number in aliases.items() if number == version.version]
    return {"name": version.name, "version": version.version, "aliases": pointing, "expires": expires}


def _said(name: dict[str, Any]) -> str:
    aliases = "".join(f" @{alias}" for alias in name["aliases"])
    until = f" until {moment(name['expires'])}" if name["expires"] is not None else ""
    return f"{name['name']}/{name['version']}{aliases}{until}"


def _preview(preview: Any) -> None:
    if preview is None:
        return
    click.echo()
    if isinstance(preview, list) and preview and all(isinstance(row, dict) for row in preview):
        print_table(preview)
    elif isinstance(preview, str):
        click.echo(preview)
    else:
        print_json(preview)


@artifacts.command(cls=Command)
@click.argument("artifact")
@click.argument("name")
@click.option("--alias", help="An alias to point at it: latest, reviewed, ...")
@click.option("--expires", help="How long the name keeps it: 12h, 30d, ... (default: for ever).")
@click.option("--reason", default="", help="Why, for the history.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def name(
    root: Where, artifact: str, name: str, alias: str | None, expires: str | None, reason: str, as_json: bool
) -> None:
    """Make ARTIFACT the next version of NAME; named artifacts are never collected before they expire."""
    made = penstock.open(root).repository.name(artifact, name, alias=alias, expires=expires, reason=reason)
    _print_version(made, alias, as_json=as_json)


@artifacts.command(cls=Command)
@click.argument("version")
@click.argument("alias")
@click.option("--reason", default="", help="Why, for the history.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def alias(root: Where, version: str, alias: str, reason: str, as_json: bool) -> None:
    """Point ALIAS at VERSION of a name: penstock artifacts alias prices/3 reviewed."""
    made = penstock.open(root).repository.alias(version, alias, reason=reason)
    _print_version(made, alias, as_json=as_json)


def _print_version(version: NamedVersion, alias: str | None, *, as_json: bool) -> None:
    if as_json:
        print_json({**msgspec.to_builtins(version), "alias": alias})
    else:
        pointed = f", and {version.name}@{alias} points there" if alias is not None else ""
        click.echo(f"{version.digest[:_DIGITS]} is {version.name}/{version.version}{pointed}")


@artifacts.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def usage(root: Where, as_json: bool) -> None:
    """Show what takes how much room: by kind, by step, by name; what `penstock gc` would free."""
    found = penstock.open(root).repository.usage()
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    shares = (("kind", found.by_kind), ("step", found.by_step), ("name", found.by_name))
    for what, by in shares:
        if by:
            rows = [(name, share.count, size(share.size_bytes)) for name, share in by.items()]
            print_cells((what, "artifacts", "size"), rows)
            click.echo()
    for what, share in (
        ("this project's artifacts", found.project),
        ("shared with other projects", found.shared),
        ("garbage (penstock gc)", found.garbage),
        ("garbage used too lately to go", found.recent),
        ("the whole store", found.store),
    ):
        if share.count:
            click.echo(f"{what:<32}{share.count:>8,}  {size(share.size_bytes)}")
    for what, count in (
        ("logs", found.log_bytes),
        ("records", found.metadata_bytes),
        *((f"features: {name}", count) for name, count in found.features.items()),
        ("left by ended processes", found.scratch_bytes),
    ):
        if count:
            click.echo(f"{what:<32}{'':>8}  {size(count)}")


@artifacts.command(cls=Command)
@click.argument("artifact")
@click.argument("target", type=click.Path(path_type=Path))
@click.pass_obj
def export(root: Where, artifact: str, target: Path) -> None:
    """Write ARTIFACT to TARGET: a table as .parquet, .csv, .arrow or .json, a model or a folder as a folder, anything
    else as the file that it is."""
    project = penstock.open(root)
    view = project.repository[artifact]
    match view.record.kind:
        case "table":
            write_rows(view.load(), target)
        case "model":
            view.load().save(target)
        case "folder":
            _copy_folder(view.load(), target)
        case _:
            _copy_file(project.artifacts.path(view.digest), target)
    click.echo(f"{view.record.kind} {view.digest[:_DIGITS]} written to {target}", err=True)


def _copy_folder(folder: Path, target: Path) -> None:
    if target.exists():
        raise ConflictError(f"{target} is there already; give a folder that is not")
    try:
        shutil.copytree(folder, target, copy_function=shutil.copyfile)  # not its mode: what is kept is read-only
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error}") from error


def _copy_file(file: Path, target: Path) -> None:
    try:
        shutil.copyfile(file, target)  # not its mode: what is in the store is read-only
    except OSError as error:
        raise StorageError(f"{target} cannot be written: {error}") from error
