"""Windowed features online: tiles brought up from the history, and windows read from them at any instant."""

from __future__ import annotations

import datetime
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from penstock.errors import DataError, ExpressionError
from penstock.features.declared.definition import Definition
from penstock.features.declared.references import Wanted
from penstock.features.declared.statuses import NOT_FOUND, NULL_VALUE, PRESENT, Status
from penstock.features.declared.versions import Registered
from penstock.features.index.keys import Numbers
from penstock.features.index.layout import NUMBERS, Layout
from penstock.features.index.retrieval_index import FeatureIndex
from penstock.features.index.segment import Segment
from penstock.features.index.window_history import around_windows, as_columns, no_entity
from penstock.features.ingest.checking import fitted_keys, lacking, refused
from penstock.features.online.online_store import OnlineStore
from penstock.features.online.packing import content_of, key_maker, value_reader
from penstock.features.online.states import needs_of, window_value
from penstock.features.online.tiles import SPANS, Key, Rows, Tiles, place, places_around, renewed
from penstock.operations import compile_row
from penstock.operations.notation import value_from_json
from penstock.tables import arrow_type

SLACK = 86_400_000_000
"""Tiles are kept for so many microseconds longer than the longest window reaches back from the newest event."""

MOST_ROWS = 500_000
"""So many rows of the history become tiles at once; fewer where the store takes fewer tiles."""

_HORIZON = b"\xff" * 9
"""The place, of no entity, of the time from which on a set has tiles."""


def window_prefix(name: str) -> bytes:
    """Return how the owners of a set's tiles begin; `name` has the version: `driver_rides@2`."""
    return b"w" + name.encode() + b"\0"


def window_mark(name: str) -> bytes:
    """Return the name of the mark up to which a set's tiles are made."""
    return name.encode() + b"/windows"


def owner_maker(registered: Registered) -> Callable[[Sequence[Any]], bytes]:
    """Return what makes the owner of an entity's tiles of the values of its key."""
    return key_maker(window_prefix(registered.name), list(registered.definition.set.entities.values()))


def tile_owners(registered: Registered, entities: pa.Table) -> list[bytes]:
    """Return the owners of the tiles of entities given as rows; none in a set without windows."""
    if not registered.definition.windows.windows:
        return []
    columns = [column.to_pylist() for column in fitted_keys(registered.definition, entities)]
    owner = owner_maker(registered)
    return [owner(values) for values in zip(*columns, strict=True) if None not in values]


def has_tiles(store: OnlineStore, owners: Sequence[bytes]) -> bool:
    """Tell whether any of the owners has a tile."""
    return any(store.tiles([(owner, [(b"", b"\xff" * 9)]) for owner in owners]))


