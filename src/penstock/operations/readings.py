"""How text is read as a number, a date or a time: the forms that CAST takes, in SQL and in Python."""

from __future__ import annotations

import datetime
import re

from penstock.operations.literals import sql_type

# Both regular expression engines, Python's and RE2, take these; SQL leaves out the names of groups.
_DATE = r"(?P<year>[0-9]{4})-(?P<month>[0-9]{1,2})-(?P<day>[0-9]{1,2})"
_CLOCK = r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{1,2}):(?P<second>[0-9]{1,2})(?:\.(?P<fraction>[0-9]{1,6}))?"
_OFFSET = r"(?: ?(?:[Zz]|(?P<sign>[+-])(?P<hours>[0-9]{1,2})(?::(?P<minutes>[0-9]{2}))?))?"
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
    form = re.sub(r"\?P<[a-z]+>", "?:", _FORMS[type]).replace("{", "{{").replace("}", "}}")
    year_zero = "AND NOT starts_with({0}, '0000') " if type in ("date", "datetime", "timestamp") else ""
    return f"CASE WHEN regexp_full_match({{0}}, '{form}') {year_zero}THEN TRY_CAST({{0}} AS {sql_type(type)}) END"


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
    return _date(match) if match else None


def read_time(x: str) -> datetime.time | None:
    """Read `[H]H:[M]M:[S]S[.ffffff]`."""
    match = _PATTERNS["time"].fullmatch(x)
    return _clock(match) if match else None


def read_datetime(x: str) -> datetime.datetime | None:
    """Read a date and, after a space or T, a time."""
    match = _PATTERNS["datetime"].fullmatch(x)
    return _wall(match) if match else None


def read_timestamp(x: str) -> datetime.datetime | None:
    """Read a date, a time and an offset from UTC (`Z`, `+02`, `-03:30`); without one it is UTC."""
    match = _PATTERNS["timestamp"].fullmatch(x)
    wall = _wall(match) if match else None
    if match is None or wall is None:
        return None
    offset = datetime.timedelta(hours=int(match["hours"] or 0), minutes=int(match["minutes"] or 0))
    try:
        return wall.replace(tzinfo=datetime.UTC) + (offset if match["sign"] == "-" else -offset)
    except OverflowError:
        return None


def _date(match: re.Match[str]) -> datetime.date | None:
    try:
        return datetime.date(int(match["year"]), int(match["month"]), int(match["day"]))
    except ValueError:
        return None


def _clock(match: re.Match[str]) -> datetime.time | None:
    """Return the time of day of a match, midnight if it has none."""
    if match["hour"] is None:
        return datetime.time()
    fraction = int((match["fraction"] or "").ljust(6, "0"))
    try:
        return datetime.time(int(match["hour"]), int(match["minute"]), int(match["second"]), fraction)
    except ValueError:
        return None


def _wall(match: re.Match[str]) -> datetime.datetime | None:
    date, clock = _date(match), _clock(match)
    return None if date is None or clock is None else datetime.datetime.combine(date, clock)
