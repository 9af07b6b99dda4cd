"""A Python that has our modules loaded already when it starts, for tests of commands in processes of their own.

`python()` is the path of a program that does what `sys.executable` does. Where it is called with `-m penstock` or
with `-c` and a program, a server that has loaded what `penstock` needs, and never a user's code, forks; with anything
else it is `sys.executable` itself. A process begins in a tenth of the time so, and is as fresh: it has seen nothing of
the project. It starts others in the same way: `penstock serve` the processes that drive its runs, those the template of
their workers.

To keep to `sys.executable` is right where a test is about the start of a process, or kills or limits one by its number:
the program passes signals on, and takes its process with it when it is killed, but is another process.
"""

from __future__ import annotations

import atexit
import functools
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ADDRESS = "PENSTOCK_TESTS_WARM_SERVER"


@functools.cache
def python() -> str:
    """Return the path of the program; the first call starts the server, which ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="warm-"))
    program, address = folder / "python", folder / "server"
    program.write_text(
        f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -IS {shlex.quote(str(HERE / "client.py"))} "$@"\n'
    )
    program.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, HERE / "server.py", address, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    assert server.stdout.read(1), "the server of warm processes did not start"
    os.environ[ADDRESS] = f"{address}:{sys.executable}"
    atexit.register(_stop, server, folder)
    return str(program)


def _stop(server: subprocess.Popen[bytes], folder: Path) -> None:
    server.communicate()  # the end of its input is the end of it, and of all that it has forked
    shutil.rmtree(folder)
