"""What cannot be trained, or cannot be what was meant, is an error where it is written down."""

from __future__ import annotations

import pytest
from cascade_worlds import INPUTS, RARE, TYPICAL, distance

import penstock as ps
from penstock.core.expression import Expr
from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines import trace

LONG = ps.col("is_long")


def test_a_route_that_an_earlier_one_takes_whole_is_refused():
    routes = [ps.route(when=LONG > 0.5, use=RARE), ps.route(when=LONG > 0.7, use=TYPICAL)]
    with pytest.raises(DeclarationError, match=r"the route 'typical'.*put the narrower condition first"):
        distance(routes=routes)


def test_the_narrower_condition_may_come_first():
    routes = [ps.route(when=LONG > 0.7, use=RARE), ps.route(when=LONG > 0.5, use=TYPICAL, name="maybe")]
    assert [each.name for each in distance(routes=routes, otherwise=3.0).routes] == ["rare", "maybe"]


@pytest.mark.parametrize("when", [(LONG > 0.5) & (LONG < 0.2), ps.lit(True), LONG >= 0.5])
def test_a_condition_that_no_row_meets_is_refused(when: Expr):
    routes = [ps.route(when=LONG > 0.4, use=RARE), ps.route(when=when, use=TYPICAL)]
    with pytest.raises(DeclarationError, match="no row can take"):
        distance(routes=routes)


def test_routes_that_share_some_rows_are_told_of():
    routes = [ps.route(when=LONG > 0.3, use=RARE), ps.route(when=LONG < 0.6, use=TYPICAL)]
    with pytest.warns(UserWarning, match="both 'rare' .* and 'typical'"):
        distance(routes=routes, otherwise=0.0)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"policy": "guess"}, "no policy named 'guess'"),
        ({"metric": "accuracy"}, "its stage 'rare' is a regression"),
        ({"metric": "rmse"}, "no metric named 'rmse'"),
        ({"label": "minutes"}, "predicts 'minutes', and its stage 'rare' predicts 'km'"),
        ({"routes": []}, "has no routes"),
        ({"routes": [ps.route(when=ps.col("x1") > 0, use=RARE)]}, "no condition reads the router"),
        ({"otherwise": None}, "uses None"),
        ({"otherwise": "Long"}, "gives 'Long', which a regression cannot predict"),
        ({"folds": 1}, "folds=1"),
        ({"holdout": 1.0}, "holdout=1.0"),
        ({"calibrate": "beta"}, "no calibration named 'beta'"),
        ({"router": ps.model("k", type="kmeans", features=INPUTS)}, "learns without labels"),
        ({"otherwise": ps.model("rare", type="linear_reg", label="km")}, "two different stages are named 'rare'"),
        ({"blend": True, "routes": [ps.route(when=(LONG > 0.5) | (ps.col("x1") > 0), use=RARE)]}, "a blend weighs"),
    ],
)
def test_what_is_wrong_is_named(how: dict[str, object], said: str):
    with pytest.raises((DeclarationError, UnknownNameError), match=said):
        distance(**how)


def test_equal_declarations_are_equal_values():
    assert distance() == distance()
    assert hash(distance()) == hash(distance())
    assert distance(folds=3) != distance()
    assert distance(routes=[ps.route(when="is_long > 0.5", use=RARE)]) == distance()


def test_the_baseline_is_the_model_that_is_used_otherwise_unless_it_reads_the_router():
    assert distance().baseline == TYPICAL
    reading = ps.model("reading", type="linear_reg", label="km", features={**INPUTS, "p": LONG})
    assert distance(otherwise=reading).baseline == RARE
    with pytest.raises(DeclarationError, match=r"baseline=ps\.model"):
        distance(otherwise=0.0, routes=[ps.route(when=LONG > 0.5, use=reading)])


def test_settings_of_one_step_are_not_lost_on_the_steps_of_a_cascade():
    fitting = ps.fit.configured(memory="4GiB")

    @ps.pipeline
    def training(source: str):
        fitting(distance(), ps.read(source))

    with pytest.raises(DeclarationError, match=r"configured\(\.\.\.\) is of one step, and cascade '\w+' is trained by"):
        trace(training, {"source": "rides.csv"})
