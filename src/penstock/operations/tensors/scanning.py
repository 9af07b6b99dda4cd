"""Text read as a date or a time by a constant format: matched as the other forms match it, then taken apart.

Blanks as the format has them, and months and days in the usual cases, are read; other spellings that the format allows
are refused, for nobody can tell then where a part begins.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.operations.formats import DAY_NAMES, MONTH_NAMES, pieces
from penstock.operations.scanning import CLOCK_CODES, DATE_CODES, pattern_of
from penstock.operations.tensors import days as calendar
from penstock.operations.tensors.characters import halves
from penstock.operations.tensors.choices import known_places
from penstock.operations.tensors.flags import either, unless
from penstock.operations.tensors.moments import DAY
from penstock.operations.tensors.recording import Recorder
from penstock.operations.tensors.texts import quoted
from penstock.operations.tensors.values import Handling, Result, Scalar, Strict
from penstock.operations.tensors.zones import instant

_WIDTHS = {"Y": 4, "E4Y": 4, "y": 2, "m": 2, "d": 2, "H": 2, "I": 2, "M": 2, "S": 2}
"""Code of a number -> its digits where it stands beside another."""
_PLAIN = {"Y": "[0-9]{1,4}", "E4Y": "[0-9]{4}", "y": "[0-9]{2}"}
_NAMES = {
    "noon": ("am", "pm"),
    "month": tuple(name.lower() for name in MONTH_NAMES),
    "": tuple(name.lower() for name in DAY_NAMES),
}
"""Part -> what its names are; months and days may be cut to three letters."""

_Group = tuple[str, ...]
_Read = tuple[tuple[dict[str, str], dict[str, tuple[str, int]]], str, str]
_Parts = Callable[[str, int], str]
"""(part, what it is where the format does not say) -> its number."""


def _grouped(format: str, codes: Mapping[str, Any]) -> tuple[list[_Group], list[str]] | None:
    """Return groups of codes that stand beside each other, and the texts around the groups; None if it is too
    intricate."""
    groups, texts = list[_Group](), [""]
    for is_code, found in itertools.groupby(pieces(format, codes), key=lambda piece: bool(piece[0])):
        if is_code:
            groups.append(tuple("d" if code == "e" else code for code, _ in found))
            texts.append("")
        else:
            texts[-1] = "".join(text for _, text in found)
    parts = [codes[code][0] for group in groups for code in group if codes[code][0]]
    numbers = all(len(group) == 1 or all(code in _WIDTHS for code in group) for group in groups)
    named = any(group[0] not in _WIDTHS for group in groups)
    mixed = any(re.search("[0-9A-Za-z]" if named else "[0-9]", text) for text in texts)
    return (groups, texts) if numbers and not mixed and len(parts) == len(set(parts)) else None


def _form(group: _Group, codes: Mapping[str, tuple[str, str, str]]) -> str:
    """Return the pattern of a group as it is read here."""
    if len(group) > 1:
        return "".join(f"[0-9]{{{_WIDTHS[code]}}}" for code in group)
    [code] = group
    if code in _WIDTHS:
        return _PLAIN.get(code, "[0-9]{1,2}")
    return "|".join(_spelled(codes[code][0]))


def _spelled(part: str) -> list[str]:
    names = _NAMES[part]
    every = names if part == "noon" else (*names, *(name[:3] for name in names))
    return list(dict.fromkeys(spelled for name in every for spelled in (name, name.title(), name.upper())))


def _read(t: Recorder, x: Scalar, format: str, codes: Mapping[str, tuple[str, str, str]]) -> _Read | None:
    """Return the numbers of the parts, where the text is not of the format, and where it is otherwise spelled."""
    grouped = _grouped(format, codes)
    if grouped is None:
        return None
    groups, texts = grouped
    pattern, parts = pattern_of(format, codes)
    right = t.node("RegexFullMatch", x.data, pattern=pattern)
    forms = [f"({_form(group, codes)})" for group in groups]
    usual = "".join(part for pair in itertools.zip_longest(map(quoted, texts), forms, fillvalue="") for part in pair)
    plain = t.node("RegexFullMatch", x.data, pattern=usual)
    odd = t.node("And", right, t.node("Not", plain))
    read = t.node("And", right, plain)
    rest = x.data
    if texts[0]:
        rest = halves(t, rest, texts[0])[1]
    numbers: dict[str, str] = {}
    for group, after in zip(groups, texts[1:], strict=True):
        own, rest = halves(t, rest, after)[:2] if after else (rest, rest)
        _take(t, t.node("Where", read, own, t.scalar("string", "0")), group, codes, numbers)
    return (numbers, parts), t.node("Not", right), odd


def _take(t: Recorder, text: str, group: _Group, codes: Mapping[str, Any], numbers: dict[str, str]) -> None:
    """Read a group into the numbers of its codes; a later one of the same part wins."""
    if group[0] not in _WIDTHS:
        part = codes[group[0]][0]
        spelled = _spelled(part)
        place = known_places(t, text, "string", spelled)
        assert place is not None  # noqa: S101 - strings have places
        known = [
            0,
            *(_NAMES[part].index(next(n for n in _NAMES[part] if n.startswith(name.lower()))) for name in spelled),
        ]
        numbers[part] = t.node("Gather", t.tensor("int64", [number + (part == "month") for number in known]), place)
        return
    number = t.to("int64", text)
    for code in reversed(group):
        size = 10 ** _WIDTHS[code]
        own = number if len(group) == 1 else t.remainder(number, size)
        number = number if len(group) == 1 else t.node("Div", number, t.integer(size))
        if code == "y":
            late = t.node("GreaterOrEqual", own, t.integer(69))
            own = t.node("Add", own, t.node("Where", late, t.integer(1900), t.integer(2000)))
        numbers.setdefault(f"{codes[code][0]} {code}", own)


def _parse(type: str, codes: Mapping[str, Any]) -> Strict:
    def lower(t: Recorder, types: Sequence[Any], x: Scalar, format: str, zone: str = "UTC") -> Result | None:
        found = None if x.literal else _read(t, x, format, codes)
        if found is None:
            return None
        (numbers, parts), refused, unable = found

        def part(name: str, otherwise: int) -> str:
            code = parts[name][0] if name in parts else ""
            code = "d" if code == "e" else code
            return numbers.get(f"{name} {code}", numbers.get(name, t.integer(otherwise)))

        days, missing = _day(t, part)
        clock = _clock(t, part, parts, numbers)
        refused = t.node("Or", refused, missing)
        midnight = t.node("Mul", days, t.integer(DAY))
        wall = t.node("Add", midnight, clock)
        beyond = None
        if type == "timestamp":
            wall, beyond = instant(t, wall, zone)
        data = {"date": days, "time": clock}.get(type, wall)
        rows = t.node("Mul", t.to("int64", refused), t.integer(0))  # what the format does not say is constant
        return Result(
            data=t.node("Add", data, rows), refused=refused, unable=either(t, unable, unless(t, beyond, refused))
        )

    return lower


def _day(t: Recorder, part: _Parts) -> tuple[str, str]:
    given = part("year", 1970), part("month", 1), part("day", 1)
    return calendar.days_of(t, *given), t.node("Not", calendar.exists(t, *given))


def _clock(t: Recorder, part: _Parts, parts: Mapping[str, Any], numbers: Mapping[str, str]) -> str:
    hour = part("hour", 0)
    if "hour" in parts and parts["hour"][0] == "I":
        hour = t.remainder(hour, 12)
        if "noon" in parts:
            hour = t.node("Add", hour, t.node("Mul", numbers["noon"], t.integer(12)))
    total = t.node("Mul", hour, t.integer(3_600_000_000))
    for name, size in (("minute", 60_000_000), ("second", 1_000_000)):
        total = t.node("Add", total, t.node("Mul", part(name, 0), t.integer(size)))
    return total


STRICT: dict[str, Strict] = {
    "parse_date": _parse("date", DATE_CODES),
    "parse_datetime": _parse("datetime", DATE_CODES | CLOCK_CODES),
    "parse_timestamp": _parse("timestamp", DATE_CODES | CLOCK_CODES),
    "parse_time": _parse("time", CLOCK_CODES),
}
HANDLING: dict[str, Handling] = {}
