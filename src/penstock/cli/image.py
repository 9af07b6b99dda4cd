"""`penstock image build`."""

from __future__ import annotations

import click

from penstock.cli.group import Command
from penstock.cli.output import print_json
from penstock.cli.where import Where, here


@click.group()
def image() -> None:
    """Images for steps that run in containers."""


@image.command(cls=Command)
@click.option(
    "--tag", default="", metavar="NAME", help="Its name (default: [engine] image, else by the project's name)."
)
@click.option(
    "--base", default="", metavar="IMAGE", help="The image to put it on (default: the running Python itself)."
)
@click.option("--requirements", default="", metavar="FILE", help="The lock file (default: [engine] requirements).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def build(root: Where, tag: str, base: str, requirements: str, as_json: bool) -> None:
    """Build the project's image from its lock file.

    The lock is requirements.lock, pylock.toml or requirements.txt. Where this environment has all of it, packages are
    copied and no network is asked; else pip fetches them. The digest that is printed is part of the key of every step
    that runs in the image.
    """
    from penstock.project.building import build_project_image
    from penstock.project.config import load_config
    from penstock.project.driving import project_root

    config = load_config(project_root(here(root, "building an image")))
    built = build_project_image(config, name=tag, base=base, requirements=requirements)
    if as_json:
        facts = {"name": built.image.name, "digest": built.image.id, "size_bytes": built.image.size_bytes}
        print_json({**facts, "packages": list(built.packages), "new": built.new})
        return
    what = "built" if built.new else "up to date"
    click.echo(f"{what}: {built.image.name}, {built.image.size_bytes / 1e6:,.0f} MB", err=True)
    click.echo(f"sha256:{built.image.id}")
