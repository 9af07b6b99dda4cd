"""Windowed features as of any time: the range of rows that each window holds, then aggregates of all ranges at once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.schema import Schema
from penstock.features.declared.references import Wanted, status_column
from penstock.features.declared.statuses import statuses_of
from penstock.features.declared.windows import Window, Windows
from penstock.features.index.keys import Numbers
from penstock.features.index.slices import in_slices
from penstock.features.index.window_rows import WindowRows, ranges
from penstock.tables import arrow_type
from penstock.transforms import apply

_CHUNK = 1 << 22
"""So many rows are looked at one by one at a time, where it matters which were known."""

_OF_WHOLE_COLUMNS = ("min", "max")
"""Functions that look at every row of a column, however many questions there are."""


@dataclass(frozen=True, slots=True)
class Questions:
    """Which entities are asked for (their key columns) as of when, in microseconds. With `known`, rows created after
    that time do not count; with `until`, rows of later sequence numbers."""

    keys: Sequence[pa.ChunkedArray | pa.Array]
    times: Numbers
    known: Numbers | None = None
    until: int | None = None


def window_features(
    plan: Windows, rows: Sequence[WindowRows], features: Sequence[str], asked: Questions
) -> dict[str, pa.Array]:
    """Return windowed features for each question. An entity without rows has empty windows; one whose key has a NULL
    in it is none, and gets NULLs."""
    windows = plan.of(features)
    at_once = [window for window in windows if window.function in _OF_WHOLE_COLUMNS]
    in_parts = [window for window in windows if window.function not in _OF_WHOLE_COLUMNS]
    finders = [part.segment.keys.finder(asked.keys) for part in rows]
    count = len(asked.times)
    pieces: dict[int, dict[str, pa.Array]] = {}
    _part(rows, in_parts, finders, asked, slice(0, 0))  # what is worked out once is, before several threads need it

    def answer(part: slice) -> None:
        pieces[part.start] = _part(rows, in_parts, finders, asked, part)

    in_slices(count, answer)
    whole = _part(rows, at_once, finders, asked, slice(0, count))
    if not pieces:
        whole |= _part(rows, in_parts, finders, asked, slice(0, count))
    ordered = [pieces[start] for start in sorted(pieces)]
    columns = {
        window.column: whole[window.column]
        if window.column in whole
        else pa.concat_arrays([piece[window.column] for piece in ordered])
        for window in windows
    }
    return around_windows(plan, features, columns, no_entity(asked.keys))


def _part(
    rows: Sequence[WindowRows],
    windows: Sequence[Window],
    finders: Sequence[Callable[[slice], Numbers]],
    asked: Questions,
    part: slice,
) -> dict[str, pa.Array]:
    """Return the values of windows for a part of the questions: of each from the last rows that have its entity."""
    if not windows:
        return {}
    times, known = asked.times[part], None if asked.known is None else asked.known[part]
    ordinals, *others = (find(part) for find in finders)
    if not others:
        return _aggregates(rows[0], windows, ordinals, times, known, asked.until)
    owner = np.zeros(len(times), dtype=np.int64)
    for number, found in enumerate(others, start=1):
        owner, ordinals = np.where(found >= 0, number, owner), np.where(found >= 0, found, ordinals)
    pieces, order = [], []
    for number, each in enumerate(rows):
        order.append(mine := np.flatnonzero(owner == number))
        horizon = None if known is None else known[mine]
        pieces.append(_aggregates(each, windows, ordinals[mine], times[mine], horizon, asked.until))
    back = pa.array(np.argsort(np.concatenate(order)))
    return {
        window.column: pa.concat_arrays([piece[window.column] for piece in pieces]).take(back) for window in windows
    }


def as_columns(
    wanted: Sequence[Wanted], made: Mapping[str, pa.Array], no_entity: Any, *, statuses: bool
) -> dict[str, pa.Array]:
    """Return features under the names that were asked for, and their statuses: a window that has no value, or an
    expression over it, is NULL; there is none that is too old."""
    columns = {}
    for each in wanted:
        values = columns[each.column] = made[each.feature]
        if statuses:
            null = values.is_null().to_numpy(zero_copy_only=False)
            columns[status_column(each)] = statuses_of(~no_entity, ~no_entity, null)
    return columns


def no_entity(keys: Sequence[pa.ChunkedArray | pa.Array]) -> Any:
    """Tell which keys have a NULL in them."""
    return np.logical_or.reduce([column.is_null().to_numpy(zero_copy_only=False) for column in map(_whole, keys)])


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def around_windows(
    plan: Windows, features: Sequence[str], columns: Mapping[str, pa.Array], none: Any
) -> dict[str, pa.Array]:
    """Return features from the values of their windows, NULL where there is no entity (`none`)."""
    types = {window.column: window.type for window in plan.windows}
    cast = {name: values.cast(arrow_type(types[name])) for name, values in columns.items()}
    exprs = {name: plan.features[name] for name in features}
    computed = {name: expr for name, expr in exprs.items() if expr.op != "column"}
    made: dict[str, pa.Array] = {name: cast[e.args[0]] for name, e in exprs.items() if name not in computed}
    if computed:
        schema = Schema(tuple(field for field in plan.schema if field.name in cast))
        values = apply(computed, pa.table(cast), schema)
        made |= {name: _whole(values.column(name)) for name in computed}
    if not none.any():
        return made
    return {name: pc.if_else(none, pa.scalar(None, each.type), each) for name, each in made.items()}


def _aggregates(
    rows: WindowRows,
    windows: Sequence[Window],
    ordinals: Numbers,
    times: Numbers,
    known: Numbers | None,
    until: int | None,
) -> dict[str, pa.Array]:
    """Return the value of each window for entities of these ordinals, -1 for one that has no rows."""
    there, entity = ordinals >= 0, np.maximum(ordinals, 0)
    start = np.where(there, rows.segment.starts[entity], 0)
    places: dict[tuple[int, int], Numbers] = {}

    def place(edge: tuple[int, int], at: Numbers) -> Numbers:
        """Return behind which row the events from an edge of windows on begin; of many windows it is one."""
        if edge not in places:
            places[edge] = np.where(there, rows.segment.before(entity, at), 0)
        return places[edge]

    made = {}
    for window in windows:
        begin, end = window.bounds(times)
        low = place((window.length, window.hop), begin)
        high = place((0, window.length) if window.hop == window.length else (0, 0), end)
        if known is None and until is None:
            column, counted = rows.column(window.input)
            ends = (low, high, start) if counted is None else (counted[low], counted[high], counted[start])
            made[window.column] = column.aggregate(window, *ends)
        else:
            found = list(_one_by_one(rows, window, low, high, known, until))
            made[window.column] = pa.concat_arrays(found)
    return made


def _one_by_one(
    rows: WindowRows, window: Window, low: Numbers, high: Numbers, known: Numbers | None, until: int | None
) -> Iterator[pa.Array]:
    """Yield the window's values, some questions at a time, of those of their rows that were known."""
    sizes = high - low
    chunk = np.cumsum(sizes) // _CHUNK
    edges = [0, *(np.flatnonzero(np.diff(chunk)) + 1).tolist(), len(sizes)]
    for first, last in itertools.pairwise(edges):
        part = slice(first, last)
        at = ranges(low[part], sizes[part])
        question = np.repeat(np.arange(last - first), sizes[part])
        counts = rows.present(window.input, at)
        if known is not None:
            counts &= rows.segment.created[at] <= known[part][question]
        if until is not None:
            counts &= rows.segment.sequences[at] <= until
        starts = np.searchsorted(question[counts], np.arange(last - first + 1))
        column = rows.values(window.input, rows.words(window.input, at[counts]), starts)
        yield column.aggregate(window, starts[:-1], starts[1:], starts[:-1])
