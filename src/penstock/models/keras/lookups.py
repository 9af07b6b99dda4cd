"""Keras' StringLookup and IntegerLookup without TensorFlow, for the process that converts: a dictionary, which a
LabelEncoder becomes in ONNX. PyTorch has no texts, so a text is the number of its place in `texts_are` until then."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import torch

from penstock.models.keras.columns import KNOWN, UNKNOWN

_KINDS = ("StringLookup", "IntegerLookup")
_OURS = (*_KINDS, "Hashing", "HashedCrossing")
_DROPPED = -2
"""What a masked value is where the output has a place for each token, but none for it."""
_HOLDER: dict[str, Sequence[str]] = {"texts": ("", "")}


@dataclass(frozen=True, slots=True)
class Table:
    """What a lookup knows: the value of each key, and of any other one."""

    entries: Mapping[Any, int]
    otherwise: int
    size: int
    """How many places an encoded output has, vocabulary and unknown ones."""
    strict: bool = False
    """An unknown value is an error in what is made; here it is anything, as Keras is asked for known ones alone."""


def table_of(config: Mapping[str, Any], vocabulary: Sequence[Any]) -> Table:
    """Return the table of a layer: the mask is 0 if places are numbers, then come unknown values, then the tokens.

    A vocabulary may begin with these special tokens itself, as `get_vocabulary()` and a saved file give it.
    """
    mask, unknown = config["mask_token"], config["num_oov_indices"]
    start = 1 if mask is not None and config["output_mode"] == "int" else 0
    special = [mask] * start + [config["oov_token"]] * unknown
    tokens = vocabulary[len(special) :] if list(vocabulary[: len(special)]) == special else vocabulary
    places = dict(zip(tokens, range(len(special), len(special) + len(tokens)), strict=True))
    if config["invert"]:
        masked = {0: mask} if start else {}
        return Table({**{place: token for token, place in places.items()}, **masked}, config["oov_token"], 0)
    masked = {} if mask is None else {mask: 0 if start else _DROPPED}
    size = config["max_tokens"] if config["pad_to_max_tokens"] else len(special) + len(tokens)
    otherwise = {0: 0, 1: start}.get(unknown, UNKNOWN)
    return Table({**places, **masked}, otherwise, size, strict=unknown == 0)


class _Encoded(torch.autograd.Function):  # type: ignore[misc]  # PyTorch is Any here
    """A table looked up: in Python where Keras predicts, as a LabelEncoder where it is exported."""

    @staticmethod
    def forward(ctx: Any, keys: Any, layer: Any) -> Any:
        values = keys.reshape(-1).tolist()
        if layer.of_texts:
            values = [_HOLDER["texts"][value] for value in values]
        table = layer.table
        return torch.tensor([table.entries.get(value, table.otherwise) for value in values]).reshape(keys.shape)

    @staticmethod
    def symbolic(graph: Any, keys: Any, layer: Any) -> Any:
        entries = layer.table.entries
        made = graph.op(
            "ai.onnx.ml::LabelEncoder",
            keys,
            **{"keys_strings_s" if layer.of_texts else "keys_int64s_i": list(entries)},
            values_int64s_i=list(entries.values()),
            default_int64_i=UNKNOWN if layer.table.strict else layer.table.otherwise,
        )
        if layer.table.strict:
            made.setType(keys.type())
            made = graph.op(f"penstock::{KNOWN}", made, layer_s=layer.name)
        made.setType(keys.type())
        return made


class _Lookup(keras.layers.Layer):  # type: ignore[misc]  # Keras is Any here
    """What Keras' own layer of these options gives, but for what `keras_files` refuses before."""

    def __init__(self, *, name: str, **options: Any) -> None:
        super().__init__(name=name, autocast=False)
        self.options = options
        self.of_texts = type(self).__name__ == "StringLookup"
        self.weights_of_tokens: Any = None
        self._learn(options["vocabulary"])

    def _learn(self, vocabulary: Sequence[Any] | None) -> None:
        self.table = None if vocabulary is None else table_of(self.options, vocabulary)

    def load_own_variables(self, store: Any) -> None:
        """Read the weights of tf-idf, one for each place."""
        if self.options["output_mode"] == "tf_idf":
            self.weights_of_tokens = torch.tensor(store["idf_weights"][:])

    def load_assets(self, path: str | None) -> None:
        """Read the vocabulary, if the file has it beside the configuration: a token a line."""
        if path is None or self.options["vocabulary"] is not None:
            return
        lines = (Path(path) / "vocabulary.txt").read_text(encoding="utf-8").splitlines()
        while lines and not lines[-1]:
            lines.pop()
        self._learn(lines if self.of_texts else [int(line) for line in lines])

    def compute_output_spec(self, inputs: Any) -> Any:
        """Tell the shape and type that Keras tells."""
        mode, shape = self.options["output_mode"], tuple(inputs.shape)
        if mode == "int":
            return keras.KerasTensor(shape, dtype="int64")
        if mode != "one_hot" and len(shape) != 2:
            raise ValueError(
                f"the lookup '{self.name}' counts the values of a row, and its rows are {shape}, not lists"
            )
        size = self.table.size if self.table else self.options.get("vocabulary_size")  # a file beside comes later
        size = self.options["max_tokens"] if self.options["pad_to_max_tokens"] else size
        kept = shape[:-1] if mode != "one_hot" or (len(shape) > 1 and shape[-1] == 1) else shape
        return keras.KerasTensor((*kept, size), dtype=keras.config.floatx())

    def call(self, inputs: Any) -> Any:
        """Return places, or an encoding of them: whole numbers, as Keras'."""
        if not self.table or not self.table.entries:
            raise ValueError(f"the lookup '{self.name}' has no vocabulary; adapt it, and save the model again")
        mode, buckets = self.options["output_mode"], self.options["num_oov_indices"]
        keys = inputs.to(torch.int64)
        places = _Encoded.apply(keys, self)
        if buckets > 1 and not self.options["invert"]:
            first = 1 if self.options["mask_token"] is not None and mode == "int" else 0
            places = torch.where(places == UNKNOWN, torch.remainder(keys, buckets) + first, places)
        made = encoded(places, "count" if mode == "tf_idf" else mode, self.table.size)
        return made if mode != "tf_idf" else made.to(torch.float32) * self.weights_of_tokens


