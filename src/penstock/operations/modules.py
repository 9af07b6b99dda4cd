"""A user's own PyTorch module, named as "package.module:Class": what may be said of it, and where it is found."""

from __future__ import annotations

import importlib
import json
import re
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from penstock.core.expression import Expr
from penstock.errors import DeclarationError

_SOURCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")
_PLAIN = (str, int, float, bool, type(None))
_importing = threading.Lock()
_stamps: dict[str, tuple[int, int]] = {}  # module -> when its file was written last, and its size, as it was imported


def check_source(source: str) -> None:
    """Raise `ValueError` for what names no class of a module that another process can import."""
    if not _SOURCE.fullmatch(source):
        raise ValueError("a class is named by its module: 'package.module:Class'")
    if source.startswith("__main__:"):
        raise ValueError("no other process can import what a script or a notebook defines; put it into a file")


def arguments_of(text: str) -> dict[str, Any]:
    """Return the keyword arguments that a text of JSON says; raises `ValueError` for what says none."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise ValueError(f"arguments are a JSON object, such as '{{\"width\": 8}}': {error}") from error
    if not isinstance(found, dict) or not all(name.isidentifier() for name in found):
        raise ValueError("arguments are a JSON object whose keys are names, such as '{\"width\": 8}'")
    return found


def arguments_text(arguments: Mapping[str, Any]) -> str:
    """Return keyword arguments as JSON, the same for equal ones; raises `DeclarationError` for what is not plain."""
    for name, value in arguments.items():
        if not _is_plain(value):
            raise DeclarationError(
                f"module: {name}={value!r}; its arguments are plain values: numbers, texts, True, False, None, or "
                "lists of them"
            )
    try:
        return json.dumps(arguments, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise DeclarationError(f"module: {error}; numbers among its arguments are finite") from error


def _is_plain(value: Any) -> bool:
    return all(map(_is_plain, value)) if isinstance(value, list | tuple) else isinstance(value, _PLAIN)


def imported(source: str, root: str = "") -> Any:
    """Return the class that a text names, as its file has it now; modules of a project lie below its `root`.

    Where the file has changed since this process imported it, it is imported anew: the text names what lies there.
    Raises `DeclarationError` where it cannot be imported.
    """
    name, _, member = source.partition(":")
    with _importing, _first(root):
        _forget_changed(name)
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and f"{name}.".startswith(f"{error.name}."):
                raise DeclarationError(
                    f"module '{source}': there is no module '{error.name}' where Python looks for modules; run in the "
                    "folder that has it, or install it"
                ) from error
            raise DeclarationError(f"module '{source}' cannot be imported: {error}") from error
        except Exception as error:
            raise DeclarationError(f"module '{source}' cannot be imported: {type(error).__name__}: {error}") from error
    found = getattr(module, member, None)
    if not callable(found):
        there = [each for each, value in vars(module).items() if isinstance(value, type) and value.__module__ == name]
        raise DeclarationError(
            f"module '{source}': '{name}' has no class '{member}'; it has: {', '.join(there) or 'no class'}"
        )
    return found


@contextmanager
def _first(root: str) -> Iterator[None]:
    """Look for modules below the root too, first of all."""
    before = list(sys.path)
    if root and root not in sys.path:
        sys.path.insert(0, root)
    try:
        yield
    finally:
        sys.path[:] = before


def _forget_changed(name: str) -> None:
    """Forget a module, and those within it, whose file is another now, or is not what it was."""
    importlib.invalidate_caches()
    parts, path = name.split("."), None
    for count in range(1, len(parts) + 1):
        each = ".".join(parts[:count])
        spec = PathFinder.find_spec(each, path)
        if spec is None:  # built in, or found in a way of its own
            return
        stamp = _stamp(spec.origin)
        known = getattr(sys.modules.get(each), "__spec__", None)
        if known is not None and (known.origin != spec.origin or _stamps.get(each, stamp) != stamp):
            for loaded in [one for one in sys.modules if one == each or one.startswith(f"{each}.")]:
                del sys.modules[loaded]
        _stamps[each] = stamp
        path = spec.submodule_search_locations


def _stamp(origin: str | None) -> tuple[int, int]:
    try:
        told = Path(origin or "").stat()
    except OSError:  # a namespace, or a file within an archive
        return 0, 0
    return told.st_mtime_ns, told.st_size


def named_code(expr: Expr, root: str = "") -> Any:
    """Return the class that an expression names, as `imported` does, or None for one that names none."""
    return imported(expr.args[1].args[0], root) if expr.op == "module" else None
