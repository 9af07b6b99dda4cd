"""What is done when features are asked for: which are looked up, which are worked out of those and of the request.

The same plan serves many rows, as one SQL text, and one row, as one Python function.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.expression import Expr, columns_of, transform, walk
from penstock.core.ports import MetadataStore
from penstock.core.schema import Field, Schema
from penstock.errors import DataError, DeclarationError, ExpressionError
from penstock.features.declared.definition import needs_of
from penstock.features.declared.naming import parse_reference
from penstock.features.declared.on_demand import Needs, as_columns, joined, own_feature, request_column
from penstock.features.declared.references import Wanted, resolve_references, status_column, with_features
from penstock.features.declared.statuses import NOT_FOUND, NULL_VALUE, OUTSIDE_MAX_AGE, PRESENT
from penstock.features.declared.versions import Registered, find_set
from penstock.features.history.times import Moment, microseconds
from penstock.features.ingest.checking import fitted_requests
from penstock.features.online.lmdb_store import LmdbStore
from penstock.features.online.online_lists import FeatureList, ListReader
from penstock.features.online.reading import OnlineReader
from penstock.operations import compile_row
from penstock.tables import arrow_type
from penstock.transforms import apply

LookUp = Callable[[Sequence[Wanted], bool], pa.Table]
"""Gives rows with stored and windowed features behind them, and their statuses if they are asked for."""

_WORST: list[str] = [PRESENT, NULL_VALUE, OUTSIDE_MAX_AGE, NOT_FOUND]


@dataclass(frozen=True)
class Retrieval:
    """Features that are asked for. `looked_up` are those that stores hold; `computed` are the others by their columns,
    over the columns of `looked_up` and values of the request."""

    wanted: tuple[Wanted, ...]
    looked_up: tuple[Wanted, ...]
    computed: Mapping[str, Expr]
    needs: Needs

    @cached_property
    def schema(self) -> Schema:
        """What `computed` read, as columns."""
        types = {each.column: each.registered.definition.types[each.feature] for each in self.looked_up}
        types |= {request_column(name): type for name, type in self.needs.requests.items()}
        return Schema(tuple(Field(name, types[name]) for name in columns_of(*self.computed.values())))

    @property
    def values(self) -> dict[str, str]:
        """The values of the request that are read, by their columns in `schema`."""
        named = {request_column(name): name for name in self.needs.requests}
        return {column: named[column] for column in self.schema.names if column in named}

    def table(self, rows: pa.Table, look_up: LookUp, *, statuses: bool) -> pa.Table:
        """Return the rows with the features behind their columns, in the order in which they are asked for."""
        found = look_up(self.looked_up, statuses)
        if not self.computed:
            return found
        _check_taken(rows, self.computed)
        given = fitted_requests(rows, {name: self.needs.requests[name] for name in self.values.values()})
        read = {name: found.column(name) for name in self.schema.names if name not in self.values}
        read |= {column: given[name] for column, name in self.values.items()}
        made = apply(self.computed, pa.table({name: read[name] for name in self.schema.names}), self.schema)
        columns: dict[str, Any] = {}
        for each in self.wanted:
            source = made if each.column in self.computed else found
            columns[each.column] = source.column(each.column)
            if statuses and each.column in self.computed:
                reads = [found.column(f"{name}__status") for name in self._reads[each.column]]
                columns[status_column(each)] = _statuses(columns[each.column], reads)
            elif statuses:
                columns[status_column(each)] = found.column(status_column(each))
        return with_features(rows, self.wanted, columns, statuses=statuses)

    @cached_property
    def _reads(self) -> dict[str, list[str]]:
        """The columns of features that each computed one reads."""
        return {
            name: [read for read in columns_of(expr) if read not in self.values] for name, expr in self.computed.items()
        }


def plan_retrieval(
    metadata: MetadataStore,
    references: Sequence[str],
    *,
    full_feature_names: bool = False,
    by_reference: bool = False,
) -> Retrieval:
    """Return how the features that references name are found; raises `UnknownNameError` for one that is not there."""
    wanted = resolve_references(metadata, references, full_feature_names=full_feature_names, by_reference=by_reference)
    sets = {each.registered.name: each.registered for each in wanted}
    looked_up: dict[tuple[str, str], Wanted] = {}
    for each in wanted:
        if each.feature not in each.registered.definition.on_demand:
            looked_up[each.registered.name, each.feature] = each

    def leaf(node: Expr, of: Registered) -> Expr:
        if node.op != "feature":
            return node
        name, version, feature = parse_reference(node.args[0])
        if own_feature(node, of.record.name):
            found = of
        else:
            pinned = f"{name}@{version}"
            found = sets[pinned] = sets.get(pinned) or find_set(metadata, name, version)
        if feature in found.definition.on_demand:
            return flat(found, feature)
        whole = f"{found.name}:{feature}"
        column = looked_up.setdefault((found.name, feature), Wanted(found, feature, whole)).column
        return type(node)("feature", (column,))

    def flat(of: Registered, feature: str) -> Expr:
        return transform(of.definition.on_demand[feature], lambda node: leaf(node, of))

    computed = {
        each.column: flat(each.registered, each.feature)
        for each in wanted
        if each.feature in each.registered.definition.on_demand
    }
    _check_requests(computed)
    return Retrieval(
        wanted=tuple(wanted),
        looked_up=tuple(looked_up.values()),
        computed={column: as_columns(expr) for column, expr in computed.items()},
        needs=joined(needs_of(each.registered.definition, each.feature) for each in wanted),
    )


class FeatureReader:
    """Reads certain features of one entity in microseconds, or of many, on-demand ones among them: made once, asked
    often."""

    def __init__(self, retrieval: Retrieval, reader: OnlineReader) -> None:
        self.needs = retrieval.needs
        """The keys and values of the request that have to be given."""
        wanted = tuple(each.column for each in retrieval.wanted)
        self.columns = wanted if retrieval.computed else reader.columns
        """The names of the values, in the order in which `row` gives them."""
        self.times = tuple(dict.fromkeys(each.registered.definition.set.timestamp for each in retrieval.looked_up))
        """The names of the columns with the event times of the sets that are read."""
        self.waits = not isinstance(reader.store, LmdbStore)
        """Whether a read waits for another process, and so has no place in an event loop."""
        self._retrieval, self._reader = retrieval, reader
        self._keys = tuple(retrieval.needs.entities)
        self._compute = compile_row(retrieval.computed, retrieval.schema)
        places = {column: place for place, column in enumerate(reader.columns)}
        self._places = tuple(places.get(column) for column in self.columns)
        types = retrieval.needs.requests
        self._values = tuple((column, name, _fit(types[name])) for column, name in retrieval.values.items())
        self._read = tuple((name, places[name]) for name in retrieval.schema.names if name in places)
        self._reads = tuple(tuple(places[name] for name in retrieval._reads[each]) for each in retrieval.computed)

    def row(self, entity: Mapping[str, Any], *, now: Moment | None = None) -> tuple[list[Any], list[str]]:
        """Return the values of one entity (None where there is none; an array is a tuple) and their statuses; `now` is
        a time, or microseconds. `entity` has its keys, and the values of the request that on-demand features read.

        Both have to be of the declared types: what comes from outside is checked where it comes in. Raises
        `ExpressionError` where an on-demand feature refuses a value.
        """
        if None in [entity.get(key, 0) for key in self._keys]:  # no entity is told by NULL
            return self._by_table(entity, now)
        found, states = self._reader.row(entity, now=None if now is None else microseconds(now, "now"))
        return self._with_computed(entity, found, states) if self._reads else (found, states)

    def rows(
        self, entities: Sequence[Mapping[str, Any]], *, now: Moment | None = None
    ) -> list[tuple[list[Any], list[str]]]:
        """Return for each entity what `row` returns, from one reading of the store."""
        if any(None in [entity.get(key, 0) for entity in entities] for key in self._keys):
            return [self.row(entity, now=now) for entity in entities]
        found = self._reader.rows(entities, now=None if now is None else microseconds(now, "now"))
        if not self._reads:
            return found
        return [self._with_computed(entity, *each) for entity, each in zip(entities, found, strict=True)]

    def _with_computed(
        self, entity: Mapping[str, Any], found: list[Any], states: list[str]
    ) -> tuple[list[Any], list[str]]:
        row = {name: list(v) if isinstance(v := found[place], tuple) else v for name, place in self._read}
        for column, name, fit in self._values:
            try:
                value = entity[name]
            except KeyError as error:
                raise _lacking(name, entity) from error
            row[column] = value if value is None or fit is None else fit(value)
        try:
            made = self._compute(row)
        except ExpressionError as error:
            raise self._blamed(row) or error from error
        worst = [
            PRESENT if value is not None else _worst([states[place] for place in read])
            for value, read in zip(made, self._reads, strict=True)
        ]
        return self._ordered(found, states, made, worst)

    def table(self, entities: pa.Table, *, now: Moment | None = None, statuses: bool = False) -> pa.Table:
        """Return the entities' rows, as given, with the features behind them."""
        at = None if now is None else microseconds(now, "now")

        def look_up(_: Sequence[Wanted], told: bool) -> pa.Table:
            return self._reader.table(entities, now=at, statuses=told)

        return self._retrieval.table(entities, look_up, statuses=statuses)

    def lists(self, entities: Mapping[str, Any], *, now: int | None = None) -> list[FeatureList]:
        """Return the features of entities given as lists of JSON values, with their statuses and event times, in the
        order in which they are asked for."""
        return self._lists.read(entities, now=now)

    @cached_property
    def _lists(self) -> ListReader:
        return ListReader(self._reader.store, self._retrieval.wanted, self)

    def _by_table(self, entity: Mapping[str, Any], now: Moment | None) -> tuple[list[Any], list[str]]:
        types = {**self.needs.entities, **self.needs.requests}
        lacking = next((name for name in types if name not in entity), None)
        if lacking is not None:
            raise _lacking(lacking, entity)
        columns = {name: pa.array([entity[name]], arrow_type(type)) for name, type in types.items()}
        row = self.table(pa.table(columns), now=now, statuses=True).to_pylist()[0]
        values = [row[column] for column in self.columns]
        states = [row[f"{column}__status"] for column in self.columns]
        return [tuple(value) if isinstance(value, list) else value for value in values], states

    def _ordered(
        self, found: Sequence[Any], states: Sequence[str], made: Sequence[Any], worst: Sequence[str]
    ) -> tuple[list[Any], list[str]]:
        computed = iter(zip(made, worst, strict=True))
        pairs = [(found[place], states[place]) if place is not None else next(computed) for place in self._places]
        return [tuple(v) if isinstance(v, list) else v for v, _ in pairs], [status for _, status in pairs]

    def _blamed(self, row: Mapping[str, Any]) -> ExpressionError | None:
        for column, expr in self._retrieval.computed.items():
            try:
                compile_row({column: expr}, self._retrieval.schema)(row)
            except ExpressionError as error:
                return ExpressionError(f"'{column}', which reads {', '.join(columns_of(expr))}: {error}")
        return None


