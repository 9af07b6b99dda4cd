"""`penstock features`: feature sets declared, found, filled and read."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

import penstock
from penstock.cli.feature_cells import counted_rows, feature_cells, instant, length, stale_since
from penstock.cli.feature_ingest import dead_letters, ingest
from penstock.cli.feature_keys import read_keys
from penstock.cli.feature_services import references, services
from penstock.cli.group import Command
from penstock.cli.output import moment, print_cells, print_json, print_table
from penstock.cli.rows import write_rows
from penstock.cli.where import Where, here

if TYPE_CHECKING:  # they load every library: not for --help
    from penstock.project import Project
    from penstock.remote import RemoteProject

    AnyProject = Project | RemoteProject

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_ENTITY = click.option(
    "-k", "--key", "keys", multiple=True, metavar="NAME=VALUE", help="A key of an entity; again for the next entity."
)
_STATUSES = click.option("--statuses", is_flag=True, help="Add for each feature why it has a value, or none.")
_FULL_NAMES = click.option("--full-feature-names", is_flag=True, help="Call columns set__feature.")


@click.group(invoke_without_command=True)
@click.pass_context
def features(ctx: click.Context) -> None:
    """Work with feature sets: list (the default), show, search, apply, read as of any time and online.

    A SET is a name (driver_rides), or a certain version of one (driver_rides@2).
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(listing)


features.add_command(ingest)
features.add_command(dead_letters)
features.add_command(services)


@features.command("list", cls=Command)
@JSON
@click.pass_obj
def listing(root: Where, as_json: bool) -> None:
    """List the feature sets."""
    store = _project(root).features
    found = [store[name].describe() for name in store]
    if as_json:
        print_json(found)
    elif not found:
        click.echo("no feature sets yet; declare one in a module, rides = ps.feature_set(...): penstock features apply")
    else:
        columns = ("set", "version", "entities", "features", "rows", "last event", "stale", "owner", "description")
        print_cells(
            columns,
            (
                [
                    each["name"],
                    each["version"],
                    ", ".join(each["entities"]),
                    len(each["features"]),
                    (each["statistics"] or {}).get("rows", 0),
                    instant((each["statistics"] or {}).get("last_event")),
                    "stale" if each["freshness"]["stale"] else "",
                    each["owner"],
                    each["description"],
                ]
                for each in found
            ),
        )


@features.command(cls=Command)
@click.argument("name", metavar="SET")
@JSON
@click.pass_obj
def show(root: Where, name: str, as_json: bool) -> None:
    """Show a feature SET: what it is, what its rows are like, what it comes from and what uses it.

    Drift is how far the newest ingest's values are from those of all before: 0% equal, 100% nothing in common.
    """
    found = _project(root).features[name].describe()
    if as_json:
        print_json(found)
        return
    lineage = found["lineage"]
    for title, value in (
        ("set", f"{found['name']}@{found['version']}"),
        ("description", found["description"]),
        ("owner", found["owner"]),
        ("tags", ", ".join(f"{key}={value}" for key, value in found["tags"].items())),
        ("entities", ", ".join(f"{key} {type}" for key, type in found["entities"].items())),
        ("event time", found["timestamp"]),
        ("ttl", length(found["ttl_seconds"])),
        ("freshness", length(found["freshness"]["freshness_seconds"])),
        ("stale", stale_since(found["freshness"])),
        ("applied", moment(found["created"])),
        *counted_rows(found["statistics"]),
        ("source", lineage["source"] or ""),
        *((f"used by {kind}", ", ".join(lineage[kind])) for kind in ("sets", "services", "models")),
        ("reads", ", ".join(lineage["reads"])),
    ):
        if value:
            click.echo(f"{title:<18}{value}")
    click.echo()
    counted = found["statistics"] or {"features": {}}
    columns = ("feature", "type", "kind", "NULL", "min", "mean", "max", "drift", "most frequent")
    print_cells(columns, (feature_cells(each, counted["features"].get(each["name"], {})) for each in found["features"]))


