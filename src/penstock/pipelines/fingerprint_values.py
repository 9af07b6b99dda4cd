"""Values as bytes: plain ones by type and content, containers by their items, objects by what pickle would keep."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import logging
import os
import re
import sys
import types
import typing
import uuid
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping, Set as AbstractSet
from typing import Any, Protocol

from blake3 import blake3

from penstock.core.expression import Expr
from penstock.errors import FingerprintError
from penstock.operations.modules import named_code
from penstock.pipelines.fingerprint_code import scan
from penstock.pipelines.fingerprint_origin import module_of

# Their `repr` is exact and tells equal from different.
BY_REPR = (
    bool, int, float, complex, types.NoneType, types.EllipsisType, types.NotImplementedType, range, slice,
    datetime.date, datetime.time, datetime.timedelta, datetime.timezone, zoneinfo.ZoneInfo, decimal.Decimal,
    fractions.Fraction, uuid.UUID, typing.TypeVar, typing.ParamSpec, type(typing.Any),
)  # fmt: skip
# Of an object that wraps a function (`functools.update_wrapper`): what says nothing of what it does.
_NAMING = frozenset({"__doc__", "__module__", "__name__", "__qualname__", "__annotations__", "__type_params__"})
_GENERATORS = ("numpy.random",)  # their state changes with each draw, so a key of it would too


class Walk(Protocol):
    """What the rules of this file need of the walk that calls them."""

    @property
    def root(self) -> str:
        """The folder of the project, or "": where code that a value names is found."""
        ...

    @property
    def tolerant(self) -> bool:
        """Whether values without a fingerprint are left to a `version`."""
        ...

    def token(self, value: Any, where: str) -> bytes:
        """Return the bytes that stand for a value."""
        ...

    def library(self, module: str) -> str:
        """Say whose a module is, and note the version of a distribution."""
        ...

    def path(self, path: os.PathLike[Any]) -> bytes:
        """Return the bytes that stand for a path, and note the content of what lies there."""
        ...


def hashed(words: Iterable[bytes]) -> str:
    """Return the digest of words."""
    return blake3(packed(b"", words)).hexdigest()


def packed(tag: bytes, words: Iterable[bytes]) -> bytes:
    """Return words in a form in which their limits cannot be mistaken."""
    return tag + b"(" + b"".join([len(word).to_bytes(8, "little") + word for word in words]) + b")"


def value_token(walk: Walk, value: Any, where: str) -> bytes:
    """Return the bytes of a value that is no function, class or module."""
    cls = type(value)
    if cls is list or cls is tuple:
        return packed(cls.__name__.encode(), [walk.token(item, where) for item in value])
    match value:
        case bytes() | bytearray() if cls in (bytes, bytearray):
            return cls.__name__.encode() + b":" + bytes(value)
        case Expr():
            token = packed(b"expr", (value.op.encode(), *(walk.token(item, where) for item in value.args)))
            code = named_code(value, walk.root)
            return token if code is None else packed(token, [walk.token(code, where)])
        case types.CodeType():
            return scan(value).digest.encode()
        case functools.partial() if cls is functools.partial:
            inner = (value.func, value.args, value.keywords)
            return packed(b"partial", (walk.token(item, where) for item in inner))
        case enum.Enum():
            return packed(b"enum", (walk.token(cls, where), value.name.encode()))
        case typing.ForwardRef():
            return packed(b"forward", (value.__forward_arg__.encode(),))
    if (outer := typing.get_origin(value)) is not None:  # list[Point], Point | None: the classes inside count
        arguments = (walk.token(item, where) for item in typing.get_args(value))
        return packed(b"alias", (walk.token(outer, where), *arguments))
    return _composite(walk, value, where)


def _composite(walk: Walk, value: Any, where: str) -> bytes:
    tag = _tag(walk, value)
    match value:
        case os.PathLike():
            return walk.path(value)
        case AbstractSet():
            return packed(tag, sorted(walk.token(item, where) for item in value))
        case list() | tuple() | collections.deque():
            items = packed(tag, (walk.token(item, where) for item in value))
            return items if not (more := _state(value)) else packed(items, (walk.token(more, where),))
        case Mapping():
            extra = getattr(value, "default_factory", None)
            pairs = (walk.token(item, f"{where}[{key!r}]") for key, one in value.items() for item in (key, one))
            return packed(tag, (walk.token(extra, where), *pairs))
        case re.Pattern():
            return packed(tag, (walk.token(value.pattern, where), str(value.flags).encode()))
        case logging.Logger():
            return b"logger"  # what is logged is no result
        case types.BuiltinFunctionType() if isinstance(value.__self__, types.ModuleType | None):
            whose = walk.library(value.__module__ or "")
            return f"builtin {value.__module__}.{value.__qualname__} {whose}".encode()
    if dataclasses.is_dataclass(value):
        fields = {item.name: getattr(value, item.name) for item in dataclasses.fields(value)}
        words = (
            (name.encode(), walk.token(one, f"{where}.{name}")) for name, one in {**_state(value), **fields}.items()
        )
        return packed(tag, (word for pair in words for word in pair))
    return _object(walk, value, tag, where)


def _object(walk: Walk, value: Any, tag: bytes, where: str) -> bytes:
    cls = type(value)
    if module_of(cls) == "numpy" and hasattr(value, "dtype") and not value.dtype.hasobject:
        return packed(tag, (value.dtype.str.encode(), repr(value.shape).encode(), value.tobytes()))
    name, module = getattr(value, "__name__", None), getattr(value, "__module__", None)
    if isinstance(name, str) and isinstance(module, str) and getattr(sys.modules.get(module), name, None) is value:
        whose = walk.library(module)
        if whose:  # no Python function, but a library's: numpy.log1p
            return packed(b"library", (whose.encode(), module.encode(), name.encode()))
    if not module_of(cls).startswith(_GENERATORS):
        try:  # what pickle would keep is what the object is; locks, files and generators refuse
            rebuilt = value.__reduce_ex__(4)
        except (TypeError, AttributeError, NotImplementedError, RuntimeError):
            pass
        else:
            return packed(tag, [walk.token(word, where) for word in _words(cls, rebuilt)])
    if walk.tolerant:
        return tag
    short = where.partition("[")[0].rpartition(".")[2]
    raise FingerprintError(
        f"{where} is a {module_of(cls)}.{cls.__qualname__}, which has no fingerprint, so a change of it would go "
        f"unseen. Pass it to the step as an input, or make it inside the function; or, if it does not change the "
        f"result, write ignore=['{short}'], and depends_on=[...] or version='1' for what it is made of"
    )


def _tag(walk: Walk, value: Any) -> bytes:
    cls = type(value)
    return cls.__name__.encode() + (b"" if module_of(cls) == "builtins" else walk.token(cls, cls.__qualname__))


def _words(cls: type, rebuilt: Any) -> Iterator[Any]:
    """What pickle keeps, without what the object works out anew from the rest, and without its names and texts."""
    for item in [rebuilt] if isinstance(rebuilt, str) else rebuilt:
        match item:
            case Iterator():
                yield list(item)
            case dict():
                yield _written(cls, item)
            case (dict() as state, dict() as slots):
                yield (_written(cls, state), slots)
            case _:
                yield item


def _state(value: Any) -> dict[str, Any]:
    """What an object keeps beside its items or fields."""
    state = getattr(value, "__dict__", None)
    return _written(type(value), state) if state else {}


def _written(cls: type, state: dict[Any, Any]) -> dict[Any, Any]:
    derived = {
        name
        for base in cls.__mro__
        for name, member in vars(base).items()
        if isinstance(member, functools.cached_property)
    }
    return {name: item for name, item in state.items() if name not in derived and name not in _NAMING}
