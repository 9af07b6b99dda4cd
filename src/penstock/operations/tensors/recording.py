"""What is recorded of a computation over tensors: nodes and constants, each once, as plain values."""

from __future__ import annotations

import array
import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

ML = "ai.onnx.ml"
"""The domain of the operators of machine learning; both domains are part of the ONNX standard."""

TENSOR_TYPES = {
    "bool": "bool",
    "int64": "int64",
    "float64": "float64",
    "string": "string",
    "date": "int64",  # days since 1970-01-01
    "time": "int64",  # microseconds since midnight
    "datetime": "int64",  # microseconds since 1970-01-01 00:00 by the wall clock
    "timestamp": "int64",  # microseconds since 1970-01-01 00:00 UTC
}
"""Type -> the type of the tensor that holds its values."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A tensor that is the same for every row. `type` is bool, int64, float64, string or uint8."""

    type: str
    values: tuple[Any, ...]
    shape: tuple[int, ...]

    @property
    def key(self) -> tuple[Any, ...]:
        """What tells it from others: floats by their bits, for 0.0 and -0.0 are equal and NaN is not."""
        bits = array.array("d", self.values).tobytes() if self.type.startswith("float") else self.values
        return self.type, self.shape, bits


@dataclass(frozen=True, slots=True)
class TensorNode:
    """One application of an operator; attributes are numbers, strings, lists of them, or constants."""

    operator: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    domain: str
    attributes: tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a loop does in each turn: from the turn's number and the state so far, the next state. Its nodes read what
    is recorded around them as well."""

    nodes: tuple[TensorNode, ...]
    number: str
    state: str
    type: str
    result: str


class Recorder:
    """Records nodes and constants; the same one asked for twice is there once, and has one name.

    `weights` are learned numbers by names that are given to them; in a file they may stand apart from what reads them.
    """

    def __init__(self, around: Recorder | None = None) -> None:
        self.nodes: list[TensorNode] = []
        self.constants: dict[str, Constant] = around.constants if around else {}
        self.weights: dict[str, np.ndarray[Any, Any]] = around.weights if around else {}
        self._named: dict[Any, tuple[str, ...]] = dict(around._named) if around else {}
        self._numbers: itertools.count[int] = around._numbers if around else itertools.count()

    def _names(self, count: int) -> tuple[str, ...]:
        """Return new names; columns have none that begins with a slash and a number, or would be refused."""
        start = next(self._numbers)
        return tuple(f"/{start}" if count == 1 else f"/{start}.{place}" for place in range(count))

    def tensor(self, type: str, values: Sequence[Any], shape: Sequence[int] | None = None) -> str:
        """Return the name of a constant tensor; without a shape it is a list."""
        constant = Constant(type, tuple(values), (len(values),) if shape is None else tuple(shape))
        key = constant.key
        if key not in self._named:
            self._named[key] = self._names(1)
            self.constants[self._named[key][0]] = constant
        return self._named[key][0]

    def scalar(self, type: str, value: Any) -> str:
        """Return the name of a constant that stands for one value in every row."""
        return self.tensor(type, (value,), ())

    def integer(self, value: int) -> str:
        """Return the name of a constant integer."""
        return self.scalar("int64", value)

    def number(self, value: float) -> str:
        """Return the name of a constant float."""
        return self.scalar("float64", value)

    def node(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Return the output of an operator of the main domain."""
        return self.outputs(operator, inputs, **attributes)[0]

    def learned(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Return the output of an operator of machine learning."""
        return self.outputs(operator, inputs, domain=ML, **attributes)[0]

    def outputs(
        self, operator: str, inputs: Sequence[str], *, count: int = 1, domain: str = "", **attributes: Any
    ) -> tuple[str, ...]:
        """Return the outputs of an operator."""
        listed = tuple(sorted(attributes.items()))
        keys = tuple((name, value.key if isinstance(value, Constant) else repr(value)) for name, value in listed)
        key = (operator, tuple(inputs), keys)
        if key not in self._named:
            self._named[key] = self._names(count)
            self.nodes.append(TensorNode(operator, tuple(inputs), self._named[key], domain, listed))
        return self._named[key]

    def loop(self, turns: str, start: str, type: str, step: Callable[[Recorder, str, str], str]) -> str:
        """Return the state after so many turns, each a step from the turn's number and the state before it."""
        inside = Recorder(self)
        (number,), (state,) = inside._names(1), inside._names(1)
        turn = Turn(nodes=(), number=number, state=state, type=type, result=step(inside, number, state))
        body = dataclasses.replace(turn, nodes=tuple(inside.nodes))
        return self.node("Loop", turns, "", start, body=body)

    def to(self, type: str, tensor: str) -> str:
        """Return a tensor brought to a type by ONNX's own cast."""
        return self.node("Cast", tensor, to=type)

    def where(self, condition: str, one: str, other: str, type: str) -> str:
        """Return the one value where the condition holds, else the other; ONNX Runtime chooses no booleans."""
        if one == other:
            return one
        if type != "bool":
            return self.node("Where", condition, one, other)
        taken = self.node("And", condition, one)
        return self.node("Or", taken, self.node("And", self.node("Not", condition), other))

    def quotient(self, number: str, divisor: int) -> str:
        """Return an integer divided by a positive constant, rounded down; ONNX rounds towards zero."""
        rest = self.remainder(number, divisor)
        return self.node("Div", self.node("Sub", number, rest), self.integer(divisor))

    def remainder(self, number: str, divisor: int) -> str:
        """Return what is left of an integer, from 0 to the constant divisor."""
        return self.node("Mod", number, self.integer(divisor))
