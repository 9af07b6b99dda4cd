"""Processes that drive a run and die at a chosen moment, and what must hold of the store that they leave behind."""

from __future__ import annotations

import os
import random
import resource
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Literal

import pytest
import sqlalchemy as sa

import penstock as ps
from penstock.core.artifact import Artifact
from penstock.core.run import CacheEntry, Lease, Run, StepRun
from penstock.pipelines import reap
from penstock.stores import open_artifacts, open_metadata
from warm.forks import forks

PATIENCE_SECONDS = 120

PIPELINES = '''
import os
import random
import signal
import subprocess
import sys
import time
import numpy as np
import pyarrow as pa
import penstock as ps

def begins(step):
    """Write into the book that a step begins: one line, whole, whatever happens then."""
    book = os.open(os.environ["ENDURANCE_BOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(book, f"{step} {os.getpid()} {time.time()!r}\\n".encode())
    os.close(book)

def may_die(step):
    """Die now and then at the next uses of files: while this step works, stores its output, or after that."""
    with open(os.environ["ENDURANCE_BOOK"]) as book:
        attempt = sum(line.startswith(f"{step} ") for line in book)
    draw = random.Random(f"{os.environ['ENDURANCE_DEATHS']}/{step}/{attempt}")
    left = draw.randint(0, 12) if draw.random() < 0.6 and attempt < 9 else -1

    def hear(event, _):
        nonlocal left
        if event in ("open", "os.rename", "os.chmod", "os.utime", "os.remove"):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hear)

@ps.step
def rows(n: int) -> ps.Table:
    begins("rows")
    return pa.table({"x": np.arange(n), "y": np.sqrt(np.arange(n))})

@ps.step
def halves(rows: ps.Table) -> tuple[ps.Table, ps.Table]:
    begins("halves")
    middle = rows.num_rows // 2
    return rows.slice(0, middle), rows.slice(middle)

@ps.step
def large(rows: ps.Table) -> bytes:
    begins("large")
    return np.random.default_rng(rows.num_rows).bytes(1_500_000)

@ps.step
def report(rows: ps.Table, part: ps.Table) -> dict:
    begins("report")
    return {"rows": rows.num_rows, "sum": float(np.sum(part["y"]))}

@ps.step
def text(report: dict, large: bytes) -> str:
    begins("text")
    return f"{report['sum']:.3f} and {len(large)} bytes"

@ps.pipeline
def story(n: int = 20_000):
    table = rows(n)
    first, second = halves.configured(outputs=("first", "second"))(table)
    text(report(table, second), large(table))

@ps.step
def held(n: int) -> int:
    begins("held")
    while not os.path.exists(os.environ["ENDURANCE_BOOK"] + ".go"):
        time.sleep(0.01)
    return n

@ps.step
def starts_others(n: int) -> int:
    child = subprocess.Popen(["sleep", "600"])
    grandchild = subprocess.run(["sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"], stdout=-1).stdout
    daemon = subprocess.run(["sh", "-c", "setsid sleep 600 >/dev/null 2>&1 & echo $!"], stdout=-1).stdout
    for pid in (child.pid, int(grandchild), int(daemon)):
        book = os.open(os.environ["ENDURANCE_BOOK"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(book, f"other {pid}\\n".encode())
        os.close(book)
    begins("starts_others")
    time.sleep(600)

@ps.pipeline
def starting(n: int = 3):
    starts_others(n)

@ps.pipeline
def holding(n: int = 3):
    held(n)

@ps.step(retries=20, retry_delay="1ms")
def link(rows: ps.Table, place: int) -> ps.Table:
    name = "link" if place == 0 else f"link_{place + 1}"
    begins(name)
    if "ENDURANCE_DEATHS" in os.environ:
        may_die(name)
    return rows.append_column(f"column_{place}", pa.array(np.arange(rows.num_rows) * place))

@ps.pipeline
def chain(length: int = 15):
    table = rows.configured(retries=20, retry_delay="1ms")(1000)
    for place in range(length):
        table = link(table, place)
'''

