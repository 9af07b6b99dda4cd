"""The distances of rows to centroids as tensors."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.models.learning.centroids import (
    Centroid,
    as_weights,
    at_rest,
    category_table,
    centroids_of,
    length_of,
    origin_of,
)
from penstock.models.learning.learner import EnteringTensor, Estimator
from penstock.models.learning.lowerings.entering import held, index, matrix, number, pairs, table
from penstock.models.learning.lowerings.linear import scores
from penstock.operations.tensors import Recorder


def lower_distances(t: Recorder, estimator: Estimator, columns: Sequence[EnteringTensor]) -> str:
    """Return the distance to each centroid."""
    centroids, zero = centroids_of(estimator), t.number(0.0)
    if centroids.distance == "EUCLIDEAN":
        return t.node("Sqrt", t.node("Max", _squares(t, columns, centroids.values), zero))
    products = scores(t, as_weights(centroids), columns)
    lengths = t.node("Sqrt", t.node("Max", _squares(t, columns, [origin_of(centroids)]), zero))
    own = [length_of(each) for each in centroids.values]
    whole = t.node("Mul", lengths, t.tensor("float64", own, (1, len(own))))
    somewhere = t.node("Greater", whole, zero)
    cosine = t.node("Div", products, t.node("Where", somewhere, whole, t.number(1.0)))
    return t.node("Where", somewhere, t.node("Sub", t.number(1.0), cosine), t.number(1.0))


def _squares(t: Recorder, columns: Sequence[EnteringTensor], centroids: Sequence[Centroid]) -> str:
    """Return the squared distance to each centroid, column by column."""
    count, axis = len(centroids), t.tensor("int64", [1])
    numbers, middles, terms = [], [], []
    for column, parts in zip(columns, zip(*centroids, strict=True), strict=True):
        match column.kind:
            case "number":
                numbers.append(number(t, column))
                middles.append([part[0] for part in parts])
            case "category":
                tables = [category_table(part) for part in parts]
                at = held(t, index(t, column), len(tables[0]) - 1)
                terms.append(table(t, list(zip(*tables, strict=True)), at))
            case "sparse":
                indices, values = pairs(t, column)
                by_entry = table(t, [[-2.0 * each for each in entry] for entry in zip(*parts, strict=True)], indices)
                values = t.node("Unsqueeze", values, t.tensor("int64", [2]))
                each = t.node("Mul", values, t.node("Add", values, by_entry))
                rest = t.tensor("float64", [at_rest(part) for part in parts], (1, count))
                terms.append(t.node("Add", t.node("ReduceSum", each, axis, keepdims=0), rest))
    if numbers:
        given = t.node("Unsqueeze", matrix(t, numbers), axis)
        by_centroid = [middle for entry in zip(*middles, strict=True) for middle in entry]
        left = t.node("Sub", given, t.tensor("float64", by_centroid, (1, count, len(numbers))))
        terms.append(t.node("ReduceSum", t.node("Mul", left, left), t.tensor("int64", [2]), keepdims=0))
    total = terms[0]
    for term in terms[1:]:
        total = t.node("Add", total, term)
    return total
