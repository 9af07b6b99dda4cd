"""K-means: scikit-learn's clusters from the same beginning; distances alike for one row and many, whatever the row."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import davies_bouldin_score

import penstock.models as models
from penstock.errors import DataError, DeclarationError, UnknownNameError
from penstock.models.predicting.estimators import estimator_of, method_of

RANDOM = np.random.default_rng(2)
MIDDLES = np.array([[0.0, 0.0, 0.0], [6.0, 1.0, 2.0], [0.0, 7.0, 1.0], [5.0, 6.0, 7.0]])
POINTS = np.vstack([RANDOM.normal(middle, 1.2, (80, 3)) for middle in MIDDLES])
FIRST = [0, 1, 100, 200]  # two of them in one cluster
TABLE = pa.table(
    {
        "a": POINTS[:, 0],
        "b": POINTS[:, 1],
        "c": POINTS[:, 2],
        "first": [at in FIRST for at in range(len(POINTS))],
    }
)
CUSTOM = {
    "num_clusters": 4,
    "kmeans_init_method": "CUSTOM",
    "kmeans_init_col": "first",
    "early_stop": False,
    "max_iterations": 300,
}


def clusters(rows=None, **options):
    rows = rows or (TABLE if "kmeans_init_col" in options else TABLE.drop_columns("first"))
    return models.fit(models.model("groups", type="kmeans", options=options), rows)


def test_clusters_are_those_of_scikit_learn_from_the_same_beginning():
    graph = clusters(**CUSTOM, standardize_features=False)
    theirs = KMeans(4, init=POINTS[FIRST], n_init=1, max_iter=300, tol=0.0).fit(POINTS)
    found = graph.predict(TABLE)
    assert graph.signature.inputs.names == ("a", "b", "c")
    assert (found["CENTROID_ID"].to_numpy() - 1 == theirs.labels_).all()
    distances = np.array(
        [[entry["DISTANCE"] for entry in row] for row in found["NEAREST_CENTROIDS_DISTANCE"].to_pylist()]
    )
    assert np.abs(distances - np.sort(theirs.transform(POINTS), axis=1)).max() < 1e-9
    metrics = graph.evaluate(TABLE)
    assert metrics == graph.facts["evaluation"]
    assert metrics["mean_squared_distance"] == pytest.approx(theirs.inertia_ / len(POINTS))
    assert metrics["davies_bouldin_index"] == pytest.approx(davies_bouldin_score(POINTS, theirs.labels_))
    assert graph.facts["learner"]["training"][-1]["loss"] == pytest.approx(theirs.inertia_ / len(POINTS))


def test_features_are_standardized_unless_asked_otherwise():
    graph = clusters(**CUSTOM)
    scaled = (POINTS - POINTS.mean(axis=0)) / POINTS.std(axis=0, ddof=1)
    theirs = KMeans(4, init=scaled[FIRST], n_init=1, max_iter=300, tol=0.0).fit(scaled)
    assert graph.facts["evaluation"]["mean_squared_distance"] == pytest.approx(theirs.inertia_ / len(POINTS))


def test_cosine_distances_are_those_of_angles():
    options = {"early_stop": False, "max_iterations": 200, "standardize_features": False}
    graph = clusters(num_clusters=3, distance_type="COSINE", **options)
    centroids = method_of(graph).centroids(estimator_of(graph))
    middles = np.array([[part[0] for part in centroid] for centroid in centroids.values])
    cosines = (POINTS @ middles.T) / np.outer(np.linalg.norm(POINTS, axis=1), np.linalg.norm(middles, axis=1))
    found = graph.predict(TABLE)["NEAREST_CENTROIDS_DISTANCE"].to_pylist()
    distances = np.array([[entry["DISTANCE"] for entry in row] for row in found])
    assert np.abs(distances - np.sort(1.0 - cosines, axis=1)).max() < 1e-12
    units = POINTS / np.linalg.norm(POINTS, axis=1, keepdims=True)
    for number in range(3):
        own = units[(1.0 - cosines).argmin(axis=1) == number].mean(axis=0)
        assert np.abs(own - middles[number]).max() < 1e-12
    far = {"a": 0.0, "b": 0.0, "c": 0.0}  # no direction at all
    assert {entry["DISTANCE"] for entry in graph.predict_row(far)["NEAREST_CENTROIDS_DISTANCE"]} == {1.0}
    assert graph.predict([far]).to_pylist()[0] == {**graph.predict_row(far), **far}


MIXED = [
    {
        "size": at / 7 if at % 11 else None,
        "colour": ["red", "green", "blue", None][at % 4],
        "flag": at % 3 == 0,
        "tags": [{"index": at % 5, "value": 1.0 + at % 2}, {"index": 5, "value": 0.5}] if at % 6 else None,
    }
    for at in range(120)
]


@pytest.mark.parametrize("distance", ["EUCLIDEAN", "COSINE"])
def test_one_row_is_as_far_as_in_a_batch_to_the_bit(distance):
    graph = clusters(pa.Table.from_pylist(MIXED), num_clusters=5, distance_type=distance)
    strange = [
        {"size": None, "colour": None, "flag": None, "tags": None},
        {"size": 1e9, "colour": "never seen", "flag": True, "tags": [{"index": 99, "value": 3.0}]},
        {"size": math.nan, "colour": "red", "flag": False, "tags": []},
        {"size": 1e200, "colour": "red", "flag": False, "tags": []},
    ]
    schema = pa.Table.from_pylist(MIXED).schema
    many = graph.predict(pa.Table.from_pylist([*MIXED, *strange], schema=schema))
    expected = many.select(graph.signature.outputs.names).to_pylist()
    assert repr([graph.predict_row(row) for row in [*MIXED, *strange]]) == repr(expected)  # NaN is not equal to itself
    assert graph.facts["disagreements"] == []


def test_distances_to_categories_are_those_of_one_hot_columns():
    rows = pa.table(
        {"size": [0.0, 0.5, 1.0, 1.5], "colour": ["red", "red", "blue", None], "at": [True, False, True, False]}
    )
    options = {
        "num_clusters": 2,
        "kmeans_init_method": "CUSTOM",
        "kmeans_init_col": "at",
        "standardize_features": False,
    }
    graph = clusters(rows, **options, early_stop=False)
    hot = np.array([[0.0, 1, 0, 0], [0.5, 1, 0, 0], [1.0, 0, 1, 0], [1.5, 0, 0, 1]])
    theirs = KMeans(2, init=hot[[0, 2]], n_init=1, tol=0.0).fit(hot)
    found = graph.predict(rows)["NEAREST_CENTROIDS_DISTANCE"].to_pylist()
    distances = np.array([[entry["DISTANCE"] for entry in row] for row in found])
    assert np.abs(distances - np.sort(theirs.transform(hot), axis=1)).max() < 1e-12


@pytest.mark.parametrize("method", ["RANDOM", "KMEANS++"])
def test_the_first_centroids_go_by_the_seed(method):
    one, same, other = (clusters(num_clusters=4, kmeans_init_method=method, seed=seed) for seed in (1, 1, 2))
    assert models.to_files(one) == models.to_files(same)
    assert one.blobs != other.blobs


def test_training_stops_when_it_gets_on_no_more():
    losses = [entry["loss"] for entry in clusters(num_clusters=6, min_rel_progress=0.05).facts["learner"]["training"]]
    assert 1 < len(losses) < 20
    assert losses == sorted(losses, reverse=True)
    assert losses[-2] - losses[-1] < 0.05 * losses[-2]


def test_without_a_number_of_clusters_it_is_the_logarithm_of_the_rows():
    assert len(clusters().predict_row({"a": 0.0, "b": 0.0, "c": 0.0})["NEAREST_CENTROIDS_DISTANCE"]) == 3  # log10(320)


def test_centroids_are_numbered_from_one_the_nearest_first(graphs, flights):
    found = graphs["kmeans"].predict(flights)
    for nearest, ranked in zip(
        found["CENTROID_ID"].to_pylist(), found["NEAREST_CENTROIDS_DISTANCE"].to_pylist(), strict=True
    ):
        assert sorted(entry["CENTROID_ID"] for entry in ranked) == [1, 2, 3]
        assert ranked[0]["CENTROID_ID"] == nearest
        assert [entry["DISTANCE"] for entry in ranked] == sorted(entry["DISTANCE"] for entry in ranked)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"num_clusters": 1}, DeclarationError, "option num_clusters=1; it takes a whole number from 2"),
        ({"distance_type": "MANHATTAN"}, DeclarationError, "it takes EUCLIDEAN or COSINE"),
        ({"kmeans_init_method": "CUSTOM"}, DeclarationError, "CUSTOM needs kmeans_init_col"),
        (
            {"kmeans_init_col": "first"},
            DeclarationError,
            "kmeans_init_col has no meaning with kmeans_init_method RANDOM",
        ),
        ({**CUSTOM, "num_clusters": 5}, DataError, "kmeans_init_col is TRUE in 4 rows, and num_clusters is 5"),
        ({**CUSTOM, "kmeans_init_col": "a"}, DataError, "kmeans_init_col is of type double; it needs a bool"),
        ({**CUSTOM, "kmeans_init_col": "where"}, DataError, "names where, which the rows lack"),
        ({"data_split_method": "RANDOM"}, UnknownNameError, "no option named 'data_split_method'"),
    ],
)
def test_an_option_that_cannot_be_is_named(options, error, message):
    with pytest.raises(error, match=message):
        clusters(**options)


def test_more_clusters_than_points_that_differ_is_an_error():
    with pytest.raises(DataError, match="num_clusters is 4, and the rows have only 2 points that differ"):
        clusters(pa.table({"a": [1.0, 1.0, 2.0, 2.0, 2.0]}), num_clusters=4)
