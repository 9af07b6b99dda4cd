"""A number that a route leaves open is found by what the whole is worth with it."""

from __future__ import annotations

import contextlib
import datetime
import io
from typing import Any

import pyarrow as pa
import pytest
from cascade_worlds import INPUTS, LOGISTIC, RARE, TYPICAL, distance, predicted, rentals

import penstock as ps
from penstock.cascades import steps, thresholds
from penstock.cascades.reading import declaration
from penstock.cascades.training import trained_on
from penstock.cascades.value import choosing_seed
from penstock.core.expression import Expr
from penstock.errors import DeclarationError, SqlError
from penstock.models.judging.scores import ROOT
from penstock.operations import parse, python, text
from penstock.operations.notation import expression_from_json, expression_to_json

is_long = ps.col("is_long")
STEEP = ps.model("steep", type="logistic_reg", label="steep", target=ps.col("x3") > 0, features=INPUTS)


def quiet(cascade: ps.Cascade, rows: Any) -> ps.ModelGraph:
    with contextlib.redirect_stdout(io.StringIO()):
        graph: ps.ModelGraph = ps.fit(cascade, rows)
    return graph


def at(when: Expr, **how: Any) -> ps.Cascade:
    return distance(**{"router": LOGISTIC, "routes": [ps.route(when=when, use=RARE)]} | how)


@pytest.mark.parametrize("blend", [False, True])
def test_the_threshold_found_is_the_best_of_all_tried_by_hand(blend: bool):
    rows = rentals()
    opened = at(is_long > ps.threshold(0.1, 0.5, 3), calibrate="platt", blend=blend, folds=2)
    graph = quiet(opened, rows)
    train = steps.holdout(rows, 0.2, None, None, 0).train
    learn, kept = steps.holdout(train, 0.2, None, None, choosing_seed(opened))
    by_hand = {}
    for value in (0.2, 0.3, 0.4):
        whole = trained_on(at(is_long > value, calibrate="platt", blend=blend, folds=2, min_rows=16), learn, None)
        by_hand[value] = whole.evaluate(kept)["mean_squared_error"] ** 0.5
    tried = {each["thresholds"]["rare"]: each["value"] for each in graph.facts["candidates"] if each["thresholds"]}
    assert tried == pytest.approx(by_hand)
    best = min(by_hand, key=by_hand.__getitem__)
    assert graph.facts["thresholds"] == {"rare": best}
    assert [each["when"] for each in graph.facts["routes"]] == [f"is_long > {best}", None]
    assert len(predicted(graph, rows.slice(0, 100))) == 100
    [chosen] = [each for each in graph.facts["candidates"] if each["chosen"]]
    assert (chosen["metric"], chosen["rows"]) == (ROOT, kept.num_rows)
    assert chosen["standard_error"] > 0


def test_what_was_declared_is_kept_as_it_was():
    opened = at(is_long > ps.threshold(0.2, 0.5, 2))
    graph = quiet(opened, rentals())
    assert declaration(graph) == opened


def test_several_thresholds_are_searched_together_where_they_are_few_else_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
):
    middle = ps.model("middle", type="linear_reg", label="km", features=INPUTS)
    routes = [
        ps.route(when=is_long > ps.threshold(0.3, 0.6, 2), use=RARE),
        ps.route(when=is_long > ps.threshold(0.0, 0.15, 2, name="maybe"), use=middle),
    ]
    together = quiet(distance(router=LOGISTIC, routes=routes, folds=2), rentals()).facts
    assert len(together["candidates"]) == 1 + 4
    assert set(together["thresholds"]) == {"rare", "maybe"}
    monkeypatch.setattr(thresholds, "GRID", 3)
    in_turn = quiet(distance(router=LOGISTIC, routes=routes, folds=2), rentals()).facts
    value = {tuple(each["thresholds"].items()): each["value"] for each in together["candidates"]}
    for each in in_turn["candidates"]:
        assert each["value"] == value[tuple(each["thresholds"].items())]
    found = in_turn["thresholds"]
    for name, grid in (("rare", (0.4, 0.5)), ("maybe", (0.05, 0.1))):
        assert all(value[tuple(found.items())] <= value[tuple((found | {name: other}).items())] for other in grid)


def test_a_search_one_after_the_other_goes_round_twice():
    grids = {"a": tuple(range(19)), "b": tuple(range(19))}
    assert thresholds.rounds(grids) == [["a"], ["b"], ["a"], ["b"]]
    assert thresholds.rounds({"a": grids["a"]}) == [["a"]]
    assert thresholds.rounds({"a": (1, 2), "b": (1, 2)}) == [["a", "b"]]
    assert thresholds.rounds({}) == [[]]
    assert thresholds.varied(grids, {"a": 3, "b": 4}, ["b"])[18] == {"a": 3, "b": 18}


def test_auto_finds_policy_and_threshold_together():
    graph = quiet(at(is_long > ps.threshold(0.2, 0.6, 3), policy="auto", folds=2), rentals())
    tried = {(each["policy"], each["thresholds"].get("rare")) for each in graph.facts["candidates"]}
    policies = ("labels", "out_of_fold", "in_sample")
    assert tried == {("single_model", None), *((policy, at) for policy in policies for at in (0.3, 0.4, 0.5))}
    compared = [each for each in graph.facts["candidates"] if each["worse_by"] is not None]
    assert [each["policy"] for each in compared].count("labels") == 1
    assert len(compared) == 4


