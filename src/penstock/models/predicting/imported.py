"""Models that come as ONNX files, or as Keras files, which become such: one node holds the file."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.core.graph import ModelGraph, Node, Signature
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.core.schema import SCALAR_TYPES, Field, Schema
from penstock.errors import DataError, DeclarationError, MissingExtraError
from penstock.models.graphs.nodes import is_imported as is_imported
from penstock.models.keras.files import onnx_of
from penstock.operations.fingerprints import fingerprint
from penstock.operations.tensors.recording import TENSOR_TYPES
from penstock.operations.tensors.tables import encoded
from penstock.tables import arrow_type

FILE = "model.onnx"
_NODE = "onnx"
_TYPES = {
    **dict.fromkeys(("float16", "float", "double"), "float64"),
    **dict.fromkeys(("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32"), "int64"),
    "bool": "bool",
    "string": "string",
}
"""ONNX's type of a tensor -> ours."""
_DTYPES = {"float": "float32", "double": "float64", "string": "object"}
_EMPTY: dict[str, Any] = {"float64": math.nan, "int64": 0, "bool": False, "string": ""}


@dataclass(frozen=True, slots=True)
class Slot:
    """An input: its column, the type of its tensor, how many numbers a row has (None: the tensor has one dimension),
    the input that says where it is NULL, if there is one, and whether it is texts that come as their fingerprints."""

    field: Field
    dtype: str
    width: int | None
    flag: str = ""
    hashed: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """A file that is loaded: how to run it, what it takes and gives, its outputs' names by columns', and its model."""

    session: Any
    slots: tuple[Slot, ...]
    outputs: Schema
    names: tuple[str, ...]
    model: str

    def run(self, tensors: Mapping[str, Any]) -> list[np.ndarray[Any, Any]]:
        """Return the outputs for tensors; raises `DataError` where the file refuses them, as a lookup may."""
        try:
            found: list[np.ndarray[Any, Any]] = self.session.run(list(self.names), dict(tensors))
        except Exception as error:  # its errors have no base of their own
            raise DataError(f"model '{self.model}': the ONNX file cannot predict the rows: {error}") from error
        return found


def import_graph(model: Model, settings: Mapping[str, Any]) -> ModelGraph:
    """Return the graph of a file: its inputs are the raw columns, its outputs the predicted ones.

    With a label the first output is `predicted_<label>`. A Keras file becomes an ONNX file first. Raises `DataError`
    where the path holds no such model, or one of other things than columns.
    """
    content = _read(model, settings["model_path"])
    if model.type == "keras":
        content = onnx_of(content, model.name, run_lambdas=settings["run_lambdas"])
    loaded = load(content, model.name, model.label)
    inputs = Schema(tuple(slot.field for slot in loaded.slots))
    return ModelGraph(
        name=model.name,
        label=model.label,
        signature=Signature(inputs, loaded.outputs),
        nodes=(
            *(
                Node(name=field.name, op="input", params=FrozenMap({"type": field.type, "nullable": field.nullable}))
                for field in inputs
            ),
            Node(name=_free(_NODE, inputs), op=_NODE, inputs=inputs.names, params=FrozenMap({"file": FILE})),
            *(
                Node(
                    name=field.name,
                    op="output",
                    inputs=(_free(_NODE, inputs),),
                    params=FrozenMap({"type": field.type}),
                )
                for field in loaded.outputs
            ),
        ),
        blobs=FrozenMap({FILE: content}),
        facts=FrozenMap({"versions": {name: version(name) for name in ("penstock", "onnxruntime")}}),
    )


def _read(model: Model, path: str | None) -> bytes:
    if path is None:
        raise DeclarationError(
            f"model '{model.name}' is of type {model.type}; it needs the option model_path, the file"
        )
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"model '{model.name}': cannot read model_path {path}: {error.strerror or error}") from error


def imported_columns(graph: ModelGraph, inputs: pa.Table) -> list[pa.Array]:
    """Return the predicted columns of many rows."""
    loaded = load(graph.blobs[FILE], graph.name, graph.label)
    if not inputs.num_rows:
        return [pa.array([], arrow_type(field.type)) for field in loaded.outputs]
    tensors: dict[str, Any] = {}
    for slot in loaded.slots:
        column = inputs.column(slot.field.name)
        tensors |= _tensors(
            slot, column.to_pylist() if slot.width not in (None, 1) else _plain(slot, column), graph.name
        )
    found = loaded.run(tensors)
    return [_column(field, values) for field, values in zip(loaded.outputs, found, strict=True)]


def imported_row(graph: ModelGraph) -> Callable[[Sequence[Any]], dict[str, Any]]:
    """Return the function from the values of one row, in the order of the inputs, to the predicted columns."""
    loaded = load(graph.blobs[FILE], graph.name, graph.label)

    def predict(values: Sequence[Any]) -> dict[str, Any]:
        tensors: dict[str, Any] = {}
        for slot, value in zip(loaded.slots, values, strict=True):
            plain = value if value is None or slot.field.type.startswith("array<") else encoded(value, slot.field.type)
            tensors |= _tensors(slot, [plain], graph.name)
        found = zip(loaded.outputs, loaded.run(tensors), strict=True)
        return {field.name: _column(field, values)[0].as_py() for field, values in found}

    return predict


