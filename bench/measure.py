"""What a measurement gives, and how a time is taken."""

from __future__ import annotations

import atexit
import gc
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure: what, how much, what was aimed at, and the same work done another way in the same run."""

    what: str
    value: float
    unit: str
    goal: str
    beside: str = ""  # "hand-written script 1.90 s: 1.05 x"
    met: bool = True


def fresh_folder() -> Path:
    """Return a new empty folder that is deleted when everything is measured, not before: where files were deleted
    within the last minute, an ext4 without a journal makes new ones up to forty times as slowly."""
    folder = tempfile.mkdtemp(prefix="penstock-bench-")
    atexit.register(shutil.rmtree, folder)
    return Path(folder)


def median_seconds(function: Callable[[], object], *, repeats: int = 5, warm: int = 1) -> float:
    """Return the median time of a call, in seconds, after `warm` calls that do not count."""
    for _ in range(warm):
        function()
    times = []
    for _ in range(repeats):
        gc.collect()
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def paired(ours: Callable[[], object], theirs: Callable[[], object], *, repeats: int = 5) -> tuple[float, float, float]:
    """Take both in turn, ours first; return both medians in seconds and the median of the pairwise ratios ours/theirs.

    Machines drift: a ratio of neighbours in time holds where a ratio of two separate medians does not.
    """
    ours(), theirs()
    pairs = [
        (median_seconds(ours, repeats=1, warm=0), median_seconds(theirs, repeats=1, warm=0)) for _ in range(repeats)
    ]
    mine, other = zip(*pairs, strict=True)
    return statistics.median(mine), statistics.median(other), statistics.median(a / b for a, b in pairs)


def per_call_microseconds(function: Callable[[], object], *, seconds: float = 1.0) -> tuple[float, float]:
    """Call for about `seconds`; return the median and the 99th percentile of one call, in microseconds."""
    for _ in range(100):
        function()
    times: list[int] = []
    clock, limit = time.perf_counter_ns, time.perf_counter() + seconds
    while time.perf_counter() < limit:
        for _ in range(50):
            started = clock()
            function()
            times.append(clock() - started)
    times.sort()
    return times[len(times) // 2] / 1000, times[int(len(times) * 0.99)] / 1000


@dataclass(frozen=True, slots=True)
class Called:
    """What calls took: seconds of the first, the least of those after it, the least of their processor time; and by how
    many megabytes the process's own memory (without mapped files) was larger in the first than before it."""

    first: float
    best: float
    processor: float
    megabytes: float


def first_and_best(call: Callable[[], Result], *, repeats: int = 3, seconds: float = 20.0) -> tuple[Result, Called]:
    """Return what a call gives and what it took: once, then up to `repeats` times while `seconds` last."""
    before = _own_megabytes()
    peak, done = before, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.005):
            peak = max(peak, _own_megabytes())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    result, first, used = _timed(call)
    done.set()
    thread.join()
    best, processor, spent, count = first, used, first, 0
    while count < repeats and spent < seconds:
        gc.collect()
        _, took, used = _timed(call)
        best = took if count == 0 else min(best, took)
        processor, spent, count = min(processor, used), spent + took, count + 1
    return result, Called(first, best, processor, peak - before)


def _timed(call: Callable[[], Result]) -> tuple[Result, float, float]:
    began, used = time.perf_counter(), time.process_time()
    result = call()
    return result, time.perf_counter() - began, time.process_time() - used


def _own_megabytes() -> float:
    text = Path("/proc/self/status").read_text()
    return int(text.partition("RssAnon:")[2].split()[0]) / 1024
