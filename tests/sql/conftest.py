"""Tables that the tests of SQL query: a few rows with everything awkward in them, and bike hires."""

from __future__ import annotations

import datetime
import random

import pyarrow as pa
import pytest

from penstock.sql import MemoryCatalog

STATIONS = ("Kings Cross", "Hyde Park Corner", "Waterloo Station", "Soho Square")


@pytest.fixture(scope="session")
def hires() -> pa.Table:
    """600 bike hires whose duration depends on the station, the day of the week and the hour."""
    draw = random.Random(7)
    start = datetime.datetime(2024, 5, 5, tzinfo=datetime.UTC)  # a Sunday
    taken = []
    for _ in range(600):
        moment = start + datetime.timedelta(minutes=draw.randrange(60 * 24 * 28))
        station = draw.choice(STATIONS)
        weekend = moment.isoweekday() >= 6
        duration = 600 + 200 * STATIONS.index(station) + 500 * weekend + 10 * moment.hour + draw.randrange(60)
        taken.append(
            {"duration": duration, "start_station_name": station, "start_date": moment, "bike_id": draw.randrange(99)}
        )
    return pa.Table.from_pylist(taken)


@pytest.fixture
def catalog(hires: pa.Table) -> MemoryCatalog:
    """A table of oddities, one to join with it, and bike hires."""
    probabilities = [[{"label": "a", "prob": 0.5}, {"label": "b", "prob": 0.25}]] * 4
    odd = pa.table(
        {
            "k": pa.array([1, 2, 2, None], pa.int32()),
            "x": [1.0, 2.0, float("nan"), None],
            "s": ["a", "b", "c", None],
            "items": [[1, 2], [], None, [3]],
            "p": probabilities,
        }
    )
    names = pa.table({"k": [1, 2, 3], "name": ["one", "two", "three"]})
    return MemoryCatalog({"p.d.odd": odd, "names": names, "bigquery-public-data.london_bicycles.cycle_hire": hires})
