"""Dates and times as text by a format (%Y-%m-%d): the codes of BigQuery whose two forms agree exactly."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from penstock.core.operation import Example, Operation, Parameter, golden
from penstock.operations.literals import sql_literal
from penstock.operations.zones import ZONE, at_zone, local_row, local_sql

DAY_NAMES = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTH_NAMES = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_COMPOSED = {"F": "%Y-%m-%d", "D": "%m/%d/%y", "x": "%m/%d/%y", "T": "%H:%M:%S", "X": "%H:%M:%S", "R": "%H:%M"}
_TEXTS = {"n": "\n", "t": "\t", "%": "%"}

_Code = tuple[str, Callable[[Any], str]]
DATE_CODES: dict[str, _Code] = {
    "Y": ("CAST(year({0}) AS VARCHAR)", lambda x: str(x.year)),
    "E4Y": ("strftime({0}, '%Y')", lambda x: f"{x.year:04}"),
    "y": ("strftime({0}, '%y')", lambda x: f"{x.year % 100:02}"),
    "Q": ("CAST(quarter({0}) AS VARCHAR)", lambda x: str((x.month + 2) // 3)),
    "m": ("strftime({0}, '%m')", lambda x: f"{x.month:02}"),
    "B": ("strftime({0}, '%B')", lambda x: MONTH_NAMES[x.month - 1]),
    "b": ("strftime({0}, '%b')", lambda x: MONTH_NAMES[x.month - 1][:3]),
    "h": ("strftime({0}, '%b')", lambda x: MONTH_NAMES[x.month - 1][:3]),
    "d": ("strftime({0}, '%d')", lambda x: f"{x.day:02}"),
    "e": ("lpad(CAST(day({0}) AS VARCHAR), 2, ' ')", lambda x: f"{x.day:2}"),
    "j": ("strftime({0}, '%j')", lambda x: f"{x.timetuple().tm_yday:03}"),
    "A": ("strftime({0}, '%A')", lambda x: DAY_NAMES[x.weekday()]),
    "a": ("strftime({0}, '%a')", lambda x: DAY_NAMES[x.weekday()][:3]),
    "u": ("CAST(isodow({0}) AS VARCHAR)", lambda x: str(x.isoweekday())),
    "w": ("CAST(dayofweek({0}) AS VARCHAR)", lambda x: str(x.isoweekday() % 7)),
    "G": ("CAST(isoyear({0}) AS VARCHAR)", lambda x: str(x.isocalendar()[0])),
    "V": ("strftime({0}, '%V')", lambda x: f"{x.isocalendar()[1]:02}"),
}
CLOCK_CODES: dict[str, _Code] = {
    "H": ("strftime({0}, '%H')", lambda x: f"{x.hour:02}"),
    "I": ("strftime({0}, '%I')", lambda x: f"{(x.hour + 11) % 12 + 1:02}"),
    "p": ("strftime({0}, '%p')", lambda x: "PM" if x.hour >= 12 else "AM"),
    "M": ("strftime({0}, '%M')", lambda x: f"{x.minute:02}"),
    "S": ("strftime({0}, '%S')", lambda x: f"{x.second:02}"),
    "E3S": ("strftime({0}, '%S.%g')", lambda x: f"{x.second:02}.{x.microsecond // 1000:03}"),
    "E6S": ("strftime({0}, '%S.%f')", lambda x: f"{x.second:02}.{x.microsecond:06}"),
}
"""Code -> DuckDB text and Python function that write it of a wall clock. (strftime speaks the system's language.)"""


def pieces(format: str, codes: Collection[str]) -> list[tuple[str, str]]:
    """Return the codes and the texts of a format: ("Y", "") or ("", "-"); raises for a code that is not there."""
    found: list[tuple[str, str]] = []
    for code, text in re.findall(r"%(E.[SY]|.|$)|([^%]+)", format, re.DOTALL):
        if text or code in _TEXTS:
            found.append(("", text or _TEXTS[code]))
        elif code in codes:
            found.append((code, ""))
        elif code in _COMPOSED:
            found += pieces(_COMPOSED[code], codes)
        else:
            raise ValueError(f"the code %{code} is not there; there are %{' %'.join(codes)}")
    return found


def writer(codes: Mapping[str, _Code]) -> Callable[[str], Callable[[Any], str]]:
    """Return what makes of a format the function that writes a wall clock by it."""

    def prepare(format: str) -> Callable[[Any], str]:
        parts = [(codes[code][1] if code else None, text) for code, text in pieces(format, codes)]
        return lambda x: "".join(text if write is None else write(x) for write, text in parts)

    return prepare


def _sql(x: str, format: str, codes: Mapping[str, _Code]) -> str:
    texts = [codes[code][0].format(x) if code else sql_literal(text, "string") for code, text in pieces(format, codes)]
    return f"CASE WHEN {x} IS NOT NULL THEN {' || '.join(texts) or sql_literal('', 'string')} END"


def _format(type: str, codes: Mapping[str, _Code], examples: tuple[Example, ...]) -> Operation:
    """Return FORMAT_DATE and its like; only that of a timestamp takes a zone."""
    name, zone = f"format_{type}", (ZONE,) if type == "timestamp" else ()

    def sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
        x, format, *rest = arguments
        return _sql(f"(DATE '2000-01-01' + {x})" if type == "time" else local_sql(x, type, *rest), format, codes)

    return Operation(
        name=name,
        meaning=f"The {type} as text by a format{' at the zone' if zone else ''}: %{' %'.join((*codes, *_COMPOSED))}.",
        parameters=(
            Parameter(name="x", types=(type,)),
            Parameter(name="format", types=("string",), constant=True, prepare=writer(codes)),
            *zone,
        ),
        result="string",
        sql=sql,
        row=lambda a, t: f"{a[1]}({local_row(a[0], type, *a[2:])})",
        names={"at_zone": at_zone},
        bigquery=name.upper(),
        examples=examples,
    )


_SUNDAY, _FIRST = datetime.date(2024, 5, 5), datetime.date(1, 1, 1)
_EARLY = datetime.datetime(2024, 5, 5, 0, 7, 9, 5)
_OLD = datetime.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=datetime.UTC)