_EVENTS = {"open", "os.rename", "os.remove", "os.chmod", "os.utime", "os.mkdir", "os.truncate", "sqlite3.connect"}
_INSTRUCTIONS = 40  # of SQLite's machine, between two moments at which a statement can be killed


@dataclass(frozen=True, kw_only=True)
class Death:
    """When a driver dies by itself: at its n-th use of a file, in the midst of its n-th stretch of SQL, or while it
    writes the n-th byte of a file."""

    kind: Literal["never", "file", "statement", "byte"] = "never"
    at: int = 0


@dataclass(kw_only=True)
class Told:
    """What a driver that lived told: its run, and how many moments there were to die at."""

    run: str = ""
    state: str = ""
    steps: dict[str, str] = field(default_factory=dict)
    moments: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    error: str = ""


@dataclass(kw_only=True)
class Driver:
    """A process that drives one run of a project."""

    process: ForkServerProcess
    answer: Connection

    def wait(self) -> Told | None:
        """Return what it told when it ended, or None where it was killed."""
        told: Told | None = None
        try:
            if self.answer.poll(PATIENCE_SECONDS):
                told = self.answer.recv()
        except EOFError:
            pass
        self.process.join(PATIENCE_SECONDS)
        self.answer.close()
        assert self.process.exitcode is not None, "the driver hangs"
        return told

    def kill(self) -> None:
        self.process.kill()


def batches(count: int) -> list[Any]:
    """Number the batches of kills: the first is for every day, all of them are what `make test-all` runs."""
    return [pytest.param(number, marks=[pytest.mark.slow] if number else []) for number in range(count)]


def gate(count: int) -> Barrier:
    """Return a gate that opens when so many drivers have come."""
    return forks().Barrier(count)


def make_project(root: Path) -> Path:
    """Write the pipelines of these tests into a folder."""
    root.mkdir(parents=True)
    (root / "pipelines.py").write_text(PIPELINES)
    return root


def start(
    root: Path,
    pipeline: str | None = "story",
    *,
    engine: str = "inline",
    death: Death | None = None,
    gate: Barrier | None = None,
    environment: Mapping[str, str] | None = None,
    **how: Any,
) -> Driver:
    """Start a driver; it begins when as many as the gate wants have come."""
    ours, theirs = forks().Pipe(duplex=False)
    given = _Given(root, pipeline, engine, death or Death(), gate, dict(environment or {}), how)
    process = forks().Process(target=_main, args=(given, theirs))
    process.start()
    theirs.close()
    return Driver(process=process, answer=ours)


@dataclass(frozen=True)
class _Given:
    root: Path
    pipeline: str | None
    engine: str
    death: Death
    gate: Barrier | None
    environment: dict[str, str]
    how: dict[str, Any]


def _main(given: _Given, answer: Connection) -> None:
    os.chdir(given.root)
    os.environ.update(given.environment, ENDURANCE_BOOK=str(given.root / "book"))
    sys.dont_write_bytecode = True
    moments = {"file": 0, "statement": 0}
    _plan_death(given.death, moments)
    if given.gate is not None:
        given.gate.wait(PATIENCE_SECONDS)
    told, began = Told(), time.monotonic()
    try:
        run = ps.open(given.root).run(given.pipeline, engine=given.engine, **given.how)
        told = Told(run=run.id, state=run.state, steps={name: step.state for name, step in run.steps.items()})
    except Exception as error:
        told.error = repr(error)
    told.seconds, told.moments = time.monotonic() - began, dict(moments)
    answer.send(told)


