"""A search over a pipeline whose preparation is 80 % of a run, against scripts that do the same work."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Figure, fresh_folder
from bench.searches.work import TRIALS

ROOT = Path(__file__).parent.parent
MONOLITHIC = 2  # trials that are measured of the monolith; each does the same, so thirty take 15 times as long


@dataclass(frozen=True, slots=True)
class Took:
    """What a process took: seconds of the clock, and of processors, its children's included."""

    wall: float
    processor: float


def tune(folder: Path, trials: int, *how: str) -> Took:
    """Run our search as a process."""
    command = ["tune", "searched", "--search", "depth=int(2..12)", "rate=log(0.01..0.3)", "--metric", "fit.loss", "-q"]
    command += ["--no-figures", "--trials", str(trials), *how]
    return run([sys.executable, "-m", "penstock", "-C", str(folder), *command], folder)


def by_hand(how: str, trials: int) -> Took:
    """Run a script."""
    return run([sys.executable, "-m", "bench.searches.by_hand", how, str(trials)], fresh_folder())


def run(command: list[str], folder: Path, variables: Mapping[str, str] | None = None, cwd: Path = ROOT) -> Took:
    """Run a process whose steps leave their marks in a folder; what it says is kept there."""
    own = {**os.environ, "SEARCH_MARKS": str(folder), "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
    started = time.perf_counter()
    with (folder / "said").open("wb") as said:
        process = subprocess.Popen(command, env=variables or own, cwd=cwd, stdout=said, stderr=said)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        last = (folder / "said").read_text(errors="replace").strip().rpartition("\n")[2]
        raise RuntimeError(f"{Path(command[-1]).name} ended with exit code {process.returncode}: {last[:200]}")
    return Took(time.perf_counter() - started, usage.ru_utime + usage.ru_stime)


def _project() -> Path:
    folder = fresh_folder()
    (folder / "penstock.toml").write_text('[project]\nmodules = ["bench.searches.pipelines"]\n')
    return folder


def _count(folder: Path, what: str) -> int:
    return len((folder / what).read_text()) if (folder / what).exists() else 0


def figures() -> Iterator[Figure]:
    """Search by each in turn. Ratios are those of processor time: what else runs on the machine hardly moves them."""
    folder = _project()
    ours, least = tune(folder, TRIALS, "--engine", "inline"), by_hand("shared", TRIALS)
    made = (_count(folder, "prepare"), _count(folder, "fit"))
    again = tune(folder, TRIALS, "--engine", "inline")
    ran = _count(folder, "prepare") + _count(folder, "fit") - sum(made)
    monolith = by_hand("monolith", MONOLITHIC)
    whole = monolith.processor / MONOLITHIC * TRIALS
    side = tune(_project(), TRIALS, "--parallel", "2")
    ratio = ours.processor / least.processor
    yield Figure(
        what=f"search of {TRIALS} trials, preparation 80 % of a run, against one preparation and {TRIALS} fits",
        value=ratio,
        unit="x of the processor time",
        goal="at most 1.1 x",
        beside=f"ours {ours.processor:.1f} s ({made[0]} preparation, {made[1]} fits), a script that prepares once "
        f"{least.processor:.1f} s; by the clock {ours.wall:.1f} s and {least.wall:.1f} s",
        met=ratio <= 1.1 and made == (1, TRIALS),
    )
    yield Figure(
        what="the same search as a monolithic script",
        value=whole / ours.processor,
        unit="x ours",
        goal="> 3 x",
        beside=f"{whole:.0f} s of processor time, {MONOLITHIC} of its trials measured",
        met=whole / ours.processor > 3,
    )
    yield Figure(
        what="the same search again: steps that run",
        value=float(ran),
        unit="steps",
        goal="0",
        beside=f"{again.processor:.1f} s of processor time, {again.wall:.1f} s by the clock: a process's start and two "
        "runs that find all up to date",
        met=ran == 0,
    )
    yield Figure(
        what="the same search, two trials at a time in worker processes",
        value=ours.wall / side.wall,
        unit="x as fast by the clock",
        goal="> 1.5 x on 2 free cores",
        beside=f"{side.wall:.1f} s ({side.processor:.1f} s of processor time); one at a time in one process "
        f"{ours.wall:.1f} s",
        met=ours.wall / side.wall > 1.5,
    )
