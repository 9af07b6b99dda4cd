"""Steps: what a layer over sequences reads, of tokens a vector for each, of numbers the number and whether it is known.

Both give (rows, steps, width) and how many steps each row has, at least one: what stands beyond does not count.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from penstock.multimodal.encoders.form import Form, Module, Record, Settings, Shape, Weights
from penstock.operations.tensors import Recorder

_DROPPED = 0.1  # the share of tokens that a training step takes for unknown ones: so what stands for these is learned


def width_of(settings: Settings, shape: Shape) -> int:
    """Return how wide a step is."""
    return int(settings["dim"]) if shape else 2


def module(torch: Any, settings: Settings, shape: Shape, sample: Any) -> Any:
    """Return the module that gives the steps and the rows' lengths: of tokens, or, without a shape, of numbers."""
    return _tokens(torch, settings, shape) if shape else _numbers(torch, sample)


def record(t: Recorder, x: str, shape: Shape, weights: Weights) -> tuple[str, str]:
    """Record what the module does."""
    return _record_tokens(t, x, weights) if shape else _record_numbers(t, x, weights)


def there(torch: Any, lengths: Any, steps: Any) -> Any:
    """Return 1 for the steps that a row has, 0 beyond (rows, steps, 1)."""
    places = torch.arange(steps.shape[1], device=steps.device)
    return (places < lengths.unsqueeze(1)).unsqueeze(2).to(torch.float32)


def record_there(t: Recorder, lengths: str, steps: str) -> str:
    """Record what `there` does."""
    count = t.node("Squeeze", t.node("Shape", steps, start=1, end=2))
    places = t.node("Range", t.integer(0), count, t.integer(1))
    flags = t.node("Less", places, t.node("Unsqueeze", lengths, t.tensor("int64", [1])))
    return t.node("Unsqueeze", t.to("float32", flags), t.tensor("int64", [2]))


def _tokens(torch: Any, settings: Settings, shape: Shape) -> Any:
    class Tokens(torch.nn.Module):  # type: ignore[misc]
        """The first vector is that of unknown tokens; a row without any token has one of those."""

        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Embedding(shape[0], settings["dim"])

        def forward(self, tokens: Any) -> Any:
            lengths = (tokens >= 0).sum(1).clamp_min(1)
            known = tokens.clamp_min(0)
            if self.training:
                known = known * (torch.rand(tokens.shape, device=tokens.device) >= _DROPPED)
            return self.table(known), lengths

    return Tokens()


def _record_tokens(t: Recorder, x: str, weights: Weights) -> tuple[str, str]:
    count = t.node("ReduceSum", t.to("int64", t.node("GreaterOrEqual", x, t.integer(0))), t.tensor("int64", [1]),
        keepdims=0)  # fmt: skip
    found = t.node("Gather", weights("table.weight"), t.node("Max", x, t.integer(0)))
    return found, t.node("Max", count, t.integer(1))


def _numbers(torch: Any, sample: Any) -> Any:
    known = sample.values[np.isfinite(sample.values)]
    mean, deviation = (float(known.mean()), float(known.std())) if len(known) else (0.0, 0.0)

    class Numbers(torch.nn.Module):  # type: ignore[misc]
        """Numbers are scaled by the training rows' mean and deviation; NaN within a row is not known, at its end is
        no step."""

        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mean", torch.tensor([mean]))
            self.register_buffer("scale", torch.tensor([1 / deviation if deviation > 1e-6 else 1.0]))

        def forward(self, numbers: Any) -> Any:
            known = ~torch.isnan(numbers)
            scaled = torch.where(known, (numbers - self.mean) * self.scale, 0.0)
            places = torch.arange(1, numbers.shape[1] + 1, device=numbers.device)
            lengths = (known * places).amax(1).clamp_min(1)
            return torch.stack([scaled, known.to(torch.float32)], dim=2), lengths

    return Numbers()


def _record_numbers(t: Recorder, x: str, weights: Weights) -> tuple[str, str]:
    axis, last = t.tensor("int64", [1]), t.tensor("int64", [2])
    known = t.node("Not", t.node("IsNaN", x))
    scaled = t.node("Mul", t.node("Sub", x, weights("mean")), weights("scale"))
    scaled = t.node("Where", known, scaled, t.tensor("float32", [0.0]))
    after = t.node("Add", t.node("Squeeze", t.node("Shape", x, start=1, end=2)), t.integer(1))
    places = t.node("Range", t.integer(1), after, t.integer(1))
    lengths = t.node("ReduceMax", t.node("Mul", t.to("int64", known), places), axis, keepdims=0)
    pair = (t.node("Unsqueeze", each, last) for each in (scaled, t.to("float32", known)))
    return t.node("Concat", *pair, axis=2), t.node("Max", lengths, t.integer(1))


def both_forms(module: Module, record: Record) -> tuple[Form, Form]:
    """Return the encoder of tokens, and that of numbers, which differ in what a step is."""

    def form(dtype: str, steps_of: str) -> Form:
        return Form(
            width=lambda settings, shape: int(settings["dim"]),
            module=module,
            record=record,
            dtype=dtype,
            dimensions=lambda shape: (steps_of,),
        )

    return form("int64", "tokens"), form("float32", "numbers")
