"""What features add to the scores of a network: gradients, integrated from where nothing is known to the row."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from penstock.models.learning.learner import Attributions, Estimator
from penstock.models.learning.matrix import Column, Features, Floats, rows_of
from penstock.models.learning.network import (
    Network,
    Part,
    add_entries,
    first_totals,
    later_totals,
    network_of,
    shape_of,
)

_BLOCK_ROWS = 1 << 11

SLOPES: dict[str, Callable[[Floats, Floats], Floats]] = {
    "RELU": lambda x, slope: slope * (x > 0.0),
    "RELU6": lambda x, slope: slope * ((x > 0.0) & (x < 6.0)),
    "CRELU": lambda x, slope: slope[..., : x.shape[-1]] * (x > 0.0) - slope[..., x.shape[-1] :] * (x < 0.0),
    "ELU": lambda x, slope: slope * np.where(x > 0.0, 1.0, np.exp(np.minimum(x, 0.0))),
    "SELU": lambda x, slope: (
        slope * 1.0507009873554805 * np.where(x > 0.0, 1.0, 1.6732632423543772 * np.exp(np.minimum(x, 0.0)))
    ),
    "SIGMOID": lambda x, slope: slope / (2.0 + np.exp(x) + np.exp(-x)),
    "TANH": lambda x, slope: slope / np.square(np.cosh(x)),
}
"""What an activation makes of a slope: by what it gives, into by what it takes, at x."""


def attributions(estimator: Estimator, features: Features, *, steps: int) -> Attributions:
    """Return integrated gradients: the slope of each score, in the mean of points on the straight way from the baseline
    to the row, times how far the row is from it.

    The baseline has every number at its mean, and no entry of a category or list, as in BigQuery. As the first layer is
    linear in what enters, the way is walked in its sums, once for all columns. The points are those of Gauss and
    Legendre: for activations without a bend, few of them are enough.
    """
    network = network_of(estimator)
    outputs = len(network.parts[-1].constants)
    scores = np.empty((features.rows, outputs))
    parts = np.empty((features.rows, outputs, len(features.columns)))
    for start in range(0, features.rows, _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        some = rows_of(features, block)
        with np.errstate(over="ignore", invalid="ignore"):
            first, wide = first_totals(network, estimator, some)
            scores[block] = later_totals(network, first, wide)
            slopes = _slopes(network, shape_of(estimator).activation, first, steps)
            parts[block] = _shares(network, estimator, some, slopes)
    nothing = network.parts[0].constants[np.newaxis], None if network.wide is None else network.wide.constants
    return Attributions(baselines=later_totals(network, *nothing)[0], scores=scores, parts=parts)


def _slopes(network: Network, activation: str, first: Floats, steps: int) -> Floats:
    """Return the slope of each score by each sum of the first layer, in the mean of the way: (outputs, rows, units)."""
    constants, backwards = network.parts[0].constants, SLOPES[activation]
    outputs = len(network.parts[-1].constants)
    total = np.zeros((outputs, *first.shape))
    for point, weight in zip(*np.polynomial.legendre.leggauss(steps), strict=True):
        sums = [constants + (point + 1.0) / 2.0 * (first - constants)]
        for part in network.parts[1:-1]:
            sums.append(network.activate(sums[-1]) @ part.weights + part.constants)
        for output in range(outputs):
            slope = backwards(sums[-1], network.parts[-1].weights[:, output])
            for part, x in zip(network.parts[-2:0:-1], sums[-2::-1], strict=True):
                slope = backwards(x, slope @ part.weights.T)
            total[output] += weight / 2.0 * slope
    return total


def _shares(network: Network, estimator: Estimator, features: Features, slopes: Floats) -> Floats:
    """Return what each column adds: by its way into the first layer, and by itself into the wide part."""
    parts = np.empty((features.rows, len(slopes), len(features.columns)))
    starts = np.cumsum([0, *estimator.widths])
    for at, (column, kind, width) in enumerate(zip(features.columns, estimator.kinds, estimator.widths, strict=True)):
        way = _alone(network.parts[0], column, kind, starts[at], width, features.rows)
        parts[:, :, at] = np.einsum("oru,ru->ro", slopes, way)
        if network.wide is not None:
            parts[:, :, at] += _alone(network.wide, column, kind, starts[at], width, features.rows)
    return parts


def _alone(part: Part, column: Column, kind: str, start: int, width: int, rows: int) -> Floats:
    """Return what a layer gives for one column, without its constants."""
    if kind == "number":
        return np.outer(np.asarray(column), part.weights[start])
    total = np.zeros((rows, len(part.constants)))
    add_entries(total, part, column, start, width)
    return total
