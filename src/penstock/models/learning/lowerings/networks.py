"""Networks as tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from penstock.models.learning.learner import EnteringTensor, Estimator
from penstock.models.learning.lowerings.entering import weighted
from penstock.models.learning.lowerings.linear import probabilities
from penstock.models.learning.matrix import Floats
from penstock.models.learning.network import Part, network_of, shape_of
from penstock.operations.tensors import Recorder


def lower_network(t: Recorder, estimator: Estimator, columns: Sequence[EnteringTensor]) -> str:
    """Return the value, or the probability of each class."""
    network, activate = network_of(estimator), _ACTIVATIONS[shape_of(estimator).activation]
    given = _entered(t, network.parts[0], columns)
    for part in network.parts[1:]:
        product = t.node("MatMul", activate(t, given), _constant(t, part.weights))
        given = t.node("Add", product, _constant(t, part.constants))
    if network.wide is not None:
        given = t.node("Add", given, _entered(t, network.wide, columns))
    return probabilities(t, given, estimator.classes) if estimator.classes else given


def _entered(t: Recorder, part: Part, columns: Sequence[EnteringTensor]) -> str:
    start, weights = 0, []
    for column in columns:
        weights.append(part.weights[start : start + column.width].tolist())
        start += column.width
    return t.node("Add", weighted(t, columns, weights), _constant(t, part.constants))


def _constant(t: Recorder, array: Floats) -> str:
    return t.tensor("float64", array.ravel().tolist(), array.shape)


def _elu(t: Recorder, x: str) -> str:
    below = t.node("Sub", t.node("Exp", t.node("Min", x, t.number(0.0))), t.number(1.0))
    return t.node("Where", t.node("Greater", x, t.number(0.0)), x, below)


def _selu(t: Recorder, x: str) -> str:
    scaled = t.node("Where", t.node("Greater", x, t.number(0.0)), t.number(1.0), t.number(1.6732632423543772))
    return t.node("Mul", t.node("Mul", scaled, _elu(t, x)), t.number(1.0507009873554805))


_ACTIVATIONS: dict[str, Callable[[Recorder, str], str]] = {
    "RELU": lambda t, x: t.node("Relu", x),
    "RELU6": lambda t, x: t.node("Min", t.node("Relu", x), t.number(6.0)),
    "CRELU": lambda t, x: t.node("Concat", t.node("Relu", x), t.node("Relu", t.node("Neg", x)), axis=1),
    "ELU": _elu,
    "SELU": _selu,
    "SIGMOID": lambda t, x: t.node("Sigmoid", x),
    "TANH": lambda t, x: t.node("Tanh", x),
}
"""As in `network`, where ONNX Runtime has them for doubles, and put together where it does not."""
