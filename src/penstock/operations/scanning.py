"""Text read as a date or a time by a format (%d/%m/%Y): PARSE_DATE and its like."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.operation import Example, Operation, Parameter, Raises, golden
from penstock.errors import ExpressionError
from penstock.operations.formats import DAY_NAMES, MONTH_NAMES, pieces
from penstock.operations.literals import fails, sql_literal
from penstock.operations.occasions import at
from penstock.operations.zones import ZONE, from_zone, instant_row, instant_sql


def _any_case(*words: str) -> str:
    """Return a regular expression of words in any case, letter by letter: a flag takes letters of other scripts too."""
    return "|".join("".join(f"[{letter.upper()}{letter.lower()}]" for letter in word) for word in words)


SHORT_MONTHS = "".join(month[:3].lower() for month in MONTH_NAMES)
_SPACE = "[ \\t\\n\\v\\f\\r]*"
_DAY = ("day", "{}", "3[01]|[12][0-9]|[0 ]?[1-9]")
_MONTH = (
    "month",
    f"CAST((strpos('{SHORT_MONTHS}', lower(left({{}}, 3))) + 2) // 3 AS VARCHAR)",
    _any_case(*MONTH_NAMES, *(month[:3] for month in MONTH_NAMES)),
)
_WEEKDAY = ("", "", _any_case(*DAY_NAMES, *(day[:3] for day in DAY_NAMES)))
_HOUR = "2[0-3]|[01]?[0-9]"

DATE_CODES = {
    "Y": ("year", "lpad(nullif(ltrim({}, '0'), ''), 4, '0')", "[0-9]{1,4}"),
    "E4Y": ("year", "lpad(nullif(ltrim({}, '0'), ''), 4, '0')", "[0-9]{4}"),
    "y": ("year", "(CASE WHEN {0} >= '69' THEN '19' ELSE '20' END || {0})", "[0-9]{2}"),
    "m": ("month", "{}", "1[0-2]|0?[1-9]"),
    "B": _MONTH,
    "b": _MONTH,
    "h": _MONTH,
    "d": _DAY,
    "e": _DAY,
    "A": _WEEKDAY,
    "a": _WEEKDAY,
}
CLOCK_CODES = {
    "H": ("hour", "{}", _HOUR),
    "I": ("hour", "CAST(CAST({} AS INTEGER) % 12 + {noon} AS VARCHAR)", "1[0-2]|0?[1-9]"),
    "p": ("noon", "(CASE lower({}) WHEN 'pm' THEN 12 ELSE 0 END)", "[AaPp][Mm]"),
    "M": ("minute", "{}", "[0-5]?[0-9]"),
    "S": ("second", "{}", "[0-5]?[0-9]"),
}
"""Code -> the part that it reads ('' for none), DuckDB text of it, its regular expression (in Python and RE2)."""

_Codes = Mapping[str, tuple[str, str, str]]
_DEFAULTS = {"year": "1970", "month": "1", "day": "1", "hour": "0", "minute": "0", "second": "0"}


def pattern_of(format: str, codes: _Codes) -> tuple[str, dict[str, tuple[str, int]]]:
    """Return the regular expression of a format, and of each part the code that reads it and its group: the last."""
    found, parts, groups = [_SPACE], dict[str, tuple[str, int]](), 0
    for code, text in pieces(format, codes):
        if not code:
            found += [_SPACE if part.isspace() else re.escape(part) for part in re.split(r"([ \t\n\v\f\r]+)", text)]
            continue
        part, _, form = codes[code]
        found.append(f"({form})")
        groups += 1
        if part:
            parts[part] = code, groups
    return "".join([*found, _SPACE]), parts


def reader(codes: _Codes) -> Callable[[str], Callable[[str], datetime.datetime]]:
    """Return what makes of a format the function that reads a text by it; what it does not say is of 1970-01-01."""

    def prepare(format: str) -> Callable[[str], datetime.datetime]:
        pattern, parts = pattern_of(format, codes)
        matched = re.compile(pattern).fullmatch

        def read(x: str) -> datetime.datetime:
            match = matched(x)
            if match is None:
                raise ExpressionError(f"{x!r} is not of the format {format!r}")
            noon = 12 if "noon" in parts and match[parts["noon"][1]].lower() == "pm" else 0
            values = {
                part: _number(code, match[group], noon) for part, (code, group) in parts.items() if part != "noon"
            }
            return datetime.datetime(**_FIRST_DAY | values)  # type: ignore[arg-type]  # no part is a time zone

        return read

    return prepare


_FIRST_DAY = {"year": 1970, "month": 1, "day": 1}


def _number(code: str, text: str, noon: int) -> int:
    match code:
        case "B" | "b" | "h":
            return SHORT_MONTHS.index(text[:3].lower()) // 3 + 1
        case "y":
            return int(text) + (1900 if text >= "69" else 2000)
        case "I":
            return int(text) % 12 + noon
    return int(text)


def _sql(x: str, format: str, codes: _Codes) -> str:
    """Return DuckDB text of the datetime, NULL where the text is not of the format or there is no such day."""
    pattern, parts = pattern_of(format, codes)
    form = sql_literal(pattern, "string")
    texts: dict[str, str] = {}
    for part, (code, group) in sorted(parts.items(), key=lambda item: item[0] != "noon"):
        found = f"trim(regexp_extract({x}, {form}, {group}))"
        texts[part] = codes[code][1].format(found, noon=texts.get("noon", "0"))
    year, month, day, hour, minute, second = (texts.get(part, default) for part, default in _DEFAULTS.items())
    written = f"{year} || '-' || {month} || '-' || {day} || ' ' || {hour} || ':' || {minute} || ':' || {second}"
    return f"CASE WHEN regexp_full_match({x}, {form}) THEN TRY_CAST({written} AS TIMESTAMP) END"


_MADE: dict[str, tuple[str, str]] = {
    "date": ("CAST({} AS DATE)", "{}.date()"),
    "datetime": ("{}", "{}"),
    "time": ("CAST({} AS TIME)", "{}.time()"),
}


def _parse(type: str, codes: _Codes, examples: tuple[Example, ...]) -> Operation:
    """Return PARSE_DATE and its like; only that of a timestamp takes a zone."""
    name, zone = f"parse_{type}", (ZONE,) if type == "timestamp" else ()

    def sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
        x, format, *rest = arguments
        wall = f"coalesce({_sql(x, format, codes)}, {fails(f'{name}: a text that is not of the format')})"
        made = instant_sql(wall, *rest) if zone else _MADE[type][0].format(wall)
        return f"CASE WHEN {x} IS NOT NULL THEN {made} END"

    def row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
        x, read, *rest = arguments
        return instant_row(f"{read}({x})", *rest) if zone else _MADE[type][1].format(f"{read}({x})")

    return Operation(
        name=name,
        meaning=f"The text x read as a {type} by a format{', at the zone' if zone else ''}; raises where it is not "
        f"of it. Blanks may be more or fewer; what the format does not say is of 1970-01-01: %{' %'.join(codes)}.",
        parameters=(
            Parameter(name="x", types=("string",)),
            Parameter(name="format", types=("string",), constant=True, prepare=reader(codes)),
            *zone,
        ),
        result=type,
        sql=sql,
        row=row,
        names={"from_zone": from_zone, "utc": datetime.UTC},
        bigquery=name.upper(),
        examples=examples,
    )


_DATE, _WALL = datetime.date, datetime.datetime
_BOTH = DATE_CODES | CLOCK_CODES

OPERATIONS = (
    _parse("date", DATE_CODES, golden(
        ("20081225", "%Y%m%d", _DATE(2008, 12, 25)), ("12/25/08", "%x", _DATE(2008, 12, 25)),
        ("Thursday Dec 25 2008", "%A %b %e %Y", _DATE(2008, 12, 25)), ("2024-5-5", "%F", _DATE(2024, 5, 5)),
        ("  5MAY 2024 ", "%d %B %Y", _DATE(2024, 5, 5)), ("31.12.69", "%d.%m.%y", _DATE(1969, 12, 31)),
        ("01/68", "%m/%y", _DATE(2068, 1, 1)), ("5", "%Y", _DATE(5, 1, 1)), ("", "", _DATE(1970, 1, 1)),
        ("2023-02-29", "%F", Raises), ("0000-01-01", "%F", Raises), ("2024-13-01", "%F", Raises), ("x", "%F", Raises),
        ("", "%F", Raises), (None, "%F", None), ("2024", None, None), types="string; string")),
    _parse("datetime", _BOTH, golden(
        ("1998-10-18 13:45:55", "%Y-%m-%d %H:%M:%S", _WALL(1998, 10, 18, 13, 45, 55)),
        ("8/30/2018 2:23:38 pm", "%m/%d/%Y %I:%M:%S %p", _WALL(2018, 8, 30, 14, 23, 38)),
        ("12 AM", "%I %p", _WALL(1970, 1, 1)), ("12 PM", "%I %p", _WALL(1970, 1, 1, 12)), ("24:00", "%R", Raises),
        ("1969-12-31T23:59", "%FT%R", _WALL(1969, 12, 31, 23, 59)), (None, "%F", None), types="string; string")),
    _parse("timestamp", _BOTH, golden(
        ("Thu Dec 25 07:30:00 2008", "%a %b %e %H:%M:%S %Y", "UTC", at(2008, 12, 25, 7, 30)),
        ("2024-05-05 23:30", "%F %R", "Asia/Kolkata", at(2024, 5, 5, 18)), ("x", "%F", "Asia/Kolkata", Raises),
        (None, "%F", "Asia/Kolkata", None), types="string; string; string")),
    _parse("time", CLOCK_CODES, golden(
        ("15", "%H", datetime.time(15)), ("2:23:38 pm", "%I:%M:%S %p", datetime.time(14, 23, 38)), ("25", "%H", Raises),
        (None, "%H", None), types="string; string")),
)  # fmt: skip
