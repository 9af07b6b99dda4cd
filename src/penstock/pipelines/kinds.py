"""Annotations -> kinds: what an annotation says about how a value travels between steps, read without importing it."""

from __future__ import annotations

import ast
import builtins
import numbers
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ForwardRef

KINDS = {
    "pyarrow.Table": "table",
    "pyarrow.lib.Table": "table",
    "penstock.Table": "table",
    "penstock.tables.Table": "table",
    "penstock.ModelGraph": "model",
    "penstock.models.ModelGraph": "model",
    "penstock.models.graph.ModelGraph": "model",
    "penstock.core.graph.ModelGraph": "model",
    "penstock.Source": "source",
    "penstock.core.artifact.Source": "source",
    "penstock.Artifact": "artifact",
    "penstock.core.artifact.Artifact": "artifact",
    "penstock.core.artifact.Named": "named",
    "penstock.Context": "context",
    "penstock.core.ports.Context": "context",
    "builtins.dict": "json",
    "builtins.list": "json",
    "builtins.tuple": "json",
    "builtins.int": "json",
    "builtins.float": "json",
    "builtins.bool": "json",
    "builtins.NoneType": "json",
    "types.NoneType": "json",
    "builtins.str": "text",
    "builtins.bytes": "bytes",
    "pathlib.Path": "file",
    "numpy.ndarray": "array",
}
"""Qualified name of an annotation -> kind. What is not here is `any`: its value's own type decides."""

_PLAIN: dict[str, tuple[type, ...]] = {
    "builtins.int": (numbers.Integral,),
    "builtins.float": (numbers.Real,),
    "builtins.bool": (bool,),
    "builtins.str": (str,),
    "builtins.list": (list, tuple),
    "builtins.tuple": (list, tuple),
    "builtins.dict": (Mapping,),
    "builtins.NoneType": (types.NoneType,),
    "types.NoneType": (types.NoneType,),
}
"""What values an annotation of a plain type takes; NumPy's numbers are numbers, True is no number."""

_FITS_ANY = frozenset({"any", "artifact"})


def kind_of(annotation: Any, names: dict[str, Any]) -> str:
    """Return the kind of an annotation, written in a module with these global names; `T | None` is as T."""
    kinds = {KINDS.get(name, "any") for name in _qualified(annotation, names)}
    kinds = kinds - {"json"} if len(kinds) == 2 and _is_optional(annotation, names) else kinds
    return kinds.pop() if len(kinds) == 1 else "any"


def takes(annotation: Any, names: dict[str, Any], value: Any) -> bool:
    """Tell whether a value may stand where an annotation is; only annotations of plain types refuse anything."""
    alternatives = [_PLAIN.get(name) for name in _qualified(annotation, names)]
    if None in alternatives:
        return True
    taken = {cls for classes in alternatives if classes for cls in classes}
    return bool in taken if isinstance(value, bool) else isinstance(value, tuple(taken))


def named_outputs(annotation: Any, names: dict[str, Any]) -> type[tuple[Any, ...]] | None:
    """Return the NamedTuple class that a return annotation names, or None."""
    value = _resolve(annotation, names)
    return value if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields") else None


def output_kinds(named: type[tuple[Any, ...]]) -> dict[str, str]:
    """Return the fields of a NamedTuple and their kinds."""
    names = vars(sys.modules[named.__module__]) if named.__module__ in sys.modules else {}
    notes = named.__annotations__
    return {field: kind_of(notes.get(field, Any), names) for field in named._fields}  # type: ignore[attr-defined]


def fits(given: str, wanted: str) -> bool:
    """Tell whether an output of one kind may go where another is expected. A file may be had of anything stored."""
    return given == wanted or bool({given, wanted} & _FITS_ANY) or wanted == "file"


def global_names(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the global names of the module in which a function was written, under any decorators."""
    while not isinstance(function, types.FunctionType) and hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    names: dict[str, Any] = getattr(function, "__globals__", {})
    return names


def _is_optional(annotation: Any, names: dict[str, Any]) -> bool:
    return any(name in ("builtins.NoneType", "types.NoneType") for name in _qualified(annotation, names))


def _qualified(annotation: Any, names: dict[str, Any]) -> Iterator[str]:
    """Yield the qualified names of an annotation's alternatives."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        try:
            yield from _of_syntax(ast.parse(annotation, mode="eval").body, names)
        except SyntaxError:
            yield ""
        return
    origin = typing.get_origin(annotation)
    if origin in (types.UnionType, typing.Union):
        for alternative in typing.get_args(annotation):
            yield from _qualified(alternative, names)
    elif annotation is None:
        yield "builtins.NoneType"
    else:
        yield _name(origin or annotation)


def _of_syntax(node: ast.expr, names: dict[str, Any]) -> Iterator[str]:
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from _of_syntax(left, names)
            yield from _of_syntax(right, names)
        case ast.Constant(value=None):
            yield "builtins.NoneType"
        case ast.Constant(value=str(text)):
            yield from _qualified(text, names)
        case ast.Subscript(value=outer, slice=inner):
            (name,) = _of_syntax(outer, names)
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            if name in ("typing.Optional", "typing.Union"):
                for part in [*parts, *([ast.Constant(None)] if name == "typing.Optional" else [])]:
                    yield from _of_syntax(part, names)
            else:
                yield name
        case ast.Name() | ast.Attribute():
            found = _lookup(node, names)
            yield found if isinstance(found, str) else _name(found)
        case _:
            yield ""


def _lookup(node: ast.expr, names: dict[str, Any]) -> Any:
    """Find what `ps.Table` names; a name that its module would load first (ours does) stays a text."""
    match node:
        case ast.Name(id=name):
            return names.get(name, getattr(builtins, name, ""))
        case ast.Attribute(value=inner, attr=name):
            holder = _lookup(inner, names)
            if isinstance(holder, types.ModuleType) and name not in vars(holder):
                return f"{holder.__name__}.{name}"
            return getattr(holder, name, "")
    return ""


def _resolve(annotation: Any, names: dict[str, Any]) -> Any:
    if isinstance(annotation, str):
        try:
            return _lookup(ast.parse(annotation, mode="eval").body, names)
        except SyntaxError:
            return None
    return annotation


def _name(value: Any) -> str:
    if isinstance(value, str):
        return value
    module, name = getattr(value, "__module__", ""), getattr(value, "__qualname__", getattr(value, "_name", None) or "")
    return "pathlib.Path" if module.startswith("pathlib") and name == "Path" else f"{module}.{name}"
