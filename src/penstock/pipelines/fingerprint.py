"""What a value or a step's code is, as a digest: equal digests mean that nothing which decides the result has changed.

Values are hashed with their types and lengths (1, True, 1.0 and "1" all differ). A function is its own code (see
`fingerprint_code`), its defaults, and everything first-party that it reaches: captured variables, globals, functions of
functions, classes, `module.helper` chains, imports in its body. A distribution is its name and version. What cannot be
hashed is an error that names it, never a silent constant. Not seen: names made at run time (`getattr(x, name)`).
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.util
import os
import re
import sys
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from penstock.errors import FingerprintError
from penstock.pipelines.fingerprint_classes import class_words, place
from penstock.pipelines.fingerprint_code import Reach, scan
from penstock.pipelines.fingerprint_origin import module_of, origin
from penstock.pipelines.fingerprint_paths import path_contents, path_text, texts_in
from penstock.pipelines.fingerprint_values import BY_REPR, hashed, packed, value_token

_MISSING = object()
_DEEPEST = 100
_SHORT = 128
_PLAIN = frozenset(BY_REPR)
_WRAPPERS = ("functools", "penstock.")  # what they wrap is what they are: functools.cache, our own steps
_CODE = (types.FunctionType, type, types.MethodType, functools.partial)
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_HOLDERS = (dict, list, tuple, set, frozenset)


@dataclasses.dataclass(frozen=True, slots=True)
class Fingerprint:
    """A digest, and what it is made of: "code helpers.km" -> "<digest> helpers.py:12", "global helpers.K" ->
    "<digest> 1.6", "library pyarrow" -> "26.0", "file data/a.csv" -> "<digest>". The digest of a part is what comes
    before the first blank. `own` is the digest without files and versions; `texts` may name files."""

    digest: str
    parts: dict[str, str]
    own: str
    texts: frozenset[str]


def digest_of(value: Any) -> str:
    """Return the digest of a value that holds no code: equal values of equal types, equal digests."""
    return fingerprint(value).digest


def fingerprint(
    value: Any, *, ignore: Sequence[str] = (), version: str = "", root: str = "", contents: bool = True
) -> Fingerprint:
    """Return the fingerprint of a function, class or value, with everything that it reaches.

    `ignore` names captured values that do not change the result ("helpers.LOCK", or just "LOCK"). With a `version`,
    captured values that cannot be hashed are left to it; without, they raise `FingerprintError`. With the `root` of a
    project, paths are told relative to it, and with `contents` they count by what lies there too.
    """
    walk = _Walk(frozenset(ignore), tolerant=bool(version), root=root, contents=contents and bool(root))
    token = walk.token(value, getattr(value, "__name__", type(value).__name__))
    own = hashed((b"fingerprint 2", token, version.encode(), *walk.nodes))
    outside = walk.libraries | walk.files
    words = [f"{name} {part}".encode(errors="surrogateescape") for name, part in sorted(outside.items())]
    return Fingerprint(hashed((own.encode(), *words)) if words else own, walk.parts | outside, own, walk.found())


def shown(value: Any) -> str:
    """Return a short form of a value for a person."""
    text = _ADDRESS.sub("", repr(value)).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."


class _Walk:
    """One walk over everything a value reaches. Functions and classes are numbered as they are met, so that cycles end
    and the names of modules do not count: a helper that moves to another file is the same helper."""

    def __init__(self, ignore: frozenset[str], *, tolerant: bool, root: str, contents: bool) -> None:
        self.ignore, self.tolerant, self.root, self.contents = ignore, tolerant, root, contents
        self.parts: dict[str, str] = {}
        self.files: dict[str, str] = {}
        self.libraries: dict[str, str] = {}
        self.texts: set[str] = set()
        self.nodes: list[bytes] = []
        self.numbers: dict[int, bytes] = {}
        self.alive: list[Any] = []  # ids stay taken while the walk lasts
        self.objects: dict[int, bytes] = {}
        self.open: dict[int, int] = {}  # objects being looked into, and how deep
        self.depth = 0

    def token(self, value: Any, where: str) -> bytes:
        """Return the bytes that stand for a value; functions and classes among them by their numbers."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise FingerprintError(
                f"{where} is nested more than {_DEEPEST} deep, or contains itself; pass it to the step as an input, or "
                "write ignore=[...] with its name, and depends_on=[...] or version='1' for what it is made of"
            )
        try:
            return self._token(value, where)
        finally:
            self.depth -= 1

    def _token(self, value: Any, where: str) -> bytes:
        cls = type(value)
        if cls is str:
            self.texts.add(value)
            return f"str:{value!r}".encode()
        if cls in _PLAIN:
            return f"{cls.__qualname__}:{value!r}".encode()
        if value is dataclasses.MISSING:
            return b"missing"
        match value:
            case types.FunctionType():
                return self._function(value)
            case type():
                return self._class(value)
            case types.ModuleType():
                return self._module(value.__name__)
            case types.MethodType():
                return packed(b"method", (self.token(value.__func__, where), self.token(value.__self__, where)))
        if callable(value) and (wrapped := getattr(value, "__wrapped__", None)) is not None:
            if module_of(cls).startswith(_WRAPPERS):
                return self.token(wrapped, where)
            if whose := self.library(module_of(cls)):
                return packed(b"wrapped", (whose.encode(), cls.__qualname__.encode(), self.token(wrapped, where)))
        return value_token(self, value, where) if cls in _HOLDERS else self._once(value, where)

    def _once(self, value: Any, where: str) -> bytes:
        """An object is looked into once, wherever it is met again, and one that leads back to itself ends there."""
        if id(value) in self.objects:
            return self.objects[id(value)]
        if id(value) in self.open:
            return b"back %d" % (self.depth - self.open[id(value)])
        self.open[id(value)] = self.depth
        try:
            token = value_token(self, value, where)
        finally:
            del self.open[id(value)]
        self.alive.append(value)
        self.objects[id(value)] = token if len(token) < _SHORT else b"object:" + hashed((token,)).encode()
        return self.objects[id(value)]

    def library(self, module: str) -> str:
        """Say whose a module is: "" for the user's own; note the version of a distribution."""
        versions = dict(item.split("==") for item in origin(module).split(", ") if "==" in item)
        self.libraries |= {f"library {name}": version for name, version in versions.items()}
        return ", ".join(versions) or origin(module)

    def path(self, path: os.PathLike[Any]) -> bytes:
        """Return what a path says; what lies there is noted beside it."""
        if self.contents:
            self.files |= {f"file {name}": digest for name, digest in path_contents(path, self.root)}
        return f"{type(path).__name__}:{path_text(path, self.root)}".encode(errors="surrogateescape")

    def found(self) -> frozenset[str]:
        """Return the texts met that may name files."""
        return frozenset().union(*map(texts_in, self.texts))

    def _function(self, function: types.FunctionType) -> bytes:
        module = function.__globals__.get("__name__", "")
        name = f"{module}.{function.__code__.co_qualname}"
        if whose := self.library(module):
            return self._foreign(function, whose, name)
        if id(function) in self.numbers:
            return self.numbers[id(function)]
        number, own = self._number(function), scan(function.__code__)
        self.texts |= own.texts
        defaults = self.token((function.__defaults__, function.__kwdefaults__), f"a default of {name}")
        if (file := function.__code__.co_filename) != "<string>":  # that is what dataclass generates
            place = f"{Path(file).name}:{function.__code__.co_firstlineno}"
            self.parts[f"code {name}"] = f"{hashed((own.digest.encode(), defaults))[:16]} {place}"
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        words = [own.digest.encode(), defaults]
        for reach in own.reaches:
            words.append(self._reached(reach, function.__globals__, cells, name))
        self.nodes.append(packed(number, words))
        return number

    def _foreign(self, function: types.FunctionType, whose: str, name: str) -> bytes:
        """A library's function is its version; one that a library's decorator made holds the user's functions too."""
        own = (whose.encode(), name.encode())
        held = [cell.cell_contents for cell in function.__closure__ or () if _is_full(cell)]
        if (wrapped := getattr(function, "__wrapped__", None)) is not None:
            held.append(wrapped)
        if not held:
            return packed(b"library", own)
        if id(function) not in self.numbers:
            number = self._number(function)
            self.nodes.append(packed(number, (*own, *(self._held(item, name, whose) for item in held))))
        return self.numbers[id(function)]

    def _held(self, value: Any, where: str, whose: str) -> bytes:
        """What a library's decorator holds: functions wherever they are (a registry), and of a distribution's what it
        was told. Plain values that the standard library holds are its state."""
        if isinstance(value, _CODE):
            return self.token(value, where)
        if type(value) in _HOLDERS:
            items = (item for pair in value.items() for item in pair) if isinstance(value, dict) else value
            words = [word for word in (self._held(item, where, whose) for item in items) if word]
            return packed(b"holds", sorted(words) if isinstance(value, set | frozenset) else words) if words else b""
        if whose == "python":
            return b""
        try:
            return self.token(value, where)
        except FingerprintError:  # a lock, a cache: a library's own affair
            return b""

    def _number(self, thing: Any) -> bytes:
        number = self.numbers[id(thing)] = b"#%d" % len(self.numbers)
        self.alive.append(thing)
        return number

    def _reached(self, reach: Reach, names: dict[str, Any], cells: dict[str, types.CellType], by: str) -> bytes:
        label = b".".join(part.encode() for part in (reach.name, *reach.chain))
        if reach.kind == "import":
            package = names.get("__package__") or ""
            return self._imported(reach, package, by)
        if reach.kind == "cell":
            cell = cells.get(reach.name)  # none: a variable of an enclosing function whose code is part of ours
            if cell is None or not _is_full(cell):
                return label
            value = cell.cell_contents
        elif (value := names.get(reach.name, _MISSING)) is _MISSING:
            return label  # a builtin, or not there yet
        holder = by if reach.kind == "cell" else names.get("__name__", "")
        return self._follow(value, f"{holder}.{reach.name}", reach.chain, label=label, kind=reach.kind)

    def _follow(self, value: Any, where: str, chain: tuple[str, ...], *, label: bytes, kind: str) -> bytes:
        """Go down `module.sub.helper` as far as first-party modules go, and hash only what is at the end."""
        for name in chain:
            if not isinstance(value, types.ModuleType) or origin(value.__name__) != "":
                break
            where = f"{value.__name__}.{name}"
            value = getattr(value, name, _MISSING)
            if value is _MISSING:
                return label
        if self.ignore and (where in self.ignore or where.rpartition(".")[2] in self.ignore):
            return label
        known = len(self.nodes)
        token = self._with_attribute(value, where, chain)
        if not isinstance(value, types.ModuleType | types.FunctionType | type) and not _is_step(value):
            # With code in it, it is numbered by this walk; by itself it always has the same numbers.
            digest = hashed((token,)) if len(self.nodes) == known else self._alone(value)
            word = "captured" if kind == "cell" else "global"
            self.parts[f"{word} {where}"] = f"{digest[:16]} {shown(value)}"
        return packed(label, (token,))

    def _alone(self, value: Any) -> str:
        walk = _Walk(self.ignore, tolerant=self.tolerant, root=self.root, contents=False)
        return hashed((walk.token(value, ""), *walk.nodes))

    def _with_attribute(self, value: Any, where: str, chain: tuple[str, ...]) -> bytes:
        """A value, and if it is a function that has an attribute which is read, that attribute."""
        token = self.token(value, where)
        names = [name for name in chain if isinstance(value, types.FunctionType) and name in vars(value)]
        words = [self.token(vars(value)[name], f"{where}.{name}") for name in names]
        return packed(token, words) if words else token

    def _imported(self, reach: Reach, package: str, by: str) -> bytes:
        try:
            module = importlib.util.resolve_name("." * reach.level + reach.name, package) if reach.level else reach.name
        except ImportError:
            module = reach.name
        label = ".".join((module, *reach.chain)).encode()
        if whose := self.library(module):
            return packed(b"library", (whose.encode(), label))
        try:
            value = importlib.import_module(module)
            if reach.chain and not hasattr(value, reach.chain[0]):
                importlib.import_module(f"{module}.{reach.chain[0]}")
        except ImportError:  # an optional module: the step itself will meet its absence, and it may appear later
            return packed(b"missing", (label,))
        return self._follow(value, by, reach.chain, label=b".".join(map(str.encode, reach.chain)), kind="import")

    def _module(self, name: str) -> bytes:
        """A module that is used as a value: all of its own code."""
        if whose := self.library(name):
            return packed(b"library", (whose.encode(), name.encode()))
        module = sys.modules[name]
        if id(module) in self.numbers:
            return self.numbers[id(module)]
        number = self._number(module)
        read = getattr(getattr(module, "__loader__", None), "get_code", None)
        code = read(name) if read is not None else None
        if code is None:
            raise FingerprintError(
                f"module {name} is used as a value, and has no code to read; use its functions by name"
            )
        own = scan(code)
        self.texts |= own.texts
        self.parts[f"code {name}"] = f"{own.digest[:16]} {Path(code.co_filename).name}:1"
        words = [self._reached(reach, vars(module), {}, name) for reach in own.reaches]
        self.nodes.append(packed(number, (own.digest.encode(), *words)))
        return number

    def _class(self, cls: type) -> bytes:
        module = module_of(cls)
        name = f"{module}.{cls.__qualname__}"
        if origin(module) == "python" or module.startswith("penstock."):
            return name.encode()  # the type of a plain value, as far as it tells values apart, is its name: no version
        if whose := self.library(module):
            return packed(b"library", (whose.encode(), name.encode()))
        if id(cls) in self.numbers:
            return self.numbers[id(cls)]
        number = self._number(cls)
        words = class_words(self, cls, ignore=self.ignore)
        self.parts[f"code {name}"] = f"{hashed(words)[:16]} {place(cls)}"
        self.nodes.append(packed(number, words))
        return number


def _is_step(value: Any) -> bool:
    return module_of(type(value)).startswith(_WRAPPERS) and hasattr(value, "__wrapped__")


def _is_full(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018  # raises where the variable has no value yet
    except ValueError:
        return False
    return True
