"""Tokens: a vector learned for each, and of a row's tokens the mean, the greatest numbers, or what it attends to."""

from __future__ import annotations

from typing import Any

from penstock.multimodal.encoders.form import Form, Settings, Shape, Weights
from penstock.operations.tensors import Recorder

_DROPPED = 0.1  # the share of tokens that a training step leaves out: so what stands for unknown ones is learned too


def _module(torch: Any, settings: Settings, shape: Shape, sample: Any) -> Any:
    pooling = settings["pooling"]

    class Embedding(torch.nn.Module):  # type: ignore[misc]
        """Known tokens (from 1 on) are pooled; a row without any has the vector of the unknown ones, the first."""

        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(shape[0], settings["dim"])
            if pooling == "attention":
                self.heard = torch.nn.Linear(settings["dim"], settings["dim"])
                self.wanted = torch.nn.Linear(settings["dim"], 1, bias=False)

        def forward(self, tokens: Any) -> Any:
            known = tokens > 0
            if self.training:
                known = known & (torch.rand(tokens.shape, device=tokens.device) >= _DROPPED)
            tokens = torch.where(known, tokens, 0)
            found, there = self.table(tokens), known.unsqueeze(2).to(torch.float32)
            if pooling == "max":
                pooled = (found + (there - 1) * 1e9).amax(1)
            elif pooling == "attention":
                shares = (self.wanted(torch.tanh(self.heard(found))) + (there - 1) * 1e9).softmax(1)
                pooled = (found * shares).sum(1)
            else:
                pooled = (found * there).sum(1) / there.sum(1).clamp_min(1)
            unknown = self.table.weight[0]
            return torch.where(known.any(1, keepdim=True), pooled, unknown)

    return Embedding()


def _record(t: Recorder, x: str, settings: Settings, shape: Shape, weights: Weights) -> str:
    axis, last = t.tensor("int64", [1]), t.tensor("int64", [2])
    table, one = weights("table.weight"), t.tensor("float32", [1.0])
    known = t.node("Greater", x, t.integer(0))
    found = t.node("Gather", table, t.node("Where", known, x, t.integer(0)))
    there = t.node("Unsqueeze", t.to("float32", known), last)
    count = t.node("ReduceSum", there, axis, keepdims=0)
    if settings["pooling"] == "mean":
        total = t.node("ReduceSum", t.node("Mul", found, there), axis, keepdims=0)
        pooled = t.node("Div", total, t.node("Max", count, one))
    else:
        hidden = t.node("Mul", t.node("Sub", there, one), t.tensor("float32", [1e9]))
        pooled = _record_chosen(t, found, hidden, settings["pooling"], weights)
    unknown = t.node("Gather", table, t.tensor("int64", [0]))
    return t.node("Where", t.node("Greater", count, t.tensor("float32", [0.0])), pooled, unknown)


def _record_chosen(t: Recorder, found: str, hidden: str, pooling: str, weights: Weights) -> str:
    """Record the greatest numbers, or the mean by the shares that attention gives; what is hidden has no part."""
    axis = t.tensor("int64", [1])
    if pooling == "max":
        return t.node("ReduceMax", t.node("Add", found, hidden), axis, keepdims=0)
    own = weights.within("heard")
    heard = t.node("MatMul", found, t.node("Transpose", own("weight"), perm=(1, 0)))
    heard = t.node("Tanh", t.node("Add", heard, own("bias")))
    wanted = t.node("MatMul", heard, t.node("Transpose", weights("wanted.weight"), perm=(1, 0)))
    shares = t.node("Softmax", t.node("Add", wanted, hidden), axis=1)
    return t.node("ReduceSum", t.node("Mul", found, shares), axis, keepdims=0)


EMBEDDING = Form(
    width=lambda settings, shape: int(settings["dim"]),
    module=_module,
    record=_record,
    dtype="int64",
    dimensions=lambda shape: ("tokens",),
)
