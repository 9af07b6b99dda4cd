"""`penstock logs`: what steps printed, of one as it is, of all of a run by time; searched, and followed."""

from __future__ import annotations

import datetime
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import penstock
from penstock.artifacts import find_run
from penstock.cli.group import Command
from penstock.cli.output import print_json
from penstock.cli.where import Where, here
from penstock.core.ports import MetadataStore
from penstock.core.run import StepRun
from penstock.core.units import seconds
from penstock.pipelines import (
    LogLine,
    LogQuery,
    follow_run,
    is_quiet,
    left_out,
    plain,
    read_piece,
    reap,
    step_of,
    steps_of,
)

if TYPE_CHECKING:  # the project loads every library: not for --help
    from penstock.project.runs import StepView

_POLL_SECONDS = 0.1
_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_red")
_WIDEST = 24  # characters of a step's name


@click.command(cls=Command)
@click.argument("run")
@click.argument("step", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on until the step, or the run, has ended.")
@click.option("--grep", "pattern", metavar="REGEX", help="Only lines in which this is found.")
@click.option("-i", "--ignore-case", is_flag=True, help="Upper and lower case are the same to --grep.")
@click.option("-C", "--context", default=0, type=click.IntRange(0), help="Also so many lines around each found.")
@click.option("--since", metavar="TIME", help='Only lines of the last "10m", "2h", ...')
@click.option("-t", "--times", is_flag=True, help="Say of the lines of one step too when they were printed.")
@click.option("--json", "as_json", is_flag=True, help="Print each line as a JSON object: step, time, line.")
@click.pass_obj
def logs(
    root: Where, /, run: str, step: str | None, follow: bool, times: bool, as_json: bool, since: str | None, **how: Any
) -> None:
    """Print what STEP of RUN printed, as it is; without STEP, what all its steps printed, by time."""
    if follow and how["context"]:
        raise click.UsageError("-C shows lines around those found, which are not there yet with -f; leave one out")
    project = penstock.open(root)
    found = find_run(project.metadata, run)
    one = step_of(project.metadata, found, step) if step is not None else None
    if one is not None and not (times or as_json or since or any(how.values())):
        if isinstance(root, str):
            return _print_remote(project.get_run(found.id).steps[one.step], follow=follow)
        return _print_raw(project.metadata, root, one, follow=follow)
    query = LogQuery(
        step=step or "",
        grep=how["pattern"] or "",
        ignore_case=how["ignore_case"],
        since_seconds=seconds(since, "--since") if since else None,
        context=how["context"],
    )
    steps = steps_of(project.metadata, found)
    printing = [each for each in steps if follow or each.state != "up_to_date"]  # those that wait may print yet
    show = _shower(printing if one is None else [one], prefixed=one is None or times, as_json=as_json)
    if follow:
        folder = here(root, "following a whole run, or a step by what it prints,")
        lines = follow_run(project.metadata, folder, found, query)
    else:
        from penstock.project.runs import run_log  # loads every library, which `--help` need not

        lines = run_log(project.get_run(found.id), query)
    for line in lines:
        show(line)
        if follow:
            sys.stdout.flush()
    return None


def _print_remote(step: StepView, *, follow: bool) -> None:
    for line in step.follow() if follow else [step.log()]:
        click.echo(line, nl=follow)


def _print_raw(metadata: MetadataStore, root: Path, step: StepRun, *, follow: bool) -> None:
    """Print a log byte for byte, a line in place of what was taken out of it."""
    position = 0
    while True:
        while (piece := read_piece(root / step.log, position)).end > position:
            if piece.left_out:
                sys.stdout.buffer.write(left_out(piece.left_out))
            sys.stdout.buffer.write(piece.content)
            position = piece.end
        sys.stdout.buffer.flush()
        if not follow or is_quiet(step):
            return
        time.sleep(_POLL_SECONDS)
        reap(metadata)
        step = metadata.get(StepRun, step.run, step.step) or step  # read before the log, so that no end is missed


def _shower(steps: Sequence[StepRun], *, prefixed: bool, as_json: bool) -> Callable[[LogLine], None]:
    """Return what prints a line: as JSON, after its step and time, or as it is."""
    if as_json:
        return lambda line: print_json({"step": line.step, "time": line.time, "line": plain(line.text)})
    if not prefixed:
        return lambda line: click.echo(line.text)
    width = min(max((len(step.step) for step in steps), default=0), _WIDEST)
    colours = {step.step: _COLOURS[at % len(_COLOURS)] for at, step in enumerate(steps)}

    def show(line: LogLine) -> None:
        name = line.step if len(line.step) <= width else f"{line.step[: width - 1]}…"
        moment = datetime.datetime.fromtimestamp(line.time).astimezone().strftime("%H:%M:%S.%f")[:-3]
        text = line.text.rstrip("\r").rpartition("\r")[2]  # of a progress bar, what it came to
        click.echo(f"{click.style(f'{name:<{width}}', fg=colours[line.step])} {moment} | {text}")

    return show
