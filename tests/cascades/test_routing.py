"""A cascade predicts one row as it predicts many, and says which way each went."""

from __future__ import annotations

import dataclasses

import pyarrow as pa
import pytest
from cascade_kinds import CASCADES, fitted
from cascade_worlds import distance, predicted, rentals

import penstock as ps
from penstock.core.mapping import FrozenMap
from penstock.errors import ConflictError, DataError
from penstock.models.routing import routing_of


@pytest.mark.parametrize("which", CASCADES)
def test_one_row_is_predicted_as_many_are(which: str):
    rows, graph = rentals(), fitted(which)
    found = predicted(graph, rows.slice(0, 400))
    assert graph.facts["disagreements"] == []
    assert len({each["route"] for each in found}) > 1


def test_the_route_reported_is_the_one_that_the_router_says():
    rows, graph = rentals(), fitted("two ways")
    router = routing_of(graph).stages["is_long"]
    said = [
        max(each, key=lambda one: one["prob"])["label"]
        for each in ps.predict(router, rows).column("predicted_is_long_probs").to_pylist()
    ]
    assert graph.predict(rows).column("route").to_pylist() == ["rare" if long else "typical" for long in said]


def test_a_prediction_is_that_of_the_stage_taken():
    rows, graph = rentals(), fitted("two ways")
    stages = routing_of(graph).stages
    alone = {name: ps.predict(stages[name], rows).column("predicted_km").to_pylist() for name in ("rare", "typical")}
    for at, each in enumerate(predicted(graph, rows)):
        assert each["predicted_km"] == alone[each["route"]][at]


def test_a_cascade_within_says_which_way_it_took():
    graph = fitted("a cascade in a cascade")
    routes = {each["route"] for each in predicted(graph, rentals(seed=2))}
    assert routes == {"typical", "inner/reading", "inner/rare"}


def test_a_graph_comes_back_from_its_files(tmp_path):
    rows = rentals()
    graph = ps.fit(distance(calibrate="isotonic"), rows)
    again = ps.load_model(graph.save(tmp_path / "distance"))
    assert again == graph
    assert again.predict(rows).equals(graph.predict(rows))


def test_a_stage_of_another_generation_is_not_served():
    graph, other = ps.fit(distance(), rentals()), ps.fit(distance(), rentals(seed=5))
    mixed = {name: (other if name.startswith("stages/rare/") else graph).blobs[name] for name in graph.blobs}
    swapped = dataclasses.replace(graph, blobs=FrozenMap(mixed))
    with pytest.raises(ConflictError, match=r"the stage 'rare' .* not of the generation"):
        swapped.predict(rentals())


def test_rows_that_lack_an_input_are_refused_by_name():
    graph = fitted("two ways")
    with pytest.raises(DataError, match="x3"):
        graph.predict(rentals().drop_columns(["x3"]))
    with pytest.raises(DataError, match="lacks x3"):
        graph.predict_row({"x1": 1.0, "x2": 0.0})


def test_an_input_of_the_routers_name_gives_way_to_its_prediction():
    rows, graph = rentals(), fitted("two ways")
    assert "is_long" not in graph.signature.inputs
    turned = rows.set_column(3, "is_long", pa.array([True] * rows.num_rows))
    assert graph.predict(turned).column("route").equals(graph.predict(rows).column("route"))
