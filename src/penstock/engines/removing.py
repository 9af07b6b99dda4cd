"""Taking a container away that did not take itself away: with what watched it, whatever of that was killed."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from penstock.images import Runtime

_ANSWER_SECONDS, _TRIES = 30.0, 3
_WATCHER, _WATCHER_SECONDS = "conmon", 5.0


def remove_container(runtime: Runtime, name: str) -> bool:
    """Kill and remove a container, which usually is gone already; tell whether it is gone for sure. Where it is not,
    the folder that bears its name is kept, for the next engine to try again."""
    at_once = ("--time", "0") if runtime.program == "podman" else ()  # docker does not wait, and knows no word for that
    command = runtime.command("rm", "--force", *at_once, name)
    for _ in range(_TRIES):  # whatever kills containers may kill this too, and leave one half removed
        done = _done(command)
        if done is None:
            return False
        if done.returncode == 0 or b"no such container" in done.stderr.lower():
            return runtime.program != "podman" or _end_unknown(name)
    return False


def _end_unknown(name: str) -> bool:
    """End a container that podman does not know (any more): killed between making one and recording it, it leaves the
    container behind, which waits for ever to be started. Its watcher's command line says which it is."""
    deadline = time.monotonic() + _WATCHER_SECONDS
    while watchers := list(_watchers(name)):
        if time.monotonic() > deadline:
            return False
        for words in watchers:
            # It may be about to be made, and there a moment later only.
            _done([_after(words, "-r"), "delete", "--force", _after(words, "-c")])
        time.sleep(0.05)
    return True


def _watchers(name: str) -> Iterator[list[str]]:
    """Yield the command lines of the processes by which podman watches a container."""
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has ended
            continue
        if PurePath(words[0]).name == _WATCHER and _after(words, "-n") == name:
            yield words


def _after(words: Sequence[str], option: str) -> str:
    return words[words.index(option) + 1] if option in words[:-1] else ""


def _done(command: Sequence[str]) -> subprocess.CompletedProcess[bytes] | None:
    """Run a command to its end; None where it does not come to one."""
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_ANSWER_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return None
