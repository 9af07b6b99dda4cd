"""Annotations -> kinds: what an annotation says about how a value travels between steps, read without importing it."""

from __future__ import annotations

import ast
import builtins
import functools
import numbers
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ForwardRef, NamedTuple

from penstock.pipelines.modes import TOLD
from penstock.secrets import Secret
from penstock.values import COLLECTIONS, METRICS, codec_of_name

KINDS = {
    "pyarrow.Table": "table",
    "pyarrow.lib.Table": "table",
    "penstock.Table": "table",
    "penstock.tables.Table": "table",
    "pyarrow.RecordBatch": "table:batch",
    "pyarrow.lib.RecordBatch": "table:batch",
    "pyarrow.RecordBatchReader": "table:reader",
    "pyarrow.lib.RecordBatchReader": "table:reader",
    "pyarrow.dataset.Dataset": "table:dataset",
    "pyarrow._dataset.Dataset": "table:dataset",
    "duckdb.DuckDBPyRelation": "table:relation",
    "duckdb._relation.DuckDBPyRelation": "table:relation",
    "polars.DataFrame": "table:polars",
    "polars.dataframe.frame.DataFrame": "table:polars",
    "polars.LazyFrame": "table:lazy",
    "polars.lazyframe.frame.LazyFrame": "table:lazy",
    "pandas.DataFrame": "table:pandas",
    "pandas.core.frame.DataFrame": "table:pandas",
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
    TOLD: "mode",
    "penstock.Figure": "figure",
    "penstock.values.Figure": "figure",
    "penstock.values.figures.Figure": "figure",
    "penstock.Metrics": "metrics",
    "penstock.Blessing": "json",
    "penstock.components.blessing.Blessing": "json",
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
"""Qualified name of an annotation -> kind, and behind a colon the form in which it is opened: all tables are stored
alike. What is not here is `any`: its value's own type decides."""

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
    "penstock.Secret": (Secret,),
    "penstock.secrets.secret.Secret": (Secret,),
}
"""What values an annotation of a plain type takes; NumPy's numbers are numbers, True is no number."""

_LISTS = frozenset({
    "builtins.list", "builtins.tuple", "typing.List", "typing.Tuple", "typing.Sequence", "collections.abc.Sequence",
})  # fmt: skip
_MAPPINGS = frozenset({"builtins.dict", "typing.Dict", "typing.Mapping", "collections.abc.Mapping"})
_HELD_BY_JSON = frozenset({"json", "text", "any"})
_ALIKE = {("table", "array"), ("metrics", "json"), ("json", "metrics")}
_NONE = frozenset({"builtins.NoneType", "types.NoneType"})


class _Note(NamedTuple):
    """One alternative of an annotation: its qualified name, and the alternatives of each of its arguments."""

    name: str
    arguments: tuple[tuple[_Note, ...], ...] = ()


def kind_of(annotation: Any, names: dict[str, Any]) -> str:
    """Return the kind of an annotation, written in a module with these global names; `T | None` is as T.

    Of a list of what JSON cannot hold it is "list[table]", of a dict "mapping[array]"; of one of plain values "json".
    """
    return _kind(tuple(_alternatives(annotation, names)))


def takes(annotation: Any, names: dict[str, Any], value: Any) -> bool:
    """Tell whether a value may stand where an annotation is; only annotations of plain types refuse anything."""
    alternatives = [_PLAIN.get(note.name) for note in _alternatives(annotation, names)]
    if None in alternatives:
        return True
    taken = {cls for classes in alternatives if classes for cls in classes}
    return bool in taken if isinstance(value, bool) else isinstance(value, tuple(taken))


def is_optional(annotation: Any, names: dict[str, Any]) -> bool:
    """Tell whether an annotation takes None beside something else."""
    return any(note.name in _NONE for note in _alternatives(annotation, names))


def named_outputs(annotation: Any, names: dict[str, Any]) -> type[tuple[Any, ...]] | None:
    """Return the NamedTuple class that a return annotation names, or None."""
    value = _resolve(annotation, names)
    return value if isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields") else None


def output_kinds(named: type[tuple[Any, ...]]) -> dict[str, str]:
    """Return the fields of a NamedTuple and their kinds."""
    names = vars(sys.modules[named.__module__]) if named.__module__ in sys.modules else {}
    notes = named.__annotations__
    return {field: kind_of(notes.get(field, Any), names) for field in named._fields}  # type: ignore[attr-defined]


def base(kind: str) -> str:
    """Return the kind that an artifact has: that of "list[table]" is "list", of "table:pandas" "table"."""
    return kind.partition("[")[0].partition(":")[0]


def opened_as(stored: str, wanted: str) -> str:
    """Return the kind and form in which a stored artifact is opened for a parameter."""
    if stored == "table" and wanted == "array":
        return "table:array"
    return wanted if base(wanted) == stored == "table" else stored


def inner(kind: str) -> str:
    """Return the kind of the items: that of "list[table]" is "table"; where they are of any kind, "any"."""
    return kind.partition("[")[2].removesuffix("]") or "any"


