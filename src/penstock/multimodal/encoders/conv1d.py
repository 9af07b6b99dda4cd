"""Sequences under filters of some neighbouring steps: how strongly each filter is met, at most and on the whole."""

from __future__ import annotations

from typing import Any

from penstock.multimodal.encoders import steps
from penstock.multimodal.encoders.form import Settings, Shape, Weights, linear
from penstock.operations.tensors import Recorder


def _sides(width: int) -> tuple[int, int]:
    """Return how many steps of nothing stand before the first and after the last, so that each step has its filters."""
    return (width - 1) // 2, width // 2


def _module(torch: Any, settings: Settings, shape: Shape, sample: Any) -> Any:
    nn, widths = torch.nn, [int(width) for width in settings["widths"]]

    class Conv1d(nn.Module):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.steps = steps.module(torch, settings, shape, sample)
            own = steps.width_of(settings, shape)
            self.filters = nn.ModuleList(nn.Conv1d(own, settings["filters"], width) for width in widths)
            self.linear = nn.Linear(2 * len(widths) * settings["filters"], settings["dim"])

        def forward(self, x: Any) -> Any:
            found, lengths = self.steps(x)
            there = steps.there(torch, lengths, found)
            rows, pooled = (found * there).transpose(1, 2), []
            for width, filters in zip(widths, self.filters, strict=True):
                met = torch.relu(filters(nn.functional.pad(rows, _sides(width)))) * there.transpose(1, 2)
                pooled += [met.amax(2), met.sum(2) / lengths.unsqueeze(1)]
            return torch.relu(self.linear(torch.cat(pooled, dim=1)))

    return Conv1d()


def _record(t: Recorder, x: str, settings: Settings, shape: Shape, weights: Weights) -> str:
    found, lengths = steps.record(t, x, shape, weights.within("steps"))
    there = steps.record_there(t, lengths, found)
    rows = t.node("Transpose", t.node("Mul", found, there), perm=(0, 2, 1))
    kept, last = t.node("Transpose", there, perm=(0, 2, 1)), t.tensor("int64", [2])
    count = t.node("Unsqueeze", t.to("float32", lengths), t.tensor("int64", [1]))
    pooled = []
    for at, width in enumerate(settings["widths"]):
        own = weights.within(f"filters.{at}")
        met = t.node("Conv", rows, own("weight"), own("bias"), kernel_shape=(width,), pads=_sides(width))
        met = t.node("Mul", t.node("Relu", met), kept)
        pooled.append(t.node("ReduceMax", met, last, keepdims=0))
        pooled.append(t.node("Div", t.node("ReduceSum", met, last, keepdims=0), count))
    return t.node("Relu", linear(t, t.node("Concat", *pooled, axis=1), weights.within("linear")))


CONV1D, CONV1D_OF_NUMBERS = steps.both_forms(_module, _record)
