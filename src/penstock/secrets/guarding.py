"""Revealing: from the moment a step knows a secret, what its process prints goes through a pump that masks it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from penstock.errors import StorageError
from penstock.secrets import masking, pumping


@dataclass(slots=True)
class _Pump:
    """A pump at work; a process that was forked from its owner prints through it, but gives it no orders."""

    process: subprocess.Popen[bytes]
    control: socket.socket
    log: int  # where the descriptors 1 and 2 led before
    owner: int

    def order(self, forms: tuple[bytes, ...]) -> None:
        """Have it mask these (none: have it write out what it holds) and wait until it does."""
        try:
            self.control.sendall(b" ".join(form.hex().encode() for form in forms) + b"\n")
            answered = self.control.recv(1)
        except OSError:
            answered = b""
        if not answered:
            raise StorageError("the process that masks secrets in the log has ended; the disk may be full")


_guarded = False  # whether the descriptors 1 and 2 lead to the log of a step
_pump: _Pump | None = None
_lock = threading.RLock()


def reveal(name: str, value: str) -> None:
    """Note that this process knows a secret, and have it masked in what it prints before anybody can print it."""
    with _lock:
        new = masking.remember(name, value)
        if _guarded and (new or not _is_ours(_pump)):
            _mask()


def guard_output() -> None:
    """Say that the descriptors 1 and 2 lead to a step's log from now on: nothing secret is to get there."""
    global _guarded, _pump
    with _lock:
        _guarded, _pump = True, None
        if masking.forms():
            _mask()


@contextmanager
def guarded_output() -> Iterator[None]:
    """Say so for as long as the block lasts."""
    global _guarded, _pump
    before = _guarded, _pump
    guard_output()
    try:
        yield
    finally:
        with _lock:
            pump = _pump
            _guarded, _pump = before
        if pump is not None and _is_ours(pump):
            _remove(pump)


def settle_output() -> None:
    """Return when everything that was printed so far is in the log."""
    with _lock:
        if _pump is not None and _is_ours(_pump):
            _pump.order(())


def _is_ours(pump: _Pump | None) -> bool:
    return pump is not None and pump.owner == os.getpid()


def _mask() -> None:
    global _pump
    if _pump is None or not _is_ours(_pump):
        _pump = _start()
    _pump.order(masking.forms())


def _start() -> _Pump:
    """Put a pump between the descriptors 1 and 2 and where they lead."""
    ours, theirs = socket.socketpair()
    reading, writing = os.pipe()
    log = os.dup(1)
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", pumping.__file__, str(theirs.fileno())],
            stdin=reading,
            stdout=log,
            stderr=log,
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # it outlives the group that it serves
        )
        for descriptor in (1, 2):
            os.dup2(writing, descriptor)
    except BaseException:
        ours.close()
        os.close(log)
        raise
    finally:
        theirs.close()
        os.close(reading)
        os.close(writing)
    return _Pump(process=process, control=ours, log=log, owner=os.getpid())


def _remove(pump: _Pump) -> None:
    """Wait until everything is written, and point the descriptors 1 and 2 to the log itself again."""
    try:
        pump.order(())
    finally:
        for descriptor in (1, 2):
            os.dup2(pump.log, descriptor)
        os.close(pump.log)
        pump.control.close()
        # It ends when nobody can write to it any more: at once, unless the step has left a process behind.
        threading.Thread(target=pump.process.wait, name="penstock-pump", daemon=True).start()
