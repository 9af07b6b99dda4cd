"""What a step looks at outside its arguments while it runs, and its value: files it opens or looks for, folders it
lists, modules it imports by name, environment variables it reads.

The static fingerprint cannot see `open("limits.json")` or a plug-in imported by name. Python's audit events can; files
that C++ libraries open by themselves (a Parquet path given as a text) are not seen here: see `evidence`.
"""

from __future__ import annotations

import glob
import importlib
import os
import stat
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Iterator, Set as AbstractSet
from contextlib import ExitStack, contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

from blake3 import blake3

from penstock.pipelines.file_digests import content_digest, remembered
from penstock.pipelines.fingerprint_code import scan
from penstock.pipelines.looking import importing_by_name, modules_with, reading_environment

_SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib/", *(f"{Path(path).resolve()}/" for path in {
    sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()}))  # fmt: skip
_IMPORTING = ("<frozen importlib", os.path.dirname(importlib.__file__) + os.sep)
CODE = (".py", ".pyc", ".so")
_LOCATED = ("file", "code", "names", "matches", "wrote")  # kinds of what is observed that are named by a path
_UNTOLD = ("__pycache__", ".penstock")
_recording: list[_Recording] = []
_hooked = False


class _Recording:
    def __init__(self) -> None:
        self.read: dict[str, None] = {}
        self.listed: dict[str, None] = {}
        self.written: set[str] = set()
        self.noted: dict[str, str] = {}
        self.modules: set[str] = set()  # asked for by name
        self.imported: set[str] = set()


def note(name: str, value: str) -> None:
    """Say that the running step looked at `name`, which had this value: a later hit needs it unchanged."""
    if _recording:
        _recording[-1].noted[name] = value


def note_file(path: Path) -> None:
    """Say that the running step depends on what a file holds now, though it wrote it itself."""
    name = f"file:{path.resolve()}"
    note(name, observe(name))


@contextmanager
def observing(*, ignored: tuple[str, ...]) -> Iterator[dict[str, str]]:
    """Record what the code inside looks at; the dict is filled at the end. `ignored` are files and folders that do not
    count: the store's, and those whose content is in the key already. "wrote:<path>" says what it wrote."""
    _hook()
    recording, found = _Recording(), dict[str, str]()
    newest = next(reversed(sys.modules))
    with ExitStack() as stack:
        stack.enter_context(
            reading_environment(lambda name: recording.noted.setdefault(f"env:{name}", observe(f"env:{name}")))
        )
        stack.enter_context(importing_by_name(recording.modules.add))
        _recording.append(recording)
        try:
            yield found
        finally:
            _recording.remove(recording)
    found |= _looked_at(recording, ignored)
    for path in modules_with({*_loaded_since(newest, recording.imported | recording.modules), *recording.modules}):
        found[f"code:{path}"] = observe(f"code:{path}")
    found |= recording.noted


def _loaded_since(newest: str, imported: AbstractSet[str]) -> list[str]:
    """Return what was loaded after the module `newest`: Python keeps modules in the order in which they came.

    The others are not looked at: there are thousands, and in a forked worker each page touched would be copied. If that
    module itself went or came anew, its place says nothing, and all count; of them only the user's own tell anything.
    """
    names = reversed(sys.modules)
    if newest in imported or newest not in sys.modules:
        return list(names)
    return list(takewhile(newest.__ne__, names))  # in one piece: another thread may import meanwhile


