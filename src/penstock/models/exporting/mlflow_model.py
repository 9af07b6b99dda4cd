"""A model as MLflow's folder: `mlflow.pyfunc.load_model(folder)` predicts with it, `mlflow models serve` serves it.

Written without MLflow, after its specification of the MLmodel format (mlflow.org, "MLflow Model"). What loads the model
there is this module, so penstock must be installed where it runs.
"""

from __future__ import annotations

import datetime
import platform
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from penstock.core.graph import ModelGraph
from penstock.core.schema import Field
from penstock.errors import ConflictError, DeclarationError, StorageError
from penstock.models.graphs import nodes
from penstock.models.graphs.package import read_directory, read_files, save
from penstock.models.predicting.predict import predict
from penstock.tables import arrow_type

if TYPE_CHECKING:
    import pandas as pd

_FILE, _DATA = "MLmodel", "penstock"
_TYPES = {
    "bool": "boolean",
    "int64": "long",
    "float64": "double",
    "string": "string",
    "bytes": "binary",
    "datetime": "datetime",
    "timestamp": "datetime",
    "date": "datetime",
}
"""Our type -> MLflow's. Its `datetime` has no zone: an instant is given, and read, in UTC."""
_LIBRARIES = ("lightgbm",)  # what predicting needs beside penstock, where a model has it
_FOR_NETWORKS = ("onnxruntime", "safetensors")


def export_mlflow(graph: ModelGraph, path: Path) -> Path:
    """Write the folder, whole or not at all; raises `ConflictError` where something else is there."""
    if path.exists() and not (path / _FILE).is_file():
        raise ConflictError(f"{path} is there already and is no MLflow model; give another folder")
    signature = {"inputs": _text([_input(graph, field) for field in graph.signature.inputs])}
    if (outputs := _outputs(graph)) is not None:
        signature["outputs"] = outputs
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as scratch:
            made = Path(scratch) / "new"
            made.mkdir()
            save(graph, made / _DATA)
            requirements = "".join(f"{line}\n" for line in _requirements(graph))
            (made / "requirements.txt").write_text(requirements)
            (made / "python_env.yaml").write_bytes(
                _yaml({"python": platform.python_version(), "dependencies": ["-r requirements.txt"]})
            )
            (made / _FILE).write_bytes(_yaml(_description(graph, signature)))
            if path.exists():
                shutil.rmtree(path)
            made.rename(path)
    except OSError as error:
        raise StorageError(f"cannot write the model to {path}: {error.strerror or error}") from error
    return path


class Predictor:
    """What `mlflow.pyfunc` calls: a frame of raw columns in, a frame of predicted columns out."""

    def __init__(self, graph: ModelGraph) -> None:
        self._graph = graph

    def predict(self, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """Return the predicted columns, a row for each row. Columns that are no inputs are passed over."""
        graph = self._graph
        wanted = [field for field in nodes.inputs(graph) if field.name in model_input.columns]
        columns = [_column(model_input[field.name], field) for field in wanted]
        found = predict(graph, pa.table(columns, names=[field.name for field in wanted]))
        return found.select(list(graph.signature.outputs.names)).to_pandas()


def _load_pyfunc(path: str) -> Predictor:
    """Load the model: the name that MLflow calls, with the folder that MLmodel calls `data`."""
    return Predictor(read_files(read_directory(Path(path))))


def _column(values: pd.Series, field: Field) -> pa.Array:
    """Return a column of a frame in the input's type; NaN is NULL, and times without a zone are in UTC."""
    array = pa.Array.from_pandas(values)
    if field.type == "timestamp" and pa.types.is_timestamp(array.type) and array.type.tz is None:
        array = array.cast(pa.timestamp("us", "UTC"), safe=False)
    if pa.types.is_null(array.type) or field.type in ("int64", "float64", "date", "datetime", "timestamp"):
        array = array.cast(arrow_type(field.type), safe=field.type == "int64")
    return array


def _input(graph: ModelGraph, field: Field) -> dict[str, Any]:
    """Return MLflow's column; a whole number that may be missing is a double, which a frame can leave empty."""
    if field.type not in _TYPES:
        raise DeclarationError(
            f"model '{graph.name}': input '{field.name}' is of type {field.type}, which MLflow's columns do not have; "
            "give the model columns of plain types"
        )
    type = "double" if field.type == "int64" and field.nullable else _TYPES[field.type]
    return {"type": type, "name": field.name, "required": not field.nullable}


def _outputs(graph: ModelGraph) -> str | None:
    """Return the columns that are predicted; MLflow's signature is left out where one of them is a list."""
    outputs = graph.signature.outputs
    if any(field.type not in _TYPES for field in outputs):
        return None
    return _text([{"type": _TYPES[field.type], "name": field.name, "required": True} for field in outputs])


def _requirements(graph: ModelGraph) -> list[str]:
    libraries = [name for name in _LIBRARIES if name in graph.facts.get("versions", {})]
    if graph.of("encoder"):
        libraries += _FOR_NETWORKS
    if any(field.type == "bytes" for field in graph.signature.inputs):
        libraries.append("pillow")
    return [f"{name}=={version(name)}" for name in ("penstock", "duckdb", "pandas", "pyarrow", *libraries)]


def _description(graph: ModelGraph, signature: dict[str, str]) -> dict[str, Any]:
    flavor = {"data": _DATA, "env": {"virtualenv": "python_env.yaml"}, "loader_module": __name__}
    return {
        "flavors": {"python_function": {**flavor, "python_version": platform.python_version()}},
        "signature": signature,
        "utc_time_created": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
        "metadata": {"penstock_model": graph.name, "penstock_version": version("penstock")},
    }


def _text(columns: list[dict[str, Any]]) -> str:
    return msgspec.json.encode(columns).decode()


def _yaml(content: dict[str, Any]) -> bytes:
    """Return JSON, which every reader of YAML reads."""
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"
