"""The folder through which an engine and a process that it does not trust exchange one task: what goes in is read
there, what comes out is looked at before anything of it counts."""

from __future__ import annotations

import os
import pickle
import secrets
import shutil
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore, Outcome
from penstock.engines.messages import Cause, Ended, Start
from penstock.errors import CorruptArtifactError

EXCHANGE = "PENSTOCK_EXCHANGE"
"""The variable that tells a worker in a container where it writes what it makes."""

_START_TICKS = 19  # place in /proc/<pid>/stat after the process's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What the process in the container says of its end: `Ended`, with the outcome as a value, and how many processes
    the kernel killed meanwhile because memory ran out. It travels as JSON, because reading a pickle would let the
    container run code out here."""

    exit_code: int
    cause: Cause
    started: float
    peak_memory_bytes: int
    outcome: Outcome | None
    oom_kills: int = 0

    def ended(self, task: str) -> Ended:
        """Return it as the engines explain it."""
        return Ended(
            task=task,
            outcome=b"",
            exit_code=self.exit_code,
            cause=self.cause,
            started=self.started,
            peak_memory_bytes=self.peak_memory_bytes,
        )


@dataclass(frozen=True, slots=True)
class Exchange:
    """The folder of one task. `start` and `result` are what is said, `artifacts` is a store for what the step makes,
    `beside` has the files that a step leaves beside its log."""

    folder: Path

    @property
    def name(self) -> str:
        """The name of the folder, which is the container's too."""
        return self.folder.name

    @property
    def artifacts(self) -> Path:
        """The store that the step writes to."""
        return self.folder / "artifacts"

    @property
    def beside(self) -> Path:
        """The folder in which the step believes its log to be."""
        return self.folder / "beside"

    @property
    def errors(self) -> Path:
        """What the container runtime itself complains of."""
        return self.folder.with_suffix(".errors")

    @property
    def has_begun(self) -> bool:
        """Tell whether the process inside has read what is to be done."""
        return not (self.folder / "start").exists()

    def make(self, owner: tuple[int, int] | None) -> None:
        """Make the folder; `owner` is the user and group that may write there, if that is not this process's own."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        for folder in (self.folder, self.artifacts, self.beside):
            folder.mkdir(mode=0o700)
            if owner is not None:
                os.chown(folder, *owner)

    def write_start(self, start: Start) -> None:
        """Say what is to be done."""
        (self.folder / "start").write_bytes(pickle.dumps(start))

    def read_start(self) -> Start:
        """Return what is to be done, once: it may hold secrets. Only the process inside may ask."""
        file = self.folder / "start"
        start: Start = pickle.loads(file.read_bytes())  # noqa: S301  # the engine wrote it
        file.unlink()
        return start

    def write_result(self, result: Result) -> None:
        """Say how it ended: whole or not at all."""
        partial = self.folder / "result.partial"
        partial.write_bytes(msgspec.json.encode(result))
        partial.rename(self.folder / "result")

    def read_result(self) -> Result | None:
        """Return how it ended, None where the process inside did not say so.

        Raises `msgspec.MsgspecError` where it said something else.
        """
        path = self.folder / "result"
        return msgspec.json.decode(path.read_bytes(), type=Result) if _is_file(path) else None

    def remove(self) -> None:
        """Forget the task."""
        shutil.rmtree(self.folder, ignore_errors=True)  # a killed container's mount may last a moment longer
        self.errors.unlink(missing_ok=True)


def new_exchange(state: Path) -> Exchange:
    """Return an exchange below `state` of a name that nobody else has, still to be made."""
    return Exchange(state / f"penstock-{os.getpid()}-{_start_ticks(os.getpid())}-{secrets.token_hex(4)}")


def orphans(state: Path) -> Iterator[Exchange]:
    """Yield the folders of tasks whose engine's process is gone."""
    for folder in sorted(state.glob("penstock-*-*-*")):
        if folder.is_dir():
            pid, ticks = folder.name.split("-")[1:3]
            if _start_ticks(int(pid)) != int(ticks):
                yield Exchange(folder)


def collect(exchange: Exchange, outcome: Outcome, store: ArtifactStore) -> Outcome:
    """Take what a step has made into the store, and return its outcome with the places there.

    Every blob is hashed again on its way: what is not what it says raises `CorruptArtifactError`, and so does an
    output that is nowhere.
    """
    for digest, path in _blobs(exchange.artifacts / "cas"):
        found = _moved(path, store)
        if found != digest:
            raise CorruptArtifactError(
                f"the container left a blob named {digest[:12]} whose bytes hash to {found[:12]}; nothing of it counts",
                digest=digest,
            )
    outputs = {name: _placed(artifact, store) for name, artifact in outcome.outputs.items()}
    return replace(outcome, outputs=outputs)


def collect_beside(exchange: Exchange, log: Path) -> None:
    """Take over what a step has left beside its log: files that bear the log's name."""
    for path in exchange.beside.iterdir():
        if path.name.startswith(f"{log.stem}.") and path.name != log.name and _is_file(path):
            shutil.copyfile(path, log.with_name(path.name), follow_symlinks=False)


def _blobs(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield (digest, file) of every blob. Symbolic links, which could lead anywhere out here, are refused."""
    for part in sorted(folder.iterdir()) if _is_folder(folder) else ():
        if not _is_folder(part):
            raise CorruptArtifactError(f"the container left {part.name} among its blobs, which is no folder")
        for path in sorted(part.iterdir()):
            if not _is_file(path):
                raise CorruptArtifactError(f"the container left {path.name} among its blobs, which is no file")
            yield part.name + path.name, path


def _moved(path: Path, store: ArtifactStore) -> str:
    """Put a file into a store by moving it, where that is possible."""
    target = store.scratch()
    try:
        os.rename(path, target)
    except OSError:  # on another file system
        return store.put(path)
    try:
        if os.geteuid() == 0:
            os.chown(target, 0, 0)
        return store.put(target)
    finally:
        target.unlink(missing_ok=True)


def _placed(artifact: Artifact, store: ArtifactStore) -> Artifact:
    return replace(artifact, uri=store.path(artifact.digest).as_uri())


def _is_file(path: Path) -> bool:
    """Tell whether there is a plain file: no symbolic link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _is_folder(path: Path) -> bool:
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _start_ticks(pid: int) -> int:
    """Return when a process began, by which it is told from a later one of its number; 0 where the system does not
    tell and the process is there, -1 where it is not."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[_START_TICKS])
    except OSError:
        return -1 if sys.platform == "linux" else _lives(pid)


def _lives(pid: int) -> int:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return -1
    except PermissionError:
        pass
    return 0
