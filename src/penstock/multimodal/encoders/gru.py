"""Sequences read from their first step to their last, by gated recurrent units: what is remembered at the end."""

from __future__ import annotations

from typing import Any

from penstock.multimodal.encoders import steps
from penstock.multimodal.encoders.form import Settings, Shape, Weights
from penstock.operations.tensors import Recorder


def _module(torch: Any, settings: Settings, shape: Shape, sample: Any) -> Any:
    width, dim = steps.width_of(settings, shape), settings["dim"]

    class Gru(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.steps = steps.module(torch, settings, shape, sample)
            self.gru = torch.nn.GRU(width, dim, batch_first=True)

        def forward(self, x: Any) -> Any:
            found, lengths = self.steps(x)
            memory, _ = self.gru(found)
            at = (lengths - 1).reshape(-1, 1, 1).expand(-1, 1, dim)
            return memory.gather(1, at).squeeze(1)

    return Gru()


def _record(t: Recorder, x: str, settings: Settings, shape: Shape, weights: Weights) -> str:
    found, lengths = steps.record(t, x, shape, weights.within("steps"))
    dim, first = int(settings["dim"]), t.tensor("int64", [0])
    # PyTorch's gates are reset, update, new; ONNX has update before reset.
    order = t.tensor("int64", [*range(dim, 2 * dim), *range(dim), *range(2 * dim, 3 * dim)])
    own = weights.within("gru")
    given, before, bias, bias_before = (
        t.node("Gather", own(name), order) for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    )
    biases = t.node("Concat", bias, bias_before, axis=0)
    _, last = t.outputs(
        "GRU",
        (
            t.node("Transpose", found, perm=(1, 0, 2)),
            *(t.node("Unsqueeze", each, first) for each in (given, before, biases)),
            t.to("int32", lengths),
        ),
        count=2,
        hidden_size=dim,
        linear_before_reset=1,
    )
    return t.node("Squeeze", last, first)


GRU, GRU_OF_NUMBERS = steps.both_forms(_module, _record)
