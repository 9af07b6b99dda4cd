"""Functions of images, as DuckDB calls them: many rows at once, in threads, with the results of one at a time."""

import threading

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from duckdb.func import PythonUDFType

import penstock as ps
from penstock.errors import ExpressionError
from penstock.operations import Native, pictures
from penstock.tables.in_threads import in_threads
from penstock.transforms import apply

_PICTURES = [pictures.encoded(np.full((3, 4, 3), shade, dtype=np.uint8)) for shade in range(100)]


def _grey(content: bytes | None) -> bytes | None:
    return None if content is None else pictures.image(content, 2, 2, "L", "stretch")


def test_images_of_many_rows_are_those_of_one_row_at_a_time_and_null_stays_null() -> None:
    rows = [None if place % 7 == 0 else _PICTURES[place % 100] for place in range(2_500)]  # more than DuckDB's block
    made = apply({"x": ps.col("photo").image(2, "L", "stretch")}, pa.table({"photo": pa.array(rows, pa.binary())}))
    assert made.column("x").to_pylist() == [_grey(content) for content in rows]
    assert made.column("x").type == pa.binary()


def test_one_row_that_is_no_image_among_many_is_told() -> None:
    rows = pa.table({"photo": pa.array([*_PICTURES, b"no image"], pa.binary())})
    with pytest.raises(ExpressionError, match=r"'x', which reads photo, has no value in some row: .*no image"):
        apply({"x": ps.col("photo").image(2)}, rows)
    safe = apply({"x": ps.col("photo").safe_image(2, "L", "stretch")}, rows)
    assert safe.column("x").to_pylist() == [*map(_grey, _PICTURES), None]


def test_rows_are_computed_at_the_same_time_in_their_order() -> None:
    meeting = threading.Barrier(2, timeout=30)  # breaks, and with it the test, unless two threads come to it

    def twice(value: int) -> int:
        if value in (0, 8):  # the first of the first two turns
            meeting.wait()
        return 2 * value

    native = Native(name="twice", function=twice, parameters=("int64",), result="int64", in_threads=True)
    column = pa.chunked_array([[*range(20), None]])
    assert in_threads(native, 2)(column).to_pylist() == [*range(0, 40, 2), None]


def test_an_error_that_no_operation_raises_ends_the_statement() -> None:
    def broken(value: int) -> int:
        raise RuntimeError(f"met {value}")

    native = Native(name="broken", function=broken, parameters=("int64",), result="int64", in_threads=True)
    with duckdb.connect() as database:
        database.create_function("broken", in_threads(native, 2), ["BIGINT"], "BIGINT", type=PythonUDFType.ARROW)
        with pytest.raises(duckdb.InvalidInputException, match="RuntimeError: met"):
            database.sql("SELECT sum(broken(i)) FROM range(50) AS rows (i)").fetchall()
