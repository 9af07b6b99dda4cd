"""Bytecode for an image: compiled beforehand, for its file system is read-only, and valid without a look at dates."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from penstock.errors import ContainerError
from penstock.images.layers import Layer

_TAG = sys.implementation.cache_tag
_COMPILE = """
import sys, py_compile, warnings
warnings.simplefilter("ignore")
for line in sys.stdin:
    source, compiled, place = line.rstrip("\\n").split("\\t")
    try:
        py_compile.compile(source, compiled, place, doraise=True, quiet=2,
                           invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    except (py_compile.PyCompileError, ValueError):
        pass  # a package's template or test for another Python: importing it would fail as well
"""


def compile_into(layer: Layer, scratch: Path) -> None:
    """Add the bytecode of a layer's modules to it. `scratch` is a folder to keep it in until the layer is written.

    A DuckDB step starts in 0.3 s with it and in 0.6 s without. The same modules give the same bytes: hashes are fixed,
    and each file is compiled on its own.
    """
    sources = {place: path for place, path in layer.files.items() if _is_module(place) and isinstance(path, Path)}
    compiled = {place: _place(place) for place in sources}
    for folder in {scratch / Path(place).parent for place in compiled.values()}:
        folder.mkdir(parents=True, exist_ok=True)
    lines = [f"{path}\t{scratch / compiled[place]}\t/{place}\n" for place, path in sorted(sources.items())]
    _compile(lines)
    layer.files |= {place: scratch / place for place in compiled.values() if (scratch / place).exists()}


def _compile(lines: list[str]) -> None:
    count = min(os.cpu_count() or 1, 8)
    environment: Mapping[str, str] = {**os.environ, "PYTHONHASHSEED": "0"}
    processes = [
        subprocess.Popen([sys.executable, "-S", "-c", _COMPILE], stdin=subprocess.PIPE, env=environment, text=True)
        for _ in range(count)
    ]
    for number, process in enumerate(processes):
        assert process.stdin is not None  # noqa: S101  # it is a pipe
        with process.stdin:
            process.stdin.writelines(lines[number::count])
    if any([process.wait() for process in processes]):
        raise ContainerError("the modules of the image cannot be compiled; what Python said stands above")


def _is_module(place: str) -> bool:
    return place.endswith(".py") and "/tests/" not in place


def _place(place: str) -> str:
    path = Path(place)
    return (path.parent / "__pycache__" / f"{path.stem}.{_TAG}.pyc").as_posix()