def _plan_death(death: Death, moments: dict[str, int]) -> None:
    def pass_by(kind: str) -> int:
        moments[kind] += 1
        if death.kind == kind and moments[kind] == death.at:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def hear(event: str, _: object) -> None:
        if event in _EVENTS:
            pass_by("file")

    def listen(connection: sqlite3.Connection, _: object) -> None:
        connection.set_progress_handler(lambda: pass_by("statement"), _INSTRUCTIONS)

    sys.addaudithook(hear)
    sa.event.listen(sa.Engine, "connect", listen)
    if death.kind == "byte":
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # the kernel ends the process in the midst of that write
        resource.setrlimit(resource.RLIMIT_FSIZE, (death.at, death.at))


def book(root: Path) -> list[str]:
    """Return the names of the steps in the order in which they began to run."""
    return [line.split()[0] for line in _lines(root)]


def begun_after(root: Path, publication: Mapping[str, float]) -> list[str]:
    """Return the steps that began to run once more though they had been published at these times."""
    lines = [line.split() for line in _lines(root)]
    return [step for step, _, at in lines if float(at) > publication.get(step, float("inf"))]


def pids_in_book(root: Path) -> list[int]:
    """Return the processes in which steps began to run."""
    return [int(line.split()[1]) for line in _lines(root)]


def _lines(root: Path) -> list[str]:
    path = root / "book"
    return path.read_text().splitlines() if path.exists() else []


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies in a store: step -> digests of its outputs, as the cache has them, and since when it has them."""

    published: dict[str, dict[str, str]]
    since: dict[str, float]
    newest_run: str | None


def consistent(root: Path) -> Found:
    """Check all that must hold whatever was killed: the database is whole, no run is under way, every blob has its
    bytes, whatever the cache promises is there, no dead run keeps a lease. Nothing runs beside it."""
    metadata = open_metadata(f"sqlite:///{root}/.penstock/metadata.db")
    reap(metadata)
    runs = metadata.find(Run, newest_first=True)
    assert [run for run in runs if run.state in ("running", "waiting")] == []
    assert [step for step in metadata.find(StepRun) if step.state in ("running", "waiting")] == []
    assert {lease.run for lease in metadata.find(Lease)} <= {run.id for run in runs}
    with sqlite3.connect(root / ".penstock/metadata.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    store = open_artifacts(str(root / ".penstock/artifacts"))
    for blob in (root / ".penstock/artifacts/cas").glob("*/*"):
        store.verify(blob.parent.name + blob.name)
    entries = metadata.find(CacheEntry)
    for entry in entries:
        for digest in entry.outputs.values():
            assert metadata.get(Artifact, digest) is not None, f"the artifact of {entry.step} is not recorded"
            store.verify(digest)
    metadata.close()  # type: ignore[attr-defined]
    published = {entry.step: dict(entry.outputs) for entry in entries}
    since = {entry.step: entry.created for entry in entries}
    return Found(published=published, since=since, newest_run=runs[0].id if runs else None)


def check_resumes(root: Path, reference: dict[str, dict[str, str]], *, engine: str = "inline") -> None:
    """Check the store after a kill, resume the run (or begin, where none was recorded), and check that this completes,
    gives what an undisturbed run gave, and ran nothing again that had been published."""
    before, lines = consistent(root), len(book(root))
    if before.newest_run is None:
        told = start(root, "story", engine=engine).wait()
    else:
        told = start(root, None, engine=engine, resume=before.newest_run).wait()
    assert told is not None
    assert (told.error, told.state) == ("", "succeeded")
    assert consistent(root).published == reference
    again = set(book(root)[lines:]) & before.published.keys()
    assert not again, f"published already, but run again: {again}"


@contextmanager
def drawing(name: str) -> Iterator[random.Random]:
    """Give random numbers, others in each session; a failure says how to have the same again."""
    seed = os.environ.get("ENDURANCE_SEED", str(time.time_ns()))
    try:
        yield random.Random(f"{seed}/{name}")
    except BaseException as error:
        error.add_note(f"to have the same moments again: ENDURANCE_SEED={seed}")
        raise
