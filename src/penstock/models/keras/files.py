"""Keras' own files (`.keras`), made into ONNX once, in a process of its own; what is kept and served is ONNX alone."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from penstock.errors import DataError, DeclarationError, MissingExtraError

_LOOKUPS = ("StringLookup", "IntegerLookup")
_TAKE_TEXTS = (
    *_LOOKUPS,
    "Hashing",
    "HashedCrossing",
    "InputLayer",
    "Functional",
    "Sequential",
    "Reshape",
    "Flatten",
    "Concatenate",
    "Identity",
)
"""Layers that texts may go into: what reads them, and what hands them on as they are."""
_HASHES = ("Hashing", "HashedCrossing")
_LET_US = "let penstock do that part before the model: ML.HASH_BUCKETIZE, ML.FEATURE_CROSS"
_LONGEST_SECONDS = 600


def onnx_of(content: bytes, model: str, *, run_lambdas: bool) -> bytes:
    """Return a `.keras` file as an ONNX file, whose predictions were held against Keras' own.

    A Lambda layer is Python code, which loading never runs: only where `run_lambdas` says that the file is trusted does
    it run, once, here, in the process that converts. Raises `DeclarationError` naming the Lambda otherwise, `DataError`
    naming a layer that has no form in ONNX, and `MissingExtraError` where Keras or PyTorch is not installed.
    """
    layers = list(_layers(content, model))
    for layer in layers:
        said = _refusal(layer)
        if said:
            raise DataError(
                f"model '{model}': the layer '{layer.name}' of the Keras file is a {layer.kind}, which cannot be "
                f"converted: {said}"
            )
    lambdas = [layer.name for layer in layers if layer.kind in ("Lambda", "__lambda__")]
    if lambdas and not run_lambdas:
        raise DeclarationError(
            f"model '{model}': the layer '{lambdas[0]}' of the Keras file is a Lambda: Python code, which runs with "
            "your rights when it is converted. If you trust who wrote the file, say so by the option "
            "run_lambdas = TRUE; it then runs once, now, and never when the model is loaded or predicts"
        )
    for package in ("keras", "torch", "onnxscript", "onnxruntime"):
        if find_spec(package) is None:
            raise MissingExtraError(package, extra="keras", purpose="a model that comes as a Keras file")
    return _converted(content, model, run_lambdas=run_lambdas)


def _converted(content: bytes, model: str, *, run_lambdas: bool) -> bytes:
    with tempfile.TemporaryDirectory(prefix="penstock-keras-") as scratch:
        folder = Path(scratch)
        (folder / "model.keras").write_bytes(content)
        command = [
            sys.executable,
            "-m",
            "penstock.models.keras.conversion",
            scratch,
            *(["run"] if run_lambdas else []),
        ]
        environment = {**os.environ, "KERAS_BACKEND": "torch", "KERAS_HOME": scratch, "CUDA_VISIBLE_DEVICES": ""}
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=_LONGEST_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise DataError(
                f"model '{model}': converting the Keras file took more than {_LONGEST_SECONDS} seconds; export it to "
                "ONNX yourself, and give that file to a model of type onnx"
            ) from error
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"the process ended with {done.returncode}"]
            raise DataError(f"model '{model}': the Keras file cannot be converted to ONNX: {said[-1]}")
        return (folder / "model.onnx").read_bytes()


@dataclass(frozen=True, slots=True)
class _Layer:
    """Something that a file is made of, as it stands there."""

    kind: str
    name: str
    config: Mapping[str, Any]
    reads_texts: bool


def _refusal(layer: _Layer) -> str | None:
    """Return why a layer cannot be converted, if it is known before."""
    if layer.kind == "TextVectorization":
        return "TensorFlow alone lowers and splits texts so; let penstock do that part: TEXT_ANALYZE, ML.BAG_OF_WORDS"
    if layer.reads_texts and layer.kind not in _TAKE_TEXTS:
        return f"texts go into it, and only {', '.join((*_LOOKUPS, *_HASHES))} can read texts; do that before the model"
    told = layer.config
    if layer.kind in (*_LOOKUPS, *_HASHES) and told.get("sparse"):
        return "sparse tensors have no form in ONNX; save it with sparse = False"
    if layer.kind in _LOOKUPS:
        return _refusal_of_lookup(layer.kind, told)
    if layer.kind != "Hashing":
        return None
    if told.get("salt") is not None or told.get("mask_value") is not None:
        return f"with a salt or a mask_value it has no form here; {_LET_US}"
    return None if layer.reads_texts else f"it hashes texts alone, given as an input of dtype string; {_LET_US}"


def _refusal_of_lookup(kind: str, told: Mapping[str, Any]) -> str | None:
    texts = kind == "StringLookup"
    buckets = told.get("num_oov_indices", 1)
    if texts and told.get("invert"):
        return "with invert it makes texts; let the model give the place, and look the text up after it"
    if buckets > 1 and (texts or told.get("oov_method", "floormod") != "floormod"):
        return (
            f"with num_oov_indices = {buckets} unknown values are hashed, and it reads the values themselves too; "
            "save it with 1"
        )
    return None


def _layers(content: bytes, model: str) -> Iterator[_Layer]:
    """Yield everything that a file is made of; nothing of it is run."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise DataError(
            f"model '{model}': model_path holds no Keras model: {error}; model.save('taxi.keras') writes one"
        ) from error
    yield from _parts(config, "the model")


def _parts(value: Any, within: str) -> Iterator[_Layer]:
    match value:
        case dict():
            config = value.get("config")
            config = config if isinstance(config, dict) else {}
            name = str(config.get("name", within))
            if isinstance(value.get("class_name"), str):
                yield _Layer(value["class_name"], name, config, _reads_texts(value.get("inbound_nodes", ())))
            for item in value.values():
                yield from _parts(item, name)
        case list():
            for item in value:
                yield from _parts(item, within)


def _reads_texts(given: Any) -> bool:
    """Tell whether a tensor of texts is among what a layer is given."""
    match given:
        case {"class_name": "__keras_tensor__", "config": {"dtype": "string"}}:
            return True
        case dict():
            return any(map(_reads_texts, given.values()))
        case list():
            return any(map(_reads_texts, given))
    return False
