"""Feed-forward networks in NumPy: what they give for many rows and for one. Nothing here needs what trained them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from penstock.models.learning.learner import Estimator, RowLines
from penstock.models.learning.matrix import Column, Features, Floats, Integers, Sparse, numbers_of, rows_of
from penstock.models.learning.weights import logistic, probabilities, softmax

NETWORK_FILE = "network.json"
_BLOCK_ROWS = 1 << 14


class Shape(msgspec.Struct, frozen=True):
    """What a network is made of, apart from its numbers: those of each part are two files, weights and constants.

    The first part reads the entering columns, each further one what the one before it gives, through the activation;
    `wide` reads the entering columns too, and is added to what the last one gives.
    """

    activation: str
    parts: tuple[str, ...]
    wide: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A layer: `given @ weights + constants`."""

    weights: Floats
    constants: Floats


@dataclass(frozen=True, slots=True)
class Network:
    """A network in memory. The weights of what reads the entering columns end with a row of zeros, for no entry."""

    activate: Callable[[Floats], Floats]
    parts: tuple[Part, ...]
    wide: Part | None


ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {
    "RELU": lambda x: np.maximum(x, 0.0),
    "RELU6": lambda x: np.minimum(np.maximum(x, 0.0), 6.0),
    "CRELU": lambda x: np.concatenate([np.maximum(x, 0.0), np.maximum(-x, 0.0)], axis=-1),
    "ELU": lambda x: np.where(x > 0.0, x, np.expm1(np.minimum(x, 0.0))),
    "SELU": lambda x: 1.0507009873554805 * np.where(x > 0.0, x, 1.6732632423543772 * np.expm1(np.minimum(x, 0.0))),
    "SIGMOID": lambda x: 1.0 / (1.0 + np.exp(-x)),
    "TANH": np.tanh,
}
"""The activations by BigQuery ML's names; CRELU gives twice as many numbers as it takes."""


def network_files(activation: str, parts: Sequence[Part], wide: Part | None) -> dict[str, bytes]:
    """Return a network as files: plain JSON, and NumPy's own format for arrays, in which nothing can be run."""
    names = tuple(f"layer_{at}" for at in range(len(parts)))
    shape = Shape(activation, names, None if wide is None else "wide")
    files = {NETWORK_FILE: msgspec.json.encode(shape)}
    for name, part in zip((*names, "wide"), (*parts, wide), strict=True):
        if part is not None:
            files[f"{name}_weights.npy"] = _array_bytes(part.weights)
            files[f"{name}_constants.npy"] = _array_bytes(part.constants)
    return files


