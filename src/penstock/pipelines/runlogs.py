"""The log of a whole run: what its steps printed, by time; searched, and followed."""

from __future__ import annotations

import heapq
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from penstock.core.ports import MetadataStore
from penstock.core.run import DONE, ENDED, Run, StepRun
from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines.liveness import reap
from penstock.pipelines.loglines import LogLine, LogReader

_POLL_SECONDS = 0.1
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")  # ECMA-48: CSI, OSC, others


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """Which lines are asked for: those of `step` ("": of all), in which the regular expression `grep` is found (RE2, so
    that none takes for ever), printed in the last `since_seconds`; and `context` lines of the step around each."""

    step: str = ""
    grep: str = ""
    ignore_case: bool = False
    since_seconds: float | None = None
    context: int = 0


def run_lines(metadata: MetadataStore, root: Path, run: Run, query: LogQuery) -> Iterator[LogLine]:
    """Return the lines of a run's steps that are asked for, by time. Raises before the first where the step is unknown
    or the expression none."""
    steps, wanted = _asked(metadata, run, query), _wanted(query)
    found = (_found(_reader(root, step).read(), wanted, query.context) for step in steps)
    return heapq.merge(*found, key=lambda line: line.time)


def follow_run(metadata: MetadataStore, root: Path, run: Run, query: LogQuery) -> Iterator[LogLine]:
    """Yield lines as they come, by time as far as they come together, until the step or the run has ended."""
    wanted, readers = _wanted(query), dict[str, LogReader]()
    while True:
        reap(metadata)
        run = metadata.get(Run, run.id) or run  # read before the logs, so that no end is missed
        steps = _asked(metadata, run, query)
        lines: list[LogLine] = []
        for step in steps:
            if step.log:
                lines += readers.setdefault(step.step, _reader(root, step)).read(ended=step.state in DONE)
        yield from filter(wanted, sorted(lines, key=lambda line: line.time))
        if run.state in ENDED or (query.step and steps[0].state in DONE):
            return
        time.sleep(_POLL_SECONDS)


def plain(text: str) -> str:
    """Return a text without its colours and other orders to a terminal."""
    return _ANSI.sub("", text)


def steps_of(metadata: MetadataStore, run: Run) -> list[StepRun]:
    """Return the steps of a run in their order."""
    return sorted(metadata.find(StepRun, run=run.id), key=lambda step: step.position)


def step_of(metadata: MetadataStore, run: Run, name: str) -> StepRun:
    """Return a step of a run; raises `UnknownNameError`."""
    found = metadata.get(StepRun, run.id, name)
    if found is None:
        raise UnknownNameError("step", name, [step.step for step in steps_of(metadata, run)], within=f"run {run.id}")
    return found


def _asked(metadata: MetadataStore, run: Run, query: LogQuery) -> list[StepRun]:
    """Return the step that is asked for, or those that have printed in this run: the log of one that was up to date is
    that of another run."""
    if query.step:
        return [step_of(metadata, run, query.step)]
    return [step for step in steps_of(metadata, run) if step.log and step.state != "up_to_date"]


def _wanted(query: LogQuery) -> Callable[[LogLine], bool]:
    """Return what tells whether a line is asked for; a pattern is looked for in the text without its colours."""
    began = time.time() - query.since_seconds if query.since_seconds is not None else 0.0
    if not query.grep:
        return lambda line: line.time >= began
    from penstock.operations.regexps import searcher  # the table of operations is not for every run

    try:
        search = searcher(f"(?i){query.grep}" if query.ignore_case else query.grep)
    except ValueError as error:
        raise DeclarationError(f"grep {query.grep!r} is no regular expression: {error}") from error
    return lambda line: line.time >= began and search(plain(line.text)) is not None


def _found(lines: Iterable[LogLine], wanted: Callable[[LogLine], bool], context: int) -> Iterator[LogLine]:
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


def _reader(root: Path, step: StepRun) -> LogReader:
    return LogReader(step.step, root / step.log, step.started)
