"""A model as one query: DuckDB and a real PostgreSQL give the predictions of the graph; the others' parsers read it."""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import sqlglot

import penstock as ps
from penstock.errors import ExpressionError, UnknownNameError
from penstock.models.exporting.dialects import DIALECTS
from penstock.models.exporting.query import to_query
from penstock.models.learning.tree_text import Membership, read_forest, splits

STATIONS = ["Kings Cross", "King's Cross", "Hyde Park", None, "Bank", "\\Backslash", "Soho"]


def _rows(count: int, seed: int = 0) -> pa.Table:
    draw = random.Random(seed)
    start = datetime.datetime(2024, 5, 5, tzinfo=datetime.UTC)
    rows = []
    for number in range(count):
        at = start + datetime.timedelta(minutes=draw.randrange(60 * 24 * 60))
        station = draw.choice(STATIONS if seed else STATIONS[:-1])  # rows to predict have a station nobody has seen
        km = draw.choice([None, draw.expovariate(0.5), draw.expovariate(0.5), 0.0])
        rows.append(
            {
                "ride": number,
                "start date": at,
                "station": station,
                "km": km,
                "member": draw.choice([True, False, None]),
                "duration": 600.0 + 7 * at.hour + 100 * STATIONS.index(station) + 30 * (km or 5) + draw.random(),
                "long": draw.random() < 0.5 if km is None else km > 1.5,
                "kind": draw.choice("abc") if km is None else "abc"[min(int(km), 2)],
            }
        )
    return pa.Table.from_pylist(rows)


FEATURES: Mapping[str, Any] = {
    "day": "CAST(EXTRACT(DAYOFWEEK FROM `start date`) AS STRING)",
    "hour": "EXTRACT(HOUR FROM `start date`)",
    "station": ps.col("station"),
    "km": ps.col("km"),
    "far": "ML.QUANTILE_BUCKETIZE(km, 4) OVER ()",
    "scaled": "ML.MIN_MAX_SCALER(km) OVER ()",
    "member": ps.col("member"),
}
TREES = {"max_iterations": 12, "min_data_in_leaf": 5, "num_threads": 1}
FOREST = {"num_parallel_tree": 8, "max_tree_depth": 5, "num_threads": 1}
MODELS = {
    "linear": ps.model("m", type="linear_reg", label="duration", features=FEATURES, options={"l2_reg": 1}),
    "logistic": ps.model("m", type="logistic_reg", label="long", features=FEATURES),
    "logistic of three": ps.model("m", type="logistic_reg", label="kind", features=FEATURES),
    "trees": ps.model("m", type="boosted_tree_regressor", label="duration", features=FEATURES, options=TREES),
    "trees of two": ps.model("m", type="boosted_tree_classifier", label="long", features=FEATURES, options=TREES),
    "trees of three": ps.model("m", type="boosted_tree_classifier", label="kind", features=FEATURES, options=TREES),
    "forest": ps.model("m", type="random_forest_regressor", label="duration", features=FEATURES, options=FOREST),
    "forest of two": ps.model("m", type="random_forest_classifier", label="long", features=FEATURES, options=FOREST),
    "forest of three": ps.model("m", type="random_forest_classifier", label="kind", features=FEATURES, options=FOREST),
    "components": ps.model("m", type="pca", label=None, features=FEATURES, options={"num_principal_components": 2}),
    "clusters": ps.model("m", type="kmeans", label=None, features=FEATURES, options={"num_clusters": 3}),
    "directions": ps.model(
        "m", type="kmeans", label=None, features=FEATURES, options={"num_clusters": 3, "distance_type": "COSINE"}
    ),
    **{
        f"network {activation}": ps.model(
            "m",
            type=type,
            label=label,
            features=FEATURES,
            options={"activation_fn": activation, "hidden_units": [6, 4], "max_iterations": 1},
        )
        for type, label, activation in [
            ("dnn_regressor", "duration", "RELU"),
            ("dnn_classifier", "kind", "CRELU"),
            ("dnn_classifier", "long", "TANH"),
            ("dnn_linear_combined_regressor", "duration", "SELU"),
            ("dnn_linear_combined_classifier", "kind", "SIGMOID"),
            ("dnn_regressor", "duration", "ELU"),
            ("dnn_regressor", "duration", "RELU6"),
        ]
    },
    "features alone": ps.model("m", type="transform_only", label=None, features=FEATURES),
}
GIVEN = _rows(400, seed=1)


@pytest.fixture(scope="module", params=MODELS)
def graph(request: pytest.FixtureRequest) -> ps.ModelGraph:
    if request.param.startswith("network"):
        pytest.importorskip("torch", reason="the CPU build of PyTorch is not installed here: see make setup")
    return ps.fit(MODELS[request.param], _rows(1500))


