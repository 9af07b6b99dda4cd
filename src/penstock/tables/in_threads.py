"""Python functions that leave Python's lock while they work, as DuckDB calls them: many rows at once, in threads."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa

from penstock.operations import Native
from penstock.tables.types import arrow_type

_ROWS_OF_A_TURN = 8  # decoding a few images takes milliseconds: handing them over is nothing beside it


def in_threads(native: Native, threads: int) -> Callable[..., pa.ChunkedArray]:
    """Return the function over columns of arguments, NULL where an argument is, computed by as many threads.

    The threads end with each call: a pool would not survive a fork.
    """

    @functools.wraps(native.function)  # DuckDB reads from the signature how many arguments there are
    def called(*columns: pa.ChunkedArray) -> pa.ChunkedArray:
        rows = list(zip(*(column.to_pylist() for column in columns), strict=True))
        turns = [rows[start : start + _ROWS_OF_A_TURN] for start in range(0, len(rows), _ROWS_OF_A_TURN)]
        type = _wide(arrow_type(native.result))
        return pa.chunked_array([pa.array(turn, type) for turn in _turns_made(native.function, turns, threads)], type)

    return called


def _turns_made(
    function: Callable[..., Any], turns: Sequence[Sequence[tuple[Any, ...]]], threads: int
) -> Iterator[list[Any]]:
    def turn(rows: Sequence[tuple[Any, ...]]) -> list[Any]:
        return [None if None in arguments else function(*arguments) for arguments in rows]

    if len(turns) < 2 or threads < 2:
        yield from map(turn, turns)
        return
    pool = ThreadPoolExecutor(min(threads, len(turns)))
    try:
        yield from pool.map(turn, turns)
    finally:
        pool.shutdown(cancel_futures=True)


def _wide(type: pa.DataType) -> pa.DataType:
    """Return the type that takes more than 2 GiB in all: the images of 2,048 rows may be that many."""
    return pa.large_binary() if type == pa.binary() else type
