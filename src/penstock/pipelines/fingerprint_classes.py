"""A class as bytes: its bases, its metaclass, and every member that its author wrote."""

from __future__ import annotations

import functools
import re
import sys
import types
from collections.abc import Container
from pathlib import Path
from typing import Any

from penstock.errors import FingerprintError
from penstock.pipelines.fingerprint_origin import module_of
from penstock.pipelines.fingerprint_values import Walk, packed

# In a class, but not written by its author; `__slotnames__` and `_abc_impl` are caches that come and go.
_NOT_WRITTEN = frozenset(
    {
        *("__doc__", "__module__", "__qualname__", "__dict__", "__weakref__", "__annotations__"),
        *("__slotnames__", "_abc_impl", "__firstlineno__", "__static_attributes__"),
    }
)
_SLOTS = (types.MemberDescriptorType, types.GetSetDescriptorType)


def class_words(walk: Walk, cls: type, *, ignore: Container[str]) -> list[bytes]:
    """Return what a first-party class is made of."""
    name = f"{module_of(cls)}.{cls.__qualname__}"
    notes: dict[str, Any] = vars(cls).get("__annotations__", {})
    words = [walk.token(base, name) for base in (*cls.__bases__, type(cls))]
    words += [f"{key}: {note if isinstance(note, str) else _steady(note)}".encode() for key, note in notes.items()]
    for key, member in vars(cls).items():
        where = f"{name}.{key}"
        if key in _NOT_WRITTEN or isinstance(member, _SLOTS):
            continue
        words.append(key.encode() + b"=" + (b"" if {where, key} & set(ignore) else _member(walk, key, member, where)))  # type: ignore[call-overload]
    return words


def place(cls: type) -> str:
    """Return "file.py:line" of a class by its first method; a class without one has only its file."""
    codes = [member.__code__ for member in vars(cls).values() if isinstance(member, types.FunctionType)]
    written = [code for code in codes if not code.co_filename.startswith("<")]
    if written:
        return f"{Path(written[0].co_filename).name}:{written[0].co_firstlineno}"
    return Path(getattr(sys.modules.get(module_of(cls)), "__file__", "") or module_of(cls)).name


def _member(walk: Walk, key: str, member: Any, where: str) -> bytes:
    match member:
        case staticmethod() | classmethod():
            return walk.token(member.__func__, where)
        case property():
            return packed(b"property", (walk.token(f, where) for f in (member.fget, member.fset, member.fdel)))
        case functools.cached_property():
            return walk.token(member.func, where)
    if key == "__dataclass_fields__":
        fields = [(f.name, f.default, f.default_factory, f.init, f.compare, f.kw_only) for f in member.values()]
        return walk.token(fields, where)
    try:
        return walk.token(member, where)
    except FingerprintError:
        if key.startswith("_") or hasattr(member, "__get__"):  # what a metaclass or a library left there
            return _steady(member).encode()
        raise


def _steady(value: Any) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
