"""Arrays that may be larger than memory: beyond a size they lie in a file, which is gone when they are."""

from __future__ import annotations

import math
import os
import tempfile
from typing import Any

import numpy as np

from penstock.errors import StorageError

MOST_IN_MEMORY = 1 << 30
"""Bytes. What is larger is read and written through a file, of which the system keeps in memory what it can."""


def zeros(shape: tuple[int, ...], dtype: str) -> np.ndarray[Any, Any]:
    """Return an array of zeros, in memory or in a file.

    The file has no name from the start, so that nothing stays of it, also where the process is killed; its room is
    taken at once. Raises `StorageError` where the disk has not that much.
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    if size <= MOST_IN_MEMORY:
        return np.zeros(shape, dtype=dtype)
    from penstock.tables import cache_folder  # with DuckDB, which who predicts a row does without

    folder = cache_folder()
    with tempfile.TemporaryFile(dir=folder) as file:
        try:
            _take_room(file.fileno(), size)
        except OSError as error:
            raise StorageError(
                f"no room for {size:,} bytes of images in '{folder}': {error.strerror}; free some, or point TMPDIR "
                "to a larger disk"
            ) from error
        return np.memmap(file, dtype=dtype, mode="r+", shape=shape)


def _take_room(file: int, size: int) -> None:
    """Make a file as long as that; on a full disk, writing to one that only says so would kill the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.truncate(file, size)
