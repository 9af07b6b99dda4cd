"""Instants of `every` and `cron`: time zones, clocks set forward and back, what was missed."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given, strategies as st
from trigger_worlds import at

from penstock.errors import DeclarationError, UnknownNameError
from penstock.monitor import cron, every, instant_name, instants
from penstock.monitor.schedules import due, named_instant


def names(when, after: str, count: int) -> list[str]:
    return [instant_name(instant) for instant in islice(instants(when.kind, when.spec, at(after)), count)]


def test_every_is_at_full_intervals_of_utc():
    assert names(every("15m"), "2026-11-25T12:07:30", 2) == ["2026-11-25T12:15:00Z", "2026-11-25T12:30:00Z"]
    assert names(every("1d"), "2026-11-25T00:00:00", 1) == ["2026-11-26T00:00:00Z"]


def test_cron_is_in_its_time_zone():
    assert names(cron("0 3 * * *", zone="Europe/Zurich"), "2026-11-25T12:00:00", 1) == ["2026-11-26T02:00:00Z"]
    assert names(cron("@daily", zone="Asia/Kolkata"), "2026-11-25T12:00:00", 1) == ["2026-11-25T18:30:00Z"]


# On 2026-03-29 at 01:00 UTC clocks in Zurich go from 02:00 to 03:00, on 2026-10-25 at 01:00 UTC from 03:00 to 02:00.
@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("30 2 * * *", "2026-03-28T12:00:00", ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]),  # not there: after
        ("0 3 * * *", "2026-03-28T12:00:00", ["2026-03-29T01:00:00Z", "2026-03-30T01:00:00Z"]),
        ("*/30 * * * *", "2026-03-29T00:29:00", ["2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z"]),
        ("30 2 * * *", "2026-10-24T12:00:00", ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]),  # twice there: once
        ("30 2 * * *", "2026-10-25T00:30:00", ["2026-10-26T01:30:00Z"]),
        ("45 2 * * *", "2026-10-25T01:10:00", ["2026-10-26T01:45:00Z"]),  # begun in the second of the two hours
        ("30 * * * *", "2026-10-25T00:00:00", ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"]),
    ],
)  # fmt: skip
def test_clocks_set_forward_and_back(expression, after, expected):
    assert names(cron(expression, zone="Europe/Zurich"), after, len(expected)) == expected


@given(
    st.sampled_from(["30 2 * * *", "*/20 * * * *", "0 2,3 * * *", "15 */2 * * *", "0 0 1 * *", "45 1-3 * * 0"]),
    st.sampled_from(["Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    st.integers(0, 366 * 86400),
)
def test_going_on_from_any_instant_gives_the_same_ones(expression, zone, offset):
    when, begin = cron(expression, zone=zone), at("2026-01-01T00:00:00") + offset
    line = list(islice(instants("cron", when.spec, begin), 6))
    assert line == sorted(set(line))
    assert line[0] > begin
    for place, instant in enumerate(line[:-1]):
        assert next(instants("cron", when.spec, instant)) == line[place + 1]


def test_what_was_missed_is_made_up_for_as_catch_up_says():
    handled, now = at("2026-11-20T03:00:00"), at("2026-11-25T12:00:00")
    three = [at(f"2026-11-2{day}T03:00:00") for day in (1, 2, 3, 4, 5)]
    assert due("cron", cron("0 3 * * *", catch_up="all").spec, handled=handled, now=now) == three
    assert due("cron", cron("0 3 * * *", catch_up="last").spec, handled=handled, now=now) == three[-1:]
    assert due("cron", cron("0 3 * * *", catch_up="none").spec, handled=handled, now=now) == []
    assert due("cron", cron("0 3 * * *", catch_up="none").spec, handled=handled, now=three[-1] + 5) == three[-1:]
    assert due("every", every("1d").spec, handled=handled, now=now) == [at("2026-11-25T00:00:00")]
    assert due("every", every("1d").spec, handled=now, now=handled) == []


def test_the_newest_of_years_of_seconds_is_found_at_once():
    now = at("2026-11-25T12:00:00") + 0.5
    assert due("every", every("1s").spec, handled=0.0, now=now) == [now - 0.5]
    assert due("cron", cron("* * * * *").spec, handled=0.0, now=now) == [now - 0.5]
    assert due("cron", cron("0 0 29 2 *").spec, handled=0.0, now=now) == [at("2024-02-29T00:00:00")]


@given(st.floats(0, 4e9))
def test_an_instant_is_found_by_its_name(instant):
    instant = round(instant, 3)
    assert named_instant(instant_name(instant)) == pytest.approx(instant, abs=0.0011)


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("61 * * * *", "Bad minute"),
        ("0 3 * *", "has 4 fields; give five"),
        ("0 0 30 2 *", "cannot be"),
        ("0 0 3 * * *", "has 6 fields"),
    ],
)
def test_a_wrong_cron_expression_is_named_when_it_is_declared(expression, said):
    with pytest.raises(DeclarationError, match=said):
        cron(expression)


def test_wrong_zones_intervals_and_policies_are_named():
    with pytest.raises(DeclarationError, match="no time zone 'Europe/Zürich'"):
        cron("0 3 * * *", zone="Europe/Zürich")
    with pytest.raises(DeclarationError, match="shorter than a second"):
        every("10ms")
    with pytest.raises(UnknownNameError, match="Did you mean 'last'"):
        every("1d", catch_up="lst")
