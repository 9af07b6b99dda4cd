"""The process that makes an ONNX file of a Keras file: `python -m penstock.models.keras.conversion FOLDER [run]`.

The only place where Keras is imported, and where Lambdas run. Its last line of errors says what is wrong.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from penstock.models.keras.columns import give_texts, keys_of
from penstock.operations.fingerprints import fingerprint

_FLOATS = (0.0, 1.0, -1.0, 0.5, 3.0, 17.0, -73.98, 40.75)
"""What floats are when both are compared; whole numbers are 0 and 1, which every vocabulary has."""
_STRANGERS = ("", "[UNK]", "no such text", "Zürich")
_MOST_ROWS = 512
_LOOKUPS = 4  # the version of ai.onnx.ml whose LabelEncoder is written
_TOLERANCE = 1e-4  # of float32, in which Keras computes


def convert(folder: Path, *, run_lambdas: bool) -> None:
    """Write `model.onnx` beside `model.keras`, with the names that its inputs and outputs have in Keras."""
    import keras
    import onnx

    from penstock.models.keras import hashes, lookups, operators

    texts = lookups.adapted(folder / "model.keras", folder / "adapted.keras")
    ours = lookups.LAYERS | hashes.LAYERS
    model = keras.saving.load_model(
        folder / "adapted.keras", custom_objects=ours, compile=False, safe_mode=not run_lambdas
    )
    _predicted(model, {tensor.name: _column(tensor, [0, 1]) for tensor in model.inputs})  # what is exported was called
    raw = folder / "raw.onnx"
    model.export(str(raw), format="onnx", verbose=False)
    made = onnx.load(raw)
    for domain in made.opset_import:
        domain.version = _LOOKUPS if domain.domain == "ai.onnx.ml" else domain.version
    hashed = give_texts(made.graph, texts)
    made.metadata_props.add(key="penstock.fingerprints", value=json.dumps(sorted(hashed)))
    del made.graph.value_info[:]  # some say that texts are numbers
    _rename(made.graph, model.output_names)
    feeds = _feeds(model, made.graph, texts, hashed)
    operators.write_operators(made)
    content = made.SerializeToString()
    _hold(content, feeds, _predicted(model, _numbered(feeds, texts - hashed)), model.output_names)
    (folder / "model.onnx").write_bytes(content)


def _predicted(model: Any, feeds: dict[str, Any]) -> list[Any]:
    import keras

    made = model(keras.tree.pack_sequence_as(model.input, list(feeds.values())))
    return [keras.ops.convert_to_numpy(tensor) for tensor in keras.tree.flatten(made)]


def _column(tensor: Any, values: list[Any], *, dtype: str | None = None) -> np.ndarray[Any, Any]:
    """Return an input of rows, each of one value or of a list of equal ones."""
    shape = tuple(tensor.shape[1:])
    if None in shape:
        raise SystemExit(f"the input '{tensor.name}' has the shape {tensor.shape}; a row is one value or one list")
    column = np.array(values, dtype=dtype or tensor.dtype).reshape(-1, *([1] * len(shape)))
    return np.broadcast_to(column, (len(values), *shape))


def _feeds(model: Any, graph: Any, texts: frozenset[str], hashed: frozenset[str]) -> dict[str, np.ndarray[Any, Any]]:
    """Return a few rows of every input, by its name; what lookups know, and some that they do not, is among them."""
    seen: dict[str, list[Any]] = {}
    for place, tensor in enumerate(model.inputs):
        keys, taken = keys_of(graph, tensor.name)
        values: list[Any]
        if tensor.name in hashed:
            values = [fingerprint(text.encode()) for text in _STRANGERS]
        elif tensor.name in texts:
            values = [*_STRANGERS, *keys]
        elif keys:
            values = _near(keys, np.dtype(tensor.dtype))
        else:
            values = list(np.roll([0, 1] if np.dtype(tensor.dtype).kind != "f" else _FLOATS, place))
        known = values if taken is None else [value for value in values if value in taken] or list(taken)
        if not known:
            raise SystemExit(f"the lookups of '{tensor.name}' that take known values alone have none in common")
        seen[tensor.name] = known
    rows = min(max(len(_FLOATS), *map(len, seen.values())), _MOST_ROWS)
    return {
        tensor.name: _column(
            tensor,
            [seen[tensor.name][row % len(seen[tensor.name])] for row in range(rows)],
            dtype="object" if tensor.name in texts - hashed else None,
        )
        for tensor in model.inputs
    }


def _near(keys: list[int], dtype: np.dtype[Any]) -> list[int]:
    """Return what lookups know of an input of numbers, and some that they may not know."""
    values = [*keys, 0, -1, -5, max(keys) + 1, max(keys) + 2, min(keys) - 1]
    limits = np.iinfo(dtype if dtype.kind in "iu" else "int64")
    return [value for value in values if limits.min <= value <= limits.max]


def _numbered(feeds: dict[str, Any], texts: frozenset[str]) -> dict[str, Any]:
    """Return rows as Keras is given them here: a text is its place among all of them."""
    from penstock.models.keras.lookups import texts_are

    known = list(dict.fromkeys(text for name in texts for text in feeds[name].ravel()))
    texts_are(known)
    places = {text: place for place, text in enumerate(known)}
    return {
        name: np.vectorize(places.__getitem__, otypes=["int64"])(values) if name in texts else values
        for name, values in feeds.items()
    }


def _rename(graph: Any, names: list[str]) -> None:
    """Give the outputs, which the exporter numbers, the names of the layers that made them."""
    taken = {port.name for port in graph.input}
    for port, wanted in zip(graph.output, names, strict=True):
        old, name = port.name, f"{wanted}_output" if wanted in taken else wanted
        for node in graph.node:
            for sides in (node.input, node.output):
                for place, tensor in enumerate(sides):
                    if tensor == old:
                        sides[place] = name
        port.name = name
        taken.add(name)


def _hold(content: bytes, feeds: dict[str, Any], expected: list[Any], names: list[str]) -> None:
    """Refuse a file that predicts otherwise than Keras, many rows or one at a time."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    for rows in (slice(None), *(slice(row, row + 1) for row in range(len(expected[0])))):
        found = session.run(None, {port.name: feeds[port.name][rows] for port in session.get_inputs()})
        for name, one, other in zip(names, found, expected, strict=True):
            if not np.allclose(one, other[rows], rtol=_TOLERANCE, atol=_TOLERANCE, equal_nan=True):
                raise SystemExit(f"the output '{name}' is {one.tolist()} in ONNX and {other[rows].tolist()} in Keras")


if __name__ == "__main__":
    convert(Path(sys.argv[1]), run_lambdas=sys.argv[2:] == ["run"])
