"""What a step looks at outside its arguments: files it opened and modules it imported while it ran, and their values.

The static fingerprint cannot see `open("limits.json")` or a plug-in imported by name. Python's audit events can; files
that C++ libraries open by themselves (a Parquet path given as a text) are not seen: declare those as a `Source`.
"""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from blake3 import blake3

from penstock.pipelines.fingerprint_code import scan
from penstock.pipelines.fingerprint_origin import is_first_party

_SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib/", *(f"{Path(path).resolve()}/" for path in {
    sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()}))  # fmt: skip
_CODE = (".py", ".pyc", ".so")
_FILES = ("file", "code")
_recording: list[_Recording] = []
_hooked = False


class _Recording:
    def __init__(self) -> None:
        self.read: dict[str, None] = {}
        self.written: set[str] = set()
        self.noted: dict[str, str] = {}


def note(name: str, value: str) -> None:
    """Say that the running step looked at `name`, which had this value: a later hit needs it unchanged."""
    if _recording:
        _recording[-1].noted[name] = value


@contextmanager
def observing(*, ignored: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Record what the code inside looks at; the dict is filled at the end. `ignored` are files and folders that do not
    count: the store's, and those whose content is in the key already."""
    _hook()
    recording, found = _Recording(), dict[str, str]()
    loaded = set(sys.modules)
    _recording.append(recording)
    try:
        yield found
    finally:
        _recording.remove(recording)
    own = (*map(os.path.realpath, ignored), _temporary()) if recording.read else ()
    for path in recording.read:
        real = os.path.realpath(path)
        if real not in recording.written and not real.startswith((*_SYSTEM, *own)) and os.path.isfile(real):
            found[f"file:{real}"] = observe_file(f"file:{real}")
    for name in sys.modules.keys() - loaded:
        file = getattr(sys.modules[name], "__file__", None)
        if file and file.endswith(".py") and is_first_party(name):
            found[f"code:{os.path.realpath(file)}"] = observe_file(f"code:{file}")
    found |= recording.noted


def portable(name: str, root: str) -> str:
    """Return how an observed file is recorded: by its place in the project, which may be copied or moved."""
    kind, _, path = name.partition(":")
    return f"{kind}:{os.path.relpath(path, root)}" if kind in _FILES and path.startswith(f"{root}/") else name


def located(name: str, root: str) -> str:
    """Return the observed file that a record speaks of, by its full path: the inverse of `portable`."""
    kind, _, path = name.partition(":")
    return f"{kind}:{os.path.join(root, path)}" if kind in _FILES else name


def observe_file(name: str) -> str:
    """Return the digest of what "file:<path>" holds, or of what the code of "code:<path>" says; "" where it is gone."""
    kind, _, path = name.partition(":")
    try:
        status = os.stat(path)
    except OSError:
        return ""
    return _digest(kind, path, status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=4096)
def _digest(kind: str, path: str, *_unchanged: int) -> str:
    try:
        if kind == "code":
            return scan(compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)).digest
        return blake3(Path(path).read_bytes()).hexdigest()
    except (OSError, SyntaxError):
        return ""


def _temporary() -> str:
    """Return how the names begin that `tempfile` makes: what lies there is not the same from run to run anyway."""
    return os.path.join(os.path.realpath(tempfile.gettempdir()), tempfile.gettempprefix())


def _hook() -> None:
    """Audit hooks cannot be taken out again, so there is one, and it does nothing while nothing is recorded."""
    global _hooked
    if not _hooked:
        _hooked = True
        sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" or not _recording:
        return
    path, mode, flags = arguments
    if not isinstance(path, str | bytes) or not path:
        return
    name = os.fsdecode(path)
    if name.endswith(_CODE):
        return
    writes = (
        any(letter in mode for letter in "wax+") if isinstance(mode, str) else bool(flags & (os.O_WRONLY | os.O_RDWR))
    )
    for recording in _recording:
        if writes:
            recording.written.add(os.path.realpath(name))
        else:
            recording.read[os.path.abspath(name)] = None
