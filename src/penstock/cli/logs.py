"""`penstock logs`: what steps printed, of one as it is, of all of a run by time; searched, and followed."""

from __future__ import annotations

import datetime
import heapq
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import click

import penstock
from penstock.artifacts import find_run
from penstock.cli.group import Command
from penstock.cli.output import plain, print_json
from penstock.cli.where import Where, here
from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, Run, StepRun
from penstock.core.units import seconds
from penstock.errors import UnknownNameError
from penstock.pipelines import LogLine, LogReader, left_out, read_piece, reap

if TYPE_CHECKING:  # the project loads every library: not for --help
    from penstock.project.runs import StepView

Wanted: TypeAlias = Callable[[LogLine], bool]

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
    root: Where, /, run: str, step: str | None, follow: bool, context: int, times: bool, as_json: bool, **how: Any
) -> None:
    """Print what STEP of RUN printed, as it is; without STEP, what all its steps printed, by time."""
    metadata = penstock.open(root).metadata
    found = find_run(metadata, run)
    one = _step(metadata, found, step) if step is not None else None
    if one is not None and isinstance(root, str) and not (times or context or as_json or any(how.values())):
        return _print_remote(penstock.open(root).get_run(found.id).steps[one.step], follow=follow)
    folder = here(root, "reading the log of a whole run, or searching one,")
    if follow and context:
        raise click.UsageError("-C shows lines around those found, which are not there yet with -f; leave one out")
    if one is not None and not (times or as_json or any(how.values())):
        return _print_raw(metadata, folder, one, follow=follow)
    wanted = _wanted(**how)
    chosen = [one] if one is not None else _own(metadata, found)
    shown = _steps(metadata, found) if follow else chosen  # those that wait may print yet
    show = _shower(shown, prefixed=one is None or times, as_json=as_json)
    if follow:
        return _follow(metadata, folder, found, one, lambda line: show(line) if wanted(line) else None)
    readers = [_reader(folder, each) for each in chosen]
    for line in heapq.merge(*(_found(each.read(), wanted, context) for each in readers), key=lambda line: line.time):
        show(line)
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
        if not follow or step.state in DONE:
            return
        time.sleep(_POLL_SECONDS)
        reap(metadata)
        step = metadata.get(StepRun, step.run, step.step) or step  # read before the log, so that no end is missed


def _follow(
    metadata: MetadataStore, root: Path, run: Run, step: StepRun | None, show: Callable[[LogLine], None]
) -> None:
    """Show lines as they come, by time as far as they come together, until the step or the run has ended."""
    readers: dict[str, LogReader] = {}
    while True:
        reap(metadata)
        run = metadata.get(Run, run.id) or run  # read before the logs, so that no end is missed
        steps = _own(metadata, run) if step is None else [_step(metadata, run, step.step)]
        lines: list[LogLine] = []
        for each in steps:
            if each.log:
                reader = readers.setdefault(each.step, _reader(root, each))
                lines += reader.read(ended=each.state in DONE)
        for line in sorted(lines, key=lambda line: line.time):
            show(line)
        sys.stdout.flush()
        if (run.state if step is None else steps[0].state) in DONE:
            return
        time.sleep(_POLL_SECONDS)


def _wanted(pattern: str | None, ignore_case: bool, since: str | None) -> Wanted:
    """Return what tells whether a line is asked for; a pattern is looked for in the text without its colours."""
    began = time.time() - seconds(since, "--since") if since else 0.0
    try:
        expression = re.compile(pattern or "", re.IGNORECASE if ignore_case else 0)
    except re.error as error:
        raise click.UsageError(f"--grep {pattern!r} is no regular expression: {error}") from error
    if not pattern:
        return lambda line: line.time >= began
    return lambda line: line.time >= began and expression.search(plain(line.text)) is not None


def _found(lines: Iterable[LogLine], wanted: Wanted, context: int) -> Iterator[LogLine]:
    """Yield the lines that are wanted, and so many before and after each."""
    before: deque[LogLine] = deque(maxlen=context)
    after = 0
    for line in lines:
        if wanted(line):
            yield from before
            before.clear()
            yield line
            after = context
        elif after:
            yield line
            after -= 1
        else:
            before.append(line)


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


def _reader(root: Path, step: StepRun) -> LogReader:
    return LogReader(step.step, root / step.log, step.started)


def _own(metadata: MetadataStore, run: Run) -> list[StepRun]:
    """Return the steps that have printed in this run; the log of one that was up to date is that of another run."""
    return [step for step in _steps(metadata, run) if step.log and step.state != "up_to_date"]


def _steps(metadata: MetadataStore, run: Run) -> list[StepRun]:
    return sorted(metadata.find(StepRun, run=run.id), key=lambda step: step.position)


def _step(metadata: MetadataStore, run: Run, name: str) -> StepRun:
    found = metadata.get(StepRun, run.id, name)
    if found is None:
        raise UnknownNameError("step", name, [step.step for step in _steps(metadata, run)], within=f"run {run.id}")
    return found
