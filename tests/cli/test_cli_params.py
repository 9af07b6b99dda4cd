"""Parameters and rows as they are written on the command line."""

from __future__ import annotations

import datetime
import io
import json

import click
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

from penstock.cli.params import parse_value, read_params
from penstock.cli.rows import inline_rows, typed_rows, write_rows
from penstock.core.schema import Schema
from penstock.errors import DataError, DeclarationError, RequestError, StorageError
from penstock.pipelines import pipeline


@pipeline
def rides(source: str = "x", depth: int = 6, name: str | None = None) -> None: ...


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("8", 8),
        ("0.5", 0.5),
        ("true", True),
        ("null", None),
        ('["a"]', ["a"]),
        ("hire/*.csv", "hire/*.csv"),
        ('"8"', "8"),
    ],
)
def test_a_value_is_json_where_it_can_be_and_text_elsewhere(text, value):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


def test_a_text_parameter_stays_text():
    assert read_params(rides, ["source=8", "depth=8"]) == {"source": "8", "depth": 8}
    assert read_params(rides, ['source="8"', "name=9"]) == {"source": "8", "name": "9"}


def test_a_value_may_hold_an_equals_sign():
    assert read_params(rides, ["source=a=b"]) == {"source": "a=b"}


def test_a_parameter_without_a_value_is_wrong_use():
    with pytest.raises(click.UsageError, match="has no '='"):
        read_params(rides, ["depth"])


def test_parameters_come_from_a_file_and_single_ones_go_before_it():
    file = io.BytesIO(b'{"source": "8", "depth": 1}')
    assert read_params(rides, ["depth=2"], file) == {"source": "8", "depth": 2}


def test_parameters_that_are_no_object_are_refused():
    with pytest.raises(RequestError, match="not a JSON object"):
        read_params(rides, [], io.BytesIO(b"[1]"))


def test_rows_are_inline_json_or_a_name():
    assert inline_rows(' {"km": 3}') == [{"km": 3}]
    assert inline_rows('[{"km": 3}]') == [{"km": 3}]
    assert inline_rows("data/rows.csv") == "data/rows.csv"


@pytest.mark.parametrize("text", ["{km: 3}", "[1, 2]"])
def test_inline_rows_that_are_none_are_bad_data(text):
    with pytest.raises(DataError):
        inline_rows(text)


def test_texts_become_the_types_that_a_model_takes():
    inputs = Schema.of(at="timestamp", day="date", raw="bytes", name="string")
    rows = typed_rows([{"at": "2026-01-02T03:04:05Z", "day": "2026-01-02", "raw": "AAE=", "name": "x", "n": 1}], inputs)
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    assert rows == [{"at": at, "day": datetime.date(2026, 1, 2), "raw": b"\0\1", "name": "x", "n": 1}]


def test_a_text_that_is_no_date_names_its_field():
    with pytest.raises(DataError, match="'day' is 'soon'"):
        typed_rows([{"day": "soon"}], Schema.of(day="date"))


READERS = {
    ".parquet": pyarrow.parquet.read_table,
    ".csv": pyarrow.csv.read_csv,
    ".arrow": lambda path: pyarrow.feather.read_table(str(path)),
    ".json": lambda path: pa.Table.from_pylist(json.loads(path.read_text())),
}


@pytest.mark.parametrize("suffix", READERS)
def test_rows_are_written_in_the_format_of_the_suffix(tmp_path, suffix):
    table = pa.table({"a": [1, 2], "b": ["x", "y"]})
    write_rows(table, tmp_path / f"out{suffix}")
    assert READERS[suffix](tmp_path / f"out{suffix}").equals(table)


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(DeclarationError, match=r"\.xlsx"):
        write_rows(pa.table({"a": [1]}), tmp_path / "out.xlsx")


def test_a_folder_that_is_not_there_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError):
        write_rows(pa.table({"a": [1]}), tmp_path / "no" / "out.csv")
