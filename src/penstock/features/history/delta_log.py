"""Whether a Delta table in a folder has a commit since one that was seen: its log tells by the names of its files.

Opening a table reads its log, which takes longer than to answer some thousands of questions.
"""

from __future__ import annotations

from pathlib import Path

LogEntry = tuple[int, int, int]
"""A version, and what tells its file from that of another table of the same name."""


def entry_of(uri: str, version: int) -> LogEntry | None:
    """Return the entry of a version; None for a table in a bucket, or where the log does not have it."""
    if "://" in uri:
        return None
    try:
        told = _file(uri, version).stat()
    except FileNotFoundError:
        return None
    return version, told.st_ino, told.st_mtime_ns


def is_newest(uri: str, entry: LogEntry | None) -> bool:
    """Tell whether the log still has this as its last entry."""
    if entry is None:
        return False
    return entry_of(uri, entry[0]) == entry and not _file(uri, entry[0] + 1).exists()


def _file(uri: str, version: int) -> Path:
    return Path(uri) / "_delta_log" / f"{version:020}.json"