OPERATIONS = (
    _format("date", DATE_CODES, golden(
        (datetime.date(2008, 12, 25), "%b %d, %Y", "Dec 25, 2008"), (datetime.date(2008, 12, 25), "%x", "12/25/08"),
        (datetime.date(2008, 12, 25), "%b-%Y", "Dec-2008"), (_SUNDAY, "%A %a %u %w %e|%j", "Sunday Sun 7 0  5|126"),
        (_SUNDAY, "%F %B %Q %y%%%n%h", "2024-05-05 May 2 24%\nMay"),
        (_FIRST, "%Y %E4Y %G %V %D", "1 0001 1 01 01/01/01"),
        (datetime.date(2021, 1, 1), "%G-W%V", "2020-W53"),
        (_SUNDAY, "", ""), (_SUNDAY, "'é'", "'é'"), (None, "%Y", None),
        (None, "", None), (_SUNDAY, None, None), types="date; string")),
    _format("datetime", DATE_CODES | CLOCK_CODES, golden(
        (_EARLY, "%F %T", "2024-05-05 00:07:09"), (_EARLY, "%I:%M %p %R %X", "12:07 AM 00:07 00:07:09"),
        (_EARLY, "%E3S %E6S", "09.000 09.000005"), (datetime.datetime(2024, 5, 5, 13), "%I%p", "01PM"),
        (None, "%H", None),
        types="datetime; string")),
    _format("timestamp", DATE_CODES | CLOCK_CODES, golden(
        (_OLD, "%F %H:%M:%E6S", "UTC", "1969-12-31 23:59:59.999999"), (_OLD, "%a %H:%M", "Asia/Kolkata", "Thu 05:29"),
        (None, "%F", "UTC", None), types="timestamp; string; string")),
    _format("time", CLOCK_CODES, golden(
        (datetime.time(15, 30), "%R", "15:30"), (datetime.time(0, 5, 7), "%I:%M:%S %p", "12:05:07 AM"),
        (None, "%H", None),
        types="time; string")),
)  # fmt: skip
