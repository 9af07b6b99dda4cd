"""The report on a cascade says what counting row by row says."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from cascade_worlds import INPUTS, TYPICAL, distance, rentals
from test_routing import CASCADES

import penstock as ps
from penstock.errors import DataError, DeclarationError, UnknownNameError
from penstock.models.routing import routing_of

ROOT = "root_mean_squared_error"


def towns(rows: int = 1200, seed: int = 1) -> pa.Table:
    names = [("Bern", "Genf", "Basel", None)[at % 4] for at in range(rows)]
    return rentals(rows, seed).append_column("town", pa.array(names))


def root(errors: list[float]) -> float:
    return math.sqrt(sum(error * error for error in errors) / len(errors))


def values(graph: ps.ModelGraph, rows: pa.Table, name: str = "km") -> list[Any]:
    return graph.predict(rows).column(f"predicted_{name}").to_pylist()


def of_stages(graph: ps.ModelGraph, rows: pa.Table) -> dict[str, list[float]]:
    stages = routing_of(graph).stages
    return {name: ps.predict(stages[name], rows).column("predicted_km").to_pylist() for name in ("rare", "typical")}


@pytest.fixture(scope="module")
def trained() -> ps.ModelGraph:
    return ps.fit(distance(calibrate="isotonic"), rentals())


@pytest.fixture(scope="module")
def alone() -> ps.ModelGraph:
    return ps.fit(TYPICAL, rentals(), options={"data_split_method": "NO_SPLIT"})


def test_the_whole_stands_beside_one_model_and_the_oracle(trained: ps.ModelGraph, alone: ps.ModelGraph):
    rows = rentals(seed=2)
    told, km = of_stages(trained, rows), rows.column("km").to_pylist()
    belongs = ["rare" if long else "typical" for long in rows.column("is_long").to_pylist()]
    found = trained.report(rows, baseline=alone)["whole"]
    assert found["cascade"][ROOT] == pytest.approx(
        root([a - b for a, b in zip(km, values(trained, rows), strict=True)])
    )
    assert found["baseline"][ROOT] == pytest.approx(root([a - b for a, b in zip(km, values(alone, rows), strict=True)]))
    oracle = [a - told[name][at] for at, (a, name) in enumerate(zip(km, belongs, strict=True))]
    assert found["oracle"][ROOT] == pytest.approx(root(oracle))
    assert found["oracle"]["mean_absolute_error"] == pytest.approx(sum(map(abs, oracle)) / len(oracle))


def test_each_route_is_judged_on_the_rows_it_gets_and_on_those_that_belong_to_it(
    trained: ps.ModelGraph, alone: ps.ModelGraph
):
    rows = rentals(seed=2)
    told, km, one = of_stages(trained, rows), rows.column("km").to_pylist(), values(alone, rows)
    taken = trained.predict(rows).column("route").to_pylist()
    belongs = ["rare" if long else "typical" for long in rows.column("is_long").to_pylist()]
    for each in trained.report(rows, baseline=alone)["routes"]:
        name = each["name"]
        mine = [at for at, route in enumerate(taken) if route == name]
        own = [at for at, route in enumerate(belongs) if route == name]
        assert (each["rows"], each["rows_of_label"]) == (len(mine), len(own))
        assert each["shares"]["judged"] == pytest.approx(len(mine) / len(km))
        assert each["shares"]["label"] == pytest.approx(len(own) / len(km))
        assert each["routed"][ROOT] == pytest.approx(root([km[at] - told[name][at] for at in mine]))
        assert each["of_label"][ROOT] == pytest.approx(root([km[at] - told[name][at] for at in own]))
        assert each["baseline"][ROOT] == pytest.approx(root([km[at] - one[at] for at in mine]))
        assert each["cascade"] == each["routed"]


def test_the_confusion_counts_where_rows_belong_and_where_they_went(trained: ps.ModelGraph):
    rows = rentals(seed=2)
    without = rows.set_column(3, "is_long", pa.array([None, None, *rows.column("is_long").to_pylist()[2:]]))
    taken = trained.predict(rows).column("route").to_pylist()
    pairs = Counter(
        ("rare" if long else "typical", went)
        for long, went in zip(rows.column("is_long").to_pylist()[2:], taken[2:], strict=True)
    )
    found = trained.report(without)["confusion"]
    assert found["routes"] == ["rare", "typical"]
    assert found["counts"] == [[pairs[own, went] for went in found["routes"]] for own in found["routes"]]
    assert found["without_label"] == 2


def test_the_routers_calibration_error_is_told_before_and_after(trained: ps.ModelGraph):
    rows = rentals(seed=2)
    said = ps.predict(routing_of(trained).stages["is_long"], rows).column("predicted_is_long_probs").to_pylist()
    before = [next(one["prob"] for one in each if one["label"]) for each in said]
    bins: dict[int, list[tuple[float, bool]]] = {}
    for chance, long in zip(before, rows.column("is_long").to_pylist(), strict=True):
        bins.setdefault(min(int(chance * 10), 9), []).append((chance, long))
    error = sum(abs(sum(p for p, _ in each) - sum(long for _, long in each)) for each in bins.values()) / 1200
    found = trained.report(rows)["router"]
    assert found["calibration"]["error_before"] == pytest.approx(error)
    assert found["calibration"]["error_after"] < error
    assert found["calibration"]["method"] == "isotonic"
    assert found["metrics"]["accuracy"] > 0.8


def test_slices_are_told_of_the_columns_that_are_named(trained: ps.ModelGraph, alone: ps.ModelGraph):
    rows = towns(seed=2)
    errors: dict[Any, list[float]] = {}
    km, said, names = (rows.column("km").to_pylist(), values(trained, rows), rows.column("town").to_pylist())
    for town, actual, predicted in zip(names, km, said, strict=True):
        errors.setdefault(town, []).append(actual - predicted)
    found = trained.report(rows, baseline=alone, slices=["town"])["slices"]
    assert {each["value"]: each["cascade"] for each in found} == {
        town: pytest.approx(root(each)) for town, each in errors.items()
    }
    assert all(each["rows"] == 300 and each["baseline"] for each in found)
    with pytest.raises(UnknownNameError, match="no column named 'city'"):
        trained.report(rows, slices=["city"])


def test_inputs_with_few_values_are_sliced_by_themselves():
    inputs = {**INPUTS, "town": ps.col("town")}
    both = [ps.model(name, type="linear_reg", label="km", features=inputs) for name in ("rare", "typical")]
    graph = ps.fit(distance(routes=[ps.route(when="is_long > 0.5", use=both[0])], otherwise=both[1]), towns())
    assert {each["column"] for each in graph.report()["slices"]} == {"town"}
    assert {each["value"] for each in graph.report()["slices"]} == {"Bern", "Genf", "Basel", None}


def test_a_blend_is_judged_as_it_predicts():
    rows = rentals(seed=2)
    graph = ps.fit(distance(blend=True), rentals())
    km, said = rows.column("km").to_pylist(), values(graph, rows)
    taken, told = graph.predict(rows).column("route").to_pylist(), of_stages(graph, rows)
    found = graph.report(rows)
    assert found["whole"]["cascade"][ROOT] == pytest.approx(root([a - b for a, b in zip(km, said, strict=True)]))
    for each in found["routes"]:
        mine = [at for at, route in enumerate(taken) if route == each["name"]]
        assert each["cascade"][ROOT] == pytest.approx(root([km[at] - said[at] for at in mine]))
        assert each["routed"][ROOT] == pytest.approx(root([km[at] - told[each["name"]][at] for at in mine]))


def test_a_classification_is_judged_by_its_labels():
    rows = rentals(seed=2)
    graph = ps.fit(CASCADES["three labels"], rentals())
    sizes, said = rows.column("size").to_pylist(), graph.predict(rows)
    chances = [
        next(one["prob"] for one in each if one["label"] == size)
        for size, each in zip(sizes, said.column("predicted_size_probs").to_pylist(), strict=True)
    ]
    found = graph.report(rows)
    assert found["whole"]["cascade"]["log_loss"] == pytest.approx(-sum(map(math.log, chances)) / 1200)
    right = [a == b for a, b in zip(sizes, said.column("predicted_size").to_pylist(), strict=True)]
    assert found["whole"]["cascade"]["accuracy"] == pytest.approx(sum(right) / 1200)
    large = found["routes"][0]
    assert (large["uses"], large["constant"], large["learned_from"]) == ("constant", "large", None)
    mine = [size for size, way in zip(sizes, said.column("route").to_pylist(), strict=True) if way == "large"]
    assert large["routed"]["accuracy"] == pytest.approx(mine.count("large") / len(mine))
    assert [each["name"] for each in found["routes"]] == ["large", "dear", "cheap"]


def test_a_constant_is_judged_as_a_stage_is():
    rows = rentals(seed=2)
    graph = ps.fit(CASCADES["a constant"], rentals())
    taken = graph.predict(rows).column("route").to_pylist()
    errors = [km - 40.0 for km, way in zip(rows.column("km").to_pylist(), taken, strict=True) if way == "40.0"]
    assert graph.report(rows)["routes"][0]["routed"][ROOT] == pytest.approx(root(errors))


def test_a_cascade_within_has_its_own_report_of_the_rows_that_it_gets():
    rows = rentals(seed=2)
    graph = ps.fit(CASCADES["a cascade in a cascade"], rentals())
    found, ways = graph.report(rows), Counter(graph.predict(rows).column("route").to_pylist())
    assert found["routes"][0]["rows"] == ways["inner/reading"] + ways["inner/rare"]
    inner = found["inner"]["inner"]
    assert {each["name"]: each["rows"] for each in inner["routes"]} == {
        "reading": ways["inner/reading"],
        "rare": ways["inner/rare"],
    }
    assert inner["whole"]["cascade"] == pytest.approx(found["routes"][0]["routed"])
    steep = [value > 0 for value in rows.column("x3").to_pylist()]
    went = graph.predict(rows).column("route").to_pylist()
    belongs = [each for each, way in zip(steep, went, strict=True) if way.startswith("inner")]
    assert [sum(line) for line in inner["confusion"]["counts"]] == [sum(belongs), len(belongs) - sum(belongs)]


def test_a_route_that_no_row_takes_has_no_numbers_and_a_warning():
    graph = ps.fit(distance(), rentals())
    rows = rentals(seed=2).filter(pa.array(np.array(graph.predict(rentals(seed=2)).column("route")) == "typical"))
    found = graph.report(rows)
    assert (found["routes"][0]["rows"], found["routes"][0]["routed"]) == (0, {})
    assert "No row that was judged takes the route 'rare'" in found["warnings"]


def test_a_stage_with_too_few_rows_is_told_of():
    found = ps.fit(distance(min_rows=500), rentals()).report()
    assert found["routes"][0]["baseline_instead"]
    assert any("predicts as the baseline does" in each for each in found["warnings"])


def test_what_the_label_of_the_router_would_say_is_left_out_where_rows_lack_it(trained: ps.ModelGraph):
    found = trained.report(rentals(seed=2).drop_columns(["is_long"]))
    assert (found["whole"]["oracle"], found["confusion"], found["router"]["metrics"]) == (None, None, {})
    assert any("is_long" in each for each in found["warnings"])
    sure = ps.fit(CASCADES["a router that is a stage"], rentals()).report()
    assert (sure["whole"]["oracle"], sure["confusion"]) == (None, None)
    assert any("how sure the router is" in each for each in sure["warnings"])


def test_the_graph_keeps_the_report_of_the_rows_held_out(trained: ps.ModelGraph):
    found = trained.report()
    assert found["rows"] == {"train": 972, "judged": 228, "unknown_label": 0}
    assert found["whole"]["cascade"] == trained.facts["evaluation"]
    assert found["whole"]["baseline"] == trained.facts["baseline"]
    shares = trained.facts["policy"]["shares"]
    for each in found["routes"]:
        assert each["shares"]["training"] == shares["training"][each["name"]]
        assert each["shares"]["refitted"] == shares["refitted"][each["name"]]
    found["routes"].clear()
    assert trained.report()["routes"]


def test_a_model_that_is_no_cascade_has_none(alone: ps.ModelGraph):
    with pytest.raises(DeclarationError, match="'typical' is no cascade"):
        alone.report(rentals())
    inner = routing_of(ps.fit(CASCADES["a cascade in a cascade"], rentals())).stages["inner"]
    with pytest.raises(DataError, match="give rows"):
        ps.ModelGraph.report(inner)  # type: ignore[arg-type]


def test_it_says_where_one_model_is_as_good():
    rows = rentals()
    same = rows.set_column(4, "km", pa.array(np.array(rows.column("x1")) * 3 + np.array(rows.column("x2"))))
    found = ps.fit(distance(), same).report()
    assert found["verdict"].startswith("One model of all rows is as good")
    assert any(each.startswith("One model of all rows does as well") for each in found["warnings"])


def test_a_label_that_only_comes_up_later_is_counted_and_not_judged():
    rows = rentals().append_column("at", pa.array(range(1200)))
    sizes = rows.column("size").to_pylist()
    sizes[1150] = sizes[1199] = "giant"
    later = rows.set_column(rows.column_names.index("size"), "size", pa.array(sizes))
    dear, cheap = (ps.model(name, type="logistic_reg", label="size", features=INPUTS) for name in ("dear", "cheap"))
    graph = ps.fit(
        distance(
            label="size",
            metric="accuracy",
            time="at",
            routes=[ps.route(when="is_long > 0.5", use=dear)],
            otherwise=cheap,
        ),
        later,
    )
    found, newest = graph.report(), later.slice(960)
    assert found["rows"] == {"train": 960, "judged": 238, "unknown_label": 2}
    said = graph.predict(newest).column("predicted_size").to_pylist()
    right = [a == b for a, b in zip(newest.column("size").to_pylist(), said, strict=True)]
    assert found["whole"]["cascade"]["accuracy"] == pytest.approx(sum(right) / 238)
    assert found["warnings"][0].startswith("2 rows have a label that no training row had")
    with pytest.raises(DataError, match="no row has any of them; one has size='giant'"):
        graph.report(later.slice(1199))


def test_the_shares_of_requests_are_added(trained: ps.ModelGraph):
    found = trained.report(serving={"rare": 60, "typical": 40})
    assert [each["shares"]["serving"] for each in found["routes"]] == [0.6, 0.4]
    assert any("60.0% of the requests" in each for each in found["warnings"])
    with pytest.raises(UnknownNameError, match="no route named 'other'"):
        trained.report(serving={"other": 1})
    assert trained.report(serving={}) == trained.report()


def test_the_standard_error_is_about_what_other_rows_would_show(alone: ps.ModelGraph, trained: ps.ModelGraph):
    gains = []
    for seed in range(10, 40):
        rows = rentals(400, seed)
        gains.append(trained.evaluate(rows)["mean_absolute_error"] - alone.evaluate(rows)["mean_absolute_error"])
    cascade = ps.fit(distance(metric="mean_absolute_error", calibrate="isotonic"), rentals())
    said = cascade.report(rentals(400, 50), baseline=alone)["standard_error"]
    assert said == pytest.approx(np.std(gains), rel=0.5)


def test_rows_of_one_group_are_one_witness(alone: ps.ModelGraph):
    once = rentals(400, 2).append_column("rider", pa.array([f"r{at}" for at in range(400)]))
    often = once.take(pa.array(np.repeat(np.arange(400), 9)))
    by_rows = ps.fit(distance(), rentals())
    by_riders = ps.fit(distance(group="rider"), rentals().append_column("rider", pa.array(map(str, range(1200)))))
    of_one, of_nine = (by_riders.report(rows, baseline=alone)["standard_error"] for rows in (once, often))
    assert of_nine == pytest.approx(of_one, rel=0.01)
    assert by_rows.report(often, baseline=alone)["standard_error"] < 0.6 * of_nine


def test_the_router_may_be_a_regression():
    found = ps.fit(CASCADES["a router of values"], rentals()).report()
    assert found["router"]["calibration"]["error_before"] is None
    assert found["router"]["metrics"]["mean_absolute_error"] > 0
    assert sum(sum(line) for line in found["confusion"]["counts"]) == found["rows"]["judged"]
