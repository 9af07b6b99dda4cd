"""K-means: centroids moved to the middle of the rows nearest to them, until they stay; Lloyd's algorithm in NumPy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from penstock.errors import DataError, DeclarationError
from penstock.models.learning.centroids import CENTROIDS_FILE
from penstock.models.learning.design import design_of
from penstock.models.learning.learner import Centroids, Learned, Lesson
from penstock.models.learning.losses import iteration
from penstock.models.learning.matrix import Flags, Floats, Integers


@dataclass(frozen=True, slots=True)
class Points:
    """The training rows as points: unit vectors where the distance is the cosine's."""

    matrix: Any  # scipy.sparse.csr_matrix
    squares: Floats  # of the length of each
    cosine: bool

    def squared_distances(self, centroids: Floats) -> Floats:
        """Return the square of the distance of each row to each centroid."""
        products = np.asarray(self.matrix @ centroids.T)
        if self.cosine:
            lengths = np.sqrt((centroids**2).sum(axis=1))
            return np.asarray((1.0 - products / np.where(lengths > 0.0, lengths, 1.0)) ** 2)
        squares = self.squares[:, np.newaxis] - 2.0 * products + (centroids**2).sum(axis=1)
        return np.asarray(np.maximum(squares, 0.0))


def fit_kmeans(lesson: Lesson) -> Learned:
    """Move centroids until none moves, or the mean squared distance gets smaller by less than `min_rel_progress`."""
    options = lesson.options
    design = design_of(lesson.train.features, lesson.widths)
    points = _points(design.matrix, cosine=options["distance_type"] == "COSINE")
    count = options["num_clusters"] or max(2, round(math.log10(lesson.train.features.rows)))
    centroids = _first(points, count, lesson)
    training: list[dict[str, Any]] = []
    before: Integers | None = None
    for number in range(options["max_iterations"]):
        squares = points.squared_distances(centroids)
        nearest = squares.argmin(axis=1)
        distances = squares[np.arange(len(squares)), nearest]
        centroids = _moved(points, centroids, nearest, distances)
        training.append(iteration(number, float(distances.mean())))
        if (before is not None and (nearest == before).all()) or _stops(options, training):
            break
        before = nearest
    learned = Centroids(options["distance_type"], tuple(design.unflatten(centroid) for centroid in centroids))
    return Learned(
        files={CENTROIDS_FILE: msgspec.json.encode(learned)},
        outputs=count,
        facts={"iterations": len(training), "training": training},
    )


def _points(matrix: Any, *, cosine: bool) -> Points:
    squares = np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()
    if not cosine:
        return Points(matrix, squares, cosine)
    lengths = np.sqrt(squares)
    units = matrix.multiply(1.0 / np.where(lengths > 0.0, lengths, 1.0)[:, np.newaxis]).tocsr()
    return Points(units, np.ones(len(lengths)), cosine)


def _stops(options: Mapping[str, Any], training: list[dict[str, Any]]) -> bool:
    if not options["early_stop"] or len(training) < 2:
        return False
    before, now = (entry["loss"] for entry in training[-2:])
    return bool(before - now < options["min_rel_progress"] * before)


def _moved(points: Points, centroids: Floats, nearest: Integers, distances: Floats) -> Floats:
    """Return the mean of each cluster's rows; a cluster without rows takes one of those farthest from their own."""
    sizes = np.bincount(nearest, minlength=len(centroids))
    farthest = np.argsort(-distances, kind="stable")
    for empty, row in zip(np.flatnonzero(sizes == 0), farthest, strict=False):
        nearest[row] = empty
    sizes = np.bincount(nearest, minlength=len(centroids))
    rows = np.arange(len(nearest))
    shape = len(centroids), len(rows)
    members = type(points.matrix)((np.ones(len(rows)), (nearest, rows)), shape=shape)  # scipy's class, not imported
    sums = (members @ points.matrix).toarray()
    return np.where(sizes[:, np.newaxis] > 0, sums / np.maximum(sizes, 1)[:, np.newaxis], centroids)


def _first(points: Points, count: int, lesson: Lesson) -> Floats:
    """Return the centroids to begin with: `count` rows that differ."""
    options = lesson.options
    if options["kmeans_init_method"] == "CUSTOM":
        return np.asarray(points.matrix[_marked(lesson, count)].toarray())
    if "kmeans_init_col" in lesson.columns:
        raise DeclarationError(
            f"kmeans_init_col has no meaning with kmeans_init_method {options['kmeans_init_method']}; leave it out"
        )
    random = np.random.Generator(np.random.PCG64(options["seed"]))
    chosen: list[int] = []
    apart = np.full(points.matrix.shape[0], np.inf)  # the square of the distance to the nearest that is chosen
    by_distance = options["kmeans_init_method"] == "KMEANS++"
    while len(chosen) < count:
        weights = np.where(np.isinf(apart), 1.0, apart) if by_distance else (apart > 0.0).astype(float)
        if not weights.sum() > 0.0:
            raise DataError(f"num_clusters is {count}, and the rows have only {len(chosen)} points that differ")
        row = int(random.choice(len(apart), p=weights / weights.sum()))
        chosen.append(row)
        apart = np.minimum(apart, points.squared_distances(points.matrix[[row]].toarray())[:, 0])
        apart[row] = 0.0
    return np.asarray(points.matrix[chosen].toarray())


def _marked(lesson: Lesson, count: int) -> Integers:
    if "kmeans_init_col" not in lesson.columns:
        raise DeclarationError("kmeans_init_method CUSTOM needs kmeans_init_col, the column that marks the centroids")
    column = lesson.columns["kmeans_init_col"]
    if str(column.type) != "bool":
        raise DataError(f"kmeans_init_col is of type {column.type}; it needs a bool: TRUE marks a centroid")
    marks: Flags = np.asarray(column.fill_null(False).to_numpy(), dtype=bool)
    rows = np.flatnonzero(marks)
    if len(rows) != count:
        raise DataError(f"kmeans_init_col is TRUE in {len(rows)} rows, and num_clusters is {count}; make them equal")
    return rows.astype(np.int64)
