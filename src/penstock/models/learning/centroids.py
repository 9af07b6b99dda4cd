"""The distances of rows to centroids, for many rows and for one, and how well centroids divide rows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
import numpy as np

from penstock.models.learning.learner import Centroids, Estimator, RowLines, Weights
from penstock.models.learning.matrix import Features, Floats, Sparse
from penstock.models.learning.weights import addition, scores

Centroid: TypeAlias = tuple[tuple[float, ...], ...]

CENTROIDS_FILE = "centroids.json"
"""`Centroids` as JSON, which keeps every float exactly."""


def centroids_of(estimator: Estimator) -> Centroids:
    """Return the centroids of a fitted estimator; the last few that were read are kept."""
    return _read(estimator.files[CENTROIDS_FILE])


@lru_cache(maxsize=16)
def _read(content: bytes) -> Centroids:
    return msgspec.json.decode(content, type=Centroids)


def estimate(estimator: Estimator, features: Features) -> Floats:
    """Return the distance of each row to each centroid.

    Each is added up in the order of the features: the row form adds in the same order, so both give the same bits. A
    category or an index that training never saw counts as no entry.
    """
    centroids = centroids_of(estimator)
    with np.errstate(over="ignore", invalid="ignore"):  # the square of 1e200 is inf, and that is the answer
        if centroids.distance == "EUCLIDEAN":
            squares = [_squares(estimator, each, features) for each in centroids.values]
            return np.sqrt(np.maximum(np.column_stack(squares), 0.0))
        products = scores(as_weights(centroids), features)
        lengths = np.sqrt(np.maximum(_squares(estimator, origin_of(centroids), features), 0.0))
        whole = lengths[:, np.newaxis] * np.array([length_of(each) for each in centroids.values])
        return np.where(whole > 0.0, 1.0 - products / np.where(whole > 0.0, whole, 1.0), 1.0)


def row_lines(estimator: Estimator, entering: Sequence[str]) -> RowLines:
    """Add up the squares, or the products, of one row."""
    centroids = centroids_of(estimator)
    names: dict[str, Any] = {"_root": root, "_cosine_distance": cosine_distance}
    if centroids.distance == "EUCLIDEAN":
        lines = [
            line
            for at, each in enumerate(centroids.values)
            for line in _square_lines(estimator, each, entering, f"t{at}", names)
        ]
        found = [f"_root(t{at})" for at in range(len(centroids.values))]
        return RowLines(lines=[*lines, f"estimate = [{', '.join(found)}]"], names=names)
    lines = [*_square_lines(estimator, origin_of(centroids), entering, "length", names), "length = _root(length)"]
    for at, each in enumerate(centroids.values):
        lines.append(f"t{at} = 0.0")
        for position, (name, kind, values) in enumerate(zip(entering, estimator.kinds, each, strict=True)):
            table = f"_t{at}_{position}"
            names[table] = values
            lines += addition(f"t{at}", name, kind, values, table)
    found = [f"_cosine_distance(t{at}, length * {length_of(each)!r})" for at, each in enumerate(centroids.values)]
    return RowLines(lines=[*lines, f"estimate = [{', '.join(found)}]"], names=names)


def root(square: float) -> float:
    """Return the square root; of what rounding made negative, 0."""
    return math.sqrt(square) if square > 0.0 else 0.0 if square <= 0.0 else square


def cosine_distance(product: float, lengths: float) -> float:
    """Return one minus the cosine; a point without a direction is at 1 from everything."""
    return 1.0 - product / lengths if lengths > 0.0 else 1.0


def judge(estimator: Estimator, features: Features, estimates: Floats) -> dict[str, float]:
    """Return the Davies-Bouldin index, and the mean of the squared distances to the nearest centroid."""
    nearest = estimates.argmin(axis=1)
    own = estimates[np.arange(len(estimates)), nearest]
    sizes = np.bincount(nearest, minlength=estimates.shape[1])
    used = np.flatnonzero(sizes)
    spread = np.bincount(nearest, weights=own, minlength=estimates.shape[1])[used] / sizes[used]
    apart = _between(centroids_of(estimator))[np.ix_(used, used)]
    with np.errstate(divide="ignore"):  # centroids in one place are as bad as can be
        ratios = (spread[:, np.newaxis] + spread) / apart
    np.fill_diagonal(ratios, -np.inf)
    index = float(ratios.max(axis=1).mean()) if len(used) > 1 else math.nan
    return {"davies_bouldin_index": index, "mean_squared_distance": float((own * own).mean())}


def _between(centroids: Centroids) -> Floats:
    """Return the distance of each centroid to each other."""
    flat = np.array([[number for part in each for number in part] for each in centroids.values])
    if centroids.distance == "EUCLIDEAN":
        return np.asarray(np.sqrt(((flat[:, np.newaxis] - flat) ** 2).sum(axis=2)))
    lengths = np.sqrt((flat**2).sum(axis=1))
    return np.asarray(1.0 - (flat @ flat.T) / np.maximum(np.outer(lengths, lengths), np.finfo(np.float64).tiny))


def _squares(estimator: Estimator, centroid: Centroid, features: Features) -> Floats:
    total = np.zeros(features.rows)
    for column, kind, centre in zip(features.columns, estimator.kinds, centroid, strict=True):
        if isinstance(column, Sparse):
            known = column.indices < len(centre)
            values, linear = column.values[known], -2.0 * np.array(centre)
            total += at_rest(centre)
            np.add.at(total, column.rows[known], values * values + linear[column.indices[known]] * values)
        elif kind == "category":
            table = np.array(category_table(centre))
            total += table[np.minimum(column, len(table) - 1)]
        else:
            left = column - centre[0]
            total += left * left
    return total


def _square_lines(
    estimator: Estimator, centroid: Centroid, entering: Sequence[str], total: str, names: dict[str, Any]
) -> list[str]:
    lines = [f"{total} = 0.0"]
    for position, (name, kind, centre) in enumerate(zip(entering, estimator.kinds, centroid, strict=True)):
        table = f"_{total}_{position}"
        match kind:
            case "number":
                lines += [f"left = {name} - {centre[0]!r}", f"{total} += left * left"]
            case "category":
                names[table] = category_table(centre)
                lines.append(f"{total} += {table}[{name}] if {name} < {len(centre)} else {table}[-1]")
            case "sparse":
                names[table] = [-2.0 * each for each in centre]
                lines += [
                    f"{total} += {at_rest(centre)!r}",
                    f"for entry in {name} or ():",
                    "    at, value = entry['index'], entry['value']",
                    f"    if at < {len(centre)}: {total} += value * value + {table}[at] * value",
                ]
    return lines


def category_table(centre: Sequence[float]) -> list[float]:
    """Return the squared distance of each index, as one of as many axes; that of no index stands first and last."""
    rest = at_rest(centre)
    known = [max(rest - each * each, 0.0) + (1.0 - each) * (1.0 - each) for each in centre[1:]]
    return [rest, *known, rest]


def at_rest(centre: Sequence[float]) -> float:
    """Return the squared length of one column's part of a centroid."""
    return float(sum(each * each for each in centre))


def length_of(centroid: Centroid) -> float:
    """Return the length of a centroid."""
    return math.sqrt(sum(at_rest(part) for part in centroid))


def origin_of(centroids: Centroids) -> Centroid:
    """Return the point that is 0 in everything."""
    return tuple(tuple(0.0 for _ in part) for part in centroids.values[0])


def as_weights(centroids: Centroids) -> Weights:
    """Return the weights whose sums are products with the centroids."""
    return Weights(tuple(0.0 for _ in centroids.values), centroids.values)
