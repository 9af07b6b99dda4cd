"""Everything that a process prints, into one file: Python, C libraries and the processes it starts."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

from penstock.secrets import guarded_output

_LINE_BUFFERED = 1  # _IOLBF of glibc's and musl's stdio.h
_C = ctypes.CDLL(None)


@contextmanager
def captured(log: Path) -> Iterator[None]:
    """Append what is written to the descriptors 1 and 2 to `log`, line by line, until the block is left.

    The redirection holds for the whole process, and all its threads. A display that must stay visible meanwhile writes
    to a duplicate of standard error that it made before (`os.dup(2)`).
    """
    streams = sys.stdout, sys.stderr
    flush()
    saved = os.dup(1), os.dup(2)
    try:
        redirect(log)
        with guarded_output():
            try:
                yield
            finally:
                flush()
    finally:
        for descriptor, original in zip((1, 2), saved, strict=True):
            os.dup2(original, descriptor)
            os.close(original)
        sys.stdout, sys.stderr = streams


def redirect(log: Path) -> None:
    """Point the descriptors 1 and 2, and Python's streams, to the end of `log`, for good."""
    descriptor = _opened(log)
    try:
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
    finally:
        os.close(descriptor)
    renew_streams()


def _opened(log: Path) -> int:
    try:
        return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except FileNotFoundError:
        log.parent.mkdir(parents=True, exist_ok=True)
        return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def renew_streams() -> None:
    """Make Python's streams anew on the descriptors 1 and 2, written through line by line."""
    # Python's streams may lead elsewhere than to the descriptors (a notebook, pytest), so new ones are made.
    sys.stdout, sys.stderr = _stream(1), _stream(2)
    buffer_c_output_by_line()


def flush() -> None:
    """Write out what Python's streams and C's stdio still hold."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    _C.fflush(None)


def buffer_c_output_by_line() -> None:
    """Make C's stdout write at each line's end, as it does to a terminal, so that a log can be followed."""
    if hasattr(_C, "stdout"):
        _C.setvbuf(ctypes.c_void_p.in_dll(_C, "stdout"), None, _LINE_BUFFERED, 0)


def _stream(descriptor: int) -> TextIO:
    binary = os.fdopen(descriptor, "wb", buffering=0, closefd=False)
    return TextIOWrapper(binary, encoding="utf-8", errors="backslashreplace", line_buffering=True, write_through=True)
