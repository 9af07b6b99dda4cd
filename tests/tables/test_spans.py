"""Paths that say of which day their rows are: which files are meant, oldest first, whatever stands around the date."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

import penstock as ps
from penstock.errors import DataError, DeclarationError, UnknownNameError
from penstock.tables import read, resolve, span_labels


def made(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"file\n{name}\n")


def files(text: str, root: Path, **declared: str) -> list[str]:
    return read(resolve(text, root=root, declared=declared))["file"].to_pylist()


@pytest.fixture
def days(tmp_path: Path) -> Path:
    made(tmp_path, *(f"in/day=2013-{day}/{part}.csv" for day in ("02-28", "03-01", "03-02", "04-01") for part in "ab"))
    made(tmp_path, "in/day=unknown/a.csv", "in/day=2013-99-99/a.csv")
    return tmp_path


@pytest.mark.parametrize(
    ("which", "expected"),
    [
        ("@latest", ["04-01"]),
        ("@last 2", ["03-02", "04-01"]),
        ("@last 99", ["02-28", "03-01", "03-02", "04-01"]),
        ("", ["02-28", "03-01", "03-02", "04-01"]),
        ("@all", ["02-28", "03-01", "03-02", "04-01"]),
        ("@2013-03-01", ["03-01"]),
        ("@2013-03", ["03-01", "03-02"]),
        ("@2013-03-01..2013-03-31", ["03-01", "03-02"]),
        ("@..2013-03-01", ["02-28", "03-01"]),
        ("@2013-03-02..", ["03-02", "04-01"]),
        ("@2013-02..2013-03", ["02-28", "03-01", "03-02"]),
    ],
)
def test_the_spans_that_are_meant_are_read_oldest_first(days: Path, which: str, expected: list[str]) -> None:
    wanted = [f"in/day=2013-{day}/{part}.csv" for day in expected for part in "ab"]
    assert files(f"in/day={{date}}/*.csv{which}", days) == wanted
    assert files(f"rides{which}", days, rides="in/day={date}/*.csv") == wanted


@pytest.mark.parametrize(
    ("names", "pattern", "which", "expected"),
    [
        (("r-20240501.csv", "r-20240430.csv"), "r-{date}.csv", "latest", ["r-20240501.csv"]),
        (("2024/05/01/r.csv", "2023/12/31/r.csv"), "{year}/{month}/{day}/r.csv", "2023-12-31", ["2023/12/31/r.csv"]),
        (("2024-05.csv", "2024-04.csv"), "{year}-{month}.csv", "..2024-04", ["2024-04.csv"]),
        (("d=2024-05-01/h=05/r.csv", "d=2024-05-01/h=06/r.csv"), "d={date}/h={hour}/*.csv", "2024-05-01T05",
         ["d=2024-05-01/h=05/r.csv"]),
        (("span-9/r.csv", "span-10/r.csv", "span-2/r.csv"), "span-{span}/*.csv", "last 2",
         ["span-9/r.csv", "span-10/r.csv"]),
        (("span-9/r.csv", "span-10/r.csv"), "span-{span}/*.csv", "10..", ["span-10/r.csv"]),
        (("1/v1/r.csv", "1/v10/r.csv", "1/v2/r.csv"), "{span}/v{version}/r.csv", "all", ["1/v10/r.csv"]),
        (("a/b/2024-05-01.csv", "c/2024-05-02.csv"), "**/{date}.csv", "latest", ["c/2024-05-02.csv"]),
    ],
)  # fmt: skip
def test_dates_numbers_hours_and_versions_may_stand_anywhere(
    tmp_path: Path, names: tuple[str, ...], pattern: str, which: str, expected: list[str]
) -> None:
    made(tmp_path, *names)
    assert files(f"{pattern}@{which}", tmp_path) == expected


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("in/day={date}/*.csv@2014..", DataError, "no span in '2014..'; there are 4: 2013-02-28 to 2013-04-01"),
        ("in/day={date}/*.csv@newest", DeclarationError, "write latest, last 7, 2013-02-28"),
        ("in/day={dat}/*.csv", UnknownNameError, "no field named 'dat'.*Did you mean 'date'"),
        ("in/day={month}/*.csv", DeclarationError, "needs {date}, {year} or {span}"),
        ("out/day={date}/*.csv@latest", DataError, "nothing matches 'out/day={date}/[*].csv': no file is of any span"),
        ("plain@latest", DeclarationError, "says none: a path with {date} in it does"),
    ],
)
def test_what_names_no_span_says_what_there_is(days: Path, text: str, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        resolve(text, root=days, declared={"plain": "in/day=2013-03-01/a.csv"})


def test_a_path_with_an_at_sign_is_only_a_path(tmp_path: Path) -> None:
    made(tmp_path, "me@home.csv")
    assert files("me@home.csv", tmp_path) == ["me@home.csv"]


@given(st.lists(st.dates(datetime.date(1000, 1, 1)), min_size=1, unique=True))
def test_labels_are_the_dates_in_order(dates: list[datetime.date]) -> None:
    uris = [f"/x/in/day={day:%Y%m%d}/rows.parquet" for day in dates]
    assert span_labels("in/day={date}/*.parquet", uris) == sorted(day.isoformat() for day in dates)


def test_outside_a_pipeline_spans_are_a_list_that_read_takes(days: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(days)
    found = ps.spans("in/day={date}/*.csv", "last 2")
    assert found == ["in/day={date}/*.csv@2013-03-02", "in/day={date}/*.csv@2013-04-01"]
    assert [table.num_rows for table in ps.read.map(found)] == [2, 2]
    assert ps.read("in/day={date}/*.csv", span="latest")["file"][0].as_py() == "in/day=2013-04-01/a.csv"
