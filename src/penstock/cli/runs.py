"""`penstock runs`, `show` and `why`: what is recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

import penstock
from penstock.artifacts import find_run
from penstock.cli.group import Command
from penstock.cli.output import duration, moment, print_cells, print_json, shown, took
from penstock.cli.params import read_tags
from penstock.cli.where import Where
from penstock.core.run import Attempt, Run, StepRun
from penstock.pipelines import draw_run, find_runs, reap, step_of, steps_of


@click.command(cls=Command)
@click.option("--pipeline", help="Only runs of this pipeline.")
@click.option("--experiment", help="Only runs of this experiment.")
@click.option("--state", help="Only runs in this state: 'waiting' for those that a person has to approve.")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Only runs that have this tag.")
@click.option("--limit", default=20, type=click.IntRange(0), show_default=True, help="How many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def runs(
    root: Where,
    pipeline: str | None,
    experiment: str | None,
    state: str | None,
    tags: tuple[str, ...],
    limit: int,
    as_json: bool,
) -> None:
    """List runs, newest first."""
    given = {"pipeline": pipeline, "experiment": experiment, "state": state}
    equal = {name: value for name, value in given.items() if value is not None}
    metadata = penstock.open(root).metadata
    reap(metadata)
    found = find_runs(metadata, tags=read_tags(tags), limit=limit, **equal)
    if as_json:
        print_json([_plain(run) for run in found])
    elif not found:
        click.echo("no runs here yet; penstock run PIPELINE makes one")
    else:
        print_cells(("run", "pipeline", "state", "started", "took", "experiment", "tags", "params"), map(_row, found))


def _row(run: Run) -> list[Any]:
    params = ", ".join(f"{name}={shown(value)}" for name, value in run.params.items())
    experiment = f"{run.experiment} ({run.mode})" if run.mode != "train" else run.experiment
    return [run.id, run.pipeline, run.state, moment(run.created), _took(run), experiment, tags_text(run), params]


def tags_text(run: Run) -> str:
    """Return the tags of a run as they are written on the command line."""
    return " ".join(f"{name}={value}" for name, value in run.tags.items())


def _took(run: Run) -> str:
    return duration(run.ended - run.created) if run.ended is not None else ""


@click.command(cls=Command)
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--page",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write it, with what its steps made, as a page of HTML.",
)
@click.option("--draw", type=click.Path(dir_okay=False, path_type=Path), help="Write a picture of it to this SVG file.")
@click.pass_obj
def show(root: Where, run: str, as_json: bool, file: Path | None, draw: Path | None) -> None:
    """Show RUN (its id, the beginning of it, or `latest`) and its steps."""
    project = penstock.open(root)
    metadata = project.metadata
    reap(metadata)
    found = find_run(metadata, run)
    if file is not None:
        from penstock.project.run_page import run_page  # here: it loads libraries that --help does not need

        run_page(project.get_run(found.id)).save(file)
        click.echo(f"the page is written to {file}", err=True)
        return
    steps = steps_of(metadata, found)
    if draw is not None:
        draw.write_text(draw_run(found, steps), encoding="utf-8")
        click.echo(f"the picture is written to {draw}", err=True)
        return
    if as_json:
        failed = metadata.find(Attempt, run=found.id)
        shown = [
            {**_plain(step), "failed_attempts": [_plain(each) for each in failed if each.step == step.step]}
            for step in steps
        ]
        print_json({**_plain(found), "steps": shown})
        return
    for name, value in (
        ("run", found.id),
        ("pipeline", found.pipeline),
        ("state", found.state),
        ("started", moment(found.created)),
        ("took", _took(found)),
        ("mode", found.mode),
        ("engine", found.engine),
        ("experiment", found.experiment),
        ("tags", tags_text(found)),
        ("notes", found.notes),
        ("params", msgspec.json.encode(found.params, enc_hook=repr).decode()),
        ("cause", " ".join(str(found.cause[key]) for key in ("kind", "trigger", "occurrence") if key in found.cause)),
        ("error", found.error),
    ):
        if value:
            click.echo(f"{name:<12}{value}")
    click.echo()
    titles = ["step", "state", "took", "reason"]
    cells = [[step.step, step.state, took(step), step.reason] for step in steps]
    if any(step.attempts > 1 for step in steps):
        titles.insert(2, "attempts")
        for step, row in zip(steps, cells, strict=True):
            row.insert(2, str(step.attempts or ""))
    print_cells(titles, cells)
    for step in steps:
        for each in metadata.find(Attempt, run=found.id, step=step.step) if step.attempts > 1 else ():
            click.secho(f"\n{step.step}, attempt {each.number}, after {duration(each.ended - each.started)}:", fg="red")
            click.echo(each.error)
        if step.error:
            click.secho(f"\n{step.step}:", fg="red")
            click.echo(step.error)


@click.command(cls=Command)
@click.argument("run")
@click.argument("step")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def why(root: Where, run: str, step: str, as_json: bool) -> None:
    """Say why STEP of RUN ran, or did not."""
    project = penstock.open(root)
    found = find_run(project.metadata, run)
    said = project.why(found.id, step_of(project.metadata, found, step).step)
    if as_json:
        print_json({"run": found.id, "step": step, "why": said})
    else:
        click.echo(said)


def _plain(record: Run | StepRun | Attempt) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(record, enc_hook=repr)
    return plain