def fits(given: str, wanted: str) -> bool:
    """Tell whether an output of one kind may go where another is expected. A file may be had of anything stored but a
    collection; plain `list` and `dict` take lists and dicts of anything."""
    if "any" in (given, wanted) or "artifact" in (given, wanted) or given == wanted:
        return True
    if base(given) in COLLECTIONS:
        return wanted == "json" or (base(given) == base(wanted) and fits(inner(given), inner(wanted)))
    if base(given) == base(wanted) == "object":
        return True  # a codec may be that of a base class
    return wanted == "file" or base(given) == base(wanted) or (base(given), wanted) in _ALIKE


def in_words(kind: str) -> str:
    """Return a kind as a person says it."""
    if base(kind) in COLLECTIONS:
        what = "a list" if base(kind) == "list" else "a dict"
        many = {"json": "plain values", "any": "anything", "bytes": "bytes", "metrics": "metrics"}.get(
            inner(kind), f"{base(inner(kind))}s"
        )
        return f"{what} of {many}"
    words = {"json": "a plain value", "bytes": "bytes", "array": "an array", "metrics": "metrics (numbers by name)"}
    if base(kind) == "object":
        return f"a {kind.rpartition(':')[2]}"
    return words.get(base(kind), f"a {base(kind)}")


def global_names(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the global names of the module in which a function was written, under any decorators."""
    while not isinstance(function, types.FunctionType) and hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    names: dict[str, Any] = getattr(function, "__globals__", {})
    return names


def _kind(alternatives: tuple[_Note, ...]) -> str:
    kinds = {_kind_of_one(note) for note in alternatives}
    optional = any(note.name in _NONE for note in alternatives)
    kinds = kinds - {"json"} if len(kinds) == 2 and optional else kinds
    return kinds.pop() if len(kinds) == 1 else "any"


def _kind_of_one(note: _Note) -> str:
    arguments = [_kind(argument) for argument in note.arguments if argument != (_Note("builtins.ellipsis"),)]
    if note.name in _LISTS and arguments:
        held = arguments[0] if len(set(arguments)) == 1 else "any"
        return "json" if held in _HELD_BY_JSON else f"list[{held}]"
    if note.name in _MAPPINGS and len(arguments) == 2:
        return "json" if arguments[1] in _HELD_BY_JSON else f"mapping[{arguments[1]}]"
    if note.name in _LISTS | _MAPPINGS:
        return "json"
    declared = codec_of_name(note.name)
    return KINDS.get(note.name, "any") if declared is None else f"object:{declared.reference}"


def _alternatives(annotation: Any, names: dict[str, Any]) -> Iterator[_Note]:
    """Yield the alternatives of an annotation: two of `X | Y`, one of anything but a union."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    if isinstance(annotation, str):
        try:
            yield from _of_syntax(_parsed(annotation), names)
        except SyntaxError:
            yield _Note("")
        return
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (types.UnionType, typing.Union):
        for alternative in arguments:
            yield from _alternatives(alternative, names)
    elif annotation is None:
        yield _Note("builtins.NoneType")
    elif origin is typing.Annotated:
        if marks := [mark for mark in (METRICS, TOLD) if mark in annotation.__metadata__]:
            yield _Note(marks[0])
        else:
            yield from _alternatives(arguments[0], names)
    elif origin is typing.Literal:
        yield _Note(_name(origin))
    else:
        yield _Note(_name(origin or annotation), tuple(tuple(_alternatives(each, names)) for each in arguments))


@functools.lru_cache(maxsize=1024)
def _parsed(annotation: str) -> ast.expr:
    return ast.parse(annotation, mode="eval").body


def _of_syntax(node: ast.expr, names: dict[str, Any]) -> Iterator[_Note]:
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from _of_syntax(left, names)
            yield from _of_syntax(right, names)
        case ast.Constant(value=None):
            yield _Note("builtins.NoneType")
        case ast.Constant(value=types.EllipsisType()):
            yield _Note("builtins.ellipsis")
        case ast.Constant(value=str(text)):
            yield from _alternatives(text, names)
        case ast.Subscript(value=outer, slice=inner):
            (holder,) = _of_syntax(outer, names)
            parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            if holder.name in ("typing.Optional", "typing.Union"):
                for part in [*parts, *([ast.Constant(None)] if holder.name == "typing.Optional" else [])]:
                    yield from _of_syntax(part, names)
            elif holder.name == "typing.Literal":
                yield holder
            else:
                yield _Note(holder.name, tuple(tuple(_of_syntax(part, names)) for part in parts))
        case ast.Name() | ast.Attribute():
            found = _lookup(node, names)
            yield from [_Note(found)] if isinstance(found, str) else _alternatives(found, names)
        case _:
            yield _Note("")


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
            return _lookup(_parsed(annotation), names)
        except SyntaxError:
            return None
    return annotation


def _name(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is Ellipsis:
        return "builtins.ellipsis"
    module, name = getattr(value, "__module__", ""), getattr(value, "__qualname__", getattr(value, "_name", None) or "")
    return "pathlib.Path" if module.startswith("pathlib") and name == "Path" else f"{module}.{name}"