def encoded(places: Any, mode: str, size: int) -> Any:
    """Return places as they are, or as flags or counts of so many places; one outside of them has none."""
    if mode == "int":
        return places
    if mode == "one_hot" and places.ndim > 1 and places.shape[-1] == 1:
        places = places.squeeze(-1)
    flags = (places.unsqueeze(-1) == torch.arange(size)).to(torch.int64)
    if mode == "one_hot":
        return flags
    return flags.amax(-2) if mode == "multi_hot" else flags.sum(-2)


LAYERS = {f"penstock>{kind}": type(kind, (_Lookup,), {}) for kind in _KINDS}
"""What stands for Keras' layers, of the same names, by which files find their vocabularies."""


def texts_are(texts: Sequence[str]) -> None:
    """Say which texts the numbers stand for that Keras is given from now on."""
    _HOLDER["texts"] = texts


def adapted(source: Path, target: Path) -> frozenset[str]:
    """Write a Keras file whose lookups and hashes are ours and whose texts are numbers; return the texts' names."""
    with zipfile.ZipFile(source) as given, zipfile.ZipFile(target, "w") as made:
        for entry in given.infolist():
            content = given.read(entry)
            if entry.filename == "config.json":
                config = json.loads(content)
                names = frozenset(_texts(config["config"].get("layers", ())))
                content = json.dumps(_ours(config)).encode()
            made.writestr(entry, content)
    return names


def _texts(layers: Iterable[Any]) -> Iterable[str]:
    for layer in layers:
        if layer["class_name"] == "InputLayer" and layer["config"].get("dtype") == "string":
            yield layer["config"]["name"]


def _ours(value: Any) -> Any:
    if isinstance(value, list):
        return [_ours(item) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"class_name": "InputLayer", "config": {"dtype": "string"} as config}:
            return {**value, "config": {**config, "dtype": "int64"}}
        case {"class_name": kind} if kind in _OURS:
            return {**value, "module": "penstock", "registered_name": f"penstock>{kind}"}
    return {key: _ours(item) for key, item in value.items()}
