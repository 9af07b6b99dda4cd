"""`penstock run` and `penstock plan`."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click
import msgspec

import penstock
from penstock.artifacts import find_run
from penstock.cli.display import RunDisplay
from penstock.cli.exits import FAILED, INTERRUPTED, WAITS
from penstock.cli.group import Command
from penstock.cli.output import print_cells, print_json
from penstock.cli.params import read_object, read_overrides, read_params, read_tags
from penstock.cli.where import Where
from penstock.core.run import StepRun
from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines import (
    REQUEST,
    Event,
    PipelineFunction,
    RunEnded,
    RunStarted,
    StepEnded,
    StepMapped,
    StepStarted,
)

if TYPE_CHECKING:  # the project loads every library: not for --help
    from penstock.project import Project, Run
    from penstock.remote import RemoteProject
    from penstock.remote.pipelines import RemotePipeline

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS = (
    click.argument("pipeline", required=False),
    click.option("-p", "--param", "texts", multiple=True, metavar="NAME=VALUE", help="A parameter: JSON, or a text."),
    click.option("--params", "file", type=click.File("rb"), help="A JSON object of parameters in a file ('-': stdin)."),
    click.option("--only", multiple=True, metavar="STEP", help="Only this step; may be given again, or be a pattern."),
    click.option("--since", multiple=True, metavar="STEP", help="This step and what comes after it."),
    click.option("--until", multiple=True, metavar="STEP", help="This step and what it needs."),
    click.option("--mode", type=click.Choice(["train", "infer"]), help="train (default) or infer."),
    click.option(
        "--states-from",
        metavar="RUN",
        help="In mode infer: use what this run learned ('newest': the last good one).",
    ),
    click.option("--resume", metavar="RUN", help="Go on from this run, as it was asked; what it made counts."),
    click.option(
        "--override",
        "overrides",
        multiple=True,
        metavar="STEP=ARTIFACT",
        help="Take this artifact (a digest, RUN/STEP, NAME@ALIAS) instead of running the step.",
    ),
    click.option("--engine", help="inline, local or container (default: [engine] default of penstock.toml)."),
)


def _selecting(command: F) -> F:
    """Add the options that say what of a pipeline is to run, and with which parameters."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(cls=Command)
