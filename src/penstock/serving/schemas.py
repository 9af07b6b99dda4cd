"""Our types as JSON Schema: what a model's rows look like in a request and in its answer."""

from __future__ import annotations

from typing import Any

from penstock.core.graph import ModelGraph
from penstock.core.schema import Field, Schema, element_type, struct_fields
from penstock.models.routing import STAGES, is_routed, routing_of

JsonSchema = dict[str, Any]

_SCALARS: dict[str, JsonSchema] = {
    "bool": {"type": "boolean"},
    "int64": {"type": "integer", "format": "int64"},
    "float64": {"type": "number", "format": "double"},
    "string": {"type": "string"},
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "datetime": {"type": "string", "format": "date-time", "description": "without a zone"},
    "timestamp": {"type": "string", "format": "date-time"},
}
_EXAMPLES: dict[str, Any] = {
    "bool": True,
    "int64": 1,
    "float64": 1.5,
    "string": "text",
    "bytes": "AA==",
    "date": "2026-03-01",
    "time": "08:30:00",
    "datetime": "2026-03-01T08:30:00",
    "timestamp": "2026-03-01T08:30:00Z",
}


def type_schema(type: str) -> JsonSchema:
    """Return the JSON Schema of the values of a type."""
    if type.startswith("array<"):
        return {"type": "array", "items": type_schema(element_type(type))}
    if type.startswith("struct<"):
        return {"type": "object", "properties": {name: type_schema(of) for name, of in struct_fields(type)}}
    return _SCALARS[type]


def row_schema(schema: Schema, *, closed: bool) -> JsonSchema:
    """Return the JSON Schema of a row; a closed one has no other fields than these."""
    row: JsonSchema = {"type": "object", "properties": {field.name: _field_schema(field) for field in schema}}
    return {**row, "additionalProperties": False} if closed else row


def form_schema(schema: Schema) -> JsonSchema:
    """Return the JSON Schema of the parts of a form: one row, or the list of several with the files that they name."""
    one = row_schema(schema, closed=True)
    files = [field.name for field in schema if field.type == "bytes"]
    named = {name: {"type": "string", "description": "the name of a part"} for name in files}
    rows = row_schema(schema, closed=True)
    one["properties"] |= {name: {"type": "string", "contentMediaType": "application/octet-stream"} for name in files}
    rows["properties"] |= named
    several = {
        "type": "object",
        "properties": {"instances": {"type": "array", "items": rows}},
        "required": ["instances"],
    }
    return {"oneOf": [one, several]}


def stages_schema(graph: ModelGraph) -> JsonSchema:
    """Return the JSON Schema of the stages of a cascade: what each has predicted, null where it was not computed."""
    found = {}
    for name, stage in routing_of(graph).stages.items():
        shown = row_schema(stage.signature.outputs, closed=False)
        shown["properties"] = {"digest": {"type": "string"}, **shown["properties"]}
        if is_routed(stage):
            shown["properties"][STAGES] = stages_schema(stage)
        found[name] = {"anyOf": [shown, {"type": "null"}]}
    return {"type": "object", "description": "with ?stages=true: what each stage has predicted", "properties": found}


def example_row(schema: Schema) -> dict[str, Any]:
    """Return a row of plausible values, to start from."""
    return {field.name: _example(field.type) for field in schema}


def _field_schema(field: Field) -> JsonSchema:
    shape = type_schema(field.type)
    return {"anyOf": [shape, {"type": "null"}]} if field.nullable else shape


def _example(type: str) -> Any:
    if type.startswith("array<"):
        return [_example(element_type(type))]
    if type.startswith("struct<"):
        return {name: _example(of) for name, of in struct_fields(type)}
    return _EXAMPLES[type]
