"""A cascade elsewhere: one query that gives its predictions and routes, MLflow's folder; ONNX is refused by reason."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
from cascade_worlds import distance, rentals
from test_routing import CASCADES

import penstock as ps
from penstock.errors import DeclarationError
from penstock.models.exporting.dialects import DIALECTS
from penstock.models.exporting.query import to_query
from penstock.tables import to_arrow

ROWS = rentals()
ASKED = rentals(500, seed=3)


@pytest.fixture(scope="module")
def graphs() -> Mapping[str, ps.ModelGraph]:
    return {}


def trained(graphs: Any, which: str) -> ps.ModelGraph:
    if which not in graphs:
        graphs[which] = ps.fit(CASCADES[which], ROWS)
    found: ps.ModelGraph = graphs[which]
    return found


def asked(query: str) -> list[dict[str, Any]]:
    with duckdb.connect() as database:
        database.register("trips", ASKED)
        found: list[dict[str, Any]] = to_arrow(database.sql(query)).to_pylist()
        return found


@pytest.mark.parametrize("which", CASCADES)
def test_the_query_gives_what_the_graph_predicts(graphs: Any, which: str):
    graph = trained(graphs, which)
    expected = graph.predict(ASKED).to_pylist()
    found = asked(to_query(graph, rows="trips", keep=["km"]))
    label = f"predicted_{graph.label}"
    assert len(found) == len(expected)
    for row, right in zip(found, expected, strict=True):
        assert row["route"] == right["route"]
        assert row["km"] == right["km"]
        if graph.label == "km":
            assert row[label] == pytest.approx(right[label], rel=1e-11)
        else:
            assert row[label] == right[label]
            for each in right[f"{label}_probs"]:
                assert row[f"{label}_prob_{each['label']}"] == pytest.approx(each["prob"], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialects_parser_reads_the_query(graphs: Any, dialect: str):
    for which in ("two ways", "a cascade in a cascade", "a calibrated blend"):
        query = to_query(trained(graphs, which), dialect=dialect, rows="trips")
        assert sqlglot.parse_one(query, dialect=dialect) is not None


def test_a_column_of_the_routers_name_cannot_be_kept(graphs: Any):
    with pytest.raises(DeclarationError, match="'is_long' is what the router says; leave it out of keep="):
        to_query(trained(graphs, "two ways"), keep=["is_long"])


def test_onnx_is_refused_with_the_reason_and_the_way_out(graphs: Any, tmp_path: Path):
    graph = trained(graphs, "two ways")
    with pytest.raises(DeclarationError, match=r"cannot leave out the stages .*graph\.stage\('is_long'\)\.export"):
        graph.export("onnx", tmp_path / "distance.onnx")
    assert not (tmp_path / "distance.onnx").exists()
    if importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime"):
        assert graph.stage("rare").export("onnx", tmp_path / "rare.onnx", rows=ASKED).exists()


def test_mlflows_folder_predicts_what_the_graph_predicts(graphs: Any, tmp_path: Path):
    pytest.importorskip("pandas")
    from penstock.models.exporting.mlflow_model import _load_pyfunc

    graph = trained(graphs, "two ways")
    folder = graph.export("mlflow", tmp_path / "distance")
    assert '"name":"route"' in (folder / "MLmodel").read_text().replace("\\", "")
    found = _load_pyfunc(str(folder / "penstock")).predict(ASKED.to_pandas())
    assert list(found["route"]) == graph.predict(ASKED)["route"].to_pylist()


def test_a_cascade_is_exported_from_the_registry_and_by_sql(tmp_path: Path):
    project = ps.open(tmp_path)
    project.fit(distance(), ROWS)
    project.models["distance"].export("sql", tmp_path / "distance.sql")
    assert "route" in (tmp_path / "distance.sql").read_text()
    project.sql("EXPORT MODEL distance OPTIONS(URI = 'kept')")
    assert ps.load_model(tmp_path / "kept").predict(ASKED).equals(project.predict("distance", ASKED))
    with pytest.raises(DeclarationError, match="is no ONNX file"):
        project.sql("EXPORT MODEL distance OPTIONS(URI = 'distance.onnx')")
