"""Windowed features as of any time: two binary searches for each window, then aggregates of all ranges at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.schema import Schema
from penstock.features.keys import Numbers
from penstock.features.references import Wanted, status_column
from penstock.features.statuses import statuses_of
from penstock.features.window_rows import WindowRows, ranges
from penstock.features.windows import Window, Windows
from penstock.tables import arrow_type
from penstock.transforms import apply

_CHUNK = 1 << 22
"""So many rows are looked at one by one at a time, where it matters which were known."""


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
    owner = np.zeros(len(asked.times), dtype=np.int64)
    ordinals = np.full(len(asked.times), -1, dtype=np.int64)
    for number, part in enumerate(rows):
        found = part.segment.keys.find(asked.keys)
        owner, ordinals = np.where(found >= 0, number, owner), np.where(found >= 0, found, ordinals)
    order = np.lexsort((asked.times, ordinals, owner))  # asking in the rows' order touches each part of memory once
    pieces = []
    for number, part in enumerate(rows):
        mine = order[owner[order] == number]
        if len(mine) or number == 0:
            known = None if asked.known is None else asked.known[mine]
            pieces.append(_aggregates(part, windows, ordinals[mine], asked.times[mine], known, asked.until))
    back = np.argsort(order)
    columns = {
        window.column: pa.concat_arrays([piece[window.column] for piece in pieces]).take(pa.array(back))
        for window in windows
    }
    return around_windows(plan, features, columns, no_entity(asked.keys))


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
    places: dict[tuple[int, int], tuple[Numbers, Numbers]] = {}
    made = {}
    for window in windows:
        if (window.length, window.hop) not in places:
            low, high = (rows.segment.before(entity, edge) for edge in window.bounds(times))
            places[window.length, window.hop] = np.where(there, low, 0), np.where(there, high, 0)
        low, high = places[window.length, window.hop]
        if known is None and until is None:
            column, counted = rows.column(window.input)
            made[window.column] = column.aggregate(window, counted[low], counted[high], counted[start])
        else:
            found = list(_one_by_one(rows, window, low, high, known, until))
            made[window.column] = pa.concat_arrays(found)
    return made


def _one_by_one(
    rows: WindowRows, window: Window, low: Numbers, high: Numbers, known: Numbers | None, until: int | None
) -> Iterator[pa.Array]:
    """Yield the window's values, some questions at a time, of those of their rows that were known."""
    words = rows.words(window.input)
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
        column = rows.values(window.input, words[at[counts]], starts)
        yield column.aggregate(window, starts[:-1], starts[1:], starts[:-1])
