"""What Python has no audit event for: environment variables that the user's code reads, modules that it asks for by
name though they are loaded already."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator, Set as AbstractSet
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import Any

from penstock.pipelines.fingerprint_origin import is_first_party

_THROUGH = (os.__file__, "<frozen os>", "<frozen _collections_abc>")  # os.getenv, Mapping.get: who called them read


class _Environment(os._Environ):  # type: ignore[type-arg]
    """`os.environ` as it is while a step runs: what first-party code reads by name is told. A copy of the whole, as for
    a child process, is no reading: it would make every variable of the shell count."""

    def __getitem__(self, key: Any) -> Any:
        caller = _caller()
        if caller is not None and (id(caller), caller.f_lasti) != vars(self).get("_copying") and isinstance(key, str):
            for tell in _told:
                tell(key)
        return super().__getitem__(key)

    def __iter__(self) -> Iterator[Any]:
        caller = _caller()
        self._copying = None if caller is None else (id(caller), caller.f_lasti)
        return super().__iter__()


_told: list[Callable[[str], Any]] = []
_PLAIN = type(os.environ)


@contextmanager
def reading_environment(tell: Callable[[str], Any]) -> Iterator[None]:
    """Tell of every variable that the user's code reads by name inside, whether it is there or not."""
    _told.append(tell)
    os.environ.__class__ = _Environment
    try:
        yield
    finally:
        _told.remove(tell)
        if not _told:
            os.environ.__class__ = _PLAIN


def _caller() -> FrameType | None:
    """Return the frame that reads, if it is the user's code."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and frame.f_code.co_filename in _THROUGH:
        frame = frame.f_back
    return frame if frame is not None and is_first_party(frame.f_globals.get("__name__", "")) else None


@contextmanager
def importing_by_name(tell: Callable[[str], Any]) -> Iterator[None]:
    """Tell of every module that `importlib.import_module` is asked for inside; an import statement is static.

    A module that is loaded already gives no audit event, and `from importlib import import_module` keeps the function:
    so it is what that function calls that tells.
    """
    machinery: Any = importlib._bootstrap
    before = machinery._gcd_import

    def telling(name: str, package: str | None = None, level: int = 0) -> ModuleType:
        module: ModuleType = before(name, package, level)
        tell(module.__name__)
        return module

    machinery._gcd_import = telling
    try:
        yield
    finally:
        machinery._gcd_import = before


def modules_with(names: AbstractSet[str]) -> list[str]:
    """Return the files of these modules, and of all that they have names of, as far as they are the user's code."""
    found: dict[str, str] = {}
    todo = sorted(names)
    while todo:
        name = todo.pop()
        module = sys.modules.get(name)
        file = getattr(module, "__file__", None)
        if name in found or not file or not file.endswith(".py") or not is_first_party(name):
            continue
        found[name] = os.path.realpath(file)
        for value in list(vars(module).values()):
            inner = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
            if isinstance(inner, str):
                todo.append(inner)
    return sorted(found.values())