def bring_up_tiles(
    registered: Registered,
    index: FeatureIndex,
    store: OnlineStore,
    newest: int,
    *,
    read: tuple[int, Segment] | None = None,
) -> None:
    """Bring the tiles of a set up to its history, whose newest sequence number is given; `read` are rows that were read
    already, and above which number they are.

    Rows above the mark are added, and the mark moves with them, or neither: so a row counts once, whoever else does
    the same, and whenever one of them is killed.
    """
    definition = registered.definition
    if not definition.windows.windows:
        return
    prefix, mark = window_prefix(registered.name), window_mark(registered.name)
    while (before := store.mark(mark)) < newest:
        until = min(newest, before + min(MOST_ROWS, store.most_tiles))
        known = read is not None and (before, until) == (read[0], newest)
        segment = read[1] if read is not None and known else index.between(before, until)
        old = _horizon(store, prefix)
        latest = min(int(segment.events.max(initial=0)), time.time_ns() // 1000)
        horizon = max(old, (latest - definition.windows.longest - SLACK) // SPANS[0] * SPANS[0])
        added = _events_of(definition, segment, index.inputs, owner_maker(registered), horizon)
        tiles = renewed(added, needs_of(definition.windows), _reading(store))
        tiles[prefix, _HORIZON] = horizon.to_bytes(8, "big")
        if store.put_tiles(tiles, mark=(mark, before, until)) and horizon > old > 0:
            spans = [(place(level, -(1 << 62)), place(level, horizon // span)) for level, span in enumerate(SPANS)]
            store.trim_tiles(prefix, spans)


def _horizon(store: OnlineStore, prefix: bytes) -> int:
    found = store.tiles([(prefix, [(_HORIZON, _HORIZON)])])[0]
    return int.from_bytes(found[_HORIZON], "big") if found else 0


def _reading(store: OnlineStore) -> Callable[[Sequence[Key]], list[bytes | None]]:
    def read(keys: Sequence[Key]) -> list[bytes | None]:
        found = store.tiles([(owner, [(place, place)]) for owner, place in keys])
        return [tiles.get(place) for tiles, (_, place) in zip(found, keys, strict=True)]

    return read


def _events_of(
    definition: Definition, segment: Segment, inputs: Layout, owner: Callable[[Sequence[Any]], bytes], horizon: int
) -> dict[tuple[bytes, int], Rows]:
    """Return the events of a segment by entity and day, without those of which no input counts, and from the horizon on
    if there is one (0: none)."""
    nulls = inputs.nulls(segment.inputs, inputs.schema.names)
    counts = ~np.logical_and.reduce(list(nulls.values()))
    if horizon:
        counts &= segment.events >= horizon
    rows = np.flatnonzero(counts)
    if not len(rows):
        return {}
    entity = np.repeat(np.arange(len(segment.keys)), np.diff(segment.starts))[rows]
    days = segment.events[rows] // SPANS[0]
    edges = np.flatnonzero((np.diff(entity) != 0) | (np.diff(days) != 0)) + 1
    edges = np.concatenate([[0], edges, [len(rows)]])
    columns = [_values(segment, inputs, name, nulls[name], rows) for name in inputs.schema.names]
    ages = np.stack([segment.created[rows], segment.sequences[rows]], axis=1)
    everything = Rows(segment.events[rows].tobytes(), ages.tobytes(), columns)
    keys = segment.keys.table()
    starts = edges[:-1]
    return {
        (owner(keys[each]), day): everything.part(low, high)
        for each, day, low, high in zip(
            entity[starts].tolist(), days[starts].tolist(), starts.tolist(), edges[1:].tolist(), strict=True
        )
    }


def _values(segment: Segment, inputs: Layout, name: str, null: Any, rows: Numbers) -> list[Any]:
    """Return an input of rows as tiles hold it: numbers, truth values, texts, bytes, what is longer as JSON."""
    type = inputs.schema[name].type
    words = np.ascontiguousarray(segment.inputs[rows, inputs.null_words + inputs.positions[name]])
    null = null[rows]
    if type not in NUMBERS:
        values = segment.dictionaries[name].take(pa.array(words, mask=null)).to_pylist()
        if type in ("string", "bytes"):
            return list(values)
        return [None if value is None else content_of(value, type) for value in values]
    if type == "float64":
        floats = words.view(np.float64)
        made = np.where(np.isnan(floats), np.nan, floats).tolist()
    else:
        made = (words != 0).tolist() if type == "bool" else words.tolist()
    for row in np.flatnonzero(null).tolist():
        made[row] = None
    return list(made)


class WindowReader:
    """Reads certain windowed features of one set from an online store."""

    def __init__(self, store: OnlineStore, wanted: Sequence[Wanted]) -> None:
        self.wanted = tuple(wanted)
        self._store = store
        registered = wanted[0].registered
        self._definition = registered.definition
        self._plan = self._definition.windows
        self._owner = owner_maker(registered)
        self._prefix = window_prefix(registered.name)
        self._keys = self._definition.keys
        self._features = [each.feature for each in wanted]
        self._windows = self._plan.of(self._features)
        self._bounds = {(each.length, each.hop): each for each in self._windows}
        positions = {name: position for position, name in enumerate(self._plan.input_schema.names)}
        self._parts = list(dict.fromkeys((w.length, w.hop, positions[w.input]) for w in self._windows))
        self._cuts = [self._parts.index((w.length, w.hop, positions[w.input])) for w in self._windows]
        self._read = [_shaped(window.input_type, window.function) for window in self._windows]
        exprs = {name: self._plan.features[name] for name in self._features}
        plain = all(expr.op == "column" for expr in exprs.values())
        columns = [window.column for window in self._windows]
        self._places = [columns.index(expr.args[0]) for expr in exprs.values()] if plain else None
        self._compute = None if plain else compile_row(exprs, self._plan.schema)

    def row(self, entity: Mapping[str, Any], at: int) -> tuple[list[Any], list[Status]]:
        """Return the features of an entity at an instant, and their statuses."""
        try:
            key = [entity[key] for key in self._keys]
        except KeyError as error:
            raise lacking(error.args[0], entity) from error
        if None in key:
            return [None] * len(self.wanted), [NOT_FOUND] * len(self.wanted)
        try:
            owner = self._owner(key)
        except (struct.error, AttributeError, TypeError) as error:
            raise refused(self._definition.set.entities, [entity]) or error from error
        windows = self._values([owner], at)[0]
        if self._places is not None:
            values = [windows[place] for place in self._places]
        else:
            assert self._compute is not None  # noqa: S101
            given = {
                window.column: list(value) if isinstance(value, tuple) else value
                for window, value in zip(self._windows, windows, strict=True)
            }
            try:
                made = self._compute(given)
            except ExpressionError as error:
                raise self._blamed(given) or error from error
            values = [tuple(value) if isinstance(value, list) else value for value in made]
        return values, [NULL_VALUE if value is None else PRESENT for value in values]

    def _blamed(self, given: Mapping[str, Any]) -> ExpressionError | None:
        for each in self.wanted:
            try:
                compile_row({each.column: self._plan.features[each.feature]}, self._plan.schema)(given)
            except ExpressionError as error:
                return ExpressionError(f"'{each.column}': {error}")
        return None

    def columns(self, entities: pa.Table, at: int, *, statuses: bool) -> dict[str, pa.Array]:
        """Return the columns of the features of many entities at an instant, and of their statuses."""
        keys = fitted_keys(self._definition, entities)
        asked = list(zip(*(column.to_pylist() for column in keys), strict=True))
        whole = [position for position, key in enumerate(asked) if None not in key]
        found = self._values([self._owner(asked[position]) for position in whole], at)
        rows: list[list[Any]] = [[None] * len(self._windows)] * len(asked)
        for position, values in zip(whole, found, strict=True):
            rows[position] = values
        windows = {
            window.column: pa.array([row[number] for row in rows], arrow_type(window.type))
            for number, window in enumerate(self._windows)
        }
        none = no_entity(keys)
        made = around_windows(self._plan, self._features, windows, none)
        return as_columns(self.wanted, made, none, statuses=statuses)

    def _values(self, owners: Sequence[bytes], at: int) -> list[list[Any]]:
        """Return the value of each window of each owner of tiles."""
        bounds = {each: window.bounds(at) for each, window in self._bounds.items()}
        edges = list(dict.fromkeys(edge for both in bounds.values() for edge in both))
        places = places_around(edges)
        horizon, *found = self._store.tiles(
            [(self._prefix, [(_HORIZON, _HORIZON)]), *((owner, places) for owner in owners)]
        )
        if horizon and min(edges) < (oldest := int.from_bytes(horizon[_HORIZON], "big")) > 0:
            asked, reached, kept = (_instant(each) for each in (at, min(edges), oldest))
            raise DataError(
                f"feature set '{self._definition.name}': as of {asked} its windows reach back to {reached}; rows from "
                f"before {kept} are no more online. Ask get_historical_features, with {asked} as event_timestamp"
            )
        made = []
        for content in found:
            tiles = Tiles(content)
            cuts = [tiles.cut(*bounds[length, hop], column) for length, hop, column in self._parts]
            values = [window_value(window, cuts[cut]) for window, cut in zip(self._windows, self._cuts, strict=True)]
            made.append([v if read is None else read(v) for v, read in zip(values, self._read, strict=True)])
        return made


def _instant(at: int) -> str:
    """Return microseconds since 1970 as a text; as they are, beyond the years that have one."""
    try:
        return (datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC) + datetime.timedelta(microseconds=at)).isoformat()
    except OverflowError:
        return f"{at} microseconds since 1970"


def _shaped(type: str, function: str) -> Callable[[Any], Any] | None:
    """Return what makes the value of a window of what tiles hold; None where it is that."""
    if function not in ("min", "max", "first", "last", "last_n"):
        return None
    read = _value_maker(type)
    if read is None:
        return None
    if function == "last_n":
        return lambda values: tuple(map(read, values))
    return lambda value: None if value is None else read(value)


def _value_maker(type: str) -> Callable[[Any], Any] | None:
    if type in ("string", "bytes", "bool"):
        return None
    if type not in NUMBERS:
        return lambda value: value_from_json(msgspec.json.decode(value), type)
    read = value_reader(type)
    return None if read is None else lambda word: read(word, None)
