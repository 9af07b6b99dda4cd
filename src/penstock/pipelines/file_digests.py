"""The digest of a file's content, read once as long as its size, time of change and inode stay; of a large file also by
later processes, for a run in which nothing changed must not read gigabytes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from blake3 import blake3

_State: TypeAlias = tuple[str, int, int, int]
_MAPPED_BYTES = 1 << 20
_LARGE_BYTES = 1 << 25
_SETTLED_NANOSECONDS = 2 * 10**9


def content_digest(path: str) -> str:
    """Return the digest of what a file holds."""
    if (size := os.path.getsize(path)) < _MAPPED_BYTES:
        return blake3(Path(path).read_bytes()).hexdigest()
    if size < _LARGE_BYTES:
        return blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest()
    status = os.stat(path)
    state = f"{path} {status.st_size} {status.st_mtime_ns} {status.st_ino}"
    kept = _folder() / blake3(os.fsencode(path)).hexdigest()[:32]
    with suppress(OSError, ValueError):
        digest, before = kept.read_text().split(" ", 1)
        if before == state:
            return digest
    digest = blake3(max_threads=blake3.AUTO).update_mmap(path).hexdigest()
    if _is_settled(status):
        with suppress(OSError):  # no place for it: it is read again
            kept.parent.mkdir(parents=True, exist_ok=True)
            scratch = kept.with_suffix(f".{os.getpid()}")
            scratch.write_text(f"{digest} {state}")
            scratch.replace(kept)
    return digest


def remembered(digest: Callable[[str], str]) -> Callable[[str, os.stat_result], str]:
    """Return a way to a file's digest that looks into it only where something of it changed."""
    known: dict[_State, str] = {}

    def found(path: str, status: os.stat_result) -> str:
        state = (path, status.st_size, status.st_mtime_ns, status.st_ino)
        if state in known:
            return known[state]
        value = digest(path)
        if _is_settled(status):
            known[state] = value
        return value

    return found


def _is_settled(status: os.stat_result) -> bool:
    """A file changed just now may change again within one tick of its file system's clock."""
    return time.time_ns() - status.st_mtime_ns > _SETTLED_NANOSECONDS


def _folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock" / "digests"
