"""BERT as tensors, from its weights as safetensors: pretrained encoders run without what trained them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from penstock.errors import DeclarationError, MissingExtraError
from penstock.multimodal.tensors import Array
from penstock.operations.tensors import Recorder
from penstock.operations.tensors.onnx_file import Port, to_bytes


class _Config(msgspec.Struct):
    """What `config.json` says of the layers."""

    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    model_type: str = ""
    hidden_act: str = "gelu"
    position_embedding_type: str = "absolute"
    layer_norm_eps: float = 1e-12


class _Bert:
    """The layers, recorded one by one; weights are kept as they are multiplied: (inputs, outputs)."""

    def __init__(self, config: _Config, arrays: Mapping[str, Array]) -> None:
        self.t, self.config, self.arrays = Recorder(), config, arrays

    def weight(self, name: str, *, turned: bool = False) -> str:
        array = self.arrays[name].astype(np.float32)
        self.t.weights[name] = np.ascontiguousarray(array.T if turned else array)
        return name

    def linear(self, x: str, name: str) -> str:
        product = self.t.node("MatMul", x, self.weight(f"{name}.weight", turned=True))
        return self.t.node("Add", product, self.weight(f"{name}.bias"))

    def normal(self, x: str, name: str) -> str:
        scale, shift = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.t.node("LayerNormalization", x, scale, shift, axis=-1, epsilon=self.config.layer_norm_eps)

    def embedded(self, ids: str) -> str:
        """Return the sum of each token's vector, its place's and that of the first kind of text."""
        t, within = self.t, "embeddings"
        words = t.node("Gather", self.weight(f"{within}.word_embeddings.weight"), ids)
        count = t.node("Squeeze", t.node("Shape", ids, start=1, end=2))
        places = t.node("Range", t.integer(0), count, t.integer(1))
        placed = t.node("Gather", self.weight(f"{within}.position_embeddings.weight"), places)
        kind = t.node("Gather", self.weight(f"{within}.token_type_embeddings.weight"), t.integer(0))
        return self.normal(t.node("Add", t.node("Add", words, placed), kind), f"{within}.LayerNorm")

    def attended(self, x: str, name: str) -> str:
        """Return what the heads gather, each from all tokens: there is one text, so none is hidden."""
        t, heads = self.t, self.config.num_attention_heads
        size = self.config.hidden_size // heads
        apart = t.tensor("int64", [0, 0, heads, size])

        def split(part: str, order: tuple[int, ...]) -> str:
            return t.node("Transpose", t.node("Reshape", self.linear(x, f"{name}.self.{part}"), apart), perm=order)

        query, key, value = split("query", (0, 2, 1, 3)), split("key", (0, 2, 3, 1)), split("value", (0, 2, 1, 3))
        scores = t.node("Mul", t.node("MatMul", query, key), t.tensor("float32", [size**-0.5]))
        found = t.node("MatMul", t.node("Softmax", scores, axis=-1), value)
        joined = t.node("Reshape", t.node("Transpose", found, perm=(0, 2, 1, 3)),
            t.tensor("int64", [0, 0, self.config.hidden_size]))  # fmt: skip
        made = t.node("Add", self.linear(joined, f"{name}.output.dense"), x)
        return self.normal(made, f"{name}.output.LayerNorm")

    def layer(self, x: str, name: str) -> str:
        """Return one layer: what is attended to, then each token by itself."""
        x = self.attended(x, f"{name}.attention")
        wide = self.t.node("Gelu", self.linear(x, f"{name}.intermediate.dense"))
        made = self.t.node("Add", self.linear(wide, f"{name}.output.dense"), x)
        return self.normal(made, f"{name}.output.LayerNorm")


def bert_files(weights: bytes, config: Mapping[str, Any], model: str) -> tuple[bytes, dict[str, Array]]:
    """Return the graph from `input_ids` to a vector for each token, and its weights.

    Raises `DeclarationError` for a model that is no BERT as it was published.
    """
    try:
        known = msgspec.convert(config, _Config)
    except msgspec.ValidationError as error:
        raise DeclarationError(f"sentence model '{model}': config.json: {error}") from error
    told = (known.model_type, known.hidden_act, known.position_embedding_type)
    if told != ("bert", "gelu", "absolute"):
        raise DeclarationError(
            f"sentence model '{model}' is of type {', '.join(told)}; of model.safetensors bert, gelu, absolute is "
            "known here: export the model to model.onnx"
        )
    arrays = {name.removeprefix("bert."): array for name, array in _safetensors().load(weights).items()}
    bert = _Bert(known, arrays)
    try:
        x = bert.embedded("input_ids")
        for layer in range(known.num_hidden_layers):
            x = bert.layer(x, f"encoder.layer.{layer}")
    except KeyError as error:
        raise DeclarationError(f"sentence model '{model}': model.safetensors lacks {error}") from error
    inputs = [Port(name="input_ids", type="int64", dimensions=("rows", "tokens"))]
    outputs = {Port(name="tokens", type="float32", dimensions=("rows", "tokens", known.hidden_size)): x}
    graph = to_bytes(bert.t, name="bert", inputs=inputs, outputs=outputs, metadata={}, weights_in="model.safetensors")
    return graph, bert.t.weights


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise MissingExtraError("safetensors", extra="sentences", purpose="the embedding of a sentence") from error
    return safetensors.numpy
