"""Time zones: the wall clock of an instant, and the instant of a wall clock. Timestamps are kept in UTC."""

from __future__ import annotations

import datetime
import zoneinfo

from penstock.core.operation import Operation, Parameter, Raises, golden
from penstock.errors import ExpressionError
from penstock.operations.calendar import CLOCK_PARTS, EPOCH, FIRST_MICROSECOND, LAST_MICROSECOND, timestamp_trunc
from penstock.operations.literals import fails, sql_literal
from penstock.operations.occasions import KOLKATA, NEW_YORK, at

_DAY = 86_400_000_000
_FIRST, _LAST = FIRST_MICROSECOND + _DAY, LAST_MICROSECOND - _DAY
"""Between these (microseconds) every time zone's wall clock is in the calendar, of the years 1 to 9999."""

_FIRST_INSTANT = EPOCH + datetime.timedelta(microseconds=_FIRST)
_LAST_INSTANT = EPOCH + datetime.timedelta(microseconds=_LAST)
_FIRST_WALL, _LAST_WALL = _FIRST_INSTANT.replace(tzinfo=None), _LAST_INSTANT.replace(tzinfo=None)


def zone(name: str) -> zoneinfo.ZoneInfo | None:
    """Return the named time zone; None for UTC, in which timestamps are kept."""
    return None if name == "UTC" else zoneinfo.ZoneInfo(name)


ZONE = Parameter(name="zone", types=("string",), default="UTC", constant=True, prepare=zone)


def at_zone(x: datetime.datetime, zone: zoneinfo.ZoneInfo) -> datetime.datetime:
    """Return the instant as that zone's wall clock shows it; raise within a day of the calendar's ends."""
    if not _FIRST_INSTANT <= x <= _LAST_INSTANT:
        raise ExpressionError(f"{x} at time zone {zone}: within a day of the calendar's ends")
    return x.astimezone(zone)


def from_zone(x: datetime.datetime, zone: zoneinfo.ZoneInfo) -> datetime.datetime:
    """Return the instant at which that zone's wall clock shows x: the first if there are two, as in BigQuery."""
    if not _FIRST_WALL <= x <= _LAST_WALL:
        raise ExpressionError(f"{x} at time zone {zone}: within a day of the calendar's ends")
    return x.replace(tzinfo=zone).astimezone(datetime.UTC)


def timestamp_trunc_at(x: datetime.datetime, part: str, zone: zoneinfo.ZoneInfo) -> datetime.datetime:
    """Return the start of the part at that zone; below a day the instant loses what the clock loses."""
    wall = at_zone(x, zone).replace(tzinfo=None)
    cut = timestamp_trunc(wall, part)
    return x - (wall - cut) if part in CLOCK_PARTS and part != "day" else from_zone(cut, zone)


def local_sql(x: str, type: str, zone: str = "UTC") -> str:
    """Return DuckDB text of the wall clock at that zone. Counting microseconds is exact, and ten times AT TIME ZONE."""
    if type != "timestamp":
        return x
    return f"make_timestamp(epoch_us({x}))" if zone == "UTC" else _inside(x, f"{x} AT TIME ZONE {_text(zone)}")


def local_row(x: str, type: str, zone: str = "UTC") -> str:
    """Return Python source of the wall clock at that zone (its name in the globals, unless it is UTC)."""
    return x if type != "timestamp" or zone == "UTC" else f"at_zone({x}, {zone})"


def instant_sql(x: str, zone: str) -> str:
    """Return DuckDB text of the instant of a wall clock. DuckDB takes the second of two, so the day before is asked."""
    if zone == "UTC":
        return f"make_timestamptz(epoch_us({x}))"
    second = f"{x} AT TIME ZONE {_text(zone)}"
    first = f"(({x} - INTERVAL 25 HOUR) AT TIME ZONE {_text(zone)} + INTERVAL 25 HOUR)"
    return _inside(
        x, f"CASE WHEN {first} AT TIME ZONE {_text(zone)} = {x} THEN least({first}, {second}) ELSE {second} END"
    )


def instant_row(x: str, zone: str) -> str:
    """Return Python source of the instant of a naive datetime."""
    return f"{x}.replace(tzinfo=utc)" if zone == "UTC" else f"from_zone({x}, {zone})"


def _text(zone: str) -> str:
    return sql_literal(zone, "string")


def _inside(x: str, text: str) -> str:
    refused = fails("at a time zone: within a day of the calendar's ends")
    return f"CASE WHEN NOT epoch_us({x}) BETWEEN {_FIRST} AND {_LAST} THEN {refused} ELSE {text} END"


_WALL = datetime.datetime(2024, 5, 5, 23, 30)
_REQUIRED = Parameter(name="zone", types=("string",), constant=True, prepare=zone)


OPERATIONS = (
    Operation(
        name="datetime",
        meaning="The wall clock of an instant at the zone.",
        parameters=(Parameter(name="x", types=("timestamp",)), _REQUIRED),
        result="datetime",
        sql=lambda a, t: local_sql(a[0], "timestamp", a[1]),
        row=lambda a, t: f"{local_row(a[0], 'timestamp', a[1])}.replace(tzinfo=None, fold=0)",
        names={"at_zone": at_zone},
        bigquery="DATETIME",
        examples=golden(
            (at(2024, 5, 5, 18), KOLKATA, _WALL), (at(2024, 5, 5, 23, 30), "UTC", _WALL),
            (at(1969, 12, 31, 23), NEW_YORK, datetime.datetime(1969, 12, 31, 18)),
            (at(2024, 11, 3, 6, 30), NEW_YORK, datetime.datetime(2024, 11, 3, 1, 30)),
            (at(9999, 12, 31, 23), KOLKATA, Raises), (None, KOLKATA, None), types="timestamp; string",
        ),
    ),
    Operation(
        name="timestamp",
        meaning="The instant of a wall clock at the zone: the first of an hour shown twice; one that is left out is an "
        "hour later.",
        parameters=(Parameter(name="x", types=("datetime",)), _REQUIRED),
        result="timestamp",
        sql=lambda a, t: instant_sql(*a),
        row=lambda a, t: instant_row(*a),
        names={"from_zone": from_zone, "utc": datetime.UTC},
        bigquery="TIMESTAMP",
        examples=golden(
            (_WALL, KOLKATA, at(2024, 5, 5, 18)), (_WALL, "UTC", at(2024, 5, 5, 23, 30)),
            (datetime.datetime(2024, 11, 3, 1, 30), NEW_YORK, at(2024, 11, 3, 5, 30)),
            (datetime.datetime(2024, 3, 10, 2, 30), NEW_YORK, at(2024, 3, 10, 7, 30)),
            (datetime.datetime(1969, 12, 31, 18), NEW_YORK, at(1969, 12, 31, 23)),
            (datetime.datetime(1, 1, 1, 3), KOLKATA, Raises), (None, KOLKATA, None), types="datetime; string",
        ),
    ),
)  # fmt: skip
