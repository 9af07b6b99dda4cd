"""Where a name of a module is written: "helpers.py:3", for a person who asks why a step runs."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path


def place_of(name: str) -> str:
    """Return the file and line where "helpers.inner.FACTOR" gets its value last; "" where no file says so."""
    module, _, rest = name.rpartition(".")
    while module and module not in sys.modules:
        module, _, before = module.rpartition(".")
        rest = f"{before}.{rest}"
    file = getattr(sys.modules.get(module), "__file__", None)
    if not file or not file.endswith(".py"):
        return ""
    try:
        body = ast.parse(Path(file).read_bytes()).body
    except (OSError, SyntaxError, ValueError):
        return ""
    wanted = rest.partition(".")[0]
    lines = [line for line, named in _names(body) if named == wanted]
    return f"{Path(file).name}:{lines[-1]}" if lines else ""


def _names(body: list[ast.stmt]) -> Iterator[tuple[int, str]]:
    """Yield the names that statements of a module give values to, with their lines; not those inside functions."""
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield statement.lineno, name
            case ast.Import(names=names) | ast.ImportFrom(names=names):
                yield from ((statement.lineno, each.asname or each.name.partition(".")[0]) for each in names)
            case _:
                for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                    for inner in getattr(statement, field, ()):
                        yield from _names(inner.body if hasattr(inner, "body") and field in _PARTS else [inner])
                for target in (*getattr(statement, "targets", ()), getattr(statement, "target", None)):
                    if target is not None:
                        yield from ((node.lineno, node.id) for node in ast.walk(target) if isinstance(node, ast.Name))


_PARTS = ("handlers", "cases")  # of a try and a match: no statements themselves
