"""Online features: the newest values of entities, found by key, in microseconds."""

from __future__ import annotations

import logging
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.errors import DataError, ExpressionError
from penstock.features.declared.references import Wanted, by_set, status_column, with_features
from penstock.features.declared.statuses import NOT_FOUND, OUTSIDE_MAX_AGE, PRESENT, statuses_of
from penstock.features.declared.versions import Registered
from penstock.features.index.layout import Layout
from penstock.features.index.retrieval_index import FeatureIndex
from penstock.features.ingest.checking import fitted_keys, lacking, refused
from penstock.features.online.online_store import OnlineStore
from penstock.features.online.packing import RecordReader, entity_prefix, keys_maker, pack, record_reader
from penstock.features.online.window_online import WindowReader, bring_up_tiles
from penstock.tables import arrow_type

LOG = logging.getLogger("penstock.features")


@dataclass(frozen=True, slots=True)
class _Group:
    """Features of one set: how the keys of its entities are made, how their records are read, how old they may be."""

    wanted: tuple[Wanted, ...]
    registered: Registered
    keys: Callable[[Sequence[Sequence[Any]]], list[bytes]]
    entities: tuple[str, ...]
    reader: RecordReader
    ttl: int | None


class OnlineReader:
    """Reads certain features from an online store: made once, asked often."""

    def __init__(self, store: OnlineStore, wanted: Sequence[Wanted]) -> None:
        self.store, self._wanted = store, tuple(wanted)
        stored = [each for each in wanted if each.feature in each.registered.definition.stored]
        windowed = [each for each in wanted if each.feature in each.registered.definition.windowed]
        self._groups = tuple(_group(group) for group in by_set(stored))
        self._windows = tuple(WindowReader(store, group) for group in by_set(windowed))
        ordered = [group.wanted for group in self._groups] + [windows.wanted for windows in self._windows]
        self.columns = tuple(each.column for group in ordered for each in group)
        """The names of the values, in the order in which `row` gives them."""

    def row(self, entity: Mapping[str, Any], *, now: int | None = None) -> tuple[list[Any], list[str]]:
        """Return the values of one entity (None where there is none; an array is a tuple) and their statuses; `now` is
        in microseconds.

        The keys have to be of the declared types: what comes from outside is checked where it comes in.
        """
        return self.rows((entity,), now=now)[0]

    def rows(
        self, entities: Sequence[Mapping[str, Any]], *, now: int | None = None
    ) -> list[tuple[list[Any], list[str]]]:
        """Return for each entity what `row` returns, all of one moment: their records are read together."""
        at = time.time_ns() // 1000 if now is None else now
        made: list[tuple[list[Any], list[str]]] | None = None
        if self._groups:
            records = self.store.get([key for group in self._groups for key in _keys_of(group, entities)])
            for number, group in enumerate(self._groups):
                mine = records[number * len(entities) : (number + 1) * len(entities)]
                found = _values_of(group, mine, at)
                made = found if made is None else _side_by_side(made, found)
        for windows in self._windows:
            found = [(values, [*states]) for values, states in (windows.row(entity, at) for entity in entities)]
            made = found if made is None else _side_by_side(made, found)
        return made or [([], []) for _ in entities]

    def table(self, entities: pa.Table, *, now: int | None = None, statuses: bool = False) -> pa.Table:
        """Return the entities' keys, as given, with the features behind them."""
        at = time.time_ns() // 1000 if now is None else now
        columns: dict[str, pa.Array] = {}
        for group in self._groups:
            columns |= self._columns(group, entities, at, statuses)
        for windows in self._windows:
            columns |= windows.columns(entities, at, statuses=statuses)
        return with_features(entities, self._wanted, columns, statuses=statuses)

    def _columns(self, group: _Group, entities: pa.Table, at: int, statuses: bool) -> dict[str, pa.Array]:
        fitted = [column.to_pylist() for column in fitted_keys(group.registered.definition, entities)]
        asked = list(zip(*fitted, strict=True))
        whole = [position for position, values in enumerate(asked) if None not in values]
        records: list[Any] = [None] * len(asked)
        found = self.store.get(group.keys([[column[position] for position in whole] for column in fitted]))
        for position, record in zip(whole, found, strict=True):
            records[position] = record
        there = np.array([record is not None for record in records], dtype=bool)
        layout = group.reader.layout
        words = np.zeros((len(records), layout.width), dtype=np.int64)
        events = np.zeros(len(records), dtype=np.int64)
        events[there], words[there], dictionaries = group.reader.table([r for r in records if r is not None])
        fresh = there if group.ttl is None else there & (at - events <= group.ttl)
        nulls = layout.nulls(words, [each.feature for each in group.wanted])
        made = {}
        for each in group.wanted:
            null = ~fresh | nulls[each.feature]
            made[each.column] = layout.decode(each.feature, words, null, dictionaries.get(each.feature))
            if statuses:
                made[status_column(each)] = statuses_of(there, fresh, nulls[each.feature])
        return made


