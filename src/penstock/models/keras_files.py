"""Keras' own files (`.keras`), made into ONNX once, in a process of its own; what is kept and served is ONNX alone."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from penstock.errors import DataError, DeclarationError, MissingExtraError

_LAYERS_OF_STRINGS = ("StringLookup", "IntegerLookup", "Hashing", "HashedCrossing", "TextVectorization")
"""Layers that TensorFlow alone computes."""
_LONGEST_SECONDS = 600


def onnx_of(content: bytes, model: str, *, run_lambdas: bool) -> bytes:
    """Return a `.keras` file as an ONNX file, whose predictions were held against Keras' own.

    A Lambda layer is Python code, which loading never runs: only where `run_lambdas` says that the file is trusted does
    it run, once, here, in the process that converts. Raises `DeclarationError` naming the Lambda otherwise, `DataError`
    naming a layer that has no form in ONNX, and `MissingExtraError` where Keras or PyTorch is not installed.
    """
    layers = list(_layers(content, model))
    for kind, name in layers:
        if kind in _LAYERS_OF_STRINGS:
            raise DataError(
                f"model '{model}': the layer '{name}' of the Keras file is a {kind}, which TensorFlow alone computes "
                "and ONNX cannot hold; give the model what it makes of the column instead (CategoryEncoding and "
                "Embedding "
                "take indices), or let penstock do that part: ML.LABEL_ENCODER, ML.HASH_BUCKETIZE"
            )
    lambdas = [name for kind, name in layers if kind in ("Lambda", "__lambda__")]
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
        command = [sys.executable, "-m", "penstock.models.keras_conversion", scratch, *(["run"] if run_lambdas else [])]
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


def _layers(content: bytes, model: str) -> Iterator[tuple[str, str]]:
    """Yield the class and the name of everything that a file is made of; nothing of it is run."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            config = json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise DataError(
            f"model '{model}': model_path holds no Keras model: {error}; model.save('taxi.keras') writes one"
        ) from error
    yield from _classes(config, "the model")


def _classes(value: Any, within: str) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            config = value.get("config")
            name = config.get("name", within) if isinstance(config, dict) else within
            if isinstance(value.get("class_name"), str):
                yield value["class_name"], str(name)
            for item in value.values():
                yield from _classes(item, str(name))
        case list():
            for item in value:
                yield from _classes(item, within)
