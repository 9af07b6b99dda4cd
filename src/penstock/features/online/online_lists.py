"""Online features by columns, without a table: of each feature the values, statuses and event times of all entities.

It is what `/get-online-features` answers with: made for one entity as for a hundred, and for values that came as JSON.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import compress, repeat
from operator import or_
from typing import Any, Protocol

import msgspec
import pyarrow as pa

from penstock.errors import DataError
from penstock.features.declared.on_demand import Needs
from penstock.features.declared.references import Wanted, by_set, status_column
from penstock.features.declared.statuses import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT
from penstock.features.index.layout import Layout
from penstock.features.ingest.checking import fitted, fitted_requests
from penstock.features.online.online_store import OnlineStore
from penstock.features.online.packing import Reads, RecordReader, entity_prefix, keys_maker, record_reader
from penstock.features.online.plain_values import columns_from_json
from penstock.tables import arrow_type

_SIGN = 1 << 63
_PLAIN: dict[str, type] = {"int64": int, "float64": float, "string": str, "bool": bool}
"""Types that JSON has, and what their values are in Python."""


class RowReader(Protocol):
    """What reads features of any kind, of one entity and of many: `FeatureReader`."""

    needs: Needs
    columns: tuple[str, ...]

    def row(self, entity: Mapping[str, Any], *, now: int | None = None) -> tuple[list[Any], list[str]]:
        """Return the values of one entity, in the order of `columns`, and their statuses."""
        ...

    def table(self, entities: pa.Table, *, now: int | None = None, statuses: bool = False) -> pa.Table:
        """Return the rows of entities with the features behind them."""
        ...


class FeatureList(msgspec.Struct, frozen=True):
    """The values of a feature (None where there is none), their statuses, and when what they say happened: microseconds
    since 1970, 0 where nothing is known. Lists that are equal for features of one set are the same object."""

    wanted: Wanted
    type: str
    values: Sequence[Any]
    statuses: Sequence[str]
    events: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Stored:
    """Stored features of one set: how the keys of its entities are made, how their records are read. `places` are the
    columns with their words, if those are their values; `masks` are the bits of all, by the column that has them."""

    wanted: tuple[Wanted, ...]
    types: tuple[str, ...]
    places: tuple[int, ...] | None
    masks: tuple[tuple[int, int], ...]
    entities: tuple[str, ...]
    keys: Callable[[Sequence[Sequence[Any]]], list[bytes]]
    reader: RecordReader
    ttl: int | None


class ListReader:
    """Reads certain features of entities that are given as lists of JSON values.

    Stored features are read here, with few steps for each value; the others by `rows`, one entity after the other.
    """

    def __init__(self, store: OnlineStore, wanted: Sequence[Wanted], rows: RowReader) -> None:
        self._store, self._wanted, self._rows = store, tuple(wanted), rows
        stored = [each for each in wanted if each.feature in each.registered.definition.stored]
        self._groups = tuple(map(_stored, by_set(stored)))
        self._others = tuple(each for each in wanted if each not in stored)
        self._keys, self._requests = dict(rows.needs.entities), dict(rows.needs.requests)
        self._given = {**self._keys, **self._requests}
        self._plain = tuple((name, _PLAIN.get(kind)) for name, kind in self._given.items())

    def read(self, entities: Mapping[str, Any], *, now: int | None = None) -> list[FeatureList]:
        """Return the features of entities in the order in which they are asked for; `now` is in microseconds.

        Raises `DataError` naming the key that is missing, or whose values are not of its type.
        """
        at = time.time_ns() // 1000 if now is None else now
        given = entities if self._is_plain(entities) else self._fitted(entities)
        asked = [_keys(group, given) for group in self._groups]
        if len(asked) == 1 and not self._others and None not in asked[0]:
            return _lists(self._groups[0], self._store.get(asked[0]), at)  # type: ignore[arg-type]  # no None in it
        found: dict[str, FeatureList] = {}
        records = iter(self._store.get([key for keys in asked for key in keys if key is not None]))
        for group, keys in zip(self._groups, asked, strict=True):
            of_group = [None if key is None else next(records) for key in keys]
            found |= {each.wanted.column: each for each in _lists(group, of_group, at)}
        if self._others:
            found |= self._other_lists(given, at)
        return [found[each.column] for each in self._wanted]

    def _is_plain(self, entities: Mapping[str, Any]) -> bool:
        """Tell whether all that is needed, and nothing else, is there: lists of one length, every value of its type as
        it came."""
        if len(entities) != len(self._plain):
            return False
        sizes = set()
        for name, kind in self._plain:
            values = entities.get(name)
            if type(values) is not list or set(map(type, values)) != {kind}:
                return False
            if kind is int and not -_SIGN <= min(values) <= max(values) < _SIGN:
                return False
            sizes.add(len(values))
        return len(sizes) == 1

    def _fitted(self, entities: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Return keys and values of the request in the declared types; a key that fits none is None."""
        _check_lists(entities, self._given)
        table = columns_from_json({name: entities[name] for name in self._given}, self._given, "the entities")
        keys = fitted(table, self._keys, "the entities")
        return {name: column.to_pylist() for name, column in (keys | fitted_requests(table, self._requests)).items()}

    def _other_lists(self, given: Mapping[str, list[Any]], at: int) -> dict[str, FeatureList]:
        """Return the features that are not stored. They have no event time of their own: they are as of now."""
        if any(None in given[name] for name in self._keys):  # a row function takes no entity that is not whole
            types = {name: arrow_type(kind) for name, kind in self._given.items()}
            table = pa.table({name: pa.array(values, types[name]) for name, values in given.items()})
            answer = self._rows.table(table, now=at, statuses=True)
            pairs = {
                each.column: (answer.column(each.column).to_pylist(), answer.column(status_column(each)).to_pylist())
                for each in self._others
            }
        else:
            entities = [dict(zip(given, values, strict=True)) for values in zip(*given.values(), strict=True)]
            rows = [self._rows.row(entity, now=at) for entity in entities]
            places = {column: place for place, column in enumerate(self._rows.columns)}
            pairs = {
                each.column: (
                    [values[places[each.column]] for values, _ in rows],
                    [statuses[places[each.column]] for _, statuses in rows],
                )
                for each in self._others
            }
        made = {}
        for each in self._others:
            values, statuses = pairs[each.column]
            events = [at if status in (PRESENT, NULL_VALUE) else 0 for status in statuses]
            made[each.column] = FeatureList(each, _type(each), values, statuses, events)
        return made


