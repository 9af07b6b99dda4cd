"""Windows lie on one grid, whoever looks and whenever."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from penstock.errors import DeclarationError
from penstock.production.windows import Window, last_windows, window_of, window_seconds


@given(st.floats(0, 4e9), st.sampled_from([1.0, 60.0, 3600.0, 86400.0, 604800.0]), st.integers(1, 9))
def test_windows_end_by_now_and_follow_each_other(now, length, count):
    found = last_windows(now, length, count)
    assert len(found) == count
    assert found[-1].end <= now < found[-1].end + length
    assert all(one.end == other.start for one, other in itertools.pairwise(found))
    assert window_of(now, length).start == found[-1].end
    assert all(each.start % length == 0 for each in found)


def test_days_are_those_of_utc():
    assert Window(86400.0, 172800.0).begins.isoformat() == "1970-01-02T00:00:00+00:00"
    assert last_windows(172800.0, window_seconds("1d"), 1) == [Window(86400.0, 172800.0)]
    assert Window(86400.0, 172800.0).back(1) == Window(0.0, 86400.0)


@pytest.mark.parametrize("length", ["0.5s", 0, "a day", -1])
def test_a_length_that_is_none_is_refused(length):
    with pytest.raises(DeclarationError, match="the window"):
        window_seconds(length)
