"""A step's log as a text, or followed live as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
from starlette.concurrency import run_in_threadpool

from penstock.core.run import StepRun
from penstock.pipelines import PIECE_BYTES, is_quiet, left_out, pieces, read_piece

EVENT_STREAM = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
}
"""The headers of server-sent events; the last one keeps a proxy from gathering them."""

_POLL_SECONDS = 0.1
_KEEP_ALIVE_SECONDS = 15.0


async def follow(latest: Callable[[], StepRun], root: Path, start: int = 0) -> AsyncIterator[bytes]:
    """Yield the lines of a step's log as server-sent events from the byte `start` on, until the step has ended.

    An event's id is the byte after its line, so that a client that comes back with `Last-Event-ID` misses nothing. The
    last event is `end` with the step's state.
    """
    position, quiet_seconds = start, 0.0
    while True:
        step = await run_in_threadpool(latest)  # read before the log: what is there once it is done, is all
        piece = await run_in_threadpool(read_piece, root / step.log, position)
        chunk, position = piece.content, piece.end - len(piece.content)
        if piece.left_out:
            yield b"id: %d\ndata: %s\n\n" % (position, left_out(piece.left_out).rstrip())
        lines = chunk.splitlines(keepends=True)
        done = is_quiet(step) and len(chunk) < PIECE_BYTES
        if lines and not lines[-1].endswith(b"\n") and not done and len(chunk) < PIECE_BYTES:
            lines.pop()  # its end is not written yet
        for line in lines:
            position += len(line)
            yield b"id: %d\ndata: %s\n\n" % (position, line.rstrip(b"\r\n"))
        if done:
            yield b"event: end\ndata: %s\n\n" % msgspec.json.encode({"state": step.state, "error": step.error})
            return
        if not lines:
            quiet_seconds += _POLL_SECONDS
            if quiet_seconds >= _KEEP_ALIVE_SECONDS:
                quiet_seconds = 0.0
                yield b": still running\n\n"
            await asyncio.sleep(_POLL_SECONDS)


def read_log(log: Path) -> Iterator[bytes]:
    """Yield everything that a step has printed so far, a chunk at a time: logs may be large."""
    return pieces(log)
