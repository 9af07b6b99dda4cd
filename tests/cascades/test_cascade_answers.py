"""What a trained cascade tells of itself: why a prediction, which features matter, what is in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from cascade_worlds import INPUTS, RARE, distance, rentals
from test_routing import CASCADES

import penstock as ps
from penstock.errors import DataError, UnknownNameError
from penstock.models.exporting.query import to_query

ROWS = rentals()
ASKED = ROWS.slice(0, 60)
WITH_REASONS = ["two ways", "calibrated by Platt", "a constant", "a router that is a stage", "a router of values"]


@pytest.fixture(scope="module")
def graphs() -> Mapping[str, ps.ModelGraph]:
    names = [*WITH_REASONS, "a cascade in a cascade", "a blend"]
    return {name: ps.fit(CASCADES[name], ROWS) for name in names}


@pytest.mark.parametrize("which", [*WITH_REASONS, "a cascade in a cascade"])
def test_attributions_add_up_from_the_baseline_to_the_score(graphs: Mapping[str, ps.ModelGraph], which: str):
    graph = graphs[which]
    told, predicted = graph.explain(ASKED, top=10).to_pylist(), graph.predict(ASKED).to_pylist()
    for row, expected in zip(told, predicted, strict=True):
        assert row["route"] == expected["route"]
        assert row[f"predicted_{graph.label}"] == expected[f"predicted_{graph.label}"]
        added = sum(each["attribution"] for each in row["top_feature_attributions"])
        assert row["baseline_prediction_value"] + added == pytest.approx(row["prediction_value"])
        if graph.label == "km":
            assert row["prediction_value"] == pytest.approx(row["predicted_km"])


def test_a_row_is_explained_as_its_stage_explains_it(graphs: Mapping[str, ps.ModelGraph]):
    graph = graphs["two ways"]
    told = graph.explain(ASKED).to_pylist()
    for route in ("rare", "typical"):
        alone = graph.stage(route).explain(ASKED).to_pylist()
        mine = [at for at, row in enumerate(told) if row["route"] == route]
        assert mine
        assert all({name: told[at][name] for name in alone[at]} == alone[at] for at in mine)


def test_a_constant_has_no_reasons(graphs: Mapping[str, ps.ModelGraph]):
    told = [row for row in graphs["a constant"].explain(ROWS).to_pylist() if row["route"] == "40.0"]
    assert told
    assert all(row["top_feature_attributions"] == [] and row["prediction_value"] == 40.0 for row in told)


def test_a_blend_is_explained_stage_by_stage(graphs: Mapping[str, ps.ModelGraph]):
    with pytest.raises(DataError, match=r"blends its stages.*explain a stage of it: graph\.stage\('typical'\)"):
        graphs["a blend"].explain(ASKED)
    assert graphs["a blend"].stage("typical").explain(ASKED).num_rows == 60


def test_importance_is_the_mean_of_the_explanations_of_rows(graphs: Mapping[str, ps.ModelGraph]):
    graph = graphs["two ways"]
    sums: dict[str, float] = dict.fromkeys(INPUTS, 0.0)
    for row in graph.explain(ROWS).to_pylist():
        for each in row["top_feature_attributions"]:
            sums[each["feature"]] += abs(each["attribution"])
    found = {row["feature"]: row["attribution"] for row in graph.importance(ROWS).to_pylist()}
    assert found == pytest.approx({name: total / ROWS.num_rows for name, total in sums.items()})
    assert list(found.values()) == sorted(found.values(), reverse=True)
    with pytest.raises(DataError, match=r"give rows, in Python: graph\.importance\(rows\)"):
        graph.importance()


def test_calibration_counts_every_row_of_a_cascade(graphs: Mapping[str, ps.ModelGraph]):
    bins = graphs["two ways"].calibration(ROWS)
    assert sum(bins["rows"].to_pylist()) == ROWS.num_rows
    whole = np.average(bins["predicted"].to_numpy(), weights=bins["rows"].to_numpy())
    assert whole == pytest.approx(np.mean(graphs["two ways"].predict(ROWS)["predicted_km"].to_numpy()))
    labels = graphs["a router that is a stage"].calibration(ROWS)
    assert set(labels["class_label"].to_pylist()) == {"small", "middle", "large"}


def test_a_stage_is_a_graph_of_its_own(graphs: Mapping[str, ps.ModelGraph]):
    graph = graphs["a cascade in a cascade"]
    assert graph.stage("inner/rare").declaration() == RARE
    assert graph.stage("inner").declaration() == CASCADES["a cascade in a cascade"].routes[0].use
    with pytest.raises(UnknownNameError, match="no stage named 'rar' in the cascade 'inner'"):
        graph.stage("inner/rar")
    with pytest.raises(DataError, match="stage 'inner/rare' of 'distance' is no cascade; it has no stage 'x'"):
        graph.stage("inner/rare/x")


def test_describe_says_which_way_rows_go_and_what_one_model_would_do(graphs: Mapping[str, ps.ModelGraph]):
    told = graphs["two ways"].describe()
    assert told.startswith("cascade distance: of km, learned from")
    assert "router: is_long" in told
    assert "rare: if is_long > 0.5, the stage rare" in told
    assert "typical: else, the stage typical" in told
    assert "rare: linear_reg, learned from" in told
    assert "(one model of all rows: " in told
    assert "calibrated by platt" in graphs["calibrated by Platt"].describe()
    assert "the constant 40.0" in graphs["a constant"].describe()


def test_a_cascade_that_is_one_model_after_all_answers_as_that_does():
    rows = ROWS.set_column(ROWS.column_names.index("km"), "km", pa.compute.add(ROWS["x1"], ROWS["x3"]))
    declared = distance(policy="auto", folds=2)
    graph = ps.fit(declared, rows)
    assert graph.declaration() == declared
    assert "single_model: every row, the stage typical" in graph.describe()
    told, alone = graph.explain(ASKED).to_pylist(), graph.stage("typical").explain(ASKED).to_pylist()
    assert [{name: row[name] for name in alone[0]} for row in told] == alone
    with duckdb.connect() as database:
        database.register("trips", ASKED)
        found = database.sql(to_query(graph, rows="trips")).fetchall()
    predicted = graph.predict(ASKED).to_pylist()
    assert [row[:2] for row in found] == [(pytest.approx(row["predicted_km"]), row["route"]) for row in predicted]


def test_describe_says_which_stage_another_stands_for():
    told = ps.fit(distance(min_rows=100_000), ROWS).describe()
    assert "in the place of rare: too few rows went there" in told


def test_explaining_rows_of_no_route_or_no_rows_is_no_crash(graphs: Mapping[str, ps.ModelGraph]):
    empty: Any = ASKED.slice(0, 0)
    assert graphs["two ways"].explain(empty).num_rows == 0
    assert isinstance(graphs["a cascade in a cascade"].explain(ASKED), pa.Table)
