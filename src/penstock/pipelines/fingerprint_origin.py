"""Whose code a module is: the user's own, which is read, or a distribution's, which its version stands for."""

from __future__ import annotations

import functools
import importlib.metadata
import importlib.util
import sys
import sysconfig
from pathlib import Path

from blake3 import blake3

_STDLIB = tuple(str(Path(sysconfig.get_path(name)).resolve()) for name in ("stdlib", "platstdlib"))


@functools.cache
def origin(module: str) -> str:
    """Say whose a module is: "" for first-party code, "python" for the standard library, else "name==version"."""
    where = _place(module)
    return _versions(module.partition(".")[0]) if where == "distribution" else where


def is_first_party(module: str) -> bool:
    """Tell whether a module is the user's own code; asks no distribution for its version, which takes a walk."""
    return _place(module) == ""


def module_of(cls: type) -> str:
    """Return the name of the module of a class; the type of Cython's functions has something else under that name."""
    name: object = cls.__module__
    return name if isinstance(name, str) else "builtins"


@functools.cache
def _place(module: str) -> str:
    """Return "" (the user's own), "python" or "distribution"."""
    top = module.partition(".")[0]
    if top == "penstock":
        return "distribution"
    if top in ("", "__main__", "__mp_main__"):
        return ""
    if top.startswith("_cython_"):  # where Cython's compiled modules keep the types that they share
        return "python"
    file = _file(module)
    if file is None:
        return "python" if top in sys.stdlib_module_names else ""
    if {"site-packages", "dist-packages"} & set(Path(file).parts):
        return "distribution"
    return "python" if file.startswith(_STDLIB) else ""


@functools.cache
def _versions(top: str) -> str:
    if top == "penstock":
        return f"penstock=={_own_version()}"
    return ", ".join(f"{name}=={importlib.metadata.version(name)}" for name in _distributions(top)) or f"{top}==?"


def _file(module: str) -> str | None:
    loaded = sys.modules.get(module)
    if loaded is not None and (file := getattr(loaded, "__file__", None)):
        return str(Path(file).resolve())
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return None
    return str(Path(spec.origin).resolve()) if spec is not None and spec.has_location and spec.origin else None


def _distributions(top: str) -> list[str]:
    try:
        importlib.metadata.version(top)
    except importlib.metadata.PackageNotFoundError:  # sklearn is in scikit-learn: a walk over all distributions
        return sorted(set(_packages().get(top, ())))
    return [top]


_packages = functools.cache(importlib.metadata.packages_distributions)


@functools.cache
def _own_version() -> str:
    """Our version; of a checkout also its content, for there a pull changes what a component does, but no version.

    That is a digest of some hundred small files, 4 ms, once in a process that runs a component from a checkout.
    """
    version: str = sys.modules["penstock"].__version__  # the core imports nothing above it
    package = Path(__file__).resolve().parent.parent
    if {"site-packages", "dist-packages"} & set(package.parts):
        return version
    content = blake3()
    for path in sorted(package.rglob("*.py")):
        content.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return f"{version}+{content.hexdigest()[:12]}"
