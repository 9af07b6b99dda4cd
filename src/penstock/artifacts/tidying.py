"""What else lies about in a project's state and belongs to nothing: logs, unpacked archives, notes of drivers."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from penstock.artifacts.keeping import Recorded
from penstock.core.ports import MetadataStore
from penstock.core.run import ENDED, Cancellation, Lease, Run
from penstock.stores import disk_errors

_UNDER_WAY = ["running"]


def stray_files(state: Path, known: Recorded, *, before: float, runs_going: bool) -> Iterator[Path]:
    """Yield what in a project's state belongs to no recorded run and was last changed before a moment: folders of logs
    that no step run speaks of, what drivers of ended runs said, and, while no run goes on, unpacked archives."""
    states = {run.id: run.state for run in known.runs}
    spoken_of = {name for log in {step.log for step in known.steps} if log and (name := _folder_of(log))}
    for folder in _children(state / "logs"):
        if folder.name not in states and folder.name not in spoken_of and _changed(folder) < before:
            yield folder
    for said in _children(state / "drivers"):
        if _changed(said) < before and states.get(_run_of(said.with_suffix(".jsonl")), "failed") in ENDED:
            yield said
    if not runs_going:
        yield from (unpacked for unpacked in _children(state / "unpacked") if _changed(unpacked) < before)


def stale_records(metadata: MetadataStore) -> tuple[list[Lease], list[Cancellation]]:
    """Return the leases and cancellations of runs that have ended or are not recorded any more."""
    leases, wishes = metadata.find(Lease), metadata.find(Cancellation)  # first: a run is recorded before its leases are
    going = {run.id for run in metadata.find(Run, state=_UNDER_WAY)}
    return [each for each in leases if each.run not in going], [each for each in wishes if each.run not in going]


def _folder_of(log: str) -> str:
    """Return the name of the folder of a log: so often asked for that a `Path` would cost more than all the rest."""
    return log.rstrip("/").rpartition("/")[0].rpartition("/")[2]


def bytes_of(path: Path) -> int:
    """Return how many bytes a file has, or the files of a folder."""
    files = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    total = 0
    for file in files:
        try:
            total += file.lstat().st_size if file.is_file() or file.is_symlink() else 0
        except FileNotFoundError:
            continue
    return total


def remove(paths: Iterable[Path]) -> None:
    """Take files and folders away; one that is gone already is no error."""
    for path in paths:
        with disk_errors(path.parent):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=False, onerror=_gone_already)
            else:
                path.unlink(missing_ok=True)


def _gone_already(_: object, path: str, error: tuple[type[BaseException], BaseException, object]) -> None:
    if not isinstance(error[1], FileNotFoundError):
        raise error[1]


def _children(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _changed(path: Path) -> float:
    """Return when a file, or anything in a folder, was last changed."""
    inside = path.rglob("*") if path.is_dir() else ()
    times = []
    for each in (path, *inside):
        try:
            times.append(each.lstat().st_mtime)
        except FileNotFoundError:
            continue
    return max(times, default=0.0)


def _run_of(said: Path) -> str:
    """Return the run that a driver began, by the first line that it printed."""
    try:
        first = msgspec.json.decode(said.read_bytes().partition(b"\n")[0])
    except (OSError, msgspec.DecodeError):
        return ""
    return str(first.get("id", "")) if isinstance(first, dict) else ""
