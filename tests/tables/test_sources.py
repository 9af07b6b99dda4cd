"""Texts that stand for files: paths, patterns, declared names, files of packages."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.errors import DataError, DeclarationError
from penstock.tables import read, resolve


@pytest.fixture
def root(tmp_path):
    (tmp_path / "hire").mkdir()
    for name, value in (("b", 2), ("a", 1)):
        pq.write_table(pa.table({"x": [value]}), tmp_path / "hire" / f"{name}.parquet")
    return tmp_path


def test_a_pattern_is_its_files_in_the_order_of_their_names(root):
    source = resolve("hire/*.parquet", root=root)
    assert [os.path.basename(uri) for uri in source.uris] == ["a.parquet", "b.parquet"]
    assert (source.name, source.format) == ("hire/*.parquet", "parquet")
    assert read(source)["x"].to_pylist() == [1, 2]


def test_a_file_may_be_named_like_a_pattern(tmp_path):
    (tmp_path / "a[1]*.csv").write_text("x\n1\n")
    (tmp_path / "a1.csv").write_text("x\n2\n")
    assert read(resolve("a[1]*.csv", root=tmp_path))["x"].to_pylist() == [1]


def test_a_declared_name_stands_for_its_path(root):
    declared = {"bigquery-public-data.bikes.hire": "hire/a.parquet", "other": {"path": "hire/b.parquet"}}
    assert read(resolve("bigquery-public-data.bikes.hire", root=root, declared=declared))["x"].to_pylist() == [1]
    assert read(resolve("other", root=root, declared=declared))["x"].to_pylist() == [2]


def test_a_declared_format_goes_before_the_ending(tmp_path):
    (tmp_path / "hire.txt").write_text("x\n1\n")
    declared = {"hire": {"path": "hire.txt", "format": "csv"}}
    assert read(resolve("hire", root=tmp_path, declared=declared)).num_rows == 1
    with pytest.raises(DataError, match=r"'.*hire\.txt' has no ending"):
        resolve("hire.txt", root=tmp_path)


@pytest.mark.parametrize(
    "value", [{"path": "a.csv", "fromat": "csv"}, {"format": "csv"}, {"path": "a", "format": "xls"}]
)
def test_a_declaration_that_cannot_be_is_refused(tmp_path, value):
    with pytest.raises(DeclarationError, match="table 'hire' has"):
        resolve("hire", root=tmp_path, declared={"hire": value})


def test_nothing_there_names_the_pattern_the_folder_and_what_is_near(root):
    with pytest.raises(DataError) as raised:
        resolve("hire/c.parquet", root=root, declared={"hires": "hire/*.parquet"})
    for part in ("'hire/c.parquet'", str(root / "hire"), "'a.parquet'", "declared tables are: hires"):
        assert part in str(raised.value)


def test_a_folder_is_the_files_in_it_and_below_it(root):
    (root / "hire" / "2024").mkdir()
    pq.write_table(pa.table({"x": [0]}), root / "hire" / "2024" / "c.parquet")
    for left_out in (".hidden.parquet", "_SUCCESS"):
        (root / "hire" / left_out).write_text("")
    assert read(resolve("hire", root=root))["x"].to_pylist() == [0, 1, 2]


def test_an_empty_folder_is_an_error(root):
    (root / "none").mkdir()
    with pytest.raises(DataError, match="the folder 'none' has no files"):
        resolve("none", root=root)


def test_json_files_are_rows_with_a_type_for_each_column(root):
    (root / "a.jsonl").write_text('{"a": 1, "n": {"x": [1, 2]}}\n{"a": 2.5, "b": "x"}\n')
    (root / "b.json").write_text('[{"a": 3, "at": "2024-02-29 12:00:00"}]')
    assert read(resolve("a.jsonl", root=root)).to_pylist() == [
        {"a": 1.0, "n": {"x": [1, 2]}, "b": None},
        {"a": 2.5, "n": None, "b": "x"},
    ]
    both = read(resolve("[ab].json*", root=root))
    assert both.column_names == ["a", "n", "b", "at"]
    assert both["a"].to_pylist() == [1.0, 2.5, 3.0]
    assert both["at"].to_pylist() == [None, None, datetime.datetime(2024, 2, 29, 12)]


def test_files_of_two_formats_are_not_one_table(root):
    (root / "hire" / "c.csv").write_text("x\n1\n")
    with pytest.raises(DataError, match="several formats: csv, parquet"):
        resolve("hire/*", root=root)


def test_the_digest_is_of_the_content_alone(root):
    before = resolve("hire/a.parquet", root=root).digest
    os.utime(root / "hire" / "a.parquet", (1, 1))
    os.rename(root / "hire" / "a.parquet", root / "hire" / "z.parquet")
    assert resolve("hire/z.parquet", root=root).digest == before
    pq.write_table(pa.table({"x": [3]}), root / "hire" / "z.parquet")
    assert resolve("hire/z.parquet", root=root).digest != before


def test_one_more_file_is_another_digest(root):
    before = resolve("hire/*.parquet", root=root).digest
    pq.write_table(pa.table({"x": [3]}), root / "hire" / "c.parquet")
    assert resolve("hire/*.parquet", root=root).digest != before


def test_a_file_of_known_state_is_not_read_again(root):
    path = root / "hire" / "a.parquet"
    os.utime(path, (1, 1))
    digests = {}
    before = resolve("hire/a.parquet", root=root, digests=digests)
    (state,) = digests
    digests[state] = "remembered"
    assert resolve("hire/a.parquet", root=root, digests=digests) != before
    os.utime(path, (2, 2))
    assert resolve("hire/a.parquet", root=root, digests=digests) == before


def test_a_file_written_just_now_is_not_remembered(root):
    digests = {}
    resolve("hire/*.parquet", root=root, digests=digests)
    assert digests == {}


def test_a_package_file_is_found_without_importing_the_package(tmp_path):
    package = tmp_path / "somedata"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "data" / "flights.csv").write_text("x\n1\n")
    code = (
        "import sys; from pathlib import Path; from penstock.tables import read, resolve;"
        f"sys.path.insert(0, {str(tmp_path)!r});"
        "print(read(resolve('package:somedata/data/flights.csv', root=Path('/'))).to_pylist())"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout == "[{'x': 1}]\n"


def test_a_package_that_is_not_there_says_how_to_get_it(tmp_path):
    with pytest.raises(DataError, match="pip install nosuchpackage"):
        resolve("package:nosuchpackage/a.csv", root=tmp_path)


def test_a_package_without_the_file_names_the_nearest(tmp_path):
    with pytest.raises(DataError, match=r"'pyarrow' has no file 'tests/data/orc/README.m'.*'README.md'"):
        resolve("package:pyarrow/tests/data/orc/README.m", root=tmp_path)
