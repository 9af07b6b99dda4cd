"""Historical features: for each row given, what was known of its entity at its time. One row out for each row in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from penstock.errors import DataError
from penstock.features.checking import fitted_keys
from penstock.features.index import FeatureIndex, Found, microseconds
from penstock.features.keys import Numbers
from penstock.features.layout import Layout, decoded
from penstock.features.references import Wanted, by_set, status_column, with_features
from penstock.features.segment import Segment, joined_dictionary
from penstock.features.statuses import statuses_of
from penstock.features.versions import Registered
from penstock.features.window_history import Questions, as_columns, no_entity, window_features

EVENT_TIMESTAMP = "event_timestamp"
"""The column of the rows given that says as of when, unless they have the set's own."""

_BLOCK = 1 << 12
"""So many records are taken at a time."""

IndexOf = Callable[[Registered], FeatureIndex]


def get_historical_features(
    rows: pa.Table,
    wanted: Sequence[Wanted],
    index_of: IndexOf,
    *,
    timestamp: str | None = None,
    known: str | None = None,
    statuses: bool = False,
    until: Callable[[Registered], int | None] = lambda _: None,
) -> pa.Table:
    """Return the rows with the features behind their columns.

    `timestamp` is the column with the instant of each row (default `event_timestamp`); without such a column every row
    is asked for now. `known` is the column with the time up to which rows must have been known. `until` gives the
    sequence number up to which rows of a set's history count.
    """
    _check_taken(rows, wanted)
    columns: dict[str, pa.Array] = {}
    for group in by_set(wanted):
        definition = group[0].registered.definition
        index = index_of(group[0].registered)
        keys = fitted_keys(definition, rows)
        times = _times(rows, timestamp, definition.set.timestamp)
        horizon = None if known is None else _instants(rows, known)
        limit = until(group[0].registered)
        stored = [each for each in group if each.feature in definition.stored]
        if stored:
            segments, found = index.locate(keys, times, known=horizon, until=limit)
            columns |= _values(index, segments, found, times, stored, statuses)
        windowed = [each for each in group if each.feature in definition.windowed]
        if windowed:
            asked = Questions(keys, times, horizon, limit)
            made = window_features(definition.windows, index.window_rows(), [each.feature for each in windowed], asked)
            columns |= as_columns(windowed, made, no_entity(keys), statuses=statuses)
    return with_features(rows, wanted, columns, statuses=statuses)


def _values(
    index: FeatureIndex,
    segments: Sequence[Segment],
    found: Found,
    times: Numbers,
    group: Sequence[Wanted],
    statuses: bool,
) -> dict[str, pa.Array]:
    """Return the columns of features of one set, and those of their statuses if they are asked for."""
    layout = index.layout
    there = found.segment >= 0
    ttl = index.definition.set.ttl
    fresh = there if ttl is None else there & (times - found.events <= ttl)
    words = _words(layout, segments, found, [each.feature for each in group])
    made: dict[str, pa.Array] = {}
    for each in group:
        place, bit = divmod(layout.positions[each.feature], 64)
        null = (words[place] >> bit) & 1 != 0
        dictionary = joined_dictionary(segments, each.feature)
        made[each.column] = decoded(words[each.feature], ~fresh | null, layout.schema[each.feature].type, dictionary)
        if statuses:
            made[status_column(each)] = statuses_of(there, fresh, null)
    return made


def _words(
    layout: Layout, segments: Sequence[Segment], found: Found, features: Sequence[str]
) -> dict[str | int, Numbers]:
    """Return the words of features, and those that say what is NULL, one array for each; a text's word is its position
    in the joined dictionary.

    Records are taken some at a time: what stays in the processor's cache is turned into columns at little cost.
    """
    places: dict[str | int, int] = {word: word for word in range(layout.null_words)}
    places |= {feature: layout.null_words + layout.positions[feature] for feature in features}
    columns = np.zeros((len(places), len(found.row)), dtype=np.int64)
    wanted = list(places.values())
    offsets = {segment: _offsets(layout, segments[:segment], features, wanted) for segment in range(len(segments))}
    for first in range(0, len(found.row), _BLOCK):
        part = slice(first, first + _BLOCK)
        for number, segment in enumerate(segments):
            if len(segments) == 1 and len(segment):  # what is not there is taken from row 0, and NULL in the end
                columns[:, part] = segment.records[np.maximum(found.row[part], 0)][:, wanted].T
                continue
            mine = np.flatnonzero(found.segment[part] == number)
            taken = segment.records[found.row[part][mine]][:, wanted]
            columns[:, first + mine] = (taken + offsets[number]).T
    return dict(zip(places, columns, strict=True))


def _offsets(layout: Layout, before: Sequence[Segment], features: Sequence[str], wanted: Sequence[int]) -> Numbers:
    """Return what is added to each wanted word of a segment: for a text the sizes of the dictionaries before its."""
    offsets = np.zeros(len(wanted), dtype=np.int64)
    for place, feature in enumerate(features, start=layout.null_words):
        offsets[place] = sum(len(segment.dictionaries.get(feature, ())) for segment in before)
    return offsets


def _check_taken(rows: pa.Table, wanted: Sequence[Wanted]) -> None:
    for each in wanted:
        if each.column in rows.column_names:
            raise DataError(
                f"the rows have a column '{each.column}' already; ask with full_feature_names=True, or leave it out",
                field=each.column,
            )


def _times(rows: pa.Table, timestamp: str | None, own: str) -> Numbers:
    for name in (timestamp,) if timestamp else (EVENT_TIMESTAMP, own):
        if name in rows.column_names:
            return _instants(rows, name)
    if timestamp:
        raise DataError(f"the rows have no column '{timestamp}'; they have: {', '.join(rows.column_names)}")
    return np.full(rows.num_rows, time.time_ns() // 1000, dtype=np.int64)


def _instants(rows: pa.Table, name: str) -> Numbers:
    if name not in rows.column_names:
        raise DataError(f"the rows have no column '{name}'; they have: {', '.join(rows.column_names)}", field=name)
    column = rows.column(name)
    if not pa.types.is_timestamp(column.type) or column.type.tz is None:
        raise DataError(f"the time '{name}' is {column.type}; it has to be a timestamp with a zone", field=name)
    if column.null_count:
        first = int(np.flatnonzero(column.is_null().to_numpy())[0])
        raise DataError(f"row {first} has no time: '{name}' is NULL there", field=name)
    return microseconds(column)
