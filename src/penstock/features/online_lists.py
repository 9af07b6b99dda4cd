"""Online features by columns, without a table: of each feature the values, statuses and event times of all entities.

It is what `/get-online-features` answers with: made for one entity as for a hundred, and for values that came as JSON.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from penstock.errors import DataError, DeclarationError
from penstock.features.checking import fitted_keys
from penstock.features.layout import Layout
from penstock.features.online_store import OnlineStore
from penstock.features.packing import RecordReader, entity_prefix, key_maker, record_reader
from penstock.features.plain_values import columns_from_json
from penstock.features.references import Wanted, by_set
from penstock.features.statuses import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT
from penstock.features.versions import Registered

_SIGN = 1 << 63
_PLAIN: dict[str, type] = {"int64": int, "string": str, "bool": bool}
"""Types of keys that JSON has, and what their values are in Python."""

Row = tuple[list[Any], list[str]]


@dataclass(frozen=True, slots=True)
class FeatureList:
    """The values of a feature (None where there is none), their statuses, and when what they say happened: microseconds
    since 1970, 0 where nothing is known. Lists that are equal for features of one set are the same object."""

    wanted: Wanted
    values: Sequence[Any]
    statuses: Sequence[str]
    events: Sequence[int]


@dataclass(frozen=True, slots=True)
class _Stored:
    """Stored features of one set: how the keys of its entities are made, how their records are read."""

    wanted: tuple[Wanted, ...]
    registered: Registered
    types: Mapping[str, str]
    key: Callable[[Sequence[Any]], bytes]
    reader: RecordReader
    ttl: int | None


class ListReader:
    """Reads certain features of entities that are given as lists of JSON values.

    Stored features are read here, the others one entity after the other by `row`, whose values are called `columns`.
    """

    def __init__(
        self,
        store: OnlineStore,
        wanted: Sequence[Wanted],
        row: Callable[[Mapping[str, Any], int], Row],
        columns: Sequence[str],
    ) -> None:
        self._store, self._row, self._columns = store, row, tuple(columns)
        self._wanted = tuple(wanted)
        stored = [each for each in wanted if each.feature in each.registered.definition.stored]
        self._groups = tuple(map(_stored, by_set(stored)))
        self._others = tuple(each for each in wanted if each not in stored)
        self._sets = tuple({each.registered.name: each.registered for each in wanted}.values())
        self.keys = _keys_of(self._sets)
        """The columns that tell the entities, with their types."""

    def read(self, entities: Mapping[str, Any], *, now: int | None = None) -> list[FeatureList]:
        """Return the features of entities in the order in which they are asked for; `now` is in microseconds.

        Raises `DataError` naming the key that is missing, or whose values are not of its type.
        """
        at = time.time_ns() // 1000 if now is None else now
        fitted = self._fitted(entities)
        count = len(next(iter(fitted.values())))
        found: dict[str, FeatureList] = {}
        asked = [_keys(group, fitted, count) for group in self._groups]
        records = iter(self._store.get([key for keys in asked for key in keys if key is not None]))
        for group, keys in zip(self._groups, asked, strict=True):
            of_group = [None if key is None else next(records) for key in keys]
            for each in _lists(group, of_group, at):
                found[each.wanted.column] = each
        if self._others:
            found |= self._one_by_one(entities, fitted, count, at)
        return [found[each.column] for each in self._wanted]

    def _fitted(self, entities: Mapping[str, Any]) -> dict[str, list[Any]]:
        """Return the keys in the declared types; one that fits none is None."""
        _check_lists(entities, self.keys)
        made: dict[str, list[Any]] = {}
        for registered in self._sets:
            types = registered.definition.set.entities
            if all(set(map(type, entities[name])) == {_PLAIN.get(kind)} for name, kind in types.items()):
                made |= {name: entities[name] for name in types}
            else:
                table = columns_from_json({name: entities[name] for name in types}, types, "the entities")
                columns = fitted_keys(registered.definition, table)
                made |= {name: column.to_pylist() for name, column in zip(types, columns, strict=True)}
        return made

    def _one_by_one(
        self, entities: Mapping[str, Any], fitted: Mapping[str, list[Any]], count: int, at: int
    ) -> dict[str, FeatureList]:
        given = {**entities, **fitted}
        rows = [self._row({name: values[place] for name, values in given.items()}, at) for place in range(count)]
        made = {}
        for each in self._others:
            position = self._columns.index(each.column)
            statuses = [states[position] for _, states in rows]
            events = [at if status in (PRESENT, NULL_VALUE) else 0 for status in statuses]
            made[each.column] = FeatureList(each, [values[position] for values, _ in rows], statuses, events)
        return made


def _keys_of(sets: Sequence[Registered]) -> dict[str, str]:
    found: dict[str, tuple[str, str]] = {}
    for registered in sets:
        for key, kind in registered.definition.set.entities.items():
            other, known = found.setdefault(key, (registered.name, kind))
            if known != kind:
                raise DeclarationError(
                    f"'{key}' is {known} in feature set '{other}', {kind} in '{registered.name}'; ask for them apart"
                )
    return {key: kind for key, (_, kind) in found.items()}


def _check_lists(entities: Mapping[str, Any], keys: Mapping[str, str]) -> None:
    """Raise `DataError` unless every key is there, and everything is a list as long as the others."""
    for name in keys:
        if name not in entities:
            there = ", ".join(entities) or "nothing"
            raise DataError(f"the entities have no '{name}', which tells them; they have: {there}", field=name)
    for name, values in entities.items():
        if type(values) is not list:
            raise DataError(f"the entities' '{name}' is {values!r}; give a list with one value for each", field=name)
    lengths = {name: len(values) for name, values in entities.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(
            f"the entities' lists have several lengths: {lengths}; give one value of each key for each entity"
        )


def _stored(wanted: Sequence[Wanted]) -> _Stored:
    registered = wanted[0].registered
    definition = registered.definition
    types = definition.set.entities
    return _Stored(
        wanted=tuple(wanted),
        registered=registered,
        types=types,
        key=key_maker(entity_prefix(registered.name), list(types.values())),
        reader=record_reader(Layout(definition.stored_schema), [each.feature for each in wanted]),
        ttl=definition.set.ttl,
    )


def _keys(group: _Stored, fitted: Mapping[str, list[Any]], count: int) -> list[bytes | None]:
    """Return the key of each entity, None for one that has a NULL in it."""
    columns = [fitted[name] for name in group.types]
    try:
        return [None if None in values else group.key(values) for values in zip(*columns, strict=True)]
    except (struct.error, OverflowError):
        for name in group.types:
            for value in fitted[name]:
                if type(value) is int and not -_SIGN <= value < _SIGN:
                    raise DataError(f"the entities: '{name}' holds {value}, which is no int64", field=name) from None
        raise


def _lists(group: _Stored, records: Sequence[Any], at: int) -> list[FeatureList]:
    """Return the features of a set from the records of entities, None where there is none."""
    there = [record for record in records if record is not None]
    if not there:
        nothing = ([None] * len(records), [NOT_FOUND] * len(records), [0] * len(records))
        return [FeatureList(each, *nothing) for each in group.wanted]
    unpack = group.reader.unpack
    words = list(zip(*map(unpack, there), strict=True))
    events: list[int] = [word - _SIGN for word in words[0]]
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
    made = []
    for each, (place, null_word, bit, read) in zip(group.wanted, group.reader.readers, strict=True):
        values: Sequence[Any] = words[place]
        shown: Sequence[str] = statuses
        has_nulls = bool(reduce(or_, words[null_word]) & bit)
        if has_nulls or read is not None:
            values = [
                None if null & bit else value if read is None else read(value, record)
                for value, null, record in zip(values, words[null_word], there, strict=True)
            ]
        if hidden:
            at_hand = iter(values)
            whole = [None if record is None else next(at_hand) for record in records]
            values = [value if status is PRESENT else None for value, status in zip(whole, statuses, strict=True)]
        if has_nulls:
            shown = [
                NULL_VALUE if value is None and status is PRESENT else status
                for value, status in zip(values, statuses, strict=True)
            ]
        made.append(FeatureList(each, values, shown, events))
    return made