def _fit(type: str) -> Callable[[Any], Any] | None:
    """Return what brings a value of the request to what the row form takes."""
    match type:
        case "float64":
            return float
        case "timestamp":
            return lambda value: value.astimezone(datetime.UTC)
    return list if type.startswith("array<") else None


def _lacking(name: str, entity: Mapping[str, Any]) -> DataError:
    there = ", ".join(entity) or "nothing"
    return DataError(f"the request has no '{name}', which an on-demand feature reads; it has: {there}", field=name)


def _worst(states: Sequence[str]) -> str:
    return max((NULL_VALUE, *states), key=lambda status: _WORST.index(status))


def _statuses(values: pa.ChunkedArray, reads: Sequence[pa.ChunkedArray]) -> pa.Array:
    """Return the statuses of values worked out: PRESENT where there is one, else the worst of what it was made of."""
    order = pa.array(_WORST)
    ranks = [pc.index_in(each, order).to_numpy() for each in reads]
    worst = np.maximum.reduce([np.ones(len(values), dtype=np.int64), *ranks])
    null = values.is_null().to_numpy()
    return order.take(pa.array(np.where(null, worst, 0)))


def _check_taken(rows: pa.Table, computed: Mapping[str, Expr]) -> None:
    taken = next((column for column in computed if column in rows.column_names), None)
    if taken is not None:
        raise DataError(
            f"the rows have a column '{taken}' already; ask with full_feature_names=True, or leave it out", field=taken
        )


def _check_requests(computed: Mapping[str, Expr]) -> None:
    """Raise `DeclarationError` where features that are asked for together read one value by two types."""
    types: dict[str, tuple[str, str]] = {}
    for column, expr in computed.items():
        for node in walk(expr):
            if node.op == "request":
                name, type = node.args
                other, declared = types.setdefault(name, (column, type))
                if declared != type:
                    raise DeclarationError(
                        f"'{other}' reads the request's '{name}' as {declared}, '{column}' as {type}; ask for them "
                        "apart, or declare them alike"
                    )
