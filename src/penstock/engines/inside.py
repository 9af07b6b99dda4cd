"""What runs first in a container (or in a process that stands for one): it has a template fork the worker of one task,
passes on the order to stop, and says how it ended."""

from __future__ import annotations

import os
import pickle
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from penstock.core.ports import Outcome
from penstock.engines.calling import failed
from penstock.engines.exchange import Exchange, Result
from penstock.engines.machine import Capacity, oom_kills
from penstock.engines.messages import Cancel, Ended, Inbox, Start, packed
from penstock.engines.template import Template
from penstock.engines.worker import adopt_orphans

_RECEIVE_BYTES = 1 << 20
_EVERYTHING = Capacity(tasks=1, cpus=float("inf"))  # the engine outside has made room for this one


def main(folder: str, version: str, grace_seconds: float) -> None:
    """Run the task of an exchange. A byte on standard input is the order to cancel it; its end, that the engine is
    gone, and then everything here ends too."""
    os.dup2(1, 2)  # one stream, so that lines keep their order
    exchange = Exchange(Path(folder))
    start = exchange.read_start()
    if version != (own := f"{sys.version_info.major}.{sys.version_info.minor}"):
        message = f"the image has Python {own}, the project runs on {version}; build it anew: penstock image build"
        exchange.write_result(_unborn(failed(start.task, message, started=time.time(), final=True)))
        return
    path = (*start.import_path, *sys.path)
    start = replace(start, import_path=path, environment=dict(os.environ) | start.environment)
    before = oom_kills()
    control, template = _fork_template(grace_seconds)
    signal.signal(signal.SIGTERM, lambda *_: _shut(control))  # to process 1 it means nothing without a handler
    ended = _drive(start, control)
    if ended is not None:
        exchange.write_result(_result(ended, oom_kills() - before))
    control.close()
    os.waitpid(template, 0)


def _fork_template(grace_seconds: float) -> tuple[socket.socket, int]:
    ours, theirs = socket.socketpair()
    engine = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            ours.close()
            nothing = os.open(os.devnull, os.O_RDONLY)
            os.dup2(nothing, 0)  # the orders are not for the step
            os.close(nothing)
            adopt_orphans()
            Template(theirs, engine_pid=engine, capacity=_EVERYTHING, grace_seconds=grace_seconds).serve()
        finally:
            os._exit(0)
    theirs.close()
    return ours, pid


def _drive(start: Start, control: socket.socket) -> Ended | None:
    """Have the task run; return how it ended, None where nobody wants to know any more."""
    control.sendall(packed(start))
    inbox = Inbox()
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(0, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == 0:
                    if os.read(0, _RECEIVE_BYTES):
                        control.sendall(packed(Cancel(task=start.task)))
                    else:
                        selector.unregister(0)
                        _shut(control)
                    continue
                received = control.recv(_RECEIVE_BYTES)
                if not received:
                    return None
                for message in inbox.add(received):
                    if isinstance(message, Ended):
                        return message


def _result(ended: Ended, killed: int) -> Result:
    outcome: Outcome | None = pickle.loads(ended.outcome) if ended.outcome else None  # noqa: S301  # our worker wrote it
    return Result(
        exit_code=ended.exit_code,
        cause=ended.cause,
        started=ended.started,
        peak_memory_bytes=ended.peak_memory_bytes,
        outcome=outcome,
        oom_kills=killed,
    )


def _unborn(outcome: Outcome) -> Result:
    return Result(exit_code=0, cause="", started=outcome.started, peak_memory_bytes=0, outcome=outcome)


def _shut(control: socket.socket) -> None:
    with suppress(OSError):  # it is shut already
        control.shutdown(socket.SHUT_RDWR)
