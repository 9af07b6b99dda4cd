"""CSV files: types that hold for every row, and errors that name the file and the line."""

from __future__ import annotations

import datetime
import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from penstock.errors import DataError
from penstock.tables import read, resolve, schema_of, to_arrow
from penstock.tables.csv_files import MISSING

UTC = datetime.UTC


@pytest.fixture
def rows(tmp_path):
    def rows_of(text: str | bytes, name: str = "a.csv"):
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return read(resolve(name, root=tmp_path))

    return rows_of


def types(table):
    return {field.name: field.type for field in schema_of(table.schema)}


@pytest.mark.parametrize(
    ("cells", "type", "values"),
    [
        (["1", "-20", "0"], "int64", [1, -20, 0]),
        (["1", "2.5", "1e3", "NaN"], "float64", None),
        (["-0", "1"], "float64", None),
        (["007", "012"], "string", ["007", "012"]),
        (["9223372036854775808"], "string", ["9223372036854775808"]),
        (["1_000"], "string", ["1_000"]),
        (["true", "FALSE"], "bool", [True, False]),
        (["t", "f"], "string", ["t", "f"]),
        (["2024-02-29"], "date", [datetime.date(2024, 2, 29)]),
        (["2024-02-30"], "string", ["2024-02-30"]),
        (["01/02/2013"], "string", ["01/02/2013"]),
        (["10:05", "23:59:59.5"], "time", [datetime.time(10, 5), datetime.time(23, 59, 59, 500000)]),
        (["2013-01-01 10:00:00"], "datetime", [datetime.datetime(2013, 1, 1, 10)]),
        (["2013-01-01T10:00:00Z"], "timestamp", [datetime.datetime(2013, 1, 1, 10, tzinfo=UTC)]),
        (["2013-01-01 10:00+02:00"], "timestamp", [datetime.datetime(2013, 1, 1, 8, tzinfo=UTC)]),
        (["2013-01-01 10:00:00", "2013-01-01 10:00:00Z"], "string", None),
        (["1", "true"], "string", ["1", "true"]),
        (["NA", ""], "string", [None, None]),
    ],
)
def test_a_column_has_the_type_that_all_its_cells_have(rows, cells, type, values):
    table = rows("k,x\n" + "".join(f"1,{cell}\n" for cell in cells))
    assert types(table)["x"] == type
    assert values is None or table["x"].to_pylist() == values


def test_a_late_text_makes_the_column_text(rows):
    table = rows("a,b\n" + "".join(f"{at},x\n" for at in range(3000)) + "late,x\n")
    assert types(table) == {"a": "string", "b": "string"}
    assert table["a"].to_pylist()[-2:] == ["2999", "late"]


def test_a_late_fraction_makes_the_column_float(rows):
    assert types(rows("a\n" + "1\n" * 3000 + "0.5\n")) == {"a": "float64"}


def test_a_column_that_starts_with_missing_cells_gets_its_type_from_later_ones(rows):
    table = rows("a,b\n" + "NA,x\n" * 3000 + "7,x\n")
    assert types(table)["a"] == "int64"
    assert table["a"].null_count == 3000


@pytest.mark.parametrize("missing", MISSING)
def test_every_mark_of_a_missing_value_is_null(rows, missing):
    assert rows(f"a,b\n{missing},1\nx,{missing}\n").to_pylist() == [{"a": None, "b": 1}, {"a": "x", "b": None}]


def test_quotes_line_ends_marks_and_other_delimiters_are_understood(rows):
    assert rows('\ufeffa;b\r\n1;"x ""y"";\nz"\r\n').to_pylist() == [{"a": 1, "b": 'x "y";\nz'}]
    assert rows("a\tb\n1\t2\n").to_pylist() == [{"a": 1, "b": 2}]
    assert rows("a\n1\n\n3\n").to_pylist() == [{"a": 1}, {"a": None}, {"a": 3}]


def test_a_header_alone_is_a_table_without_rows(rows):
    table = rows("a,b\n")
    assert (table.num_rows, table.column_names) == (0, ["a", "b"])


def test_columns_without_a_name_are_counted(rows):
    assert rows(",b\n1,2\n").column_names == ["column1", "b"]


def test_names_may_hold_quotes_and_delimiters(rows):
    assert rows('a\'b,"c ""d""","e,f"\n1,2,3\n').to_pylist() == [{"a'b": 1, 'c "d"': 2, "e,f": 3}]


def test_gzip_is_read_as_it_is(rows):
    assert rows(gzip.compress(b"a\n1\n"), "a.csv.gz").to_pylist() == [{"a": 1}]


def test_files_with_other_columns_stand_below_one_another(tmp_path):
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("b;a;c\nx;2;3.5\n")
    (tmp_path / "3.csv").write_text("a,b\n3,4\n")
    table = read(resolve("*.csv", root=tmp_path))
    assert types(table) == {"a": "int64", "b": "string", "c": "float64"}
    assert (table["a"].to_pylist(), table["c"].to_pylist()) == ([1, 2, 3], [None, 3.5, None])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b,c\n1,2,3\n4,5,6\n7,8", "line 4: Expected Number of Columns: 3 Found: 2"),
        ("a,b\n1,2\n1,2,3\n", "line 3: Expected Number of Columns: 2 Found: 3"),
        ('a,b\n1,"x\n2,y\n', "line 2: Value with unterminated quote"),
        (b"a,b\n1,caf\xe9\n", "line 2: Invalid unicode"),
        (b"a,b\n1,2\n\x00\x00\x00", "line 3: "),
        ("", "no first line"),
        ("a,A\n1,2\n", "names a column twice"),
    ],
)
def test_a_broken_file_is_named_with_its_line(rows, text, says):
    with pytest.raises(DataError, match=says) as raised:
        rows(text)
    assert "a.csv'" in str(raised.value)


def test_a_cut_off_gzip_file_is_named(rows):
    whole = gzip.compress(b"a\n" + b"".join(b"%d\n" % (at * 7919 % 1000) for at in range(100_000)))
    with pytest.raises(DataError, match=r"a\.csv\.gz'.*GZIP"):
        rows(whole[: len(whole) // 2], "a.csv.gz")


@settings(deadline=None, max_examples=50)
@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=20))
def test_whole_numbers_are_read_exactly(tmp_path_factory, values):
    folder: Path = tmp_path_factory.mktemp("csv")
    (folder / "a.csv").write_text("k,a\n" + "".join(f"0,{'' if value is None else value}\n" for value in values))
    table = read(resolve("a.csv", root=folder))
    assert table["a"].to_pylist() == values


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
def test_floats_are_read_bit_for_bit(tmp_path_factory, values):
    folder: Path = tmp_path_factory.mktemp("csv")
    (folder / "a.csv").write_text("a\n0.5\n" + "".join(f"{value!r}\n" for value in values))
    assert list(map(repr, read(resolve("a.csv", root=folder))["a"].to_pylist()[1:])) == list(map(repr, values))


def test_a_column_may_have_the_name_of_a_folder_that_looks_like_a_partition(tmp_path):
    (tmp_path / "day=2024-05-01").mkdir()
    (tmp_path / "day=2024-05-01" / "a.csv").write_text("day,km\n2024-05-09,1.5\n")
    [row] = to_arrow(str(tmp_path / "day=2024-05-01" / "a.csv")).to_pylist()
    assert row == {"day": datetime.date(2024, 5, 9), "km": 1.5}
