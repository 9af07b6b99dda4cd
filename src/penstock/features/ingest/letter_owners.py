"""Whose a dead letter is: by the keys in it, whatever else of it could not be read."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pyarrow as pa

from penstock.operations.notation import value_to_json
from penstock.tables import schema_of


def owner_check(entities: pa.Table) -> Callable[[str], bool]:
    """Return what tells of the row in a letter, JSON or what came, whether it is of one of these entities.

    Keys are compared as they are written: a driver "7", 7.0 or 7 is driver 7. A row that lacks some of several keys is
    anybody's who has the others; one whose keys are all NULL is nobody's. What has no keys, since it is no row, is of
    whoever has all keys standing in it as words: a letter too many is taken out rather than one too few.
    """
    types = {field.name: field.type for field in schema_of(entities.schema)}
    owners = [
        {name: _text(value_to_json(value, types[name])) for name, value in entity.items() if value is not None}
        for entity in entities.to_pylist()
    ]
    owners = [owner for owner in owners if owner]
    whole = {tuple(owner.items()) for owner in owners}
    words = [[re.compile(rf"(?<!\w){re.escape(text)}(?!\w)") for text in owner.values()] for owner in owners]

    def theirs(row: str) -> bool:
        try:
            given = msgspec.json.decode(row)
        except msgspec.DecodeError:
            given = None
        if not isinstance(given, dict) or not types.keys() & given.keys():
            text = row if not isinstance(given, dict) else row + "".join(map(_decoded, given.values()))
            return any(all(word.search(text) for word in each) for each in words)
        told = {name: _text(given[name]) for name in types if given.get(name) is not None}
        if len(told) == len(types):
            return tuple(told.items()) in whole
        return bool(told) and any(told.items() <= owner.items() for owner in owners)

    return theirs


def _decoded(value: Any) -> str:
    """Return the bytes that a field of a message was, whatever they say, each as a character."""
    try:
        return base64.b64decode(value, validate=True).decode("latin-1")
    except (ValueError, TypeError):
        return ""


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return value.strip() if isinstance(value, str) else str(value)