@features.command(cls=Command)
@click.argument("text", nargs=-1, required=True)
@JSON
@click.pass_obj
def search(root: Where, text: tuple[str, ...], as_json: bool) -> None:
    """Find the feature sets that have every word of TEXT in their name, features, tags, owner or description."""
    hits = _project(root).features.search(" ".join(text))
    if as_json:
        print_json([msgspec.to_builtins(hit) for hit in hits])
    elif not hits:
        click.echo(f"no feature set has {' and '.join(map(repr, text))}")
    else:
        print_cells(
            ("set", "owner", "found in"),
            (
                [f"{hit.name}@{hit.version}", hit.owner, ", ".join(f"{place} {value}" for place, value in hit.found)]
                for hit in hits
            ),
        )


@features.command(cls=Command)
@click.argument("names", nargs=-1, metavar="[SET|MODULE]...")
@JSON
@click.pass_obj
def apply(root: Where, names: tuple[str, ...], as_json: bool) -> None:
    """Register the feature sets and services that the project's modules declare: all, those named, or a module's.

    What holds already changes nothing; a changed definition is the next version, and says what changed.
    """
    from penstock.project.declared import load_features  # here: it loads libraries that --help does not need

    project = penstock.open(here(root, "applying what modules declare"))
    applied = [project.features.apply(each) for each in load_features(project.config, names)]
    if as_json:
        print_json(
            [
                {"name": each.name, "version": each.version, "new": each.is_new, "changes": each.changes}
                | {"breaks": each.breaks, "schema": dict(each)}
                for each in applied
            ]
        )
        return
    for each in applied:
        click.secho(each.message, fg="yellow" if each.breaks else None)


@features.command(cls=Command)
@click.argument("name", metavar="SET")
@JSON
@click.pass_obj
def versions(root: Where, name: str, as_json: bool) -> None:
    """List the versions of a SET, newest first, and what each changed."""
    found = [each.record for each in reversed(_project(root).features[name].versions)]
    if as_json:
        print_json([msgspec.to_builtins(record) for record in found])
        return
    cells = (
        [record.version, moment(record.created), record.history, "" if record.compatible else "no", _said(record)]
        for record in found
    )
    print_cells(("version", "applied", "history", "compatible", "changes"), cells)


@features.command(cls=Command)
@click.argument("name", metavar="SET|SERVICE")
@click.argument("rows")
@click.argument("wanted", nargs=-1, metavar="[FEATURE]...")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write all rows to a file.")
@click.option("--timestamp", help="The column with each row's instant (default: event_timestamp, else the set's own).")
@_STATUSES
@_FULL_NAMES
@click.option("--limit", default=20, type=click.IntRange(0), show_default=True, help="How many rows to show.")
@JSON
@click.pass_obj
def history(
    root: Where,
    name: str,
    rows: str,
    wanted: tuple[str, ...],
    out: Path | None,
    timestamp: str | None,
    statuses: bool,
    full_feature_names: bool,
    limit: int,
    as_json: bool,
) -> None:
    """Add features of SET to ROWS, each as it was at the row's time; or those of a SERVICE.

    ROWS is a file or a declared table, FEATURE a feature of SET or, as set:feature, of another; none stands for all.
    """
    from penstock.remote.rows import as_query, rows_or_name  # here: they load libraries that --help does not need

    project = _project(root)
    given: Any = rows_or_name(rows)
    given = project.sql(as_query(given)) if isinstance(given, str) else given
    table = project.features.get_historical_features(
        given,
        [each if ":" in each else f"{name}:{each}" for each in wanted] or references(project, name),
        timestamp=timestamp,
        statuses=statuses,
        full_feature_names=full_feature_names,
    )
    if out is not None:
        write_rows(table, out)
        click.echo(f"{table.num_rows:,} rows written to {out}", err=True)
    elif as_json:
        print_json(table.to_pylist())
    else:
        print_table(table, limit=limit)


