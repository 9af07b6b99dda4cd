"""`penstock approve` and `penstock reject`: a person decides about a step that waits."""

from __future__ import annotations

import click

import penstock
from penstock.artifacts import find_run
from penstock.cli.exits import FAILED, WAITS
from penstock.cli.group import Command
from penstock.cli.where import Where
from penstock.pipelines import waiting_step

_STEP = click.argument("step", required=False, default="")
_REASON = click.option("--reason", default="", metavar="TEXT", help="Why; it is recorded.")
_BY = click.option("--by", default="", metavar="NAME", help="Who decides (default: the user of this process).")


@click.command(cls=Command)
@click.argument("run")
@_STEP
@_REASON
@_BY
@click.pass_obj
def approve(root: Where, run: str, step: str, reason: str, by: str) -> None:
    """Approve what STEP of RUN waits for; the run goes on.

    RUN is an id, the beginning of one, or `latest`; STEP may be left out where one alone waits. Exit code 1 if the run
    fails then, 5 if it waits again.
    """
    project = penstock.open(root)
    found = find_run(project.metadata, run)
    name = waiting_step(project.metadata, found, step).step
    view = project.get_run(found.id)
    view.steps[name].approve(reason=reason, by=by)
    record = view.wait().record
    click.echo(f"{name}: {view.steps[name].reason}\nrun {record.id} of {record.pipeline} {record.state}")
    if record.state != "succeeded":
        raise click.exceptions.Exit(WAITS if record.state == "waiting" else FAILED)


@click.command(cls=Command)
@click.argument("run")
@_STEP
@_REASON
@_BY
@click.pass_obj
def reject(root: Where, run: str, step: str, reason: str, by: str) -> None:
    """Reject what STEP of RUN waits for; the run has failed then."""
    project = penstock.open(root)
    found = find_run(project.metadata, run)
    name = waiting_step(project.metadata, found, step).step
    view = project.get_run(found.id)
    view.steps[name].reject(reason=reason, by=by)
    click.echo(f"{name}: {view.steps[name].record.error}")
