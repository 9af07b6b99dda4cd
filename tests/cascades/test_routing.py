"""A cascade predicts one row as it predicts many, and says which way each went."""

from __future__ import annotations

import dataclasses

import pyarrow as pa
import pytest
from cascade_worlds import INPUTS, RARE, distance, predicted, rentals

import penstock as ps
from penstock.core.mapping import FrozenMap
from penstock.errors import ConflictError, DataError
from penstock.models.routing import routing_of

SIZE = ps.model(
    "kind", type="boosted_tree_classifier", label="kind", target=ps.col("size"), features=INPUTS,
    options={"max_iterations": 8},
)  # fmt: skip
CHEAP = ps.model("cheap", type="logistic_reg", label="size", features={"x1": ps.col("x1")})
DEAR = ps.model(
    "dear", type="boosted_tree_classifier", label="size", features=INPUTS, options={"max_iterations": 8}
)  # fmt: skip
STEEP = ps.model("steep", type="logistic_reg", label="steep", target=ps.col("x3") > 0, features=INPUTS)
READING = ps.model(
    "reading", type="linear_reg", label="km", features={**INPUTS, "p": ps.probability("is_long", True)}
)  # fmt: skip
INNER = ps.cascade(
    "inner", label="km", metric="mean_absolute_error", router=STEEP, min_rows=5,
    routes=[ps.route(when="steep > 0.5", use=READING)], otherwise=RARE,
)  # fmt: skip
CASCADES = {
    "two ways": distance(),
    "a blend": distance(blend=True),
    "a calibrated blend": distance(blend=True, calibrate="isotonic"),
    "calibrated by Platt": distance(calibrate="platt"),
    "a constant": distance(routes=[ps.route(when=ps.col("is_long") > 0.5, use=40.0)]),
    "a cascade in a cascade": distance(
        routes=[ps.route(when=(ps.col("is_long") > 0.4) & (ps.col("x1") > -5), use=INNER)]
    ),
    "a router that is a stage": ps.cascade(
        "early", label="size", metric="accuracy", router=CHEAP, min_rows=20,
        routes=[ps.route(when=ps.confidence("cheap") < 0.6, use=DEAR)], otherwise=CHEAP,
    ),
    "three labels": ps.cascade(
        "three", label="size", metric="log_loss", router=SIZE, blend=True, calibrate="isotonic", min_rows=20,
        routes=[
            ps.route(when=ps.col("kind").eq("large"), use="large"),
            ps.route(when=ps.probability("kind", "middle") > 0.5, use=DEAR),
        ],
        otherwise=CHEAP,
    ),
    "a router of values": distance(
        router=ps.model("long_km", type="linear_reg", label="long_km", target=ps.col("km") * 2, features=INPUTS),
        routes=[ps.route(when=ps.col("long_km") > 30, use=RARE)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("which", CASCADES)
def test_one_row_is_predicted_as_many_are(which: str):
    rows = rentals()
    graph = ps.fit(CASCADES[which], rows)
    found = predicted(graph, rows.slice(0, 400))
    assert graph.facts["disagreements"] == []
    assert len({each["route"] for each in found}) > 1


def test_the_route_reported_is_the_one_that_the_router_says():
    rows = rentals()
    graph = ps.fit(distance(), rows)
    router = routing_of(graph).stages["is_long"]
    said = [
        max(each, key=lambda one: one["prob"])["label"]
        for each in ps.predict(router, rows).column("predicted_is_long_probs").to_pylist()
    ]
    assert graph.predict(rows).column("route").to_pylist() == ["rare" if long else "typical" for long in said]


def test_a_prediction_is_that_of_the_stage_taken():
    rows = rentals()
    graph = ps.fit(distance(), rows)
    stages = routing_of(graph).stages
    alone = {name: ps.predict(stages[name], rows).column("predicted_km").to_pylist() for name in ("rare", "typical")}
    for at, each in enumerate(predicted(graph, rows)):
        assert each["predicted_km"] == alone[each["route"]][at]


def test_a_cascade_within_says_which_way_it_took():
    graph = ps.fit(CASCADES["a cascade in a cascade"], rentals())
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
    graph = ps.fit(distance(), rentals())
    with pytest.raises(DataError, match="x3"):
        graph.predict(rentals().drop_columns(["x3"]))
    with pytest.raises(DataError, match="lacks x3"):
        graph.predict_row({"x1": 1.0, "x2": 0.0})


def test_an_input_of_the_routers_name_gives_way_to_its_prediction():
    rows = rentals()
    graph = ps.fit(distance(), rows)
    assert "is_long" not in graph.signature.inputs
    turned = rows.set_column(3, "is_long", pa.array([True] * rows.num_rows))
    assert graph.predict(turned).column("route").equals(graph.predict(rows).column("route"))
