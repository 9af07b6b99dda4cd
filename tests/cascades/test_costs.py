"""What a row costs by its way, and a threshold that keeps the mean row within a budget."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import pytest
from cascade_worlds import INPUTS, LOGISTIC, RARE, TYPICAL, distance, rentals

import penstock as ps
from penstock.cascades import steps
from penstock.errors import DataError, DeclarationError

CHEAP = ps.model("cheap", type="logistic_reg", label="size", features={"x1": ps.col("x1")})
DEAR = ps.model("dear", type="boosted_tree_classifier", label="size", features=INPUTS, options={"max_iterations": 6})


def early(**how: Any) -> ps.Cascade:
    """Ask the cheap model first, and the dear one where it is not sure: a router that is a stage itself."""
    given: dict[str, Any] = {
        "metric": "accuracy",
        "router": CHEAP,
        "router_cost": 1.0,
        "routes": [ps.route(when=ps.confidence("cheap") < ps.threshold(0.3, 0.9, 5), use=DEAR, cost=10.0)],
        "otherwise": CHEAP,
        "min_rows": 20,
        "folds": 2,
    }
    return ps.cascade("early", label="size", **given | how)


def quiet(cascade: ps.Cascade, rows: Any) -> ps.ModelGraph:
    with contextlib.redirect_stdout(io.StringIO()):
        graph: ps.ModelGraph = ps.fit(cascade, rows)
    return graph


def test_a_dear_model_is_asked_only_as_often_as_the_budget_allows():
    rows = rentals(2000)
    tried = quiet(early(), rows).facts["candidates"]
    table = [each for each in tried if each["policy"] != "single_model"]
    assert [each["cost"] for each in table] == sorted(each["cost"] for each in table)
    middle = sorted(each["cost"] for each in table)[2]
    graph = quiet(early(budget=middle), rows)
    [chosen] = [each for each in graph.facts["candidates"] if each["chosen"]]
    within = [each for each in table if each["cost"] <= middle]
    assert 0 < len(within) < len(table)
    assert chosen["value"] == max(each["value"] for each in within)
    assert {each["within_budget"] for each in graph.facts["candidates"]} == {True, False}
    cost = graph.facts["cost"]
    assert cost["routes"] == {"dear": 11.0, "cheap": 1.0}
    assert (cost["baseline"], cost["budget"]) == (1.0, middle)
    routes = graph.predict(rows).column("route").to_pylist()
    assert 1.0 + 10.0 * routes.count("dear") / len(routes) == pytest.approx(chosen["cost"], abs=1.0)


def test_the_cost_of_the_mean_row_stands_beside_the_metric():
    rows = rentals()
    routes = [ps.route(when=ps.col("is_long") > 0.3, use=RARE, cost=4.0)]
    graph = quiet(distance(router=LOGISTIC, routes=routes, otherwise_cost=2.0, router_cost=0.5, group="x1"), rows)
    kept = steps.holdout(rows, 0.2, None, "x1", 0).holdout
    taken = graph.predict(kept).column("route").to_pylist()
    share = taken.count("rare") / len(taken)
    assert 0 < share < 1
    assert graph.facts["cost"]["mean"] == pytest.approx(0.5 + 4.0 * share + 2.0 * (1 - share))
    assert "cost" not in quiet(distance(router=LOGISTIC), rows).facts


def test_a_row_of_a_cascade_within_costs_both_routers():
    inner = ps.cascade(
        "inner", label="km", metric="mean_absolute_error", router=CHEAP, router_cost=1.0, otherwise=TYPICAL,
        routes=[ps.route(when=ps.col("cheap").eq("large"), use=RARE, cost=5.0)], otherwise_cost=2.0, min_rows=10,
    )  # fmt: skip
    routes = [ps.route(when=ps.col("is_long") > 0.2, use=inner)]
    graph = quiet(distance(router=LOGISTIC, router_cost=0.25, routes=routes), rentals())
    costs = graph.facts["cost"]["routes"]
    assert costs["inner/rare"] == 6.25
    assert costs["inner/typical"] == 3.25
    assert costs["typical"] == 0.25


def test_a_budget_that_nothing_keeps_to_is_an_error_that_says_what_the_least_is():
    routes = [ps.route(when=ps.confidence("cheap") < ps.threshold(0.9, 1.0, 2), use=DEAR, cost=10.0)]
    with pytest.raises(DataError, match=r"at most budget=1\.01; the cheapest costs 11 .*raise the budget"):
        quiet(early(routes=routes, budget=1.01), rentals())


def test_with_auto_one_model_may_be_all_that_the_budget_allows():
    graph = quiet(early(policy="auto", budget=1.0), rentals())
    assert set(graph.predict(rentals()).column("route").to_pylist()) == {"single_model"}
    assert graph.facts["cost"]["mean"] == 1.0


ROUTE = ps.route(when=ps.col("is_long") > 0.5, use=RARE, cost=4.0)
OPEN = ps.route(when=ps.col("is_long") > ps.threshold(), use=RARE, cost=4.0)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"routes": [ROUTE], "budget": 2.0}, "nothing to choose by it"),
        ({"budget": 2.0, "policy": "auto"}, "nothing costs anything"),
        ({"routes": [OPEN], "budget": 2.0, "blend": True}, "blend"),
        ({"routes": [OPEN], "budget": 0.5, "router_cost": 1.0}, "the cheapest way of a row costs 1.0"),
        ({"routes": [OPEN], "budget": -1.0}, "budget is -1.0"),
        ({"router_cost": "1"}, "router_cost is '1'"),
        ({"routes": [ps.route(when=ps.col("is_long") > 0.5, use=RARE, cost=float("nan"))]}, "the cost of the route"),
        (
            {"routes": [OPEN], "budget": 2.0, "policy": "auto",
             "baseline": ps.model("alone", type="linear_reg", label="km")},
            "what the baseline costs is not known",
        ),
        ({"routes": [OPEN, ps.route(when=ps.col("x1") > 0, use=RARE, cost=5.0)]}, "two ways are called 'rare'"),
    ],
)  # fmt: skip
def test_costs_that_make_no_sense_are_refused(how: dict[str, Any], said: str):
    with pytest.raises(DeclarationError, match=said):
        distance(**how)
