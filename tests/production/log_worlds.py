"""Rows of a log of requests, without a server: what tests of the log and of all that reads it begin with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa

from penstock.core.graph import ModelGraph, Signature
from penstock.core.mapping import FrozenMap
from penstock.core.schema import Schema
from penstock.production.records import RecordForm, utc
from penstock.production.request_log import RequestLog

AT = 1_795_000_000.0
"""A moment: 2026-11-18T11:06:40Z."""


def graph(
    name: str = "km", inputs: Mapping[str, str] | None = None, outputs: Mapping[str, str] | None = None, **facts: Any
) -> ModelGraph:
    """A graph that has a signature and facts, and predicts nothing."""
    came, went = inputs or {"km": "float64", "city": "string"}, outputs or {"predicted_y": "float64"}
    signature = Signature(Schema.of(**came), Schema.of(**went))
    return ModelGraph(name=name, label="y", signature=signature, nodes=(), blobs=FrozenMap(), facts=FrozenMap(facts))


def rows_of(
    form: RecordForm, records: Iterable[tuple[str, float, Mapping[str, Any], Mapping[str, Any]]], **own: Any
) -> pa.Table:
    """Rows of the log: of each its id, its time, what came and what went."""
    made = []
    for id, moment, instance, prediction in records:
        came, went = msgspec.json.encode({"instances": [instance]}), msgspec.json.encode({"predictions": [prediction]})
        [row], _, [answer] = form.read(came, went)
        told = {"id": id, "request": id, "row": 0, "time": utc(moment), "latency_seconds": 0.25}
        made.append(form.record(row, answer, {**told, **own}))
    return form.table(made)


def numbered(form: RecordForm, numbers: Iterable[int], mark: str = "r", **own: Any) -> pa.Table:
    """Rows of the log that are told apart by a number, a second after each other."""
    return rows_of(
        form, ((f"{mark}{n}", AT + n, {"km": n, "city": "x"}, {"predicted_y": 2 * n}) for n in numbers), **own
    )


def logged(folder: Path, *tables: pa.Table) -> None:
    """Write tables of rows to the log of a folder."""
    log = RequestLog(folder, 1 << 30)
    for table in tables:
        log.add(table)
    log.close()
