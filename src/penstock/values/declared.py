"""Your own types: two functions that write a value to a path and read it back, declared once beside the type."""

from __future__ import annotations

import importlib
import inspect
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from penstock.errors import DeclarationError, UnknownNameError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TypeCodec:
    """How values of a type are kept. `reference` is "module:type": importing the module declares the codec again, in
    whatever process."""

    type: type
    save: Callable[[Any, Path], Any]
    load: Callable[[Path], Any]
    reference: str
    safe: bool = True


_by_type: dict[type, TypeCodec] = {}
_by_reference: dict[str, TypeCodec] = {}
_by_name: dict[str, TypeCodec] = {}


def codec(type: type[T], *, save: Callable[[T, Path], Any], load: Callable[[Path], T]) -> TypeCodec:
    """Declare how values of your own type are kept between steps.

    `save(value, path)` writes a file, or a folder of files, at `path`; `load(path)` reads it, in another process, from
    a path that it must not change. Write it in a module, beside the type: workers import that module by its name. A
    step whose values it keeps runs again when the code of either function changes.
    """
    return _declare(type, save, load, sys._getframe(1).f_globals.get("__name__", ""), safe=True)


def pickled(type: type[Any]) -> TypeCodec:
    """Declare that values of a type are kept as pickles: unsafe, and bound to the versions that wrote them.

    Whoever can write to the artifact store can then run code in every process that loads such a value, and a value may
    not load after an upgrade. Two functions of your own (`codec`) have neither problem.
    """
    return _declare(type, _dump, _undump, sys._getframe(1).f_globals.get("__name__", ""), safe=False)


def codec_of(value: Any) -> TypeCodec | None:
    """Return the codec declared for a value's class, or for the nearest class that it inherits from."""
    return next((_by_type[cls] for cls in type(value).__mro__ if cls in _by_type), None)


def codec_of_name(name: str) -> TypeCodec | None:
    """Return the codec declared for the class of this full name, such as "shapes.Shape"."""
    return _by_name.get(name)


def codec_named(reference: str) -> TypeCodec:
    """Return the codec of a reference, importing the module that declares it.

    Raises `UnknownNameError` where the module declares none, `DeclarationError` where it cannot be imported.
    """
    if reference not in _by_reference:
        module = reference.partition(":")[0]
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise DeclarationError(
                f"a value was kept by the codec {reference}, but its module cannot be imported here: {error}; "
                "put the folder of that module on PYTHONPATH, or install it"
            ) from error
    if reference not in _by_reference:
        raise UnknownNameError("codec", reference, _by_reference)
    return _by_reference[reference]


def _declare(
    type: type[Any], save: Callable[[Any, Path], Any], load: Callable[[Path], Any], module: str, *, safe: bool
) -> TypeCodec:
    if not inspect.isclass(type):
        raise DeclarationError(f"ps.codec is declared for a class, not for {type!r}")
    if module in ("__main__", ""):
        raise DeclarationError(
            f"the codec of {type.__qualname__} is declared in a script or a notebook, which no worker can import; "
            "move the type and its codec to a module"
        )
    made = TypeCodec(type, save, load, f"{module}:{type.__qualname__}", safe)
    _by_type[type] = _by_reference[made.reference] = _by_name[f"{type.__module__}.{type.__qualname__}"] = made
    return made


def _dump(value: Any, path: Path) -> None:
    path.write_bytes(pickle.dumps(value, protocol=5))


def _undump(path: Path) -> Any:
    return pickle.loads(path.read_bytes())  # noqa: S301  # asked for, by name, with what it means
