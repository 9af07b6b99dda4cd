"""The network as recorded tensors, as it runs: what `net` computes once it has learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from penstock.multimodal.encoders import FORMS, Weights
from penstock.multimodal.encoders.form import linear
from penstock.multimodal.fusing import record_fused
from penstock.multimodal.spec import Spec
from penstock.operations.tensors import Recorder
from penstock.operations.tensors.onnx_file import Port


def ports(spec: Spec) -> list[Port]:
    """Return the inputs of a network: those that it reads."""
    found = [Port(name="numbers", type="float32", dimensions=("rows", len(spec.numbers)))] if spec.numbers else []
    if spec.entries:
        found.append(Port(name="entries", type="int64", dimensions=("rows", "entries_of_a_row")))
        found.append(Port(name="weights", type="float32", dimensions=("rows", "entries_of_a_row")))
    if spec.encoded:
        found.append(Port(name="present", type="float32", dimensions=("rows", len(spec.branches))))
    for at, place in enumerate(spec.encoded):
        branch = spec.branches[place]
        form = FORMS[branch.encoder or ""]
        own = tuple(f"{each}_{at}" if isinstance(each, str) else each for each in form.dimensions(branch.shape))
        found.append(Port(name=f"input_{at}", type=form.dtype, dimensions=("rows", *own), meaning=branch.name))
    return found


def record_network(
    t: Recorder, spec: Spec, given: Mapping[str, str], arrays: Mapping[str, np.ndarray[Any, Any]]
) -> str:
    """Record the totals (rows, outputs) of the tensors that `ports` names."""
    weights = Weights(t, arrays)
    vectors = []
    for at, place in enumerate(spec.encoded):
        branch = spec.branches[place]
        record = FORMS[branch.encoder or ""].record
        own = weights.within(f"encoders.{at}")
        made = record(t, given[f"input_{at}"], branch.settings, branch.shape, own)
        vectors.append(_or_missing(t, made, given["present"], place, weights(f"missing.{at}")))
    if spec.fusion == "concat":
        x = _first(t, spec, [*([given["numbers"]] if spec.numbers else []), *vectors], given, weights)
    else:
        x = linear(t, record_fused(t, spec, vectors, given, weights), weights.within("layers.0"))
    for at in range(1, len(spec.hidden_units) + 1):
        x = linear(t, _ACTIVATIONS[spec.activation](t, x), weights.within(f"layers.{at}"))
    return x


def _or_missing(t: Recorder, made: str, present: str, place: int, missing: str) -> str:
    """Record the vector, or what was learned for its absence, as shares: half of a branch is half of each."""
    there = t.node("Gather", present, t.tensor("int64", [place]), axis=1)
    gone = t.node("Sub", t.tensor("float32", [1.0]), there)
    return t.node("Add", t.node("Mul", there, made), t.node("Mul", gone, missing))


def _first(t: Recorder, spec: Spec, parts: list[str], given: Mapping[str, str], weights: Weights) -> str:
    own = weights.within("layers.0")
    x = own("bias")
    if parts:
        x = linear(t, parts[0] if len(parts) == 1 else t.node("Concat", *parts, axis=1), own)
    if not spec.entries:
        return x
    found = t.node("Gather", weights("entries.weight"), given["entries"])
    products = t.node("Mul", found, t.node("Unsqueeze", given["weights"], t.tensor("int64", [2])))
    return t.node("Add", x, t.node("ReduceSum", products, t.tensor("int64", [1]), keepdims=0))


def _crelu(t: Recorder, x: str) -> str:
    return t.node("Concat", t.node("Relu", x), t.node("Relu", t.node("Neg", x)), axis=1)


_ACTIVATIONS: dict[str, Callable[[Recorder, str], str]] = {
    "RELU": lambda t, x: t.node("Relu", x),
    "RELU6": lambda t, x: t.node("Min", t.node("Relu", x), t.tensor("float32", [6.0])),
    "CRELU": _crelu,
    "ELU": lambda t, x: t.node("Elu", x),
    "SELU": lambda t, x: t.node("Selu", x),
    "SIGMOID": lambda t, x: t.node("Sigmoid", x),
    "TANH": lambda t, x: t.node("Tanh", x),
}
