"""The files that come to match the pattern of a `new_file` trigger: each once, when it has stopped changing."""

from __future__ import annotations

import glob
import logging
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from penstock.core.trigger import Firing, Trigger

LOG = logging.getLogger("penstock.triggers")


@dataclass(frozen=True, slots=True)
class Look:
    """What tells, without reading it, that a file is as it was."""

    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFile:
    """A file that is there whole."""

    path: str
    look: Look
    digest: str

    @property
    def occurrence(self) -> str:
        """What makes it the same file: where it is, and its content."""
        return f"{self.path} {self.digest[:16]}"

    def data(self) -> dict[str, Any]:
        """Return what an event says of it."""
        return {
            "path": self.path,
            "size_bytes": self.look.size_bytes,
            "modified_ns": self.look.modified_ns,
            "digest": self.digest,
        }


class Arrivals:
    """The files of one trigger: those seen to, and those still changing."""

    def __init__(self, root: Path, trigger: Trigger, history: Iterable[Firing]) -> None:
        self._root, self._spec, self._since = root, trigger.spec, trigger.since
        self._handled = dict(_looks(history))
        self._changing: dict[str, tuple[Look, float]] = {}  # until when it must stay as it is
        self._unnamed: set[str] = set()

    def settles(self) -> float | None:
        """Return the moment at which the next file may have settled; None: none is changing."""
        return min((since for _, since in self._changing.values()), default=None)

    def look(self, now: float) -> list[NewFile]:
        """Return the files that are new and have not changed for a while; a batch only once none is changing."""
        wait, before = self._spec["debounce_seconds"], self._changing
        self._changing = {}
        for path, look in self._looks().items():
            if self._handled.get(path) != look:
                same = path in before and before[path][0] == look
                self._changing[path] = before[path] if same else (look, now + wait)
        settled = {path: look for path, (look, until) in self._changing.items() if until <= now}
        if self._spec["batch"] and len(settled) < len(self._changing):
            return []
        return [file for path, look in settled.items() if (file := self._read(path, look, now)) is not None]

    def handled(self, files: Iterable[NewFile]) -> None:
        """Note that these are recorded."""
        for file in files:
            self._handled[file.path] = file.look
            self._changing.pop(file.path, None)

    def _looks(self) -> dict[str, Look]:
        found: dict[str, Look] = {}
        for path in sorted(glob.glob(self._spec["pattern"], root_dir=self._root, recursive=True)):
            try:
                status = os.stat(self._root / path)
            except OSError:
                continue  # gone again
            old = not self._spec["existing"] and status.st_ctime <= self._since
            if stat.S_ISREG(status.st_mode) and not old and self._is_text(path):
                found[path] = Look(status.st_size, status.st_mtime_ns)
        return found

    def _read(self, path: str, look: Look, now: float) -> NewFile | None:
        """Digest a file; None where it changed meanwhile, or cannot be read: it is tried again later."""
        try:
            digest = _digest(self._root / path)
            status = os.stat(self._root / path)
        except OSError as error:
            LOG.warning("%s is new, but cannot be read: %s", path, error)
            digest, status = "", None
        if status is None or Look(status.st_size, status.st_mtime_ns) != look:
            self._changing[path] = (look, now + self._spec["debounce_seconds"])
            return None
        return NewFile(path=path, look=look, digest=digest)

    def _is_text(self, path: str) -> bool:
        try:
            path.encode()
        except UnicodeEncodeError:
            if path not in self._unnamed:
                LOG.warning("%r is new, but its name is not UTF-8; give it another", os.fsencode(path))
            self._unnamed.add(path)
            return False
        return True


def watched_folder(pattern: str) -> str:
    """Return the folder in which all files of a pattern lie: the part of it without wildcards."""
    parts: list[str] = []
    for part in Path(pattern).parent.parts:
        if glob.has_magic(part):
            break
        parts.append(part)
    return str(Path(*parts))


def batch_event(files: list[NewFile]) -> tuple[str, dict[str, Any]]:
    """Return what happened when several files came together: its name, and its event."""
    name = blake3("\n".join(file.occurrence for file in files).encode()).hexdigest()[:16]
    data = {"paths": [file.path for file in files], "files": [file.data() for file in files]}
    return f"{len(files)} files {name}", {"type": "new_file", "data": data}


def _digest(path: Path) -> str:
    return blake3().update_mmap(path).hexdigest()


def _looks(history: Iterable[Firing]) -> Iterable[tuple[str, Look]]:
    for firing in history:
        data = firing.event.get("data")
        for file in data.get("files", [data]) if isinstance(data, Mapping) else ():
            if "modified_ns" in file:
                yield file["path"], Look(file["size_bytes"], file["modified_ns"])
