"""What one piece of code says, and which names it reaches: read from the bytecode that will run, not from a file.

Bytecode knows no comments, formatting or docstrings, exists for lambdas, notebooks and generated functions, and cannot
differ from what is loaded, as the text of a file edited since its import does. It is brought to a form in which neither
line numbers nor the compiler's fillers count. (Of 2,893 functions written anew on single lines, 4 differ: those rerun.)
"""

from __future__ import annotations

import bisect
import dis
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any, Literal

from blake3 import blake3

_FILLERS = frozenset({"NOP", "CACHE", "EXTENDED_ARG", "RESUME", "PRECALL"})
_ATTRIBUTES = frozenset({"LOAD_ATTR", "LOAD_METHOD"})
_JUMPS = frozenset({*dis.hasjrel, *dis.hasjabs})
_CONSTANTS = frozenset(dis.hasconst)


@dataclass(frozen=True, slots=True)
class Reach:
    """A name that code reads: a global, a closure cell, or a module imported in the body; then attributes of it."""

    kind: Literal["global", "cell", "import"]
    name: str
    chain: tuple[str, ...] = ()
    level: int = 0  # dots of a relative import


@dataclass(frozen=True, slots=True)
class Scan:
    """The digest of a piece of code by itself, what it reaches, in order of first use, and the texts in it."""

    digest: str
    reaches: tuple[Reach, ...]
    texts: frozenset[str]


@functools.cache
def scan(code: CodeType) -> Scan:
    """Read a code object and those nested in it; once per process for each."""
    instructions = [item for item in dis.get_instructions(code) if item.opname not in _FILLERS]
    docstring = {i for i, item in enumerate(instructions) if (item.opname, item.argval) == ("STORE_NAME", "__doc__")}
    dropped = docstring | {i - 1 for i in docstring}  # a class body stores its docstring: load, store
    instructions = [item for i, item in enumerate(instructions) if i not in dropped]
    offsets = [item.offset for item in instructions]
    words: list[str] = [str(code.co_flags), repr(code.co_varnames[: _argument_count(code)])]
    for item in instructions:
        if item.opcode in _JUMPS:
            words.append(f"{item.opname} {bisect.bisect_left(offsets, item.argval)}")
        elif item.opcode in _CONSTANTS:
            words.append(f"{item.opname} {_constant(item.argval)}")
        else:
            words.append(f"{item.opname} {item.argrepr or item.arg}")
    for entry in dis.Bytecode(code).exception_entries:  # type: ignore[attr-defined]  # not in typeshed; 3.11 and later
        places = (bisect.bisect_left(offsets, place) for place in (entry.start, entry.end, entry.target))
        words.append(f"except {[*places]} {entry.depth} {entry.lasti}")
    digest = blake3(b"".join(len(word := text.encode()).to_bytes(4, "little") + word for text in words)).hexdigest()
    texts = frozenset().union(*map(_texts, code.co_consts))
    return Scan(digest, tuple(dict.fromkeys(_reaches(code, instructions))), texts)


def _texts(constant: Any) -> frozenset[str]:
    match constant:
        case str():
            return frozenset((constant,))
        case CodeType():
            return scan(constant).texts
        case tuple() | frozenset():
            return frozenset().union(*map(_texts, constant))
    return frozenset()


def _argument_count(code: CodeType) -> int:
    stars = bool(code.co_flags & 4) + bool(code.co_flags & 8)
    return code.co_argcount + code.co_kwonlyargcount + stars


def _constant(value: Any) -> str:
    match value:
        case CodeType():
            return scan(value).digest
        case tuple():
            return f"tuple({', '.join(map(_constant, value))})"
        case frozenset():
            return f"frozenset({', '.join(sorted(map(_constant, value)))})"
    return f"{type(value).__name__} {value!r}"


def _reaches(code: CodeType, instructions: list[dis.Instruction]) -> Iterator[Reach]:
    imported: dict[str, Reach] = {}
    for position, item in enumerate(instructions):
        if item.opname == "IMPORT_NAME":
            yield from _imports(instructions, position, imported)
        elif item.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            kind: Literal["global", "cell"] = "global"
            yield _reach(kind, item.argval, instructions, position, imported)
        elif item.opname in ("LOAD_DEREF", "LOAD_CLASSDEREF") or (
            item.opname == "LOAD_FAST" and item.argval in imported
        ):
            yield _reach("cell", item.argval, instructions, position, imported)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            for reach in scan(constant).reaches:
                bound = imported.get(reach.name) if reach.kind == "cell" else None
                yield reach if bound is None else Reach("import", bound.name, reach.chain, bound.level)


def _reach(
    kind: Literal["global", "cell"],
    name: str,
    instructions: list[dis.Instruction],
    position: int,
    imported: dict[str, Reach],
) -> Reach:
    chain: list[str] = []
    for item in instructions[position + 1 :]:
        if item.opname not in _ATTRIBUTES:
            break
        chain.append(item.argval)
    if bound := imported.get(name):
        return Reach("import", bound.name, tuple(chain), bound.level)
    return Reach(kind, name, tuple(chain))


def _imports(instructions: list[dis.Instruction], position: int, imported: dict[str, Reach]) -> Iterator[Reach]:
    """Follow `import a.b` to the variable it binds (its uses are the reaches), `from m import x` to `m.x`."""
    module = instructions[position].argval
    level, names = (instructions[position - back].argval for back in (2, 1))
    if names:
        for name in names:
            yield Reach("import", module, () if name == "*" else (name,), level)
        return
    renamed = False  # `import a.b as c` binds the inner module, `import a.b` the outer one
    for item in instructions[position + 1 :]:
        renamed = renamed or item.opname == "IMPORT_FROM"
        if item.opname.startswith("STORE_"):
            imported[item.argval] = Reach("import", module if renamed else module.partition(".")[0])
            return
