"""Features of one entity over REST, or of many, asked for in the way of a project in a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from penstock.errors import DataError
from penstock.features import ARROW_FORM, Moment, microseconds, plain_values, plan_retrieval
from penstock.operations.notation import value_from_json, value_to_json
from penstock.remote.connection import Server
from penstock.remote.rows import ARROW_STREAM, arrow_bytes, arrow_table
from penstock.remote.stores import RemoteMetadata

PATH = "/get-online-features"


class RemoteReader:
    """Reads certain features of entities, of the versions that stood when it was made; each call is one request."""

    def __init__(
        self, server: Server, metadata: RemoteMetadata, references: Sequence[str], *, full_feature_names: bool
    ) -> None:
        retrieval = plan_retrieval(metadata, references, full_feature_names=full_feature_names)
        self.needs = retrieval.needs
        """The keys and values of the request that have to be given."""
        self.columns = tuple(each.column for each in retrieval.wanted)
        """The names of the values, in the order in which `row` gives them."""
        self._server = server
        self._types = tuple(each.registered.definition.types[each.feature] for each in retrieval.wanted)
        pinned = [f"{each.registered.name}:{each.feature}" for each in retrieval.wanted]
        self._form = {"features": pinned, "full_feature_names": full_feature_names}

    def row(self, entity: Mapping[str, Any], *, now: Moment | None = None) -> tuple[list[Any], list[str]]:
        """Return the values of one entity (None where there is none; an array is a tuple) and their statuses; `now` is
        a time, or microseconds. `entity` has its keys, and the values of the request that on-demand features read."""
        return self.rows([entity], now=now)[0]

    def rows(
        self, entities: Sequence[Mapping[str, Any]], *, now: Moment | None = None
    ) -> list[tuple[list[Any], list[str]]]:
        """Return for each entity what `row` returns, by one request."""
        given = {
            name: [_sent(_given(entity, name), type) for entity in entities]
            for name, type in {**self.needs.entities, **self.needs.requests}.items()
        }
        answer = self._server.post(PATH, {**self._form, "entities": given, "now": _at(now)})
        results = dict(zip(answer["metadata"]["feature_names"], answer["results"], strict=True))
        found = [results[column] for column in self.columns]
        values = [
            [value_from_json(value, type) for value in each["values"]]
            for each, type in zip(found, self._types, strict=True)
        ]
        return [
            ([each[place] for each in values], [each["statuses"][place] for each in found])
            for place in range(len(entities))
        ]

    def table(self, entities: pa.Table, *, now: Moment | None = None, statuses: bool = False) -> pa.Table:
        """Return the entities' rows, as given, with the features behind them."""
        form = {**self._form, "now": _at(now), "statuses": statuses}
        return send_rows(self._server, PATH, form, entities)


def send_rows(server: Server, path: str, form: Mapping[str, Any], rows: pa.Table) -> pa.Table:
    """Send rows as an Arrow stream whose schema has the form, and return the rows of the answer."""
    headers = {"content-type": ARROW_STREAM, "accept": ARROW_STREAM}
    said = {name: value for name, value in form.items() if value is not None}
    return arrow_table(server.content("POST", path, body=rows_with_form(rows, said), headers=headers))


def rows_with_form(rows: pa.Table, form: Mapping[str, Any]) -> bytes:
    """Return rows as an Arrow stream whose schema has a form."""
    return arrow_bytes(rows.replace_schema_metadata({ARROW_FORM: msgspec.json.encode(form)}))


def _at(now: Moment | None) -> int | None:
    return None if now is None else microseconds(now, "now")


def _given(entity: Mapping[str, Any], name: str) -> Any:
    if name not in entity:
        raise DataError(f"the entity has no '{name}'; it has: {', '.join(entity)}", field=name)
    return entity[name]


def _sent(value: Any, type: str) -> Any:
    if "float64" in type:
        return plain_values([value], type)[0]
    return value_to_json(value, type)
