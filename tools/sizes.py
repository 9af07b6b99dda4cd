"""Hold the limits of size that keep the code readable: files, functions, classes, and the core as a whole."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

LIMITED = ("src/**/*.py", "tools/*.py", "bench/**/*.py", "tests/**/*.py")
FILE_LINES = 400
FUNCTION_LINES = 60  # a hard limit; the habit is 40
PUBLIC_METHODS = 12
CORE_LINES = 1600
GENERATED = {"src/penstock/operations/fluent.py"}  # checked in, but not written by hand


def problems(root: Path) -> Iterator[str]:
    """Yield one line for each limit that a file of the package, the tools, the benchmarks or the tests passes."""
    core = 0
    for path in sorted(path for pattern in LIMITED for path in root.glob(pattern)):
        name = path.relative_to(root).as_posix()
        if "/." in name:  # what benchmarks install and leave
            continue
        text = path.read_text()
        lines = text.count("\n")
        core += lines if name.startswith("src/penstock/core/") or name == "src/penstock/errors.py" else 0
        if name in GENERATED:
            continue
        if lines > FILE_LINES:
            yield f"{name}: {lines} lines, at most {FILE_LINES}"
        for node in ast.walk(ast.parse(text)):
            yield from _node_problems(name, node)
    if core > CORE_LINES:
        yield f"src/penstock/core and errors.py: {core} lines together, at most {CORE_LINES}"


def _node_problems(name: str, node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{name}:{node.lineno}: {node.name} has {lines} lines, at most {FUNCTION_LINES}"
        case ast.ClassDef():
            methods = [n for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
            if len(methods) > PUBLIC_METHODS and not name.startswith("src/penstock/testing"):
                yield f"{name}:{node.lineno}: {node.name} has {len(methods)} public methods, at most {PUBLIC_METHODS}"


if __name__ == "__main__":
    found = list(problems(Path(__file__).resolve().parent.parent))
    print("\n".join(found) or "sizes: all within their limits")
    sys.exit(1 if found else 0)