@features.command(cls=Command)
@click.argument("wanted", nargs=-1, required=True, metavar="SET|SERVICE|FEATURE...")
@_ENTITY
@_STATUSES
@_FULL_NAMES
@JSON
@click.pass_obj
def online(
    root: Where, wanted: tuple[str, ...], keys: tuple[str, ...], statuses: bool, full_feature_names: bool, as_json: bool
) -> None:
    """Show the newest features of entities: `penstock features online driver_rides --key driver_id=7`.

    A SET stands for all its features, a SERVICE for those that it lists; a FEATURE is named as set:feature. Values of
    the request are keys too.
    """
    project = _project(root)
    asked = [reference for each in wanted for reference in references(project, each)]
    reader = project.features.reader(asked, full_feature_names=full_feature_names)
    given = read_keys(keys, {**reader.needs.entities, **reader.needs.requests})
    read = partial(project.features.get_online_features, asked, given, full_feature_names=full_feature_names)
    table = read(statuses=statuses)
    if not as_json and any(column.null_count for column in table.columns):
        table = read(statuses=True)  # an empty cell alone does not say whether the entity is known
    if as_json:
        print_json(table.to_pylist())
    else:
        print_table(table, limit=table.num_rows)


@features.command(cls=Command)
@click.argument("name", metavar="SET")
@_ENTITY
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
@click.pass_obj
def forget(root: Where, name: str, keys: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """Take every row of entities out of a SET, for good: `penstock features forget driver_rides --key driver_id=7`."""
    view = _project(root).features[name]
    given = read_keys(keys, view.entities)
    _confirmed(f"take every row of {', '.join(keys)} out of {view.name}, for good?", yes)
    done = _project(root).features.forget(view.name, given)
    if as_json:
        print_json({"rows": done.rows, "online": done.online, "dead_letters": done.dead_letters})
    else:
        also = f", and {done.dead_letters:,} dead letters" if done.dead_letters else ""
        click.echo(f"{done.rows:,} rows and {done.online:,} online records taken out of {view.name}{also}")


@features.command(cls=Command)
@click.argument("name", metavar="SET")
@click.option("--before", required=True, type=click.DateTime(), help="An instant, in UTC: 2026-01-31.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@JSON
@click.pass_obj
def expire(root: Where, name: str, before: Any, yes: bool, as_json: bool) -> None:
    """Take the rows out of a SET whose event is older than an instant, for good."""
    import datetime

    view = _project(root).features[name]
    _confirmed(f"take the rows of {view.name} from before {before} UTC out, for good?", yes)
    rows = _project(root).features.expire(view.name, before=before.replace(tzinfo=datetime.UTC))
    if as_json:
        print_json({"rows": rows})
    else:
        click.echo(f"{rows:,} rows taken out of {view.name}")


@features.command(cls=Command)
@click.argument("name", metavar="SET")
@JSON
@click.pass_obj
def compact(root: Where, name: str, as_json: bool) -> None:
    """Put small files of a SET's history together. No answer changes."""
    fewer = _project(root).features.compact(name)
    print_json({"files_fewer": fewer}) if as_json else click.echo(f"{fewer:,} files fewer")


@features.command(cls=Command)
@click.argument("name", metavar="SET")
@JSON
@click.pass_obj
def materialize(root: Where, name: str, as_json: bool) -> None:
    """Bring the online records of a SET up to its history. An ingest does so by itself."""
    entities = _project(root).features.materialize(name)
    print_json({"entities": entities}) if as_json else click.echo(f"{entities:,} entities had newer rows")


def _project(root: Where) -> AnyProject:
    return penstock.open(root)


def _confirmed(question: str, yes: bool) -> None:
    if not yes:
        click.confirm(question, abort=True, err=True)


def _said(record: Any) -> str:
    return "; ".join(record.changes) or ("created" if record.version == 1 else "")
