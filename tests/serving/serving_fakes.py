"""A project without pipelines or learners behind it, and the client that calls its server in process."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pyarrow as pa
from starlette.testclient import TestClient

from penstock.core.graph import ModelGraph, Signature
from penstock.core.mapping import FrozenMap
from penstock.core.run import AliasChange, ModelVersion
from penstock.core.schema import Schema
from penstock.errors import CorruptArtifactError, DataError, RequestError, UnknownNameError
from penstock.project.config import Config
from penstock.project.features import feature_store
from penstock.project.production import Production
from penstock.project.repository import Repository
from penstock.project.triggers import Triggers
from penstock.stores import SqlMetadata, open_artifacts

__all__ = ["FakeProject", "Multiply", "TestClient"]


class Multiply:
    """A row predictor: y = km times the version."""

    def __init__(self, graph: ModelGraph) -> None:
        self.factor = graph.facts["factor"]

    def decode(self, body: bytes) -> list[dict]:
        try:
            return msgspec.json.decode(body)["instances"]
        except (msgspec.DecodeError, KeyError) as error:
            raise RequestError("give {'instances': [...]}") from error

    def predict(self, row: dict) -> dict:
        return self.predict_decoded(row)

    def predict_decoded(self, row: dict) -> dict:
        if row.get("km") == "bug":
            raise ZeroDivisionError("a secret")
        if not isinstance(row.get("km"), float | int):
            raise DataError("km is not a number", field="km")
        return {"y": row["km"] * self.factor}


class FakeModel:
    def __init__(self, name: str) -> None:
        self.name = name

    def load(self, version: int) -> ModelGraph:
        if version >= 90:
            raise CorruptArtifactError("a byte has changed", digest="d1")
        signature = Signature(Schema.of(km="float64"), Schema.of(y="float64"))
        facts = FrozenMap({"factor": version})
        return ModelGraph(name=self.name, label="y", signature=signature, nodes=(), blobs=FrozenMap(), facts=facts)


class FakeModels(dict):
    def __missing__(self, name: str) -> FakeModel:
        raise UnknownNameError("model", name, self)


def rides(source: str = "x", depth: int = 6) -> None:
    """Ride."""


class FakeProject:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.metadata = SqlMetadata(f"sqlite:///{root}/metadata.db")
        self.artifacts = open_artifacts(str(root / "artifacts"))
        self.pipelines = {"rides": rides}
        self.config = Config(root=root, tables={"hire": "hire/*.parquet"})
        self.repository = Repository(self.config, self.metadata, self.artifacts)
        self.models = FakeModels()
        self.triggers = Triggers(self.config, self.metadata, lambda: self.pipelines)
        self.production = Production(lambda: self.config, self.metadata, self.models, lambda rows: rows)
        self.features = feature_store(self.config, self.metadata, lambda rows: rows)

    def push(self, model: str, version: int, alias: str = "") -> None:
        self.models[model] = FakeModel(model)
        self.metadata.write(ModelVersion(model=model, version=version, digest=f"d{version}", created=time.time()))
        if alias:
            self.alias(model, version, alias)

    def alias(self, model: str, version: int, alias: str) -> None:
        sequence = len(self.metadata.find(AliasChange, model=model))
        self.metadata.write(
            AliasChange(model=model, alias=alias, sequence=sequence, version=version, created=100.0 + sequence)
        )

    def predict(self, name: str, rows, *, timestamp: str | None = None, stages: bool = False) -> pa.Table:
        return pa.table({"predicted_y": [2.0] * (3 if isinstance(rows, str) else rows.num_rows)})

    def evaluate(self, name: str, rows, *, timestamp: str | None = None) -> dict:
        return {"r2_score": 1.0 if name == "km/2" else 0.5}

    def fit(self, model, rows) -> ModelGraph:
        self.push(model.name, 1)
        return self.models[model.name].load(1)

    def sql(self, text: str) -> pa.Table:
        if "missing" in text:
            raise UnknownNameError("table", "missing", ["rides"])
        return pa.table({"a": [1, 2, 3]})
