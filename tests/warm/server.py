"""The server of warm processes: it loads our modules, and forks for each client what is `python -m penstock`."""

from __future__ import annotations

import atexit
import ctypes
import fcntl
import importlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

PR_SET_PDEATHSIG = 1
REFUSED = 0
MOST_DESCRIPTORS = 100


def serve(listener: socket.socket) -> dict[str, Any] | None:
    """Fork a keeper for each client, until the end of standard input. Returns in each process that they fork, with what
    it shall do."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how a keeper ended
    while True:
        ready, _, _ = select.select([sys.stdin, listener], [], [])
        if sys.stdin in ready:
            return None
        client, _ = listener.accept()
        with client:
            if os.fork() == 0:
                die_with_parent()
                listener.close()
                return keep(client)


def keep(client: socket.socket) -> dict[str, Any]:
    """Fork the process that a client wants, and tell the client its number and how it ended. If the client is killed,
    so is the process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _, received, _, _ = socket.recv_fds(client, 1, MOST_DESCRIPTORS)
    wish: dict[str, Any] = json.loads(client.makefile().readline())
    if heeded(wish["environment"]) != heeded(os.environ):
        client.sendall(b"%d\n" % REFUSED)
        os._exit(0)
    pid = os.fork()
    if pid == 0:
        die_with_parent()
        client.close()
        return {**wish, "received": received}
    for descriptor in received:
        os.close(descriptor)
    client.sendall(b"%d\n" % pid)
    process = os.pidfd_open(pid)
    ready, _, _ = select.select([client, process], [], [])
    if process not in ready:
        os.kill(pid, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        client.sendall(b"%d\n" % code)
    finally:
        os._exit(0)


def heeded(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what an interpreter heeds when it starts: a fork cannot make up for a difference."""
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


def die_with_parent() -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def become(wish: dict[str, Any]) -> None:
    """Take the place of the interpreter that was called."""
    os.setsid()
    place(wish["received"], wish["descriptors"])
    os.environ.clear()
    os.environ.update(wish["environment"])
    os.chdir(wish["folder"])
    sys.path[0] = wish["folder"]  # where our tests were
    sys.executable = wish["program"]
    code = 0
    try:
        called(*wish["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:
        sys.excepthook(*sys.exc_info())
        code = 1
    # As an interpreter ends, but for freeing all that the server had loaded, object by object.
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def place(descriptors: list[int], numbers: list[int]) -> None:
    """Give descriptors the numbers that they had at the client."""
    above = [fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 1000) for descriptor in descriptors]
    for descriptor in descriptors:
        os.close(descriptor)
    for descriptor, number in zip(above, numbers, strict=True):
        os.dup2(descriptor, number)
        os.close(descriptor)


def called(how: str, what: str, *arguments: str) -> None:
    """Do what the interpreter does that is called with `-m what`, `-c what` or `-P -c what`."""
    if how == "-P":  # without the current folder
        del sys.path[0]
        return called(what, *arguments)
    sys.argv = [how, *arguments]
    if how == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
        return
    sys.modules["__main__"] = program = ModuleType("__main__")
    exec(compile(what, "<string>", "exec"), vars(program))


def main() -> None:
    address, program = sys.argv[1:]
    sys.path[0] = str(Path(__file__).parents[1])
    importlib.import_module("warm.loaded")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(100)
        os.write(1, b".")
        wish = serve(listener)
    if wish is not None:
        become({**wish, "program": program})


main()
