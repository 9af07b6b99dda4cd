"""The command `penstock`: what commands there are, and how one is found."""

from __future__ import annotations

import importlib
from pathlib import Path

import click

import penstock
from penstock.cli.exits import reported
from penstock.cli.where import Place, Where
from penstock.errors import UnknownNameError

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("penstock.cli.init:init", "Start a project: a configuration, a first pipeline, a little data."),
    "pipelines": ("penstock.cli.pipelines:pipelines", "List the pipelines, and their parameters."),
    "run": ("penstock.cli.run:run", "Run a pipeline."),
    "plan": ("penstock.cli.run:plan", "Say which steps a run would run, and why."),
    "tune": ("penstock.cli.tuning:tune", "Find the parameters of a pipeline that are best by a metric."),
    "cancel": ("penstock.cli.cancel:cancel", "Stop a run, from wherever."),
    "approve": ("penstock.cli.deciding:approve", "Approve what a run waits for; it goes on."),
    "reject": ("penstock.cli.deciding:reject", "Reject what a run waits for."),
    "trigger": ("penstock.cli.triggers:trigger", "What starts runs by itself: list, watch, fire, pause, history."),
    "image": ("penstock.cli.image:image", "Build the image in which steps run in containers."),
    "runs": ("penstock.cli.runs:runs", "List runs, newest first."),
    "show": ("penstock.cli.runs:show", "Show a run and its steps."),
    "logs": ("penstock.cli.logs:logs", "Print what steps printed; search it."),
    "why": ("penstock.cli.runs:why", "Say why a step ran, or did not."),
    "compare": ("penstock.cli.experiments:compare", "Say what differs between runs."),
    "experiments": ("penstock.cli.experiments:experiments", "List experiments, or the runs of one."),
    "tag": ("penstock.cli.experiments:tag", "Give a run tags or a note."),
    "replay": ("penstock.cli.repeating:replay", "Run one step of a past run here, on the inputs that it had."),
    "verify-step": ("penstock.cli.repeating:verify_step", "Prove that a step gives the same when it runs again."),
    "sql": ("penstock.cli.sql:sql", "Run a SQL statement."),
    "schema": ("penstock.cli.schema:schema", "What rows should look like, in a file: infer, diff, evolve."),
    "features": ("penstock.cli.features:features", "Feature sets: apply, find, show, read as of any time, online."),
    "models": ("penstock.cli.models:models", "List registered models, or show one."),
    "predict": ("penstock.cli.models:predict", "Predict rows with a registered model."),
    "explain": ("penstock.cli.explaining:explain", "Say which features led to a prediction."),
    "ablate": ("penstock.cli.ablating:ablate", "Say what each feature is worth to a model."),
    "report": ("penstock.cli.reporting:report", "Say how good a cascade is: as a whole, and each route in it."),
    "export": ("penstock.cli.exporting:export", "Write a model in a form that others run."),
    "serve": ("penstock.cli.serve:serve", "Serve the project over HTTP."),
    "verify": ("penstock.cli.models:verify", "Prove that serving gives what batch prediction gives."),
    "monitor": ("penstock.cli.monitoring:monitor", "Say what a model does in production, and how that changes."),
    "labels": ("penstock.cli.monitoring:labels", "Tell what was true of rows that a model has predicted."),
    "shadow": ("penstock.cli.shadow:shadow", "Compare a version that predicts beside the one that is served."),
    "artifacts": ("penstock.cli.artifacts:artifacts", "List, show, name and export what steps made."),
    "lineage": ("penstock.cli.lineage:lineage", "Show what a thing comes from, and what became of it."),
    "gc": ("penstock.cli.collecting:gc", "Take away what nothing needs any more."),
}
"""Command -> where it is, and the line that `penstock --help` shows; importing none of them keeps that fast."""

_SECTIONS = {
    "init": "Start and run",
    "runs": "See what a run did",
    "sql": "Rows and features",
    "models": "Models",
    "serve": "Serve and watch",
    "artifacts": "What was made",
}
"""The first command of a part of that list -> what the part is about."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def invoke(self, ctx: click.Context) -> object:
        """Find and run the command; an interrupt while it is imported ends like any other."""
        with reported(as_json=False):
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which they are met."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one is answered with the nearest."""
        if args[0] not in COMMANDS:
            raise click.UsageError(str(UnknownNameError("command", args[0], COMMANDS)), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands, part by part, without importing them."""
        parts: dict[str, list[tuple[str, str]]] = {}
        for name, (_, line) in COMMANDS.items():
            title = _SECTIONS.get(name) or next(reversed(parts))
            parts.setdefault(title, []).append((name, line))
        for title, commands in parts.items():
            with formatter.section(title):
                formatter.write_dl(commands, col_max=12)


class Command(click.Command):
    """A command that ends with one clear line where an error of ours passes."""

    def invoke(self, ctx: click.Context) -> None:
        """Run the command."""
        with reported(as_json=ctx.params.get("as_json", False)):
            super().invoke(ctx)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(penstock.__version__, prog_name="penstock")
@click.option(
    "-C",
    "--project",
    "root",
    default=".",
    type=Place(path_type=Path, file_okay=False),
    help="The project's folder (default: this one), or the address of a server, with its token in "
    "PENSTOCK_SERVER_TOKEN.",
)
@click.pass_context
def main(ctx: click.Context, root: Where) -> None:
    """From raw table to trustworthy production model.

    Exit codes: 0 done; 1 the run or the verification failed; 2 wrong use or declaration; 3 bad data; 4 storage; 5 a
    person has to approve; 130 interrupted.
    """
    ctx.obj = root
