"""Ways in which representations meet, as recorded tensors; in PyTorch they are in `net`.

`concat` puts them side by side. In the others each branch first becomes a vector of one size: `gated` weighs each of
its numbers by what all branches say (Arevalo et al. 2017, "Gated Multimodal Units"), `attention` lets each branch look
at the others (Vaswani et al. 2017, "Attention Is All You Need"), before they are put side by side.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from penstock.multimodal.encoders import Weights
from penstock.multimodal.encoders.form import linear
from penstock.multimodal.spec import Spec
from penstock.operations.tensors import Recorder

FUSIONS = ("concat", "gated", "attention")
SIZE, HEADS = 64, 4
EPSILON = 1e-5


def places_of_numbers(spec: Spec) -> dict[int, list[int]]:
    """Return the branches that have plain numbers, with the places of these."""
    owners = dict.fromkeys(spec.numbers)
    return {owner: [at for at, each in enumerate(spec.numbers) if each == owner] for owner in owners}


def owners_of_entries(spec: Spec) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return the place of its branch for each entry there is."""
    return np.repeat([owner for owner, _ in spec.entries], [count for _, count in spec.entries]).astype(np.int64)


def record_fused(t: Recorder, spec: Spec, vectors: Sequence[str], given: Mapping[str, str], weights: Weights) -> str:
    """Record the branches' vectors (rows, branches x size), as `spec.fusion` lets them meet."""
    own = weights.within("fused")
    parts = [t.node("Gather", own("bias"), t.tensor("int64", [place])) for place in range(len(spec.branches))]
    for at, place in enumerate(spec.encoded):
        made = linear(t, vectors[at], own.within(f"encoded.{at}"))
        parts[place] = t.node("Add", parts[place], made)
    for owner, places in places_of_numbers(spec).items():
        numbers = t.node("Gather", given["numbers"], t.tensor("int64", places), axis=1)
        made = t.node("Gemm", numbers, own(f"numbers.{owner}.weight"), transB=1)
        parts[owner] = t.node("Add", parts[owner], made)
    for owner in dict.fromkeys(owner for owner, _ in spec.entries):
        parts[owner] = t.node("Add", parts[owner], _entries(t, spec, owner, given, weights))
    return _FUSED[spec.fusion](t, spec, parts, own)


def _entries(t: Recorder, spec: Spec, owner: int, given: Mapping[str, str], weights: Weights) -> str:
    """Record the sum of the vectors of one branch's entries, each times its weight."""
    found = t.node("Gather", weights("entries.weight"), given["entries"])
    owners = t.node("Gather", t.tensor("int64", owners_of_entries(spec).tolist()), given["entries"])
    mine = t.to("float32", t.node("Equal", owners, t.integer(owner)))
    counts = t.node("Unsqueeze", t.node("Mul", given["weights"], mine), t.tensor("int64", [2]))
    return t.node("ReduceSum", t.node("Mul", found, counts), t.tensor("int64", [1]), keepdims=0)


def _gated(t: Recorder, spec: Spec, parts: Sequence[str], own: Weights) -> str:
    side = t.node("Relu", t.node("Concat", *parts, axis=1))
    return t.node("Mul", t.node("Sigmoid", linear(t, side, own.within("gate"))), side)


def _attention(t: Recorder, spec: Spec, parts: Sequence[str], own: Weights) -> str:
    branches, each = len(parts), SIZE // HEADS
    axis = t.tensor("int64", [1])
    x = t.node("Concat", *(t.node("Unsqueeze", part, axis) for part in parts), axis=1)
    flat = t.node("Reshape", x, t.tensor("int64", [-1, SIZE]))

    def projected(name: str, order: tuple[int, ...]) -> str:
        made = linear(t, flat, own.within(name))
        return t.node("Transpose", t.node("Reshape", made, t.tensor("int64", [-1, branches, HEADS, each])), perm=order)

    scores = t.node("MatMul", projected("query", (0, 2, 1, 3)), projected("key", (0, 2, 3, 1)))
    shares = t.node("Softmax", t.node("Mul", scores, t.tensor("float32", [1 / math.sqrt(each)])), axis=-1)
    seen = t.node("Transpose", t.node("MatMul", shares, projected("value", (0, 2, 1, 3))), perm=(0, 2, 1, 3))
    made = linear(t, t.node("Reshape", seen, t.tensor("int64", [-1, SIZE])), own.within("out"))
    scaled = t.node(
        "LayerNormalization", t.node("Add", flat, made), own("norm.weight"), own("norm.bias"), axis=-1, epsilon=EPSILON
    )
    return t.node("Reshape", scaled, t.tensor("int64", [-1, branches * SIZE]))


_FUSED = {"gated": _gated, "attention": _attention}