def _looked_at(recording: _Recording, ignored: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if not (recording.read or recording.listed or recording.written):
        return
    own = (*_SYSTEM, *map(os.path.realpath, ignored), _temporary())
    written = {os.path.realpath(path) for path in recording.written}
    for path in written:
        if not path.startswith(own):
            yield f"wrote:{path}", ""
    for path in map(os.path.realpath, recording.read):
        if path not in written and not path.startswith(own) and not os.path.isdir(path):
            yield f"file:{path}", observe(f"file:{path}")
    folders = {os.path.dirname(path) for path in written}
    for path in map(os.path.realpath, recording.listed):
        if path not in folders and not f"{path}/".startswith(own):
            yield f"names:{path}", observe(f"names:{path}")


def portable(name: str, root: str) -> str:
    """Return how an observed file is recorded: by its place in the project, which may be copied or moved."""
    kind, _, path = name.partition(":")
    return f"{kind}:{os.path.relpath(path, root)}" if kind in _LOCATED and f"{path}/".startswith(f"{root}/") else name


def located(name: str, root: str) -> str:
    """Return the observed file that a record speaks of, by its full path: the inverse of `portable`."""
    kind, _, path = name.partition(":")
    return f"{kind}:{os.path.normpath(os.path.join(root, path))}" if kind in _LOCATED else name


def observe(name: str) -> str:
    """Return the value that something observed has now, "" where it is gone: the digest of what "file:<path>" holds, of
    what the code of "code:<path>" says, of the names in the folder "names:<path>" or of those
    that match "matches:<pattern>", of the variable "env:<name>"."""
    kind, _, what = name.partition(":")
    if kind == "env":
        value = os.environ.get(what)
        return "" if value is None else blake3(os.fsencode(value)).hexdigest()[:16]
    if kind == "matches":
        return _names(os.path.relpath(path, os.path.dirname(what)) for path in glob.glob(what, recursive=True))
    try:
        status = os.stat(what)
        if kind == "names":
            return _names(name for name in os.listdir(what) if name not in _UNTOLD)
        return _DIGESTS[kind](what, status) if stat.S_ISREG(status.st_mode) else ""
    except (OSError, SyntaxError):
        return ""


def _names(names: Iterable[str]) -> str:
    return blake3("\0".join(sorted(names)).encode(errors="surrogateescape")).hexdigest()


def _code(path: str) -> str:
    return scan(compile(Path(path).read_bytes(), path, "exec", dont_inherit=True)).digest


_DIGESTS = {"file": remembered(content_digest), "code": remembered(_code)}


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
    if not _recording:
        return
    if event == "import":
        for recording in _recording:
            recording.imported.add(arguments[0])
    if event not in _EVENTS:
        return
    paths = [
        os.path.abspath(os.fsdecode(path)) for path in arguments[:2] if isinstance(path, str | bytes | os.PathLike)
    ]
    for recording in _recording:
        _EVENTS[event](recording, paths, arguments)


def _opens(recording: _Recording, paths: list[str], arguments: tuple[Any, ...]) -> None:
    _, mode, flags = arguments
    if not paths or not isinstance(arguments[0], str | bytes) or not arguments[0] or paths[0].endswith(CODE):
        return
    if isinstance(mode, str):
        writes = any(letter in mode for letter in "wax+")
    else:
        writes = bool(flags & (os.O_WRONLY | os.O_RDWR))
    if writes:
        recording.written.add(paths[0])
    else:
        recording.read[paths[0]] = None


def _lists(recording: _Recording, paths: list[str], arguments: tuple[Any, ...]) -> None:
    caller = sys._getframe(2).f_code.co_filename
    if not caller.startswith(_IMPORTING):  # how Python looks for modules, and libraries for versions of others
        recording.listed[paths[0] if paths else os.getcwd()] = None


def _changes(recording: _Recording, paths: list[str], arguments: tuple[Any, ...]) -> None:
    recording.written.update(paths)


def _connects(recording: _Recording, paths: list[str], arguments: tuple[Any, ...]) -> None:
    if paths and os.path.isfile(paths[0]):
        recording.read[paths[0]] = None


_EVENTS = {
    "open": _opens,
    "os.listdir": _lists,
    "os.scandir": _lists,
    "os.rename": _changes,
    "os.remove": _changes,
    "os.mkdir": _changes,
    "sqlite3.connect": _connects,
}
