"""A path as a value: what it says, and what lies there. A file counts by its content, a folder by names and contents.

Paths are told relative to the project's root, so that a project may be moved. A folder with the project itself in it,
or code of the user's, counts by its place alone: `HERE = Path(__file__).parent` is how code finds its files, and which
of them it opens is observed when it does.
"""

from __future__ import annotations

import glob
import os
import re
import stat
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from blake3 import blake3

from penstock.errors import FingerprintError
from penstock.pipelines.fingerprint_origin import is_first_party
from penstock.pipelines.observed import observe

_NO_FILES = ("/proc", "/sys", "/dev")
_MOST_FILES, _MOST_BYTES = 10_000, 1 << 32  # above these, a folder counts by names, sizes and times of change
_TOO_MANY = 200_000
_QUOTED = re.compile(r"""['"]([^'"\n]+)['"]""")
_LONGEST = 256
_REGULAR = set("\\^$()|+{}<>=;")
_STATE = (".penstock", ".git", "__pycache__")


def path_text(path: os.PathLike[Any], root: str) -> str:
    """Return a path as it counts by itself: a place in the project relative to its root, marked as such."""
    text = os.fsdecode(path)
    if root and f"{text}/".startswith(f"{root}/"):
        return f"<root>/{os.path.relpath(text, root)}"
    return text


def path_contents(path: os.PathLike[Any], root: str) -> Iterator[tuple[str, str]]:
    """Yield what lies at a path: its name for a person, and its digest; nothing where nothing is, or only code.

    A relative path is one of the project's, and one of the folder in which the process runs, if that is another.
    """
    text = os.fsdecode(path)
    for base in dict.fromkeys((root, os.getcwd())):
        whole = os.path.join(base, text)
        if digest := _content(whole, root):
            yield shown_path(whole, root), digest
        if os.path.isabs(text):
            return


def texts_in(text: str) -> Iterator[str]:
    """Yield what in a text may be the path of a file: the text itself, and what is quoted in it, as in SQL."""
    found = [text] if "\n" not in text else []
    for one in (*found, *_QUOTED.findall(text)):
        if 2 < len(one) < _LONGEST and ("." in one or "/" in one):
            yield one


def files_named(texts: Iterable[str], root: str) -> Iterator[tuple[str, list[str]]]:
    """Yield what texts name now: the path of a file and that file, or a pattern and the files that match it."""
    for text in sorted(texts):
        for base in dict.fromkeys((root, os.getcwd())):
            whole = os.path.normpath(os.path.join(base, text))
            matching = glob.glob(whole, recursive=True) if _is_pattern(text) else [whole]
            files = [path for path in sorted(matching) if os.path.isfile(path) and not path.startswith(_NO_FILES)]
            if files:
                yield whole, files


def _is_pattern(text: str) -> bool:
    """Tell whether a text may be a pattern of files; a regular expression is none, nor a walk over everything."""
    return "*" in text and not text.startswith("**") and not _REGULAR & set(text) and text[-1].isalnum()


def shown_path(path: str, root: str) -> str:
    """Return a path for a person: relative to the project's root where it is below it."""
    return os.path.relpath(path, root) if path.startswith(f"{root}/") else path


def _content(path: str, root: str) -> str:
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return ""
    if stat.S_ISREG(mode):
        return observe(f"file:{path}")
    if not stat.S_ISDIR(mode) or path.startswith(_NO_FILES) or _holds_code(os.path.realpath(path), root):
        return ""
    return _folder(path)


def _folder(path: str) -> str:
    files = sorted(_files(path))
    by_content = len(files) <= _MOST_FILES and sum(status.st_size for _, status in files) <= _MOST_BYTES
    whole = blake3()
    for file, status in files:
        what = observe(f"file:{file}") if by_content else f"{status.st_size} {status.st_mtime_ns}"
        whole.update(f"{os.path.relpath(file, path)}\0{what}\n".encode(errors="surrogateescape"))
    return whole.hexdigest()


def _files(path: str) -> Iterator[tuple[str, os.stat_result]]:
    count = 0
    for folder, inner, names in os.walk(path):
        inner[:] = [name for name in inner if name not in _STATE]
        count += len(names)
        if count > _TOO_MANY:
            raise FingerprintError(
                f"the folder {path} has more than {_TOO_MANY} files, too many to look at in each run; name a folder in "
                "it, or write ignore=[...] with the name of the parameter or variable, and depends_on=[...]"
            )
        for name in names:
            file = os.path.join(folder, name)
            try:
                status = os.stat(file)
            except OSError:  # a link that leads nowhere
                continue
            if stat.S_ISREG(status.st_mode):
                yield file, status


def _holds_code(folder: str, root: str) -> bool:
    below = folder.rstrip("/") + "/"
    if root == folder or root.startswith(below):
        return True
    return (
        any(
            (file := getattr(module, "__file__", None))
            and os.path.realpath(file).startswith(below)
            and is_first_party(name)
            for name, module in list(sys.modules.items())
        )
        or Path(folder).joinpath("pyvenv.cfg").exists()
    )
