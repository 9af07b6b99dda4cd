"""Entries for the tests of engines: what a task does in the process that an engine chose for it."""

from __future__ import annotations

import ctypes
import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

from penstock.core.artifact import Artifact
from penstock.core.ports import Outcome, Task


def call_the_step(task: Task) -> Outcome:
    """Call the step's function with the arguments; the `repr` of what it returns is the digest of the output."""
    value = task.step.call(**task.arguments)
    artifact = Artifact(digest=repr(value), kind="json", uri="")
    return Outcome(task=task.id, state="succeeded", outputs={"result": artifact}, observed={"file:a": "b"})


def speak() -> None:
    """Print in every way that there is."""
    print("from print")
    print("from stderr", file=sys.stderr)
    os.write(1, b"from a descriptor\n")
    ctypes.CDLL(None).puts(b"from C")
    subprocess.run([sys.executable, "-S", "-c", "print('from a process')"], check=True)
    print("no newline at the end: Zürich", end="")


def warn() -> None:
    """Speak through Python's logging and warnings."""
    logging.getLogger("penstock.testing").warning("from logging")
    warnings.warn("from warnings", UserWarning, stacklevel=1)


def fail(message: str) -> None:
    """Raise."""
    raise ValueError(message)


def leave(code: int) -> None:
    """Leave as `sys.exit` does."""
    sys.exit(code)


def vanish(code: int) -> None:
    """End the process without a word."""
    os._exit(code)


def kill_myself(number: int) -> None:
    """End by a signal."""
    os.kill(os.getpid(), number)
    time.sleep(60)


def crash() -> None:
    """Read memory that nobody has."""
    ctypes.string_at(0)


def wait_for_ever(pids: Path, *, stubborn: bool = False) -> None:
    """Start a process and a daemon, write down their pids and our own, then wait; a stubborn one hears no SIGTERM."""
    if stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    lock = _lock(pids)
    child = subprocess.Popen(["sleep", "600"], pass_fds=[lock])
    try:
        _write(pids, f"{os.getpid()} {child.pid} {_daemon(lock)}")
        while True:
            time.sleep(1)
    finally:
        pids.with_suffix(".tidied").touch()


def leave_a_process_behind(pids: Path) -> None:
    """Start a process and a daemon and return without waiting for them."""
    lock = _lock(pids)
    child = subprocess.Popen(["sleep", "600"], pass_fds=[lock])
    _write(pids, f"{os.getpid()} {child.pid} {_daemon(lock)}")


def leave_a_process_behind_and_die(pids: Path) -> None:
    """Start a process and a daemon, and be killed."""
    leave_a_process_behind(pids)
    kill_myself(signal.SIGKILL)


def halt() -> None:
    """Stop being run, as a debugger's prey or on a dead file server."""
    os.kill(os.getpid(), signal.SIGSTOP)


def keep_the_lock() -> None:
    """Wait in native code that keeps Python's lock."""
    while True:  # a signal ends the sleep
        ctypes.PyDLL(None).sleep(600)


def sleep(seconds: float) -> None:
    """Wait as well-behaved code does."""
    time.sleep(seconds)


def take_memory(megabytes: int, *, in_a_child: bool = False) -> None:
    """Fill memory and keep it, in this process or one that it starts."""
    if in_a_child:
        code = f"import time; kept = bytearray({megabytes} << 20); time.sleep(600)"
        subprocess.run([sys.executable, "-S", "-c", code], check=True)
    kept = bytearray(megabytes << 20)
    time.sleep(600)
    del kept


def note(name: str, *, book: Path, until: Path | None = None) -> None:
    """Write into a book when this began and ended; end when there is the file `until`."""
    with book.open("a") as lines:
        lines.write(f"{name} begins\n")
    while until is not None and not until.exists():
        time.sleep(0.005)
    with book.open("a") as lines:
        lines.write(f"{name} ends\n")


def meet(mine: Path, others: list[Path]) -> str:
    """Return when all others have come too."""
    mine.touch()
    while not all(other.exists() for other in others):
        time.sleep(0.005)
    return "met"


def _daemon(lock: int) -> int:
    """Start a process that leaves our session and whose parent has ended; return its pid."""
    command = "setsid sleep 600 >/dev/null 2>&1 & echo $!"
    return int(subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.PIPE, pass_fds=[lock]).stdout)


def _lock(pids: Path) -> int:
    """Take a lock that this process and those to which it hands the descriptor hold as long as one of them lives.

    Unlike a pid it means the same outside a container.
    """
    descriptor = os.open(pids.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o666)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def _write(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(text)
    partial.rename(path)
