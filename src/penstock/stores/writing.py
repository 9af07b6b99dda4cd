"""Writing that ends whole or not at all: temporary files that never stay, and disk errors said in words."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.core.ports import ArtifactStore
from penstock.errors import StorageError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def scratch_file(store: ArtifactStore) -> Iterator[Path]:
    """Give a fresh path to write what `store.put` then takes; afterwards nothing is left there, whatever happened."""
    path = store.scratch()
    try:
        with disk_errors(path.parent):
            yield path
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Turn an operating system's error with files below `folder` into a `StorageError` that says what to do."""
    try:
        yield
    except OSError as error:
        raise StorageError(_explanation(error, folder)) from error


def _explanation(error: OSError, folder: Path) -> str:
    if error.errno in _FULL:
        return (
            f"cannot write below {folder}: {error.strerror or error}{_free(folder)}. Nothing half-written is left. "
            "Free some space, or move the store ([stores] artifacts in penstock.toml), and run again: "
            "what is done stays done"
        )
    if error.errno in _FORBIDDEN:
        return (
            f"cannot read and write below {folder} as user {os.geteuid()}: {error.strerror}. "
            "Give that user permission there, or choose another folder ([stores] in penstock.toml)"
        )
    return f"cannot read and write below {folder}: {error}"


def _free(folder: Path) -> str:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return f" ({shutil.disk_usage(existing).free / 1e6:,.0f} MB are free on that disk)"
