"""The two ways to a project that the stories are told through: its folder, and the server that serves it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import penstock as ps
import warm

AnyProject = ps.Project | ps.RemoteProject


@contextmanager
def served(root: Path, *options: str, **environment: str) -> Iterator[str]:
    """Start `penstock serve` in a folder, as a user does, on a free port; give its address, and stop it at the end."""
    command = [warm.python(), "-m", "penstock", "serve", "--port", "0", *options]
    variables = {**os.environ, **environment}
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True, env=variables) as process:
        assert process.stdout is not None
        try:
            found = next(filter(None, (re.search(r"http://[\w.]+:\d+", line) for line in process.stdout)))
            yield found[0]
        finally:
            process.terminate()
            assert process.wait(timeout=30) == 0
