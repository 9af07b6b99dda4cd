"""`log_metric`: numbers that a step logs while it runs, each at once as a line beside its log, and the way back."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import TypeAlias

import msgspec

from penstock.core.run import Metric
from penstock.errors import DataError, DeclarationError, StorageError

Curve: TypeAlias = list[tuple[float | None, float]]
"""What was logged under one name, in order: (step number or None, value)."""

_VARIABLE = "PENSTOCK_STEP_METRICS"  # tells processes that a step starts where its metrics go
_LINE = msgspec.json.Decoder(tuple[str, float | str, float | None, float])
_LONGEST_NAME = 200


def log_metric(name: str, value: float, step: float | None = None) -> None:
    """Log a number of the step that runs: one point of the curve `name`, at `step` (an epoch, a round) if given.

    Points are kept in the order in which they are logged, also where `step` repeats or goes back. NaN and infinity are
    kept as what they are: a training that diverged is worth seeing. Any thread of a step may log, and any process that
    it starts.
    """
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or "\n" in name:
        raise DeclarationError(f"{name!r} is no name of a metric; give a text of one line, like 'loss'")
    point = (name, _number(value, f"metric '{name}'"), None if step is None else _number(step, f"step of '{name}'"))
    if isinstance(point[2], str):
        raise DataError(f"step of '{name}' is {point[2]}; give a finite number, or none")
    _sink().write(msgspec.json.encode((*point, time.time())) + b"\n")


def in_step() -> bool:
    """Tell whether a step runs here, so that `log_metric` has a place to log to."""
    return _own.get() is not None or bool(_active) or _VARIABLE in os.environ


@contextmanager
def logging_metrics(path: Path) -> Iterator[None]:
    """Let `log_metric` write to a file, made anew, while the block lasts; no file is made where nothing is logged."""
    with suppress(FileNotFoundError):
        os.unlink(path)  # of an attempt that failed
    sink, before = _Sink(path), os.environ.get(_VARIABLE)
    _active.append(sink)
    token = _own.set(sink)
    os.environ[_VARIABLE] = str(path)
    try:
        yield
    finally:
        os.environ.pop(_VARIABLE, None)
        if before is not None:
            os.environ[_VARIABLE] = before
        _own.reset(token)
        _active.remove(sink)
        sink.close()


def metrics_file(log: Path) -> Path:
    """Return where the metrics of the step with this log are."""
    return log.with_name(f"{log.name.removesuffix('.log')}.metrics.jsonl")


def read_metrics(path: Path, run: str, step: str) -> list[Metric]:
    """Return what a step has logged so far; a line that was torn when its process was killed is left out."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    found, counts = [], dict[str, int]()
    for line in lines[:-1]:  # after the last newline stands nothing, or a line whose end is not written yet
        try:
            name, value, number, created = _LINE.decode(line)
        except msgspec.DecodeError:
            continue
        counts[name] = sequence = counts.get(name, -1) + 1
        found.append(
            Metric(
                run=run,
                step=step,
                name=name,
                sequence=sequence,
                value=None if value == "nan" else float(value),
                step_number=number,
                created=created,
            )
        )
    return found


def curves(metrics: Iterable[Metric]) -> dict[str, Curve]:
    """Return metrics by name, in the order in which each name was first logged."""
    found: dict[str, Curve] = {}
    for metric in sorted(metrics, key=lambda metric: (metric.created, metric.sequence)):
        found.setdefault(metric.name, [])
    for metric in sorted(metrics, key=lambda metric: metric.sequence):
        found[metric.name].append((metric.step_number, math.nan if metric.value is None else metric.value))
    return found


def last_values(found: Mapping[str, Curve]) -> dict[str, float]:
    """Return where each curve ended."""
    return {name: curve[-1][1] for name, curve in found.items()}


class _Sink:
    """A file of metrics, opened at the first one. Lines are appended by one system call each, so that threads and
    processes do not mix them and what was logged survives a kill."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._opening = threading.Lock()

    def write(self, line: bytes) -> None:
        """Append a line."""
        try:
            written = os.write(self._descriptor if self._descriptor is not None else self._open(), line)
        except OSError as error:
            raise StorageError(f"the metric cannot be written to {self.path}: {error.strerror}") from error
        if written < len(line):
            raise StorageError(f"the metric cannot be written to {self.path}: no space is left")

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        with self._opening:
            if self._descriptor is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            return self._descriptor


_own: ContextVar[_Sink | None] = ContextVar("own", default=None)
_active: list[_Sink] = []  # the steps of this process, of which there are several only where threads run inline engines
_outside: dict[str, _Sink] = {}  # of a process that a step has started


def _sink() -> _Sink:
    if (own := _own.get()) is not None:
        return own
    if len(_active) == 1:  # a thread that the step started
        return _active[0]
    if _active:
        raise DeclarationError("several steps run in this process, and this thread belongs to none; log in the step's")
    if path := os.environ.get(_VARIABLE):
        return _outside.setdefault(path, _Sink(Path(path)))
    raise DeclarationError("log_metric was called outside a step: a metric belongs to the step of a run that logs it")


def _number(value: float, what: str) -> float | str:
    """Return a value as JSON holds it."""
    if isinstance(value, str | bytes | bool):
        raise DataError(f"{what} is {value!r}, a {type(value).__name__}; give a number")
    try:
        number = float(value)  # of NumPy and torch too
    except (TypeError, ValueError) as error:
        raise DataError(f"{what} is a {type(value).__name__} ({error}); give a number") from error
    return number if math.isfinite(number) else str(number)
