"""Strings: joined, matched by regular expressions (RE2, as in the other forms), and, of ASCII letters, their case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.operations.tensors.recording import Recorder
from penstock.operations.tensors.values import Handling, Result, Scalar, Strict

_ASCII = r"[\x00-\x7F]*"
_ANY = "(?s:.*)"


def _concat(t: Recorder, types: Sequence[Any], *given: Scalar) -> Result | None:
    if any(value.type != "string" for value in given):
        return None
    data = given[0].data
    for value in given[1:]:
        data = t.node("StringConcat", data, value.data)
    return Result(data=data)


def _matching(t: Recorder, x: Scalar, pattern: str) -> Result:
    return Result(data=t.node("RegexFullMatch", x.data, pattern=pattern))


def _starts_with(t: Recorder, types: Sequence[Any], x: Scalar, start: Scalar) -> Result | None:
    known = _known(x, start)
    return None if known is None else _matching(t, x, quoted(known) + _ANY)


def _ends_with(t: Recorder, types: Sequence[Any], x: Scalar, end: Scalar) -> Result | None:
    known = _known(x, end)
    return None if known is None else _matching(t, x, _ANY + quoted(known))


def _known(x: Scalar, other: Scalar) -> str | None:
    """Return the other string, if it is a literal."""
    return other.literal[0] if x.type == "string" and other.literal else None


def quoted(text: str) -> str:
    """Return a pattern that matches the text alone."""
    return "".join(
        character if character.isalnum() and character.isascii() else f"\\x{{{ord(character):X}}}" for character in text
    )


def _regexp_contains(t: Recorder, types: Sequence[Any], x: Scalar, pattern: str) -> Result | None:
    return _matching(t, x, f"{_ANY}(?:{pattern}){_ANY}") if x.type == "string" else None


def _like(t: Recorder, types: Sequence[Any], x: Scalar, pattern: str) -> Result | None:
    if x.type != "string":
        return None
    parts, escaped = [], False
    for character in pattern:
        if escaped or character not in "%_\\":
            parts.append(quoted(character))
        elif character != "\\":
            parts.append("(?s:.)" if character == "_" else _ANY)
        escaped = character == "\\" and not escaped
    return _matching(t, x, "".join(parts))


def _cased(action: str) -> Strict:
    """Change the case of ASCII letters; of others ONNX knows as much as the machine's locale does."""

    def lower(t: Recorder, types: Sequence[Any], x: Scalar) -> Result | None:
        if x.type != "string":
            return None
        other = t.node("Not", t.node("RegexFullMatch", x.data, pattern=_ASCII))
        held = t.node("Where", other, t.scalar("string", ""), x.data)
        return Result(data=t.node("StringNormalizer", held, case_change_action=action, locale="C"), unable=other)

    return lower


STRICT: dict[str, Strict] = {
    "concat": _concat,
    "starts_with": _starts_with,
    "ends_with": _ends_with,
    "regexp_contains": _regexp_contains,
    "like": _like,
    "lower": _cased("LOWER"),
    "upper": _cased("UPPER"),
}
HANDLING: dict[str, Handling] = {}