@lru_cache(maxsize=16)
def load(content: bytes, model: str, label: str | None) -> Imported:
    """Return a file loaded by ONNX Runtime; the last few are kept. Nothing in it is Python."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", extra="onnx", purpose="a model of type onnx") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what is refused is an error of ours, not a line of a log
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no base of their own
        raise DataError(f"model '{model}': ONNX Runtime cannot load the file: {error}") from error
    metadata = session.get_modelmeta().custom_metadata_map
    told = json.loads(metadata.get("penstock.inputs", "{}"))
    hashed = json.loads(metadata.get("penstock.fingerprints", "[]"))
    flags = {port.name for port in session.get_overridable_initializers()}
    slots = tuple(_slot(port, told, flags, model) for port in session.get_inputs())
    slots = tuple(_of_texts(slot) if slot.field.name in hashed else slot for slot in slots)
    ports = session.get_outputs()
    fields = [_output(port, model) for port in ports]
    if label is not None:
        fields[0] = Field(f"predicted_{label}", fields[0].type)
    return Imported(session, slots, Schema(tuple(fields)), tuple(port.name for port in ports), model)


def _slot(port: Any, told: Mapping[str, str], flags: set[str], model: str) -> Slot:
    """Return an input as a column; a file that we wrote says which of our types its numbers stand for."""
    field, width = _described(port, "input", model)
    type = told.get(port.name, "").partition(":")[0]
    type = type if type in SCALAR_TYPES else field.type
    flag = next((name for name in flags if name.rstrip("_") == f"{port.name}__is_null"), "")
    onnx = port.type.removeprefix("tensor(").removesuffix(")")
    nullable = field.type == "float64" or bool(flag)
    return Slot(Field(port.name, type, nullable), _DTYPES.get(onnx, onnx), width, flag)


def _of_texts(slot: Slot) -> Slot:
    """Return an input whose numbers are the fingerprints of texts."""
    type = "array<string>" if slot.field.type.startswith("array<") else "string"
    return replace(slot, field=Field(slot.field.name, type, slot.field.nullable), hashed=True)


def _fingerprints(values: Any) -> Any:
    return [fingerprint(value.encode()) if isinstance(value, str) else _fingerprints(value) for value in values]


def _output(port: Any, model: str) -> Field:
    return _described(port, "output", model)[0]


def _described(port: Any, what: str, model: str) -> tuple[Field, int | None]:
    """Return a tensor as a column: one value a row, or, with a second dimension above 1, an array of numbers."""
    type = _TYPES.get(port.type.removeprefix("tensor(").removesuffix(")"))
    shape = list(port.shape)
    if type is None or not 1 <= len(shape) <= 2:
        raise DataError(
            f"model '{model}': the {what} '{port.name}' of the ONNX file is {port.type} of shape {shape}; a column is "
            "one value a row, or one list of numbers"
        )
    width = None if len(shape) == 1 else shape[1]
    if width in (None, 1):
        return Field(port.name, type), width
    if what == "input" and not isinstance(width, int):
        raise DataError(f"model '{model}': the input '{port.name}' takes lists of a length that the file does not say")
    return Field(port.name, f"array<{type}>"), width if isinstance(width, int) else 0


def _plain(slot: Slot, column: pa.ChunkedArray) -> Any:
    """Return the values of a column as tensors hold them, None where they are NULL."""
    type = slot.field.type
    if TENSOR_TYPES.get(type) == "int64" and type != "int64":
        column = column.cast(pa.int32()) if type == "date" else column
        return column.cast(pa.int64()).to_pylist()
    if type == "float64" and slot.dtype.startswith("float"):
        return column.to_numpy()
    return column.to_pylist()


def _tensors(slot: Slot, values: Any, model: str) -> dict[str, Any]:
    """Return the tensors of an input; raises `DataError` for a NULL that it cannot say."""
    name, type = slot.field.name, slot.field.type
    if type.startswith("array<"):
        for value in values:
            if value is None or len(value) != slot.width or None in value:
                raise DataError(
                    f"model '{model}': '{name}' is a list of {slot.width} numbers; given was {value}", field=name
                )
        return {name: np.array(_fingerprints(values) if slot.hashed else values, dtype=slot.dtype)}
    missing = [] if isinstance(values, np.ndarray) else [value is None for value in values]
    if any(missing):
        if not slot.field.nullable:
            raise DataError(f"model '{model}': '{name}' is NULL, which the ONNX file has no way to say", field=name)
        empty = _EMPTY["int64" if type not in _EMPTY else type]
        values = [empty if value is None else value for value in values]
    values = _fingerprints(values) if slot.hashed else values
    tensor = np.asarray(values, dtype=slot.dtype)
    made = {name: tensor if slot.width is None else tensor.reshape(-1, 1)}
    return {**made, slot.flag: np.array(missing)} if any(missing) and slot.flag else made


def _column(field: Field, values: np.ndarray[Any, Any]) -> pa.Array:
    type = arrow_type(field.type)
    if field.type.startswith("array<"):
        return pa.array(values.tolist(), type)
    flat = values.reshape(-1)
    return pa.array(flat.tolist() if field.type == "string" else flat.astype(type.to_pandas_dtype()), type)


def _free(name: str, inputs: Schema) -> str:
    while name in inputs:
        name += "_"
    return name