def _expected(graph: ps.ModelGraph) -> list[dict[str, Any]]:
    """Return the predictions in the columns of the query: each class has a column for its probability."""
    found = []
    for row in graph.predict(GIVEN).to_pylist():
        kept = {}
        for name in graph.signature.outputs.names:
            if isinstance(row[name], list):
                for pair in row[name]:
                    if "CENTROID_ID" in pair:
                        kept[f"{name}_{pair['CENTROID_ID']}"] = pair["DISTANCE"]
                        continue
                    label = str(pair["label"]).lower() if isinstance(pair["label"], bool) else pair["label"]
                    kept[f"{name.removesuffix('_probs')}_prob_{label}"] = pair["prob"]
            else:
                kept[name] = row[name]
        found.append({**kept, "ride": row["ride"]})
    return found


def _check(found: list[dict[str, Any]], graph: ps.ModelGraph) -> None:
    expected = _expected(graph)
    assert len(found) == len(expected)
    for one, other in zip(sorted(found, key=lambda row: row["ride"]), expected, strict=True):
        for name, value in other.items():
            assert one[name] == (pytest.approx(value, rel=1e-11, abs=1e-11) if isinstance(value, float) else value)


def test_duckdb_gives_the_predictions_of_the_graph(graph: ps.ModelGraph) -> None:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("rides", GIVEN)
    _check(connection.sql(to_query(graph, rows="rides", keep=["ride"])).to_arrow_table().to_pylist(), graph)


@pytest.mark.server
def test_postgresql_gives_the_predictions_of_the_graph(graph: ps.ModelGraph, rides: Any) -> None:
    cursor = rides.execute(to_query(graph, dialect="postgres", rows="rides", keep=["ride"]))
    names = [column.name for column in cursor.description]
    _check([dict(zip(names, row, strict=True)) for row in cursor.fetchall()], graph)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_parser_of_each_database_reads_the_query(graph: ps.ModelGraph, dialect: str) -> None:
    tree = sqlglot.parse_one(to_query(graph, dialect=dialect, keep=["ride"]), read=dialect)
    assert "ride" in tree.named_selects


@pytest.fixture(scope="module")
def rides(postgres: str) -> Iterator[Any]:
    import psycopg

    with psycopg.connect(postgres) as connection:
        connection.execute(
            'CREATE TEMP TABLE rides (ride BIGINT, "start date" TIMESTAMPTZ, station TEXT, km DOUBLE PRECISION, '
            "member BOOLEAN)"
        )
        columns = ["ride", "start date", "station", "km", "member"]
        connection.cursor().executemany(
            "INSERT INTO rides VALUES (%s, %s, %s, %s, %s)",
            [[row[name] for name in columns] for row in GIVEN.select(columns).to_pylist()],
        )
        yield connection


def test_the_query_is_written_to_a_file(tmp_path: Path) -> None:
    graph = ps.fit(MODELS["linear"], _rows(200))
    written = graph.export("sql", tmp_path / "new" / "m.sql", dialect="bigquery", rows="`project.set.rides`")
    text = written.read_text()
    assert text.startswith("-- Model m as bigquery SQL")
    assert "FROM `project.set.rides`" in text
    assert "EXTRACT(DAYOFWEEK FROM DATETIME(`start date`, 'UTC'))" in text


def test_trees_are_read_with_their_categories() -> None:
    graph = ps.fit(MODELS["trees"], _rows(1500))
    forest = read_forest(graph.blobs["trees.txt"])
    kinds = {type(split) for tree in forest.trees for split in splits(tree)}
    assert len(forest.trees) == 12
    assert Membership in kinds


def test_what_cannot_be_a_query_is_named_with_a_way_out() -> None:
    words = ps.model("m", type="linear_reg", label="duration", features={"w": "REGEXP_CONTAINS(station, 'x')"})
    with pytest.raises(ExpressionError, match=r"model 'm': feature 'w__index' cannot be .*regexp_contains has no form"):
        to_query(ps.fit(words, _rows(200)), dialect="snowflake")
    listed = ps.model("k", type="linear_reg", label="duration", features={"s": "ML.ONE_HOT_ENCODER(station) OVER ()"})
    with pytest.raises(ExpressionError, match="model 'k': feature 's' is a list of numbers"):
        to_query(ps.fit(listed, _rows(200)))
    clusters = ps.fit(ps.model("k", type="linear_reg", label="duration", features={"km": ps.col("km")}), _rows(200))
    with pytest.raises(UnknownNameError, match="no dialect named 'oracle'"):
        to_query(clusters, dialect="oracle")
    with pytest.raises(UnknownNameError, match="no format named 'pickle'"):
        clusters.export("pickle", "m")
    with pytest.raises(UnknownNameError, match="no option named 'dialekt' in the export as sql"):
        clusters.export("sql", "m", dialekt="spark")
