"""Rows of requests: JSON, or a mapping, checked against a graph's inputs and decoded into values in one step."""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

import msgspec

from penstock.core.graph import ModelGraph
from penstock.core.schema import Field, Schema, element_type, struct_fields
from penstock.errors import DataError, RequestError

_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_TYPES: dict[str, Any] = {
    "bool": bool,
    "int64": _INT64,
    "float64": float,
    "string": str,
    "bytes": bytes,  # base64 in JSON
    "date": datetime.date,
    "time": Annotated[datetime.time, msgspec.Meta(tz=False)],
    "datetime": Annotated[datetime.datetime, msgspec.Meta(tz=False)],
    "timestamp": Annotated[datetime.datetime, msgspec.Meta(tz=True)],
    "null": None,
}
_SPOKEN = {
    "bytes": "base64 of the standard alphabet, with its padding and nothing else",
    "timestamp": "a time with a zone, as 2024-05-05T18:00:00Z",
    "datetime": "a time without a zone",
}
_PLACE = re.compile(r"^(?P<problem>.*?)(?: - at `(?P<path>\$.*)`)?$", re.DOTALL)
_NAMED = re.compile(r"(?:required|unknown) field `(?P<name>.*)`")
_STEP = re.compile(r"^\$\.instances\[(?P<row>\d+)\](?:\.(?P<field>.*?))?(?:[\[.].*)?$", re.DOTALL)


class Instances:
    """The decoder of one graph's rows: made once from its signature, used for every request, from any thread.

    Any input may be null; one that was never NULL in training must be there, as a column must in a batch.
    """

    __slots__ = ("_decode", "_files", "_loose", "_model", "_names", "_types")

    def __init__(self, graph: ModelGraph) -> None:
        self._model = graph.name
        self._names = graph.signature.inputs.names
        self._files = [(position, field.name) for position, field in enumerate(graph.signature.inputs)]
        self._files = [each for each in self._files if graph.signature.inputs[each[1]].type == "bytes"]
        self._types = {field.name: field.type for field in graph.signature.inputs}
        strict = row_struct(graph.signature.inputs, forbid_unknown_fields=True)
        self._loose = row_struct(graph.signature.inputs, forbid_unknown_fields=False)
        self._decode = msgspec.json.Decoder(body_struct(strict)).decode

    def from_json(self, body: bytes) -> list[Any]:
        """Return the rows of `{"instances": [{...}]}`; row k has its inputs as attributes f0, f1, ..."""
        try:
            found: Any = self._decode(body)
        except msgspec.ValidationError as error:
            raise self._clear(str(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RequestError(f"the body is not JSON: {error}") from error
        rows: list[Any] = found.instances
        if found.ids is not None and len(found.ids) != len(rows):
            raise RequestError(f"the body has {len(found.ids)} ids for {len(rows)} instances; give each its own")
        return rows

    def from_mapping(self, row: Mapping[str, Any]) -> Any:
        """Return a row of Python values in the same form; other keys are passed over."""
        try:
            return msgspec.convert(row, self._loose)
        except msgspec.ValidationError as error:
            message = str(error) if " - at `$" in str(error) else f"{error} - at `$`"
            raise self._clear(message.replace("`$", "`$.instances[0]")) from error

    def to_dict(self, row: Any) -> dict[str, Any]:
        """Return a decoded row by the names of the inputs."""
        values = {name: getattr(row, f"f{position}") for position, name in enumerate(self._names)}
        return {
            name: value.astimezone(datetime.UTC) if self._types[name] == "timestamp" and value is not None else value
            for name, value in values.items()
        }

    def files(self, row: Any) -> dict[str, bytes]:
        """Return the bytes of a decoded row, which may be images, by the names of their inputs."""
        found = {name: getattr(row, f"f{position}") for position, name in self._files}
        return {name: content for name, content in found.items() if content is not None}

    def _clear(self, message: str) -> DataError | RequestError:
        """Turn msgspec's message into ours: which field, what is wrong with it, what the model needs."""
        found = _PLACE.match(message)
        problem, path = (found["problem"], found["path"] or "$") if found else (message, "$")
        place, named = _STEP.match(path), _NAMED.search(problem)
        if place is None:
            form = 'send {"instances": [{...}, ...]}'
            return RequestError(f"{problem}{'' if path == '$' else f' at {path[2:]}'}; {form}")
        name = named["name"] if named else place["field"]
        where = f"model '{self._model}': row {place['row']}"
        if name is None:
            return DataError(f"{where} is not an object of fields: {problem}; it needs {', '.join(self._names)}")
        if named and "unknown" in problem:
            near = difflib.get_close_matches(name, self._names, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            return DataError(
                f"{where} has the unknown field '{name}'; the inputs are {', '.join(self._names)}.{hint}", field=name
            )
        if named:
            return DataError(f"{where} lacks {name}; the model needs {', '.join(self._names)}", field=name)
        type = self._types.get(name, "")
        spoken = f" ({_SPOKEN[type]})" if type in _SPOKEN else ""
        return DataError(f"{where}, field '{name}' is not {type}{spoken}: {problem}", field=name)


def body_struct(row: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """Make a struct of the body of a request for predictions: rows, and what each is called, if that is said."""
    fields: list[Any] = [("instances", list[row]), ("ids", list[str] | None, None)]  # type: ignore[valid-type]
    return msgspec.defstruct("Body", fields, forbid_unknown_fields=True)


def row_struct(schema: Schema, *, forbid_unknown_fields: bool) -> type[msgspec.Struct]:
    """Make a struct of columns. Its attributes are f0, f1, ...: a column may have any name."""
    required = [entry for entry in enumerate(schema) if not entry[1].nullable]
    optional = [entry for entry in enumerate(schema) if entry[1].nullable]
    return msgspec.defstruct(
        "Row",
        [_attribute(position, field) for position, field in (*required, *optional)],
        rename={f"f{position}": name for position, name in enumerate(schema.names)},
        forbid_unknown_fields=forbid_unknown_fields,
        gc=False,
    )


def _attribute(position: int, field: Field) -> Any:
    annotation = _annotation(field.type)
    return (f"f{position}", annotation, None) if field.nullable else (f"f{position}", annotation)


def _annotation(type: str) -> Any:
    """Return what msgspec checks a value of one of our types by; NULL is a value of every type."""
    if type.startswith("array<"):
        element = _annotation(element_type(type))
        return list[element] | None  # type: ignore[valid-type]
    if type.startswith("struct<"):
        members = {name: _annotation(member) for name, member in struct_fields(type)}
        return TypedDict("Members", members) | None  # type: ignore[operator]
    return _TYPES[type] | None if type != "null" else None