def test_cascades_in_cascades_find_their_own(tmp_path: Any):
    small: dict[str, Any] = {"label": "km", "metric": ROOT, "min_rows": 10, "folds": 2}
    innermost = ps.cascade(
        "innermost", router=STEEP, otherwise=TYPICAL, **small,
        routes=[ps.route(when=ps.col("steep") > ps.threshold(steps=1), use=RARE)],
    )  # fmt: skip
    gentle = ps.model("gentle", type="logistic_reg", label="gentle", target=ps.col("x1") > 1, features=INPUTS)
    inner = ps.cascade(
        "inner", router=gentle, otherwise=RARE, policy="auto", **small,
        routes=[ps.route(when=ps.col("gentle") < 0.5, use=innermost)],
    )  # fmt: skip
    routes = [ps.route(when=is_long > ps.threshold(0.0, 0.3, 1), use=inner)]
    outer = ps.cascade("outer", router=LOGISTIC, routes=routes, otherwise=TYPICAL, **small)
    project = ps.open(tmp_path)
    graph = project.fit(outer, rentals())
    taken = predicted(graph, rentals(200, seed=2))
    assert {each["route"].partition("/")[0] for each in taken} == {"inner", "typical"}
    assert {"choosing.try_inner[0]", "inner.choosing.chosen"} <= set(project.runs()[0].steps)
    project.fit(outer, rentals())
    again = {name: step.state for name, step in project.runs()[0].steps.items() if "when" not in name}
    assert {name for name, state in again.items() if state not in ("up_to_date", "skipped")} == set()


def test_a_cascade_within_looks_features_up_while_it_is_tried(tmp_path: Any):
    rows = rentals().append_column("rider", pa.array([f"r{at % 40}" for at in range(1200)]))
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    rows = rows.append_column("at", pa.array([start + datetime.timedelta(minutes=at) for at in range(1200)]))
    riders = ps.feature_set("riders", entities={"rider": "string"}, timestamp="at", features={"last": ps.col("x3")},
                            columns={"x3": "float64"})  # fmt: skip
    project = ps.open(tmp_path)
    project.features.apply(riders)
    project.features.ingest(riders, rows)
    looking = ps.model("looking", type="linear_reg", label="km",
                       features={**INPUTS, "last": ps.feature("riders:last")})  # fmt: skip
    small: dict[str, Any] = {"label": "km", "metric": ROOT, "min_rows": 10, "folds": 2, "time": "at"}
    small |= {"router_cost": 1.0}
    inner = ps.cascade("inner", router=STEEP, otherwise=TYPICAL, **small,
                       routes=[ps.route(when=ps.col("steep") > 0.5, use=looking)])  # fmt: skip
    routes = [ps.route(when=is_long > ps.threshold(0.0, 0.3, 1), use=inner)]
    graph = project.fit(ps.cascade("outer", router=LOGISTIC, routes=routes, otherwise=TYPICAL, **small), rows)
    assert [node.name for node in graph.of("feature")] == ["riders@1:last"]
    [tried] = [each for each in graph.facts["candidates"] if each["thresholds"]]
    assert tried["chosen"]
    costs = graph.facts["cost"]["routes"]
    assert costs == {"inner": 1.0, "inner/looking": 2.0, "inner/typical": 2.0, "typical": 1.0}


@pytest.mark.parametrize(
    ("routes", "said"),
    [
        (
            [ps.route(when=is_long > 0.04, use=RARE), ps.route(when=is_long > ps.threshold(), use=TYPICAL)],
            "no row can take",
        ),
        ([ps.route(when=(is_long > ps.threshold()) & (is_long < 0.01), use=RARE)], "no row can take"),
        (
            [ps.route(when=(is_long > 0.5) & (ps.col("x1") > ps.threshold()), use=RARE)],
            "no column of the router is held",
        ),
        ([ps.route(when=is_long + ps.threshold() > 0.5, use=RARE)], "no column of the router"),
        (
            [
                ps.route(when=is_long > ps.threshold(0.5, name="t"), use=RARE),
                ps.route(when=is_long > ps.threshold(name="t"), use=TYPICAL),
            ],
            "'t' is written with two ranges",
        ),
    ],
)
def test_a_threshold_that_can_decide_nothing_is_refused(routes: list[Any], said: str):
    with pytest.raises(DeclarationError, match=said):
        distance(routes=routes, otherwise=3.0, baseline=RARE)


def test_a_route_that_some_threshold_leaves_rows_for_is_none_to_refuse():
    routes = [ps.route(when=is_long > ps.threshold(), use=RARE), ps.route(when=is_long > 0.5, use=TYPICAL)]
    named = distance(routes=routes, otherwise=3.0).routes
    assert text(named[0].when) == "is_long > PENSTOCK.THRESHOLD(0.0, 1.0, 19, 'rare')"


@pytest.mark.parametrize("given", [{"low": 1.0}, {"high": float("nan")}, {"steps": 0}, {"steps": 2.5}, {"low": "0"}])
def test_a_range_that_is_none_is_refused(given: dict[str, Any]):
    with pytest.raises(DeclarationError, match="threshold"):
        ps.threshold(**given)


@pytest.mark.parametrize("opened", [ps.threshold(), ps.threshold(-2, 8, 4, name="t")])
def test_a_threshold_is_written_and_read_back(opened: Expr):
    when = opened < is_long
    assert parse(text(when)) == when
    assert expression_from_json(expression_to_json(when)) == when
    assert eval(python(when), {"ps": ps}) == when
    assert parse("is_long > PENSTOCK.THRESHOLD()") == (is_long > ps.threshold())
    with pytest.raises(SqlError, match="takes three numbers and a name"):
        parse("is_long > PENSTOCK.THRESHOLD(x1)")


def test_what_is_tried_lies_within_the_range():
    tried = thresholds.grids(at(is_long > ps.threshold()))["rare"]
    assert tried[:3] == (0.05, 0.1, 0.15)
    assert (len(tried), tried[-1]) == (19, 0.95)
