"""Feature services on the command line: shown, and read like the sets whose features they list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import penstock
from penstock.cli.group import Command
from penstock.cli.output import moment, print_cells, print_json
from penstock.cli.where import Where

if TYPE_CHECKING:  # they load every library: not for --help
    from penstock.project import Project
    from penstock.remote import RemoteProject


@click.command(cls=Command)
@click.argument("name", metavar="[SERVICE]", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def services(root: Where, name: str | None, as_json: bool) -> None:
    """List the feature services, or show one: which features it lists, of which versions.

    A SERVICE is a name (pricing), or a certain version of one (pricing@2).
    """
    known = penstock.open(root).features.services
    if name is not None:
        found = known[name].describe()
        if as_json:
            print_json(found)
            return
        for title, value in (
            ("service", f"{found['name']}@{found['version']}"),
            ("description", found["description"]),
            ("owner", found["owner"]),
            ("tags", ", ".join(f"{key}={value}" for key, value in found["tags"].items())),
            ("applied", moment(found["created"])),
            ("features", f"\n{'':<18}".join(found["pinned"])),
        ):
            if value:
                click.echo(f"{title:<18}{value}")
        return
    every = [each.describe() for each in known.values()]
    if as_json:
        print_json(every)
    elif not every:
        click.echo("no feature services yet; declare one in a module, ps.feature_service(...): penstock features apply")
    else:
        columns = ("service", "version", "features", "owner", "description")
        rows = ([e["name"], e["version"], len(e["pinned"]), e["owner"], e["description"]] for e in every)
        print_cells(columns, rows)


def references(project: Project | RemoteProject, name: str) -> list[str]:
    """Return the references that a name stands for: of a feature itself, of all of a set, or of those of a service."""
    if ":" in name:
        return [name]
    bare = name.partition("@")[0]
    if bare not in project.features and bare in project.features.services:
        return list(project.features.services[name].features)
    return [f"{name}:*"]
