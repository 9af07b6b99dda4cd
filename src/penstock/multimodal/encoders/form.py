"""What an encoder is to a network: how wide its vector is, the module that learns it, the tensors that run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from penstock.operations.tensors import Recorder

Settings = Mapping[str, Any]
Shape = tuple[int, ...]


class Weights:
    """The learned numbers of one module while it is recorded, by the names that its state has in PyTorch."""

    def __init__(self, recorder: Recorder, arrays: Mapping[str, np.ndarray[Any, Any]], prefix: str = "") -> None:
        self._recorder, self._arrays, self._prefix = recorder, arrays, prefix

    def __call__(self, name: str) -> str:
        """Return the tensor of that name."""
        self._recorder.weights[self._prefix + name] = self.array(name)
        return self._prefix + name

    def array(self, name: str) -> np.ndarray[Any, Any]:
        """Return the numbers of that name."""
        return self._arrays[self._prefix + name]

    def within(self, prefix: str) -> Weights:
        """Return the numbers of a module within this one."""
        return Weights(self._recorder, self._arrays, f"{self._prefix}{prefix}.")


class Module(Protocol):
    """Make the PyTorch module: from the tensor that enters (rows first) to (rows, width)."""

    def __call__(self, torch: Any, settings: Settings, shape: Shape, sample: Any) -> Any:
        """Return the module; `sample` is what enters it for some training rows, as an array."""


class Record(Protocol):
    """Record what the module does once it has learned."""

    def __call__(self, t: Recorder, x: str, settings: Settings, shape: Shape, weights: Weights) -> str:
        """Return the tensor (rows, width)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """An encoder, both ways. `dtype` is that of its input, `dimensions` the input's beside the rows."""

    width: Callable[[Settings, Shape], int]
    module: Module
    record: Record
    dtype: str
    dimensions: Callable[[Shape], tuple[int | str, ...]]


def linear(t: Recorder, x: str, weights: Weights) -> str:
    """Record a linear layer: of PyTorch's, the weights are (outputs, inputs)."""
    return t.node("Gemm", x, weights("weight"), weights("bias"), transB=1)