def estimate(estimator: Estimator, features: Features) -> Floats:
    """Return the value, or the probability of each class, of each row."""
    network = network_of(estimator)
    totals = np.empty((features.rows, len(network.parts[-1].constants)))
    for start in range(0, features.rows, _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        totals[block] = _totals(network, estimator, rows_of(features, block))
    return probabilities(totals) if estimator.classes else totals


def row_lines(estimator: Estimator, entering: Sequence[str]) -> RowLines:
    """Gather the numbers and the entries of one row, and call the network."""
    network = network_of(estimator)
    numbers, indices, lists, start = [], [], [], 0
    for name, kind, width in zip(entering, estimator.kinds, estimator.widths, strict=True):
        match kind:
            case "number":
                numbers.append(name)
            case "category":
                indices.append(f"{start} + {name} if {name} < {width} else -1")
            case "sparse":
                lists.append(f"({name} or (), {start}, {width})")
        start += width
    call = f"({', '.join(numbers)}{',' if numbers else ''}), [{', '.join(indices)}], [{', '.join(lists)}]"
    names: dict[str, Any] = {
        "_totals": _row_function(network, estimator),
        "_logistic": logistic,
        "_softmax": softmax,
    }
    end = {0: "estimate = totals[0]", 2: "estimate = _logistic(totals[0])"}.get(
        estimator.classes, "estimate = _softmax(totals)"
    )
    return RowLines(lines=[f"totals = _totals({call})", end], names=names)


def first_totals(network: Network, estimator: Estimator, features: Features) -> tuple[Floats, Floats | None]:
    """Return the sums of the first layer, and those of the wide part, if there is one."""
    wide = None if network.wide is None else _entered(network.wide, estimator, features)
    return _entered(network.parts[0], estimator, features), wide


def later_totals(network: Network, first: Floats, wide: Floats | None) -> Floats:
    """Return what the network gives for the sums of its first layer."""
    for part in network.parts[1:]:
        first = network.activate(first) @ part.weights + part.constants
    return first if wide is None else first + wide


def add_entries(total: Floats, part: Part, column: Column, start: int, width: int) -> None:
    """Add the weights of a category's index, or of a list's entries, to the sums of a layer, in place."""
    none = len(part.weights) - 1
    if isinstance(column, Sparse):
        places = np.where(column.indices < width, start + column.indices, none)
        np.add.at(total, column.rows, part.weights[places] * column.values[:, np.newaxis])
    else:
        total += part.weights[np.where(column < width, start + column, none).astype(np.int64)]


def _totals(network: Network, estimator: Estimator, features: Features) -> Floats:
    with np.errstate(over="ignore", invalid="ignore"):  # of NaN and infinity, NaN and infinity are the answer
        return later_totals(network, *first_totals(network, estimator, features))


def _entered(part: Part, estimator: Estimator, features: Features) -> Floats:
    """Return what a layer gives for the entering columns: a product for the numbers, a look-up for each category."""
    starts = np.cumsum([0, *estimator.widths])
    numbers = [at for at, kind in enumerate(estimator.kinds) if kind == "number"]
    total = np.tile(part.constants, (features.rows, 1))
    if numbers:
        total += numbers_of(features) @ part.weights[starts[numbers]]
    for column, kind, start, width in zip(features.columns, estimator.kinds, starts, estimator.widths, strict=False):
        if kind != "number":
            add_entries(total, part, column, start, width)
    return total


def _row_function(network: Network, estimator: Estimator) -> Callable[[Sequence[float], list[int], Any], list[float]]:
    """Return the function from the numbers, the places of the categories and the lists of one row to the totals."""
    starts = np.cumsum([0, *estimator.widths])
    places = starts[[at for at, kind in enumerate(estimator.kinds) if kind == "number"]]
    entering = [(part, part.weights[places]) for part in (network.parts[0], network.wide) if part is not None]

    def totals(numbers: Sequence[float], indices: list[int], lists: Any) -> list[float]:
        values = np.array(numbers, dtype=np.float64)
        first = [_entered_row(part, own, values, indices, lists) for part, own in entering]
        given = first[0]
        with np.errstate(over="ignore", invalid="ignore"):
            for part in network.parts[1:]:
                given = network.activate(given) @ part.weights + part.constants
            found: list[float] = (given if network.wide is None else given + first[1]).tolist()
            return found

    return totals


def _entered_row(part: Part, own: Floats, values: Floats, indices: list[int], lists: Any) -> Floats:
    with np.errstate(over="ignore", invalid="ignore"):
        total = part.constants + values @ own
    if indices:
        total += part.weights[indices].sum(axis=0)
    for entries, start, width in lists:
        for entry in entries:
            if entry["index"] < width:
                total += part.weights[start + entry["index"]] * entry["value"]
    return total


def shape_of(estimator: Estimator) -> Shape:
    """Return what a fitted network is made of."""
    return msgspec.json.decode(estimator.files[NETWORK_FILE], type=Shape)


def network_of(estimator: Estimator) -> Network:
    """Return a fitted network; the last few that were read are kept."""
    return _read(tuple(sorted(estimator.files.items())))


@lru_cache(maxsize=16)
def _read(files: tuple[tuple[str, bytes], ...]) -> Network:
    content: Mapping[str, bytes] = dict(files)
    shape = msgspec.json.decode(content[NETWORK_FILE], type=Shape)
    parts = {
        name: Part(_array(content[f"{name}_weights.npy"]), _array(content[f"{name}_constants.npy"]))
        for name in (*shape.parts, *([] if shape.wide is None else [shape.wide]))
    }
    for name in {shape.parts[0], shape.wide or ""} & parts.keys():
        weights = parts[name].weights
        parts[name] = Part(np.vstack([weights, np.zeros((1, weights.shape[1]))]), parts[name].constants)
    wide = None if shape.wide is None else parts[shape.wide]
    return Network(ACTIVATIONS[shape.activation], tuple(parts[name] for name in shape.parts), wide)


def _array_bytes(array: Floats | Integers) -> bytes:
    written = io.BytesIO()
    np.lib.format.write_array(written, np.ascontiguousarray(array, dtype="<f8"), version=(1, 0), allow_pickle=False)
    return written.getvalue()


def _array(content: bytes) -> Floats:
    return np.asarray(np.lib.format.read_array(io.BytesIO(content), allow_pickle=False), dtype=np.float64)
