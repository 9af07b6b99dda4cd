"""An answered request as rows of the log: what came and what went, typed as the model graph's signature says."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.core.schema import Field, Schema
from penstock.models.graphs.instances import body_struct, row_struct
from penstock.models.routing import ROUTE
from penstock.tables import arrow_type

OWN = {
    "id": pa.string(), "request": pa.string(), "row": pa.int64(), "time": pa.timestamp("us", "UTC"),
    "model": pa.string(), "version": pa.int64(), "digest": pa.string(), "route": pa.string(),
    "latency_seconds": pa.float64(),
}  # fmt: skip
"""What every row of the log has, whatever the model."""
SHADOW = {
    "shadow_version": pa.int64(), "shadow_prediction": pa.string(), "shadow_route": pa.string(),
    "shadow_error": pa.string(),
}  # fmt: skip
"""What a version in the shadow has said of it, as JSON: it may be another model altogether."""
INPUTS, OUTPUTS, FEATURES = "inputs", "outputs", "features"
"""The columns that are structs: raw inputs, predicted columns, and the features that were looked up."""

_HASHES = 2**32
_NONE = Schema(())


def is_sampled(id: bytes, share: float) -> bool:
    """Tell whether a request is one of a share of them: by a hash (CRC-32) of its id, so always the same ones."""
    return share >= 1.0 or zlib.crc32(id) < share * _HASHES


def row_id(request: str, row: int, rows: int) -> str:
    """Return what one predicted row is found by: the request's id, with its place where there are several."""
    return request if rows == 1 else f"{request}/{row}"


def features_of(graph: ModelGraph) -> Schema:
    """Return the features that a graph looks up, with their types."""
    return Schema(tuple(Field(node.name, node.params["type"]) for node in graph.of("feature")))


def digest_of(content: bytes) -> str:
    """Return what is logged in the place of bytes."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class RecordForm:
    """The form that the rows of one version of a model have in the log, and how requests come into it.

    `model` is the name under which it is registered, if not the graph's own; `features` are the types of those that it
    looks up, where they are to be logged; with `keep_bytes` inputs that are bytes stay as they are.
    """

    def __init__(
        self, graph: ModelGraph, version: int, digest: str, *, model: str = "", features: Schema = _NONE,
        keep_bytes: bool = False,
    ) -> None:  # fmt: skip
        self.model, self.version, self.digest = model or graph.name, version, digest
        inputs, outputs = graph.signature.inputs, _loose(graph.signature.outputs)
        self._outputs = Schema(tuple(each for each in outputs if each.name != ROUTE))
        self.features = features
        self._digested = [] if keep_bytes else [at for at, each in enumerate(inputs) if each.type == "bytes"]
        self._inputs = _logged(inputs) if self._digested else inputs
        said = Schema((*self._outputs, Field(ROUTE, "string")))
        self._body = msgspec.json.Decoder(body_struct(row_struct(_loose(inputs), forbid_unknown_fields=False))).decode
        answer = msgspec.defstruct("Answer", [("predictions", list[row_struct(said, forbid_unknown_fields=False)])])  # type: ignore[misc]
        self._answer = msgspec.json.Decoder(answer).decode
        structs = {INPUTS: self._inputs, OUTPUTS: self._outputs, FEATURES: features}
        self._structs = {name: each for name, each in structs.items() if each.fields}
        types = {name: struct_type(each) for name, each in self._structs.items()}
        self.schema = pa.schema([*OWN.items(), *types.items(), *SHADOW.items()])

    def read(self, body: bytes, answer: bytes) -> tuple[list[Any], Sequence[str] | None, list[Any]]:
        """Return the rows of a request, what each is called if that was said, and the rows of its answer."""
        came: Any = self._body(body)
        went: Any = self._answer(answer)
        return came.instances, came.ids, went.predictions

    def record(self, instance: Any, prediction: Any, own: dict[str, Any]) -> dict[str, Any]:
        """Return a row of the log: `own` are its other columns, by their names."""
        inputs = {name: getattr(instance, f"f{at}") for at, name in enumerate(self._inputs.names)}
        for at in self._digested:
            name = self._inputs.names[at]
            inputs[name] = None if inputs[name] is None else digest_of(inputs[name])
        outputs = {name: getattr(prediction, f"f{at}") for at, name in enumerate(self._outputs.names)}
        route = getattr(prediction, f"f{len(outputs)}")
        return {**self._own(), ROUTE: route, INPUTS: inputs, OUTPUTS: outputs, **own}

    def table(self, records: Sequence[dict[str, Any]]) -> pa.Table:
        """Return rows of the log as a table of `schema`."""
        return pa.table(
            [pa.array([each.get(field.name) for each in records], field.type) for field in self.schema],
            schema=self.schema,
        )

    def batch(self, rows: pa.Table, ids: Sequence[str], own: dict[str, Any]) -> pa.Table:
        """Return rows of the log that were predicted as a table, which has the inputs and what was predicted."""
        columns: dict[str, Any] = {**self._own(), **own}
        count = rows.num_rows
        found = {name: pa.array([value] * count, OWN[name]) for name, value in columns.items() if name in OWN}
        found["id"] = pa.array(ids, pa.string())
        if ROUTE in rows.column_names:
            found[ROUTE] = rows[ROUTE]
        for name in (INPUTS, OUTPUTS):
            if name in self._structs:
                found[name] = self._packed(rows, self._structs[name])
        made = [found.get(field.name, pa.nulls(count, field.type)) for field in self.schema]
        return pa.table([_whole(each) for each in made], schema=self.schema)

    def _own(self) -> dict[str, Any]:
        return {"model": self.model, "version": self.version, "digest": self.digest}

    def _packed(self, rows: pa.Table, schema: Schema) -> pa.Array:
        digested = {self._inputs.names[at] for at in self._digested}
        columns = []
        for field in schema:
            column = _whole(rows[field.name])
            if field.name in digested:
                column = pa.array([None if each is None else digest_of(each) for each in column.to_pylist()])
            columns.append(column.cast(arrow_type(field.type)))
        return pa.StructArray.from_arrays(columns, fields=list(struct_type(schema)))


def utc(seconds: float) -> datetime:
    """Return a moment of the clock as it is logged."""
    return datetime.fromtimestamp(seconds, UTC)


def struct_type(schema: Schema) -> pa.StructType:
    """Return the type of structs whose fields are such columns; any may be NULL."""
    return pa.struct([(field.name, arrow_type(field.type)) for field in schema])


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _loose(schema: Schema) -> Schema:
    return Schema(tuple(replace(field, nullable=True) for field in schema))


def _logged(schema: Schema) -> Schema:
    """Return the types of the inputs in the log, where bytes are told by their digest."""
    return Schema(tuple(replace(each, type="string") if each.type == "bytes" else each for each in schema))
