"""What is worth knowing of an artifact, in the few words that a line has room for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.cli.output import shown, size
from penstock.core.artifact import Artifact

_SHOWN_VALUES = 4
_LONGEST = 32  # characters of a value that is worth a place in a line: no digests


def summary(artifact: Artifact) -> str:
    """Return an artifact in a few words: how many rows, the first values, how large."""
    facts: dict[str, Any] = artifact.facts
    how_large = size(facts["size_bytes"]) if "size_bytes" in facts else ""
    match artifact.kind:
        case "list" | "mapping":
            return _of_many(facts)
        case "metrics":
            return _values(facts["values"])
        case "model" if facts.get("evaluation"):
            return _values(facts["evaluation"])
        case "figure":
            sides = (f"{facts['width']} x {facts['height']}",) if "width" in facts else ()
            return ", ".join((facts["media_type"].partition("/")[2].partition("+")[0], *sides, how_large))
        case "array":
            return f"{facts['dtype']} {' x '.join(map(str, facts['shape'])) or 'scalar'}, {how_large}"
        case "folder":
            return f"{facts['files']:,} {'file' if facts['files'] == 1 else 'files'}, {how_large}"
        case "object":
            return f"{facts['type'].rpartition('.')[2]}, {how_large}"
    if "rows" in facts:
        return _counted(facts["rows"], "row")
    if isinstance(preview := facts.get("preview"), Mapping):
        return _values({name: len(value) if isinstance(value, list) else value for name, value in preview.items()})
    return how_large


def _of_many(facts: Mapping[str, Any]) -> str:
    kinds = facts["of"]
    items = _counted(facts["items"], kinds[0] if len(kinds) == 1 else "item")
    return f"{items}, {_counted(facts['rows'], 'row')}" if "rows" in facts else items


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 and what != 'row' else 's'}"


def _values(values: Mapping[str, Any]) -> str:
    said = {name: shown(value) for name, value in values.items() if isinstance(value, float | int | str)}
    return ", ".join([f"{name} {text}" for name, text in said.items() if len(text) <= _LONGEST][:_SHOWN_VALUES])
