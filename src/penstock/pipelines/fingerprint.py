"""What a value or a step's code is, as a digest: equal digests mean that nothing which decides the result has changed.

Values are hashed with their types and lengths (1, True, 1.0 and "1" all differ). A function is its own code (see
`fingerprint_code`), its defaults, and everything first-party that it reaches: captured variables, globals, functions of
functions, classes, `module.helper` chains, imports in its body. A distribution is its name and version. What cannot be
hashed is an error that names it, never a silent constant. Not seen: names made at run time (`getattr(x, name)`).
"""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import importlib
import logging
import os
import re
import sys
import types
import typing
import uuid
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set as AbstractSet
from pathlib import Path
from typing import Any

from blake3 import blake3

from penstock.core.expression import Expr
from penstock.errors import FingerprintError
from penstock.pipelines.fingerprint_code import Reach, scan
from penstock.pipelines.fingerprint_origin import origin

_MISSING = object()
_DEEPEST = 100
# Their `repr` is exact and tells equal from different.
_BY_REPR = (
    bool, int, float, complex, str, types.NoneType, types.EllipsisType, types.NotImplementedType, range, slice,
    datetime.date, datetime.time, datetime.timedelta, datetime.timezone, zoneinfo.ZoneInfo, decimal.Decimal,
    fractions.Fraction, uuid.UUID, types.GenericAlias, types.UnionType, typing.TypeVar, type(typing.Any),
    type(list[int] | None), type(typing.Optional[int]), type(typing.List[int]),  # noqa: UP006, UP045
)  # fmt: skip
# In a class, but not written by its author; `__slotnames__` and `_abc_impl` are caches that come and go.
_NOT_WRITTEN = frozenset(
    {
        *("__doc__", "__module__", "__qualname__", "__dict__", "__weakref__", "__annotations__"),
        *("__slotnames__", "_abc_impl", "__firstlineno__", "__static_attributes__"),
    }
)
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)


@dataclasses.dataclass(frozen=True, slots=True)
class Fingerprint:
    """A digest, and what it is made of: "code helpers.km" -> "<digest> helpers.py:12", "global helpers.K" ->
    "<digest> 1.6", "library pyarrow" -> "26.0". The digest of a part is what comes before the first blank."""

    digest: str
    parts: dict[str, str]


def digest_of(value: Any) -> str:
    """Return the digest of a value that holds no code: equal values of equal types, equal digests."""
    return fingerprint(value).digest


def fingerprint(value: Any, *, ignore: Sequence[str] = (), version: str = "") -> Fingerprint:
    """Return the fingerprint of a function, class or value, with everything that it reaches.

    `ignore` names captured values that do not change the result ("helpers.LOCK", or just "LOCK"). With a `version`,
    captured values that cannot be hashed are left to it; without, they raise `FingerprintError`.
    """
    walk = _Walk(frozenset(ignore), tolerant=bool(version))
    root = walk.token(value, getattr(value, "__name__", type(value).__name__))
    digest = _hash((b"fingerprint 1", root, version.encode(), *walk.nodes))
    return Fingerprint(digest, walk.parts)


def _hash(words: Iterable[bytes]) -> str:
    return blake3(_pack(b"", words)).hexdigest()


def _pack(tag: bytes, words: Iterable[bytes]) -> bytes:
    return tag + b"(" + b"".join([len(word).to_bytes(8, "little") + word for word in words]) + b")"


def shown(value: Any) -> str:
    """Return a short form of a value for a person."""
    text = repr(value).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."


