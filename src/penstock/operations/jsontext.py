"""JSON text: read as BigQuery's functions of JSON-formatted strings read it, searched by a path, and written.

Such a text is not validated. It is read from its beginning; what is found before the text goes wrong is found. Numbers
stay the text that they are, objects keep the order of their keys and every double.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from penstock.operations.jsonpaths import Path


class Number(str):
    """A number, as it stands in the text."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """An object: its keys and values, in order."""

    __slots__ = ()


NOTHING = object()
"""What is found where nothing is: NULL is a value of JSON."""

_SPACE = re.compile(r"[ \t\n\v\f\r]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++|(?!\.))(?:[eE][+-]?[0-9]++|(?![eE]))")
_WORD = re.compile("true|false|null")
_WORDS = {"true": True, "false": False, "null": None}
_PLAIN = {'"': re.compile(r'[^"\\]*'), "'": re.compile(r"[^'\\]*")}
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([0-7]{1,3})|([^ux0-7]))", re.DOTALL)
_LETTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89A-Fa-f]")
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"JSON has no {word}")


_decode = json.JSONDecoder(object_pairs_hook=Pairs, parse_int=Number, parse_float=Number, parse_constant=_refuse).decode


def read(x: str) -> tuple[Any, list[Any]]:
    """Return the value of a text (`NOTHING` if there is none), and the arrays and objects in it that do not end."""
    if _SURROGATE_ESCAPE.search(x) is None:
        try:
            return _decode(x), []
        except (ValueError, RecursionError):
            pass  # not strictly JSON, or very deep: read by hand
    return _read_by_hand(x)


def _read_by_hand(x: str) -> tuple[Any, list[Any]]:
    """Read with what BigQuery lets pass: quotes of either kind, a comma at the end, nothing for null, a text that ends.

    What is read after a complete value at the root is of no interest.
    """
    root: Any = NOTHING
    unfinished: list[Any] = []
    key, at = "", 0
    while True:
        value, at = _value(x, at)
        if value is NOTHING:
            return root, unfinished
        if not unfinished:
            root = value
        else:
            unfinished[-1].append((key, value) if type(unfinished[-1]) is Pairs else value)
        at = _SPACE.match(x, at).end()  # type: ignore[union-attr]  # it matches everywhere
        if type(value) in (Pairs, list):
            unfinished.append(value)
            if x[at : at + 1] == _end_of(value):
                at = _closed(x, at, unfinished)
        else:
            at = _closed(x, at, unfinished)
        if at < 0 or not unfinished:
            return root, unfinished
        if type(unfinished[-1]) is Pairs:
            key, at = _key(x, at)
            if at < 0:
                return root, unfinished


def _end_of(container: Any) -> str:
    return "}" if type(container) is Pairs else "]"


def _closed(x: str, at: int, unfinished: list[Any]) -> int:
    """Go on after a value: close what ends here, up to where the next value (or key) begins; -1 if neither follows."""
    while unfinished:
        at = _SPACE.match(x, at).end()  # type: ignore[union-attr]
        end = _end_of(unfinished[-1])
        if x[at : at + 1] == ",":
            at = _SPACE.match(x, at + 1).end()  # type: ignore[union-attr]
            if x[at : at + 1] != end:
                return at
        elif x[at : at + 1] != end:
            return -1
        at += 1
        unfinished.pop()
    return at


def _value(x: str, at: int) -> tuple[Any, int]:
    """Read what begins here: an array or an object is empty as yet. `NOTHING` if no value does."""
    at = _SPACE.match(x, at).end()  # type: ignore[union-attr]
    first = x[at : at + 1]
    if first in ("{", "["):
        return (Pairs() if first == "{" else []), at + 1
    if first in _PLAIN:
        text, at = _string(x, at)
        return (text, at) if at >= 0 else (NOTHING, at)
    if number := _NUMBER.match(x, at):
        return Number(number.group()), number.end()
    if word := _WORD.match(x, at):
        return _WORDS[word.group()], word.end()
    return (None, at) if first in (",", "]") else (NOTHING, -1)


def _key(x: str, at: int) -> tuple[str, int]:
    """Read a key and the colon after it; the place is -1 if they are not there."""
    at = _SPACE.match(x, at).end()  # type: ignore[union-attr]
    if x[at : at + 1] not in _PLAIN:
        return "", -1
    key, at = _string(x, at)
    if at < 0:
        return "", -1
    at = _SPACE.match(x, at).end()  # type: ignore[union-attr]
    return (key, at + 1) if x[at : at + 1] == ":" else ("", -1)


def _string(x: str, at: int) -> tuple[str, int]:
    """Read a string between quotes, and the place after it; -1 if it does not end, or has an escape that is none."""
    quote, parts = x[at], []
    at += 1
    while True:
        plain = _PLAIN[quote].match(x, at)
        parts.append(plain.group())  # type: ignore[union-attr]
        at = plain.end()  # type: ignore[union-attr]
        if x[at : at + 1] == quote:
            return _whole("".join(parts)), at + 1
        escape = _ESCAPE.match(x, at)
        if escape is None:
            return "", -1
        unicode, latin, octal, letter = escape.groups()
        code = int(unicode or latin or "0", 16) if not octal else int(octal, 8)
        parts.append(_LETTERS.get(letter, letter) if letter else chr(code))
        at = escape.end()


def _whole(text: str) -> str:
    """Join pairs of surrogates to the character that they are; one alone is U+FFFD."""
    if _SURROGATE.search(text) is None:
        return text
    joined = _PAIR.sub(lambda pair: pair.group().encode("utf-16", "surrogatepass").decode("utf-16"), text)
    return _SURROGATE.sub("\ufffd", joined)


def find(value: Any, path: Path) -> Any:
    """Return the first value that a path leads to, `NOTHING` if there is none."""
    if not path:
        return value
    (key, place), *rest = path
    if type(value) is Pairs:
        for own, inner in value:
            if own == key and (found := find(inner, tuple(rest))) is not NOTHING:
                return found
    elif type(value) is list and place is not None and place < len(value):
        return find(value[place], tuple(rest))
    return NOTHING


_ESCAPED = re.compile(r'["\\\x00-\x1f]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def quoted_string(x: str) -> str:
    """Write a string of JSON: quotes, backslashes and the characters below U+0020 are escaped, nothing else."""
    escaped = _ESCAPED.sub(lambda match: _SHORT.get(match.group()) or f"\\u{ord(match.group()):04x}", x)
    return f'"{escaped}"'


def scalar(value: Any) -> str:
    """Write a value that is no array and no object."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    return str(value) if type(value) is Number else quoted_string(value)


def write(value: Any) -> str:
    """Write a value without spaces. It may be nested to any depth."""
    parts: list[str] = []
    rest: list[Any] = [(False, value)]
    while rest:
        ready, item = rest.pop()
        if ready:
            parts.append(item)
        elif type(item) is Pairs:
            rest.append((True, "}"))
            for place in range(len(item) - 1, -1, -1):
                key, inner = item[place]
                rest += [(False, inner), (True, f"{',' if place else ''}{quoted_string(key)}:")]
            rest.append((True, "{"))
        elif type(item) is list:
            rest.append((True, "]"))
            for place in range(len(item) - 1, -1, -1):
                rest += [(False, item[place]), *([(True, ",")] if place else [])]
            rest.append((True, "["))
        else:
            parts.append(scalar(item))
    return "".join(parts)
