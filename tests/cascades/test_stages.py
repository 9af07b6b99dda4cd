"""What a cascade tells of its stages to those who ask, and that it computes no more than it needs."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from cascade_kinds import CASCADES, fitted
from cascade_worlds import RARE, distance, rentals

import penstock as ps
from penstock.errors import DataError
from penstock.models import row_predictor
from penstock.models.fitting.agreement import close
from penstock.models.predicting.predict import estimates_of
from penstock.models.routing import routed, routed_row, routing_of


def staged(graph: ps.ModelGraph, rows: pa.Table) -> list[dict[str, Any]]:
    """Return the stages of each row, asked for together; one by one they are the same."""
    names = [*graph.signature.outputs.names, "stages"]
    many = graph.predict(rows, stages=True).select(names).to_pylist()
    one = row_predictor(graph, stages=True)
    for row, found in zip(rows.to_pylist(), many, strict=True):
        made = one.predict(row)
        assert list(made) == names
        assert list(made["stages"]) == list(found["stages"])
        assert close(made, found)
    return [each["stages"] for each in many]


@pytest.mark.parametrize("which", CASCADES)
def test_one_row_tells_of_its_stages_what_many_do(which: str):
    rows = rentals()
    graph = fitted(which)
    found = staged(graph, rows.slice(0, 300))
    digests = routing_of(graph).digests
    assert {name: each["digest"] for stages in found for name, each in stages.items() if each} == digests


def test_stages_that_were_not_computed_are_null_and_the_others_as_they_predict_alone():
    rows = rentals()
    graph = fitted("two ways")
    alone = {name: ps.predict(stage, rows).to_pylist() for name, stage in routing_of(graph).stages.items()}
    routes = graph.predict(rows).column("route").to_pylist()
    assert set(routes) == {"rare", "typical"}
    for at, (route, stages) in enumerate(zip(routes, staged(graph, rows), strict=True)):
        assert {name for name, each in stages.items() if each is not None} == {"is_long", route}
        assert stages[route]["predicted_km"] == alone[route][at]["predicted_km"]
        assert close(stages["is_long"]["predicted_is_long_probs"], alone["is_long"][at]["predicted_is_long_probs"])


def test_a_stage_of_another_fit_has_another_digest():
    one, other = (ps.fit(distance(), rentals(seed=seed)) for seed in (1, 2))
    told = [graph.predict_row({"x1": 0.0, "x2": 0.0, "x3": 1.0}, stages=True)["stages"] for graph in (one, other)]
    assert told[0]["typical"]["digest"] != told[1]["typical"]["digest"]
    again = ps.fit(distance(), rentals()).predict_row({"x1": 0.0, "x2": 0.0, "x3": 1.0}, stages=True)["stages"]
    assert again == told[0]


def test_a_cascade_within_tells_its_own_stages():
    rows = rentals()
    graph = fitted("a cascade in a cascade")
    inner = [stages["inner"] for stages in staged(graph, rows) if stages["inner"] is not None]
    assert {each["route"] for each in inner} == {"reading", "rare"}
    for each in inner:
        assert {name for name, stage in each["stages"].items() if stage is not None} == {"steep", each["route"]}
        assert each["stages"][each["route"]]["predicted_km"] == each["predicted_km"]


def test_what_a_calibrated_router_tells_is_what_routes():
    rows = rentals()
    graph = ps.fit(distance(calibrate="isotonic"), rows)
    for route, stages in zip(graph.predict(rows).column("route").to_pylist(), staged(graph, rows), strict=True):
        probability = {each["label"]: each["prob"] for each in stages["is_long"]["predicted_is_long_probs"]}[True]
        assert (probability > 0.5) == (route == "rare")


def test_no_stage_of_rows_that_are_none():
    graph = fitted("a cascade in a cascade")
    empty = graph.predict(rentals().slice(0, 0), stages=True)
    assert empty.schema == graph.predict(rentals(), stages=True).schema


def test_a_model_that_is_no_cascade_has_no_stages():
    graph = ps.fit(RARE, rentals())
    for ask in (lambda: graph.predict(rentals(), stages=True), lambda: row_predictor(graph).with_stages()):
        with pytest.raises(DataError, match="'rare' is no cascade"):
            ask()


def test_a_column_of_that_name_in_the_rows_is_refused_where_stages_are_asked_for():
    graph, rows = fitted("two ways"), rentals().append_column("stages", pa.array(range(1200)))
    with pytest.raises(DataError, match="stages"):
        graph.predict(rows, stages=True)
    assert graph.predict(rows).column("stages").to_pylist() == list(range(1200))


@pytest.mark.parametrize("which", ["two ways", "a cascade in a cascade", "a router that is a stage", "a constant"])
def test_only_the_route_that_is_taken_is_computed(which: str):
    rows = rentals()
    graph = fitted(which)
    routes = graph.predict(rows).column("route").to_pylist()
    calls = counted(graph, rows)
    routers = {"cheap"} if which == "a router that is a stage" else {"is_long"}
    within = {"steep"} if which == "a cascade in a cascade" else set()
    for route, called in zip(routes, calls, strict=True):
        leaf = route.rpartition("/")[2]
        expected = routers | ({leaf} if leaf != "40.0" else set()) | (within if "/" in route else set())
        assert called == dict.fromkeys(expected, 1)


def test_a_blend_computes_what_has_a_weight():
    rows = rentals()
    graph = fitted("a calibrated blend")
    probabilities = [
        {each["label"]: each["prob"] for each in stages["is_long"]["predicted_is_long_probs"]}[True]
        for stages in staged(graph, rows)
    ]
    weighed = [{"is_long", *(["rare"] if p > 0 else []), *(["typical"] if p < 1 else [])} for p in probabilities]
    assert [set(called) for called in counted(graph, rows)] == weighed
    assert len({frozenset(each) for each in weighed}) > 1


def counted(graph: ps.ModelGraph, rows: pa.Table) -> list[Counter[str]]:
    """Return of each row how often each stage estimates it, by itself; together, each stage has as many rows."""
    calls: Counter[str] = Counter()

    def compiled(stage: Any) -> Any:
        predict, inputs = row_predictor(stage).predict, stage.signature.inputs.names

        def estimated(*values: Any) -> Any:
            calls[stage.name] += 1
            made = predict(dict(zip(inputs, values, strict=True)))
            probabilities = next((made[name] for name in made if name.endswith("_probs")), None)
            if probabilities is None:
                return made[f"predicted_{stage.label}"]
            ordered = [each["prob"] for each in sorted(probabilities, key=lambda each: each["label"])]
            return ordered[1] if len(ordered) == 2 else ordered

        return estimated

    inputs, found = graph.signature.inputs.names, []
    route = routed_row(graph, inputs, compiled)
    for row in rows.select(list(inputs)).to_pylist():
        calls.clear()
        route(*row.values())
        found.append(Counter(calls))
    together: Counter[str] = Counter()

    def estimate(stage: Any, given: pa.Table) -> Any:
        together[stage.name] += given.num_rows
        return estimates_of(stage, given)

    routed(graph, rows.select(list(inputs)), estimate)
    assert together == sum(found, Counter())
    return found
