"""A feature set as JSON Schema (2020-12): what one row of its features looks like as JSON."""

from __future__ import annotations

from typing import Any

from penstock.core.expression import walk
from penstock.core.schema import element_type, struct_fields
from penstock.features.declared.definition import Definition, needs_of, request_types

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_SCALARS: dict[str, dict[str, Any]] = {
    "bool": {"type": "boolean"},
    "int64": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "float64": {"type": "number"},
    "string": {"type": "string"},
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "date": {"type": "string", "format": "date"},
    "time": {"type": "string", "format": "time"},
    "datetime": {"type": "string"},
    "timestamp": {"type": "string", "format": "date-time"},
    "null": {"type": "null"},
}


def json_schema(definition: Definition, version: int) -> dict[str, Any]:
    """Return the JSON Schema of a feature set's rows: keys and event time are required, features may be null.

    Keywords that begin with `x-` say what JSON Schema has no words for: which columns are keys and times, how long a
    value lasts, of what kind a feature is.
    """
    given = definition.set
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        "$id": f"urn:penstock:feature-set:{given.name}:{version}",
        "title": given.name,
        "type": "object",
        "properties": {
            **{key: _SCALARS[type] for key, type in given.entities.items()},
            given.timestamp: _SCALARS["timestamp"],
            **{name: _feature(definition, name) for name in definition.features},
        },
        "required": [*given.entities, given.timestamp],
        "x-entities": list(given.entities),
        "x-timestamp": given.timestamp,
        "x-version": version,
    }
    optional = {
        "description": given.description,
        "x-created": given.created,
        "x-ttl-seconds": None if given.ttl is None else given.ttl / 1_000_000,
        "x-owner": given.owner,
        "x-tags": dict(given.tags),
        "x-request": {name: of_type(type) for name, type in request_types(definition).items()},
    }
    return schema | {key: value for key, value in optional.items() if value}


def _feature(definition: Definition, name: str) -> dict[str, Any]:
    schema = nullable(of_type(definition.types[name]))
    if name in definition.on_demand:
        needs = needs_of(definition, name)
        read = {each.args[0]: None for each in walk(definition.features[name]) if each.op == "feature"}
        said = {"features": list(read), "entities": list(needs.entities), "request": list(needs.requests)}
        return {**schema, "x-kind": "on_demand", "x-needs": {part: names for part, names in said.items() if names}}
    return {**schema, "x-kind": "windowed"} if name in definition.windowed else schema


def of_type(type: str) -> dict[str, Any]:
    """Return the schema of values of one of our types."""
    if type.startswith("array<"):
        return {"type": "array", "items": nullable(of_type(element_type(type)))}
    if type.startswith("struct<"):
        members = {name: nullable(of_type(member)) for name, member in struct_fields(type)}
        return {"type": "object", "properties": members}
    return dict(_SCALARS[type])


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema that also takes null."""
    return {**schema, "type": [schema["type"], "null"]} if schema["type"] != "null" else schema