def _keys_of(group: _Group, entities: Sequence[Mapping[str, Any]]) -> list[bytes]:
    try:
        return group.keys([[entity[name] for entity in entities] for name in group.entities])
    except KeyError as error:
        raise lacking(error.args[0], next(each for each in entities if error.args[0] not in each)) from error
    except (struct.error, AttributeError, TypeError) as error:
        raise refused(group.registered.definition.set.entities, entities) or error from error


def _values_of(group: _Group, records: Sequence[Any], at: int) -> list[tuple[list[Any], list[str]]]:
    """Return the values and statuses of entities from their records in one set."""
    count, reader, ttl = len(group.wanted), group.reader, group.ttl
    if None not in records and (ttl is None or not records or at - reader.oldest(records) <= ttl):
        return reader.rows(records)
    states = [
        NOT_FOUND if record is None
        else OUTSIDE_MAX_AGE if ttl is not None and at - reader.event(record) > ttl
        else PRESENT
        for record in records
    ]  # fmt: skip
    shown = iter(reader.rows([record for record, state in zip(records, states, strict=True) if state is PRESENT]))
    return [next(shown) if state is PRESENT else ([None] * count, [state] * count) for state in states]


def _side_by_side(
    one: Sequence[tuple[list[Any], Sequence[str]]], other: Sequence[tuple[list[Any], Sequence[str]]]
) -> list[tuple[list[Any], list[str]]]:
    return [(values + more, [*states, *others]) for (values, states), (more, others) in zip(one, other, strict=True)]


def _group(wanted: Sequence[Wanted]) -> _Group:
    registered = wanted[0].registered
    definition = registered.definition
    layout = Layout(definition.stored_schema)
    return _Group(
        wanted=tuple(wanted),
        registered=registered,
        keys=_keys_maker(registered),
        entities=definition.keys,
        reader=record_reader(layout, [each.feature for each in wanted]),
        ttl=definition.set.ttl,
    )


def _keys_maker(registered: Registered) -> Callable[[Sequence[Sequence[Any]]], list[bytes]]:
    return keys_maker(entity_prefix(registered.name), list(registered.definition.set.entities.values()))


def entity_keys(registered: Registered, entities: pa.Table) -> list[bytes]:
    """Return the keys in the online store of entities given as rows; one with a NULL in it has none."""
    columns = [column.to_pylist() for column in fitted_keys(registered.definition, entities)]
    whole = [values for values in zip(*columns, strict=True) if None not in values]
    return _keys_maker(registered)(list(zip(*whole, strict=True))) if whole else []


def entity_table(entities: Mapping[str, Sequence[Any]], types: Mapping[str, str]) -> pa.Table:
    """Return entities given as lists of keys as a table; raises `DataError` for lists of several lengths."""
    for name, values in entities.items():
        if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
            raise DataError(f"the entities' '{name}' is {values!r}; give a list, [{values!r}]", field=name)
    lengths = {name: len(values) for name, values in entities.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            f"the entities' lists have several lengths: {lengths}; give one value of each key for each entity"
        )
    columns = {}
    for name, values in entities.items():
        try:
            columns[name] = pa.array(values, arrow_type(types[name]) if not len(values) and name in types else None)
        except (pa.ArrowException, OverflowError, TypeError) as error:
            raise DataError(f"the entities' '{name}' does not hold one type: {error}", field=name) from error
    return pa.table(columns)


def bring_up_versions(
    registered: Registered,
    versions: Sequence[Registered],
    index_of: Callable[[Registered], FeatureIndex],
    store: OnlineStore,
) -> int:
    """Bring a version of a set up to its history, and every other that has the same rows: services and models ask for
    the versions that they have pinned. Return how many entities of the first had rows that were not there yet.

    Another version whose features refuse a value stays behind, which the log says: what a new version is there to mend
    may not keep rows from coming in.
    """
    count = bring_up(registered, index_of(registered), store)
    for other in versions:
        if other.record.history == registered.record.history and other.name != registered.name:
            try:
                bring_up(other, index_of(other), store)
            except ExpressionError as error:
                LOG.warning("%s stays behind %s online: %s", other.name, registered.name, error)
    return count


def bring_up(registered: Registered, index: FeatureIndex, store: OnlineStore) -> int:
    """Bring the online records of a set up to its history; return how many entities had rows that were not there yet.

    The records are what the history says, so this may run at any time, again, and in several processes. Tiles of
    windows are brought up with them.
    """
    name = registered.name.encode()
    mark, newest = store.mark(name), index.newest()
    if newest <= mark:
        bring_up_tiles(registered, index, store, newest)
        return 0
    segments, exact = index.since(mark, newest)
    records: dict[bytes, bytes] = {}
    made = _keys_maker(registered)
    for segment in segments:
        last = segment.starts[1:] - 1
        keys = made([column.to_pylist() for column in segment.keys.columns(np.arange(len(segment.keys)))])
        ages = (segment.events[last], segment.created[last], segment.sequences[last])
        packed = pack(index.layout, segment.records[last], ages, segment.dictionaries)
        for key, record in zip(keys, packed, strict=True):
            if key not in records or records[key][:24] < record[:24]:
                records[key] = record
    store.put(records, mark=(name, newest))
    bring_up_tiles(registered, index, store, newest, read=(mark, segments[0]) if exact else None)
    return len(records)
