"""The processes that drive runs: started apart from who wants the run, so that they outlive it and always see the
user's code as it is now."""

from __future__ import annotations

import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from penstock.errors import RunError

START_SECONDS = 60.0
"""How long a driver may take to import the user's code, plan, and record its run."""
_POLL_SECONDS = 0.01


def start_run(
    root: Path,
    pipeline: str,
    *,
    cause: Mapping[str, Any],
    params: Mapping[str, Any],
    run_id: str = "",
    options: Sequence[str] = (),
    command: str = "run",
) -> dict[str, Any]:
    """Start `penstock run` (or `tune`) and return the first line that it prints: `{"id": ...}`, or `{"error": {...}}`.

    `options` are more options of that command. A run is recorded under `run_id` at most once, however often it is
    started: it is the way to start exactly one where who starts it may die. What the process prints goes to files in
    the project's state, not to a pipe: it may outlive who started it.
    """
    folder = root / ".penstock" / "drivers"
    folder.mkdir(parents=True, exist_ok=True)
    began = f"{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"
    said = folder / f"{began}.jsonl"
    whole = [
        sys.executable, "-m", "penstock", "--project", str(root), command, "--json",
        "--cause", msgspec.json.encode(cause).decode(), *(["--run-id", run_id] if run_id else []),
        "--params", "-", *options, "--", pipeline,
    ]  # fmt: skip
    with said.open("wb") as out, said.with_suffix(".log").open("wb") as log, tempfile.TemporaryFile() as stdin:
        stdin.write(msgspec.json.encode(params))
        stdin.seek(0)
        driver = subprocess.Popen(whole, cwd=root, stdin=stdin, stdout=out, stderr=log, start_new_session=True)
    # Somebody must take the exit status when the run ends, or its process stays as a zombie.
    threading.Thread(target=driver.wait, name=f"penstock-driver-{driver.pid}", daemon=True).start()
    return _first_line(driver, said)


def _first_line(driver: subprocess.Popen[bytes], said: Path) -> dict[str, Any]:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        ended = driver.poll() is not None  # asked before the file is read, so that no last words are missed
        line, newline, _ = said.read_bytes().partition(b"\n")
        if newline:
            first: dict[str, Any] = msgspec.json.decode(line)
            return first
        if ended:
            raise RunError(
                f"the run's process ended with code {driver.returncode} before it began; see {said.with_suffix('.log')}"
            )
        time.sleep(_POLL_SECONDS)
    driver.terminate()
    raise RunError(f"the run did not begin within {START_SECONDS:.0f} s; see {said.with_suffix('.log')}")