def _check_lists(entities: Mapping[str, Any], given: Iterable[str]) -> None:
    """Raise `DataError` unless all that is needed is there, and everything is a list as long as the others."""
    for name in given:
        if name not in entities:
            there = ", ".join(entities) or "nothing"
            raise DataError(f"the entities have no '{name}', which is needed; they have: {there}", field=name)
    for name, values in entities.items():
        if type(values) is not list:
            raise DataError(f"the entities' '{name}' is {values!r}; give a list with one value for each", field=name)
    lengths = {name: len(values) for name, values in entities.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            f"the entities' lists have several lengths: {lengths}; give one value of each key for each entity"
        )


def _type(wanted: Wanted) -> str:
    return wanted.registered.definition.types[wanted.feature]


def _stored(wanted: Sequence[Wanted]) -> _Stored:
    registered = wanted[0].registered
    definition = registered.definition
    types = definition.set.entities
    reader = record_reader(Layout(definition.stored_schema), [each.feature for each in wanted])
    masks: dict[int, int] = {}
    for _, null_word, bit, _ in reader.readers:
        masks[null_word] = masks.get(null_word, 0) | bit
    return _Stored(
        wanted=tuple(wanted),
        types=tuple(map(_type, wanted)),
        places=tuple(r[0] for r in reader.readers) if all(r[3] is None for r in reader.readers) else None,
        masks=tuple(masks.items()),
        entities=tuple(types),
        keys=keys_maker(entity_prefix(registered.name), list(types.values())),
        reader=reader,
        ttl=definition.set.ttl,
    )


def _keys(group: _Stored, given: Mapping[str, list[Any]]) -> Sequence[bytes | None]:
    """Return the key of each entity, None for one that has a NULL in it."""
    columns = [given[name] for name in group.entities]
    if not any([None in column for column in columns]):
        return group.keys(columns)
    whole = [None not in values for values in zip(*columns, strict=True)]
    made = iter(group.keys([list(compress(column, whole)) for column in columns]))
    return [next(made) if there else None for there in whole]


def _lists(group: _Stored, records: Sequence[Any], at: int) -> list[FeatureList]:
    """Return the features of a set from the records of entities, None where there is none."""
    there = records if None not in records else [record for record in records if record is not None]
    if not there:
        nothing = ([None] * len(records), [NOT_FOUND] * len(records), [0] * len(records))
        return [FeatureList(each, type, *nothing) for each, type in zip(group.wanted, group.types, strict=True)]
    events, *_ = words = group.reader.words(there)
    statuses = [PRESENT] * len(records)
    hidden = False  # whether some entities have no value to be shown
    if len(there) < len(records):
        at_hand = iter(events)
        events = [0 if record is None else next(at_hand) for record in records]
        statuses = [NOT_FOUND if record is None else PRESENT for record in records]
        hidden = True
    if group.ttl is not None and at - min(events) > group.ttl:
        statuses = [
            OUTSIDE_MAX_AGE if status is PRESENT and at - event > group.ttl else status
            for status, event in zip(statuses, events, strict=True)
        ]
        hidden = True
    nulls = {word: reduce(or_, words[word]) & mask for word, mask in group.masks}
    if group.places is not None and not hidden and not any(nulls.values()):
        values = map(words.__getitem__, group.places)
        return list(map(FeatureList, group.wanted, group.types, values, repeat(statuses), repeat(events)))
    made = []
    for each, type, reads in zip(group.wanted, group.types, group.reader.readers, strict=True):
        of_words = _values_of(words, reads, there, nulls)
        shown: Sequence[str] = statuses
        if hidden:
            at_hand = iter(of_words)
            whole = [None if record is None else next(at_hand) for record in records]
            of_words = [value if status is PRESENT else None for value, status in zip(whole, statuses, strict=True)]
        if nulls[reads[1]] & reads[2]:
            shown = [
                NULL_VALUE if value is None and status is PRESENT else status
                for value, status in zip(of_words, statuses, strict=True)
            ]
        made.append(FeatureList(each, type, of_words, shown, events))
    return made


def _values_of(words: Sequence[Any], reads: Reads, records: Sequence[Any], nulls: Mapping[int, int]) -> Sequence[Any]:
    """Return a feature's values in records, from their words; `nulls` are the bits that are set in any of them."""
    place, null_word, bit, read = reads
    values: Sequence[Any] = words[place]
    if not nulls[null_word] & bit:
        return values if read is None else list(map(read, values, records))
    return [
        None if null & bit else value if read is None else read(value, record)
        for value, null, record in zip(values, words[null_word], records, strict=True)
    ]
