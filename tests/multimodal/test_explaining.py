"""Of a network with encoders each feature is told what it adds, and all of them together lead to the score."""

from __future__ import annotations

import datetime
import itertools
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import three_bits

import penstock as ps
from penstock import models
from penstock.multimodal.attributing import MOST_EXACT, coalitions

FEATURES = {
    **three_bits.IMAGE,
    **three_bits.TEXT,
    "words": ps.col("review").text_analyze().bag_of_words(50, 2),
    "city": ps.col("city"),
    "age": ps.col("age"),
    "start": ps.col("start"),
}
_MANY = {f"age_{power}": ps.col("age").pow(power) for power in (2, 3, 4)}


def _rows(count: int, seed: int = 0) -> pa.Table:
    rows = three_bits.rows(count, seed)
    start = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
    return rows.append_column("start", pa.array([start + datetime.timedelta(hours=7 * at) for at in range(count)]))


@pytest.fixture(scope="module", params=["exact", "sampled"])
def graph(request: pytest.FixtureRequest) -> models.ModelGraph:
    features = FEATURES if request.param == "exact" else {**FEATURES, **_MANY}
    assert (len(features) > MOST_EXACT) == (request.param == "sampled")
    options = {"max_iterations": 3, "enable_global_explain": True}
    return models.fit(
        ps.model("bits", type="dnn_classifier", label="label", features=features, options=options), _rows(160)
    )


@pytest.fixture(scope="module")
def others() -> pa.Table:
    return _rows(12, seed=1)


def _told(row: dict[str, Any]) -> dict[str, float]:
    return {each["feature"]: each["attribution"] for each in row["top_feature_attributions"]}


@pytest.mark.parametrize("change", [{}, {"photo": None}, {"photo": None, "review": None, "city": "Atlantis"}])
def test_what_features_add_leads_from_the_baseline_to_the_score(
    graph: models.ModelGraph, others: pa.Table, change: dict[str, Any]
) -> None:
    some = pa.Table.from_pylist([{**row, **change} for row in others.to_pylist()], schema=others.schema)
    for row in graph.explain(some, 20).to_pylist():
        told = _told(row)
        assert set(told) == set(nodes := graph.facts["feature_nodes"]), nodes
        way = row["prediction_value"] - row["baseline_prediction_value"]
        assert sum(told.values()) == pytest.approx(way, abs=1e-12)
        assert row["approximation_error"] == 0.0
        for feature in ("photo", "text", "words"):
            if change.get("review" if feature in ("text", "words") else feature, "") is None:
                assert told[feature] == pytest.approx(0.0, abs=1e-12)  # what is missing tells nothing


def test_a_row_alone_is_explained_as_among_others(graph: models.ModelGraph, others: pa.Table) -> None:
    names = ["top_feature_attributions", "baseline_prediction_value", "prediction_value"]
    together = graph.explain(others, 20).select(names).to_pylist()
    alone = [graph.explain(others.slice(at, 1), 20).select(names).to_pylist()[0] for at in range(others.num_rows)]
    assert alone == together


def test_importance_is_the_mean_of_explanations(graph: models.ModelGraph, others: pa.Table) -> None:
    totals: dict[str, float] = {}
    for row in graph.explain(others, 20).to_pylist():
        for feature, adds in _told(row).items():
            totals[feature] = totals.get(feature, 0.0) + abs(adds) / others.num_rows
    found = graph.importance(others).to_pylist()
    assert {each["feature"]: each["attribution"] for each in found} == pytest.approx(totals)
    assert {each["feature"] for each in graph.importance().to_pylist()} == set(totals)  # found when it was learned
    assert set(graph.importance(others, by_class=True)["label"].to_pylist()) == {f"c{at}" for at in range(8)}


@pytest.mark.parametrize("players", [1, 2, 5])
def test_of_few_branches_shapley_values_are_exact(players: int) -> None:
    kept, weights = coalitions(players, 1)
    values = np.random.default_rng(players).normal(size=len(kept))
    game = {tuple(np.flatnonzero(row)): value for row, value in zip(kept, values, strict=True)}
    by_hand = np.zeros(players)
    orders = list(itertools.permutations(range(players)))
    for order in orders:
        for at, player in enumerate(order):
            before, after = (tuple(sorted(order[:end])) for end in (at, at + 1))
            by_hand[player] += (game[after] - game[before]) / len(orders)
    assert weights @ values == pytest.approx(by_hand, abs=1e-12)


def test_of_many_branches_what_acts_in_pairs_is_still_told_exactly() -> None:
    """An order and its reverse together give each pair of players its due: half of what they make together."""
    players = MOST_EXACT + 4
    chance = np.random.default_rng(0)
    alone, pairs = chance.normal(size=players), np.triu(chance.normal(size=(players, players)), 1)
    kept, weights = coalitions(players, 3)
    values = kept @ alone + np.einsum("ci,ij,cj->c", kept, pairs, kept)
    assert weights @ values == pytest.approx(alone + (pairs + pairs.T).sum(axis=1) / 2)
    assert len(kept) <= 6 * players


@pytest.mark.parametrize("fusion", ["gated", "attention"])
def test_features_that_meet_otherwise_are_explained_as_they_are_predicted(others: pa.Table, fusion: str) -> None:
    model = ps.model("priced", type="dnn_regressor", label="price", features=FEATURES, options={"fusion": fusion})
    graph = models.fit(model, _rows(100), options={"max_iterations": 2})
    for change in ({}, {"photo": None, "review": None}):
        some = pa.Table.from_pylist([{**row, **change} for row in others.to_pylist()], schema=others.schema)
        predicted = graph.predict(some)["predicted_price"].to_pylist()
        for row, known in zip(graph.explain(some, 20).to_pylist(), predicted, strict=True):
            assert row["prediction_value"] == pytest.approx(known, rel=1e-5)
            way = row["prediction_value"] - row["baseline_prediction_value"]
            assert sum(_told(row).values()) == pytest.approx(way, abs=1e-9)