class _Walk:
    """One walk over everything a value reaches. Functions and classes are numbered as they are met, so that cycles end
    and the names of modules do not count: a helper that moves to another file is the same helper."""

    def __init__(self, ignore: frozenset[str], *, tolerant: bool) -> None:
        self.ignore, self.tolerant = ignore, tolerant
        self.parts: dict[str, str] = {}
        self.nodes: list[bytes] = []
        self.numbers: dict[int, bytes] = {}
        self.alive: list[Any] = []  # ids stay taken while the walk lasts
        self.depth = 0

    def token(self, value: Any, where: str) -> bytes:
        """Return the bytes that stand for a value; functions and classes among them by their numbers."""
        self.depth += 1
        if self.depth > _DEEPEST:
            raise FingerprintError(f"{where} is nested more than {_DEEPEST} deep, or contains itself")
        try:
            return self._token(value, where)
        finally:
            self.depth -= 1

    def _token(self, value: Any, where: str) -> bytes:
        cls = type(value)
        if value is dataclasses.MISSING:
            return b"missing"
        if cls in _BY_REPR:
            return f"{cls.__qualname__}:{value!r}".encode()
        match value:
            case bytes() | bytearray():
                return cls.__name__.encode() + b":" + bytes(value)
            case Expr():
                return _pack(b"expr", (value.op.encode(), *(self.token(item, where) for item in value.args)))
            case types.ModuleType():
                return self._module(value.__name__)
            case types.FunctionType():
                return self._function(value)
            case type():
                return self._class(value)
            case types.MethodType():
                return _pack(b"method", (self.token(value.__func__, where), self.token(value.__self__, where)))
            case types.CodeType():
                return scan(value).digest.encode()
            case functools.partial():
                inner = (value.func, value.args, value.keywords)
                return _pack(b"partial", (self.token(item, where) for item in inner))
            case enum.Enum():
                return _pack(b"enum", (self.token(cls, where), value.name.encode()))
        if (wrapped := getattr(value, "__wrapped__", None)) is not None and callable(value):
            return self.token(wrapped, where)  # functools.cache, our own steps: what they wrap
        return self._composite(value, where)

    def _composite(self, value: Any, where: str) -> bytes:
        name = b"" if type(value).__module__ == "builtins" else self.token(type(value), where)
        tag = type(value).__name__.encode() + name
        match value:
            case os.PathLike():
                return b"path:" + os.fsencode(value)
            case AbstractSet():
                return _pack(tag, sorted(self.token(item, where) for item in value))
            case list() | tuple() | collections.deque():
                return _pack(tag, (self.token(item, where) for item in value))
            case Mapping():
                extra = getattr(value, "default_factory", None)
                pairs = (self.token(item, f"{where}[{key!r}]") for key, one in value.items() for item in (key, one))
                return _pack(tag, (self.token(extra, where), *pairs))
            case re.Pattern():
                return _pack(tag, (self.token(value.pattern, where), str(value.flags).encode()))
            case logging.Logger():
                return b"logger"  # what is logged is no result
            case types.BuiltinFunctionType() if isinstance(value.__self__, types.ModuleType | None):
                return (
                    f"builtin {value.__module__}.{value.__qualname__} {self._library(value.__module__ or '')}".encode()
                )
        if dataclasses.is_dataclass(value):
            fields = [(item.name, getattr(value, item.name)) for item in dataclasses.fields(value)]
            return _pack(tag, (self.token(item, where) for pair in fields for item in pair))
        return self._object(value, tag, where)

    def _object(self, value: Any, tag: bytes, where: str) -> bytes:
        cls = type(value)
        if cls.__module__ == "numpy" and hasattr(value, "dtype") and not value.dtype.hasobject:
            return _pack(tag, (value.dtype.str.encode(), repr(value.shape).encode(), value.tobytes()))
        name, module = getattr(value, "__name__", None), getattr(value, "__module__", None)
        if callable(value) and name and isinstance(module, str) and (whose := self._library(module)):
            return _pack(
                b"library", (whose.encode(), module.encode(), name.encode())
            )  # no Python function: numpy.log1p
        if origin(cls.__module__) in ("", "python"):
            try:  # what pickle would keep is what the object is; locks, files and generators refuse
                rebuilt = value.__reduce_ex__(4)
            except TypeError:
                pass
            else:
                whole = [rebuilt] if isinstance(rebuilt, str) else rebuilt
                words = (list(item) if isinstance(item, Iterator) else item for item in whole)
                return _pack(tag, [self.token(word, where) for word in words])
        if self.tolerant:
            return tag
        name = where.partition("[")[0].rpartition(".")[2]
        raise FingerprintError(
            f"{where} is a {cls.__module__}.{cls.__qualname__}, which has no fingerprint, so a change of it would go "
            f"unseen. Pass it to the step as an input, or make it inside the function; or, if it does not change the "
            f"result, write ignore=['{name}'], and depends_on=[...] or version='1' for what it is made of"
        )

    def _library(self, module: str) -> str:
        whose = origin(module)
        for name, _, version in (item.partition("==") for item in whose.split(", ") if "==" in item):
            self.parts[f"library {name}"] = version
        return whose

    def _function(self, function: types.FunctionType) -> bytes:
        module = function.__globals__.get("__name__", "")
        name = f"{module}.{function.__code__.co_qualname}"
        if whose := self._library(module):
            words = [whose.encode(), name.encode()]
            reached = [cell.cell_contents for cell in function.__closure__ or () if _is_full(cell)]
            # A library's decorator around the user's function: the user's function is in its closure.
            words += [self.token(item, name) for item in reached if isinstance(item, types.FunctionType)]
            return _pack(b"library", words)
        if id(function) in self.numbers:
            return self.numbers[id(function)]
        number, own = self._number(function), scan(function.__code__)
        defaults = self.token((function.__defaults__, function.__kwdefaults__), f"a default of {name}")
        if (file := function.__code__.co_filename) != "<string>":  # that is what dataclass generates
            place = f"{Path(file).name}:{function.__code__.co_firstlineno}"
            self.parts[f"code {name}"] = f"{_hash((own.digest.encode(), defaults))[:16]} {place}"
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        words = [own.digest.encode(), defaults]
        for reach in own.reaches:
            words.append(self._reached(reach, function.__globals__, cells, name))
        self.nodes.append(_pack(number, words))
        return number

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
        known = len(self.parts), len(self.nodes)
        token = self.token(value, where)
        if not isinstance(value, types.ModuleType | types.FunctionType | type) and known == (
            len(self.parts),
            len(self.nodes),
        ):
            word = "captured" if kind == "cell" else "global"
            self.parts[f"{word} {where}"] = f"{_hash((token,))[:16]} {shown(value)}"
        return _pack(label, (token,))

    def _imported(self, reach: Reach, package: str, by: str) -> bytes:
        try:
            module = importlib.util.resolve_name("." * reach.level + reach.name, package) if reach.level else reach.name
        except ImportError:
            module = reach.name
        label = ".".join((module, *reach.chain)).encode()
        if whose := self._library(module):
            return _pack(b"library", (whose.encode(), label))
        try:
            value = importlib.import_module(module)
            if reach.chain and not hasattr(value, reach.chain[0]):
                importlib.import_module(f"{module}.{reach.chain[0]}")
        except ImportError:  # an optional module: the step itself will meet its absence, and it may appear later
            return _pack(b"missing", (label,))
        return self._follow(value, by, reach.chain, label=b".".join(map(str.encode, reach.chain)), kind="import")

    def _module(self, name: str) -> bytes:
        """A module that is used as a value: all of its own code."""
        if whose := self._library(name):
            return _pack(b"library", (whose.encode(), name.encode()))
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
        self.parts[f"code {name}"] = f"{own.digest[:16]} {Path(code.co_filename).name}:1"
        words = [self._reached(reach, vars(module), {}, name) for reach in own.reaches]
        self.nodes.append(_pack(number, (own.digest.encode(), *words)))
        return number

    def _class(self, cls: type) -> bytes:
        name = f"{cls.__module__}.{cls.__qualname__}"
        if whose := self._library(cls.__module__):
            # The type of a plain value, as far as it tells values apart, is its name: no version of Python or ours.
            return (
                name.encode()
                if whose.startswith(("python", "penstock=="))
                else _pack(b"library", (whose.encode(), name.encode()))
            )
        if id(cls) in self.numbers:
            return self.numbers[id(cls)]
        number = self._number(cls)
        words = [self.token(base, name) for base in (*cls.__bases__, type(cls))]
        words += [
            f"{key}: {note if isinstance(note, str) else _steady(note)}".encode() for key, note in _notes(cls).items()
        ]
        for key, member in vars(cls).items():
            if key not in _NOT_WRITTEN and not isinstance(member, _SLOTS):
                words.append(key.encode() + b"=" + self._member(cls, key, member, f"{name}.{key}"))
        self.parts[f"code {name}"] = f"{_hash(words)[:16]} {_place(cls)}"
        self.nodes.append(_pack(number, words))
        return number

    def _member(self, cls: type, key: str, member: Any, where: str) -> bytes:
        match member:
            case staticmethod() | classmethod():
                return self.token(member.__func__, where)
            case property():
                return _pack(b"property", (self.token(f, where) for f in (member.fget, member.fset, member.fdel)))
            case functools.cached_property():
                return self.token(member.func, where)
        if self.ignore and (where in self.ignore or key in self.ignore):
            return b""
        if key == "__dataclass_fields__":
            fields = [(f.name, f.default, f.default_factory, f.init, f.compare, f.kw_only) for f in member.values()]
            return self.token(fields, where)
        try:
            return self.token(member, where)
        except FingerprintError:
            if key.startswith("_") or hasattr(member, "__get__"):  # what a metaclass or a library left there
                return _steady(member).encode()
            raise


def _is_full(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018  # raises where the variable has no value yet
    except ValueError:
        return False
    return True


def _notes(cls: type) -> dict[str, Any]:
    notes: dict[str, Any] = vars(cls).get("__annotations__", {})
    return notes


def _steady(value: Any) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def _place(cls: type) -> str:
    """Return "file.py:line" of a class by its first method; a class without one has only its file."""
    codes = [member.__code__ for member in vars(cls).values() if isinstance(member, types.FunctionType)]
    written = [code for code in codes if not code.co_filename.startswith("<")]
    if written:
        return f"{Path(written[0].co_filename).name}:{written[0].co_firstlineno}"
    return Path(getattr(sys.modules.get(cls.__module__), "__file__", "") or cls.__module__).name
