"""`penstock replay` and `penstock verify-step`: one step of a past run once more."""

from __future__ import annotations

from bdb import BdbQuit
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
import pyarrow as pa

import penstock
from penstock.artifacts import find_run
from penstock.cli.exits import FAILED
from penstock.cli.group import Command
from penstock.cli.output import print_json, print_table
from penstock.errors import UnknownNameError

if TYPE_CHECKING:  # the project loads every library: not for --help
    from penstock.project.runs import StepView


@click.command(cls=Command)
@click.argument("run")
@click.argument("step")
@click.option("--pdb", "debug", is_flag=True, help="Stop in Python's debugger at its first line, and where it raises.")
@click.pass_obj
def replay(root: Path, run: str, step: str, debug: bool) -> None:
    """Run STEP of RUN in this process, with the code as it is now, on the inputs and with the seed that it had there.

    What it prints and what it gives are shown; nothing is recorded.
    """
    try:
        value = _step(root, run, step).replay(pdb=debug)
    except BdbQuit:
        raise click.exceptions.Exit(FAILED) from None
    if isinstance(value, pa.Table):
        print_table(value)
    else:
        click.echo(repr(value))


@click.command("verify-step", cls=Command)
@click.argument("run")
@click.argument("step")
@click.option("--times", default=1, type=click.IntRange(1), show_default=True, help="How often to run it again.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def verify_step(root: Path, run: str, step: str, times: int, as_json: bool) -> None:
    """Run STEP of RUN again in fresh workers, on the inputs and with the seed that it had, and compare what it gives.

    Exit code 1 if anything differs; nothing is recorded.
    """
    found = _step(root, run, step).verify(times=times)
    if as_json:
        print_json({**msgspec.to_builtins(found), "same": found.same})
    else:
        if found.since:
            click.echo(f"note: {found.since} since run {found.run}")
        for each in found.differences:
            click.secho(f"{each.output} differs: {each.then[:12]} then, {each.now[:12]} now", fg="red")
            click.echo(f"  {each.where or 'the values print the same, their bytes differ'}")
        if found.same:
            again = "again" if times == 1 else f"again {times} times"
            click.secho(f"{found.step} gives the same, run {again}", fg="green")
    if not found.same:
        raise click.exceptions.Exit(FAILED)


def _step(root: Path, run: str, name: str) -> StepView:
    project = penstock.open(root)
    found = project.get_run(find_run(project.metadata, run).id)
    if name not in found.steps:
        raise UnknownNameError("step", name, found.steps, within=f"run {found.id}")
    return found.steps[name]
