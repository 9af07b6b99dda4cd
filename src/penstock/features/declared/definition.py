"""What a feature set means once the types of its columns are known: what is stored, what is worked out, and its digest.

A definition sorts the features into three kinds. *Stored* ones are expressions over the columns of a row. *Windowed*
ones are aggregates over the rows of an entity before an instant. *On-demand* ones are expressions over other features
and values of the request, worked out when they are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import blake3
import msgspec

from penstock.core.expression import Expr, columns_of, walk
from penstock.core.mapping import FrozenMap
from penstock.core.schema import Field, Schema
from penstock.errors import DeclarationError, ExpressionError, UnknownNameError
from penstock.features.declared.declare import RESERVED, FeatureSet
from penstock.features.declared.on_demand import (
    FindRead,
    Needs,
    Read,
    as_columns,
    flattened,
    is_on_demand,
    joined,
    leaf_schema,
    own_feature,
    pinned,
    reads_from_json,
    reads_to_json,
    requests_of,
)
from penstock.features.declared.windows import Windows, plan_windows
from penstock.operations import col, type_of
from penstock.operations.notation import expression_from_json, expression_to_json

CREATED = "_created"
"""The column of the history with the time of ingestion, where the rows have no `created` of their own."""


@dataclass(frozen=True)
class Definition:
    """A feature set with the types of the columns that its history keeps: keys, times and what features read.

    `reads` are the features of other sets that on-demand features read, by reference with version."""

    set: FeatureSet
    columns: Schema
    reads: FrozenMap[Read] = field(default_factory=FrozenMap)

    @property
    def name(self) -> str:
        """The feature set's name."""
        return self.set.name

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns that tell an entity."""
        return tuple(self.set.entities)

    @property
    def created(self) -> str:
        """The column of the history with the time at which a row became known."""
        return self.set.created or CREATED

    @cached_property
    def features(self) -> FrozenMap[Expr]:
        """Every feature, by name."""
        if self.set.features is not None:
            return self.set.features
        beside = {*self.keys, self.set.timestamp, self.set.created}
        return FrozenMap({field.name: col(field.name) for field in self.columns if field.name not in beside})

    @cached_property
    def stored(self) -> dict[str, Expr]:
        """The features that are values of rows."""
        return {name: expr for name, expr in self.features.items() if kind_of(expr) == "stored"}

    @cached_property
    def windowed(self) -> dict[str, Expr]:
        """The features that are, or are worked out from, aggregates over windows."""
        return {name: expr for name, expr in self.features.items() if kind_of(expr) == "windowed"}

    @cached_property
    def windows(self) -> Windows:
        """The windows that the windowed features are made of."""
        return plan_windows(self.windowed, self.columns, f"feature set '{self.name}'")

    @cached_property
    def on_demand(self) -> dict[str, Expr]:
        """The features that are worked out when they are asked for: expressions over stored and windowed ones, those of
        other sets, and values of the request."""
        return flattened(self.features, self.name, f"feature set '{self.name}'")

    @cached_property
    def stored_schema(self) -> Schema:
        """The names and types of the stored features."""
        return Schema(tuple(Field(name, self._type(name, expr)) for name, expr in self.stored.items()))

    @cached_property
    def types(self) -> dict[str, str]:
        """The type of every feature."""
        return {name: self._type(name, expr) for name, expr in self.features.items()}

    @cached_property
    def _leaves(self) -> Schema:
        """What on-demand features read, as columns."""
        own = {f"{self.name}:{name}": self._type(name, self.features[name]) for name in (*self.stored, *self.windowed)}
        return leaf_schema(own | {reference: read.type for reference, read in self.reads.items()}, request_types(self))

    def _type(self, name: str, expr: Expr) -> str:
        try:
            if name in self.windowed:
                return type_of(self.windows.features[name], self.windows.schema)
            if name in self.on_demand:
                return type_of(as_columns(self.on_demand[name]), self._leaves)
            return type_of(expr, self.columns)
        except (ExpressionError, UnknownNameError) as error:
            raise DeclarationError(f"feature set '{self.name}': feature '{name}': {error}") from error

    @cached_property
    def digest(self) -> str:
        """What tells this definition from others: everything in it."""
        return blake3.blake3(msgspec.json.encode(definition_to_json(self), order="deterministic")).hexdigest()

    @cached_property
    def values_digest(self) -> str:
        """What tells the values that are kept for this definition from those of others: all of it but words about it,
        and what is worked out when it is asked for."""
        said = ("description", "owner", "tags", "freshness", "source", "ttl", "reads")
        content = {key: value for key, value in definition_to_json(self).items() if key not in said}
        content["features"] = {n: tree for n, tree in content["features"].items() if n not in self.on_demand}
        return blake3.blake3(msgspec.json.encode(content, order="deterministic")).hexdigest()


def request_types(definition: Definition) -> dict[str, str]:
    """Return the values of the request that on-demand features read themselves, with their types."""
    taken = (*definition.keys, definition.set.timestamp, definition.created)
    return requests_of(definition.on_demand.values(), taken, f"feature set '{definition.name}'")


def needs_of(definition: Definition, feature: str) -> Needs:
    """Return what has to be given when a feature is asked for."""
    own = Needs(entities=definition.set.entities)
    if feature not in definition.on_demand:
        return own
    found = []
    for node in walk(definition.on_demand[feature]):
        if node.op == "request":
            found.append(Needs(requests=FrozenMap({node.args[0]: node.args[1]})))
        elif node.op == "feature":
            found.append(own if own_feature(node, definition.name) else definition.reads[node.args[0]].needs)
    return joined(found)


def kind_of(expr: Expr) -> str:
    """Tell of what kind a feature is: `stored`, `windowed` or `on_demand`."""
    if is_on_demand(expr):
        return "on_demand"
    return "windowed" if any(node.op == "window" for node in walk(expr)) else "stored"


def define(declared: FeatureSet, types: Mapping[str, str], find: FindRead) -> Definition:
    """Return the definition of a declared set over columns of these types (of a source, of rows); `find` tells of the
    features of other sets.

    Raises `DeclarationError` where a column has no type, or a type that its part does not take, and where an on-demand
    feature reads what is not there.
    """
    where = f"feature set '{declared.name}'"
    reads: dict[str, Read] = {}
    if declared.features is not None:
        features, reads = pinned(declared.features, declared.name, find, where)
        declared = replace(declared, features=FrozenMap(features))
    known = {**types, **declared.columns, **declared.entities}
    times = [declared.timestamp, *([declared.created] if declared.created else [])]
    for column in times:
        if known.setdefault(column, "timestamp") != "timestamp":
            raise DeclarationError(
                f"{where}: the time '{column}' is {known[column]}; it has to be a timestamp (an instant, with a zone)"
            )
    if declared.features is None:
        read = [name for name in known if name not in (*declared.entities, *times, *RESERVED)]
        if not read:
            raise DeclarationError(
                f"{where} names no features, and no source or rows tell any; give features=, columns= or a source="
            )
    else:
        read = list(columns_of(*declared.features.values()))
    for column in read:
        if known.get(column) == "time":
            raise DeclarationError(
                f"{where}: '{column}' is a time of day, which a Delta table cannot hold; give it as a string, or as "
                "the seconds since midnight"
            )
    missing = [column for column in read if column not in known]
    if missing:
        raise DeclarationError(
            f"{where}: nothing tells the type of {', '.join(map(repr, missing))}; the columns known are "
            f"{', '.join(known)}. Give a source=, columns={{'{missing[0]}': 'float64'}}, or apply it with rows"
        )
    ordered = list(dict.fromkeys([*declared.entities, *times, *read]))
    made = Definition(declared, Schema(tuple(Field(name, known[name]) for name in ordered)), FrozenMap(reads))
    _ = made.types  # whether every expression has one
    return made


def definition_to_json(definition: Definition) -> dict[str, Any]:
    """Return everything that a definition says as plain values."""
    given = definition.set
    return {
        "name": given.name,
        "entities": dict(given.entities),
        "timestamp": given.timestamp,
        "created": given.created,
        "ttl": given.ttl,
        "source": given.source,
        "features": {name: expression_to_json(expr) for name, expr in definition.features.items()},
        "columns": {field.name: field.type for field in definition.columns},
        "description": given.description,
        "owner": given.owner,
        "tags": dict(given.tags),
        "freshness": given.freshness,
        **({"reads": reads_to_json(definition.reads)} if definition.reads else {}),
    }


def definition_from_json(content: Mapping[str, Any]) -> Definition:
    """Return the definition that `definition_to_json` wrote."""
    declared = FeatureSet(
        name=content["name"],
        entities=FrozenMap(content["entities"]),
        timestamp=content["timestamp"],
        created=content["created"],
        ttl=content["ttl"],
        source=content["source"],
        features=FrozenMap({name: expression_from_json(tree) for name, tree in content["features"].items()}),
        columns=FrozenMap(),
        description=content["description"],
        owner=content["owner"],
        tags=FrozenMap(content["tags"]),
        freshness=content["freshness"],
    )
    columns = Schema(tuple(Field(name, type) for name, type in content["columns"].items()))
    return Definition(declared, columns, FrozenMap(reads_from_json(content.get("reads", {}))))
