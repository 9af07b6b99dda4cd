"""How text is read as a number, a date or a time: the forms that CAST takes, in SQL and in Python."""

from __future__ import annotations

import datetime
import re

from penstock.operations.literals import duckdb_type

_DATE = r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
_CLOCK = r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:\.([0-9]{1,6}))?"
_OFFSET = r"(?: ?(?:[Zz]|([+-])([0-9]{1,2})(?::([0-9]{2}))?))?"
_FORMS = {
    "int64": r"[+-]?[0-9]+",
    "float64": r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?(?i:inf|infinity)|(?i:nan)",
    "date": _DATE,
    "time": _CLOCK,
    "datetime": f"{_DATE}(?:[ Tt]{_CLOCK})?",
    "timestamp": f"{_DATE}(?:[ Tt]{_CLOCK}{_OFFSET})?",
}
_PATTERNS = {type: re.compile(form) for type, form in _FORMS.items()}


def sql(type: str) -> str:
    """Return DuckDB text that reads `{0}`, giving NULL where it is not of the form, or there is no such day."""
    form = _FORMS[type].replace("{", "{{").replace("}", "}}")
    year_zero = "AND NOT starts_with({0}, '0000') " if type in ("date", "datetime", "timestamp") else ""
    return (
        f"CASE WHEN regexp_full_match({{0}}, '{form}') {year_zero}"
        f"THEN TRY_CAST({{0}} AS {duckdb_type(type)}) END"
    )


def read_int64(x: str) -> int | None:
    """Read decimal digits with an optional sign."""
    if _PATTERNS["int64"].fullmatch(x) is None:
        return None
    value = int(x)
    return value if -(2**63) <= value < 2**63 else None


def read_float64(x: str) -> float | None:
    """Read a decimal number, `inf`, `infinity` or `nan` in any case."""
    return float(x) if _PATTERNS["float64"].fullmatch(x) else None


def read_date(x: str) -> datetime.date | None:
    """Read `YYYY-[M]M-[D]D`."""
    match = _PATTERNS["date"].fullmatch(x)
    try:
        return datetime.date(*map(int, match.groups())) if match else None
    except ValueError:
        return None


def read_time(x: str) -> datetime.time | None:
    """Read `[H]H:[M]M:[S]S[.ffffff]`."""
    match = _PATTERNS["time"].fullmatch(x)
    try:
        return datetime.time(*_clock(match.groups())) if match else None
    except ValueError:
        return None


def read_datetime(x: str) -> datetime.datetime | None:
    """Read a date and, after a space or T, a time."""
    match = _PATTERNS["datetime"].fullmatch(x)
    try:
        return datetime.datetime(*map(int, match.groups()[:3]), *_clock(match.groups()[3:])) if match else None
    except ValueError:
        return None


def read_timestamp(x: str) -> datetime.datetime | None:
    """Read a date, a time and an offset from UTC (`Z`, `+02`, `-03:30`); without one it is UTC."""
    match = _PATTERNS["timestamp"].fullmatch(x)
    if match is None:
        return None
    sign, hours, minutes = match.groups()[7:]
    offset = datetime.timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        local = datetime.datetime(*map(int, match.groups()[:3]), *_clock(match.groups()[3:7]), tzinfo=datetime.UTC)
        return local + offset if sign == "-" else local - offset
    except (ValueError, OverflowError):
        return None


def _clock(groups: tuple[str | None, ...]) -> tuple[int, int, int, int]:
    """Return hour, minute, second and microsecond of the groups of `_CLOCK`, all zero if it was not there."""
    hour, minute, second, fraction = groups
    return int(hour or 0), int(minute or 0), int(second or 0), int((fraction or "0").ljust(6, "0"))