@_selecting
@click.option("--max-parallel", type=click.IntRange(1), metavar="N", help="Run at most so many steps at once.")
@click.option("--experiment", default="", help="Put the run into this experiment.")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Give the run a tag; may be given again.")
@click.option("--note", "notes", default="", metavar="TEXT", help="Give the run a note.")
@click.option("--cause", hidden=True, help="What started the run, as JSON.")
@click.option("--run-id", default="", hidden=True, help="Record the run under this id, which none may have yet.")
@click.option("-q", "--quiet", is_flag=True, help="Show nothing but what fails.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON; the first has the run's id.")
@click.pass_obj
def run(
    root: Where,
    /,
    pipeline: str | None,
    texts: tuple[str, ...],
    file: IO[bytes] | None,
    overrides: tuple[str, ...],
    tags: tuple[str, ...],
    cause: str | None,
    quiet: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Run PIPELINE and show how it goes. Exit code 1 if it fails, 5 if it waits for a person."""
    project = penstock.open(root)
    params = read_params(declared(project, pipeline, how), texts, file)
    how |= {"tags": read_tags(tags), "override": read_overrides(overrides)}
    how["cause"] = read_object(cause, "--cause") if cause else None
    with interruptible(), RunDisplay(root=root.resolve() if isinstance(root, Path) else None) as display:
        show = _print_event if as_json else None if quiet else display
        ended = project.run(pipeline, **_given(how), on_event=show, **params)
    if ended.state == "succeeded":
        return
    if ended.state == "waiting":
        _say_what_waits(ended, as_json=as_json)
        raise click.exceptions.Exit(WAITS)
    if not as_json:
        for step in ended.steps.values():
            _explain(step.record)
    raise click.exceptions.Exit(INTERRUPTED if ended.state == "cancelled" else FAILED)


def _say_what_waits(run: Run, *, as_json: bool) -> None:
    for step in [each.record for each in run.steps.values() if REQUEST in each.record.artifacts]:
        if not as_json:
            click.echo(f"step '{step.step}' {step.reason}: penstock approve {run.id} {step.step}, or reject", err=True)


@click.command(cls=Command)
@_selecting
@click.option("--draw", type=click.Path(dir_okay=False, path_type=Path), help="Write a picture of it to this SVG file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def plan(
    root: Where,
    /,
    pipeline: str | None,
    texts: tuple[str, ...],
    file: IO[bytes] | None,
    overrides: tuple[str, ...],
    draw: Path | None,
    as_json: bool,
    **how: Any,
) -> None:
    """Say which steps of PIPELINE a run would run now, and why; nothing is run."""
    project = penstock.open(root)
    params = read_params(declared(project, pipeline, how), texts, file)
    how["override"] = read_overrides(overrides)
    planned = project.plan(pipeline, **_given(how), **params)
    if draw is not None:
        draw.write_text(planned.svg, encoding="utf-8")
    if as_json:
        print_json(msgspec.to_builtins(planned))
    else:
        print_cells(("step", "state", "reason"), [(step.name, step.state, step.reason) for step in planned.steps])


def declared(
    project: Project | RemoteProject, name: str | None, how: Mapping[str, Any]
) -> PipelineFunction | RemotePipeline:
    """Return the pipeline of that name, or of the run that is resumed; an error says what there is."""
    if name is None and how["resume"]:
        name = find_run(project.metadata, how["resume"]).pipeline
    if (
        isinstance(project, penstock.Project)
        and not project.pipelines
        and not (project.root / "penstock.toml").exists()
    ):
        wanted = "no pipelines here" if name is None else f"no pipeline named '{name}'"
        raise DeclarationError(
            f"{wanted}: there is no penstock.toml in {project.root}; go to a project's "
            "folder, name it with -C, or make one with penstock init"
        )
    if name is None:
        there = ", ".join(project.pipelines) or "none is declared"
        raise click.UsageError(f"name a PIPELINE ({there}), or the run to go on from: --resume RUN")
    if name not in project.pipelines:
        raise UnknownNameError("pipeline", name, project.pipelines)
    return project.pipelines[name]


def _given(how: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in how.items() if value}


def _explain(step: StepRun) -> None:
    if step.state == "failed":
        click.secho(f"\nstep '{step.step}' failed:", fg="red", err=True)
        message, _, traceback = step.error.strip().partition("\n")
        said = traceback if traceback.endswith(message) else step.error.strip()  # a traceback ends with the message
        click.echo(f"{said}\nits log: penstock logs {step.run} {step.step}", err=True)


def _print_event(event: Event) -> None:
    match event:
        case RunStarted(run=run, steps=steps):
            print_json({"event": "run_started", "id": run.id, "steps": [step.step for step in steps]})
        case StepMapped(step=step, items=items):
            print_json({"event": "step_mapped", "step": step.step, "items": [item.step for item in items]})
        case StepStarted(step=step):
            print_json({"event": "step_started", "step": step.step})
        case StepEnded(step=step, artifacts=artifacts):
            facts = {name: {"digest": each.digest, "kind": each.kind, **each.facts} for name, each in artifacts.items()}
            ended = {"step": step.step, "state": step.state, "reason": step.reason, "error": step.error}
            print_json({"event": "step_ended", **ended, "artifacts": facts})
        case RunEnded(run=run):
            print_json({"event": "run_ended", "id": run.id, "state": run.state, "error": run.error})


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM interrupt a run as Ctrl-C does, and let Ctrl-C do so in a shell's background too, where it is off."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
