"""Reading logs: piece by piece over what was taken out, and line by line with the time when each was written."""

from __future__ import annotations

import bisect
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from penstock.pipelines.logkeeping import times_file

PIECE_BYTES = 64 * 1024
"""The most that is read of a log at once."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a log, and where they end in it. Before them `left_out` bytes were taken out, which the log had more of
    than is kept."""

    content: bytes
    end: int
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a step printed, without its end; when it was written, in seconds since 1970."""

    step: str
    time: float
    text: str


def read_piece(log: Path, position: int) -> Piece:
    """Return what stands in a log at a position, at most 64 KiB; nothing at its end, or where there is none."""
    try:
        file = log.open("rb")
    except (FileNotFoundError, IsADirectoryError):
        return Piece(b"", position)
    with file:
        try:
            begin = os.lseek(file.fileno(), position, os.SEEK_DATA) if hasattr(os, "SEEK_DATA") else position
        except OSError as error:
            if error.errno != errno.ENXIO:  # there is nothing from there on
                raise
            return Piece(b"", position)
        file.seek(begin)
        content = file.read(PIECE_BYTES)
        if begin == position:
            return Piece(content, position + len(content))
        kept = content.partition(b"\n")[2]  # of the line that the hole ends in, the beginning is missing
        end = begin + len(content)
        return Piece(kept, end, end - len(kept) - position)


def pieces(log: Path, position: int = 0) -> Iterator[bytes]:
    """Yield everything in a log from a position on, a piece at a time; a line says what was taken out."""
    while True:
        piece = read_piece(log, position)
        if piece.left_out:
            yield left_out(piece.left_out)
        elif not piece.content:
            return
        yield piece.content
        position = piece.end


def left_out(size_bytes: int) -> bytes:
    """Return the line that stands for what was taken out."""
    return b"... %d bytes are not kept: the log became too large ...\n" % size_bytes


class LogReader:
    """Reads the log of a step line by line, also while it grows; `began` is when the step did."""

    def __init__(self, step: str, log: Path, began: float | None = None) -> None:
        self.step = step
        self._log, self._began = log, began
        self._position, self._rest = 0, b""

    def read(self, *, ended: bool = True) -> Iterator[LogLine]:
        """Yield the lines that were not read yet; until the step has `ended`, only those whose end is written."""
        times = Times(self._log, self._began)
        while (piece := read_piece(self._log, self._position)).end > self._position:
            begin = piece.end - len(piece.content)
            if piece.left_out:
                said = left_out(piece.left_out + len(self._rest)).decode().rstrip()
                yield LogLine(self.step, times.at(begin - 1), said)
                self._rest = b""
            at = begin - len(self._rest)
            *lines, self._rest = (self._rest + piece.content).split(b"\n")
            self._position = piece.end
            for line in lines:
                yield LogLine(self.step, times.at(at), line.decode(errors="replace"))
                at += len(line) + 1
        if ended and self._rest:
            line, self._rest = self._rest, b""
            yield LogLine(self.step, times.at(self._position - len(line)), line.decode(errors="replace"))


class Times:
    """When each byte of a log was written, as exactly as that was noted: a tenth of a second."""

    def __init__(self, log: Path, began: float | None) -> None:
        self._ends: list[int] = []
        self._times: list[float] = []
        if (noted := times_file(log)).is_file():
            for line in noted.read_text().splitlines():
                time, _, size = line.partition(" ")
                if size.isdecimal():  # the last one may be torn
                    self._times.append(float(time))
                    self._ends.append(int(size))
        self._last = log.stat().st_mtime if log.is_file() else 0.0
        if not self._ends and began is not None:
            self._last = max(began, self._last)

    def at(self, position: int) -> float:
        """Return when the byte at a position was written, in seconds since 1970."""
        index = bisect.bisect_right(self._ends, position)
        return self._times[index] if index < len(self._times) else self._last
