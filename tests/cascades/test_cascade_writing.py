"""A declared cascade is written as text, as SQL and as Python, and as JSON; each declares the equal value again."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from cascade_worlds import FOREST, INPUTS, RARE, TYPICAL, distance, rentals
from hypothesis import given, settings, strategies as st

import penstock as ps
from penstock.cascades.notation import cascade_to_json
from penstock.cascades.reading import cascade_from_json
from penstock.core.model import Model
from penstock.errors import DeclarationError, RequestError, UnknownNameError
from penstock.sql import MemoryCatalog, to_model

ROWS = rentals(40)
LONG = ps.col("is_long")
RIDGE = ps.model("ridge", type="linear_reg", label="km", features={"x1": ps.col("x1").abs()}, options={"l2_reg": 2.0})
READING = ps.model("reading", type="linear_reg", label="km", features={"p": ps.confidence("is_long")})
EVERYTHING = ps.model("all columns", type="linear_reg", label="km")
KIND = ps.model(
    "trips.kind", type="boosted_tree_classifier", label="kind", target=ps.col("size").upper(), features=INPUTS,
    options={"max_iterations": 8},
)  # fmt: skip
CONDITIONS = {
    "is_long": [
        LONG > 0.5,
        LONG <= 0.25,
        ps.threshold() < LONG,
        ps.threshold(0.1, 0.9, 7, name="t's") <= LONG,
        (LONG > 0.1) & (ps.col("x1") > -1),
        ps.confidence("is_long") >= 0.75,
    ],
    "trips.kind": [
        ps.col("trips.kind").eq("LARGE"),
        ps.probability("trips.kind", "SMALL") > 0.3,
        ps.col("trips.kind").eq('it\'s "odd"\n'),
    ],
}


@st.composite
def cascades(draw: st.DrawFn, models: tuple[Model, ...], depth: int = 2) -> ps.Cascade:
    """Draw a cascade, some of whose routes are cascades."""
    router = draw(st.sampled_from([FOREST, KIND]))
    stage = st.sampled_from([*models, 3.5, 40])
    if depth:
        stage |= cascades(models, depth - 1)
    use, name = draw(stage), draw(st.none() | st.sampled_from(["the long ones", "short's"]))
    costs = name is not None and not isinstance(use, ps.Cascade)  # two ways of one name cost the same
    when = st.sampled_from(CONDITIONS[router.name])
    how: dict[str, Any] = {
        "policy": draw(st.sampled_from(["out_of_fold", "labels", "in_sample"])),
        "folds": draw(st.integers(2, 9)),
        "calibrate": draw(st.sampled_from([None, "isotonic", "platt"])),
        "min_rows": draw(st.integers(1, 500)),
        "holdout": draw(st.floats(0.01, 0.99)),
        "time": draw(st.sampled_from([None, "x2"])),
        "group": draw(st.sampled_from([None, "size"])),
        "seed": draw(st.integers(0, 9)),
        "baseline": draw(st.sampled_from([None, RIDGE])),
        "router_cost": draw(st.sampled_from([None, 0, 0.25])) if costs else None,
        "otherwise_cost": draw(st.sampled_from([None, 2])) if costs else None,
    }
    cost = draw(st.sampled_from([None, 1, 0.5])) if costs else None
    return ps.cascade(
        f"level.{depth}", label="km", metric=draw(st.sampled_from(["mean_absolute_error", "r2_score"])), router=router,
        routes=[ps.route(when=draw(when), use=use, name=name, cost=cost)],
        otherwise=draw(st.sampled_from([RARE, TYPICAL, RIDGE])),
        **how,
    )  # fmt: skip


ANY = cascades((RARE, TYPICAL, RIDGE, READING, EVERYTHING))
SAID_IN_SQL = cascades((RARE, TYPICAL, RIDGE))


def declared_again(written: str) -> Any:
    names: dict[str, Any] = {"ps": ps, "datetime": datetime}
    exec(written, names)
    return list(names.values())[-1]


@settings(max_examples=60, deadline=None)
@given(ANY)
def test_python_declares_the_same_cascade(declared: ps.Cascade):
    assert declared_again(declared.python()) == declared


@settings(max_examples=60, deadline=None)
@given(ANY)
def test_json_declares_the_same_cascade(declared: ps.Cascade):
    assert cascade_from_json(cascade_to_json(declared)) == declared


@settings(max_examples=40, deadline=None)
@given(SAID_IN_SQL)
def test_sql_declares_the_same_cascade(declared: ps.Cascade):
    assert to_model(declared.sql(), MemoryCatalog(tables={"rows": ROWS})) == declared


def test_a_trained_graph_knows_its_declaration():
    declared = distance(calibrate="isotonic", otherwise=READING, baseline=EVERYTHING)
    assert ps.fit(declared, rentals()).declaration() == declared


def test_a_stage_that_stands_for_another_leaves_the_declaration_as_it_was():
    declared = distance(min_rows=100_000)
    assert ps.fit(declared, rentals()).declaration() == declared


def test_python_reads_as_a_person_writes_it():
    written = distance(source="trips").python()
    assert written[written.index("distance = ") :] == (
        "distance = ps.cascade(\n"
        '    "distance",\n'
        '    label="km",\n'
        '    metric="root_mean_squared_error",\n'
        "    router=is_long,\n"
        "    routes=[\n"
        '        ps.route(when=ps.col("is_long") > 0.5, use=rare),\n'
        "    ],\n"
        "    otherwise=typical,\n"
        "    min_rows=20,\n"
        '    source="trips",\n'
        ")\n"
    )


def test_sql_reads_from_the_source_of_the_cascade_and_leaves_defaults_out():
    written = distance(source="trips").sql()
    assert written[written.index("CREATE OR REPLACE MODEL distance") :] == (
        "CREATE OR REPLACE MODEL distance\n"
        "OPTIONS(\n"
        "  model_type = 'cascade',\n"
        "  input_label_cols = ['km'],\n"
        "  metric = 'root_mean_squared_error',\n"
        "  router = 'is_long',\n"
        "  routes = [('is_long > 0.5', 'rare')],\n"
        "  otherwise = 'typical',\n"
        "  min_rows = 20\n"
        ")\n"
        "AS SELECT * FROM trips\n"
    )


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"otherwise": EVERYTHING}, "'all columns' takes every column as a feature"),
        ({"routes": [ps.route(when=LONG > 0.5, use=READING)]}, "reads what the router 'is_long' predicts"),
    ],
)
def test_what_sql_cannot_say_is_an_error_with_the_reason(how: dict[str, Any], said: str):
    with pytest.raises(DeclarationError, match=said):
        distance(**how).sql()


def test_a_form_that_is_none_is_refused_by_name():
    form = cascade_to_json(distance())
    with pytest.raises(UnknownNameError, match="no field named 'polcy' in a cascade's form"):
        cascade_from_json({**form, "polcy": "labels"})
    with pytest.raises(RequestError, match="a cascade's form lacks router"):
        cascade_from_json({name: value for name, value in form.items() if name != "router"})
    with pytest.raises(RequestError, match="is no stage"):
        cascade_from_json({**form, "otherwise": {"modl": {}}})
