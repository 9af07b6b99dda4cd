"""CREATE MODEL with model_type='cascade' declares what Python declares, and ML.* functions ask the whole or a stage."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import DataError, DeclarationError, SqlError, UnknownNameError
from penstock.sql import MemoryCatalog, run, to_model

sys.path.append(str(Path(__file__).parents[1] / "cascades"))
from cascade_worlds import FOREST, INPUTS, RARE, TYPICAL, distance, rentals

ROWS = rentals()
KIND = ps.model(
    "kind", type="boosted_tree_classifier", label="kind", target=ps.col("size"), features=INPUTS,
    options={"max_iterations": 8},
)  # fmt: skip
DEAR = ps.model("dear", type="logistic_reg", label="size", features=INPUTS)
CASCADE = """CREATE OR REPLACE MODEL distance
OPTIONS(model_type='cascade', router='is_long', routes=[{}], otherwise='typical', min_rows=20,
        input_label_cols=['km']{}) AS SELECT * FROM rentals"""


@pytest.fixture(scope="module")
def registered() -> dict[str, Any]:
    """Models that SQL and Python have fitted on their own."""
    catalog = MemoryCatalog(tables={"rentals": ROWS})
    run("CREATE MODEL rare OPTIONS(model_type='linear_reg', input_label_cols=['km']) AS SELECT x1, x2, x3, km "
        "FROM rentals WHERE is_long", catalog)  # fmt: skip
    for model in (FOREST, TYPICAL, KIND, DEAR):
        catalog.models[model.name] = ps.fit(model, ROWS)
    return catalog.models


@pytest.fixture
def catalog(registered: dict[str, Any]) -> MemoryCatalog:
    return MemoryCatalog(tables={"rentals": ROWS}, models=dict(registered))


@pytest.fixture(scope="module")
def trained(registered: dict[str, Any]) -> MemoryCatalog:
    found = MemoryCatalog(tables={"rentals": ROWS}, models=dict(registered))
    found.models["distance"] = ps.fit(distance(), ROWS)
    found.models["sizes"] = ps.fit(
        ps.cascade(
            "sizes", label="size", metric="accuracy", router=FOREST, min_rows=20,
            routes=[ps.route(when="is_long > 0.5", use="large")], otherwise=DEAR,
        ),
        ROWS,
    )  # fmt: skip
    return found


def declared(catalog: MemoryCatalog, route: str, more: str = "") -> Any:
    return to_model(CASCADE.format(route, more), catalog)


def when(catalog: MemoryCatalog, route: str, router: str = "is_long") -> Any:
    return to_model(CASCADE.format(route, "").replace("'is_long'", f"'{router}'", 1), catalog).routes[0].when


def test_create_model_declares_the_cascade_of_python(catalog: MemoryCatalog):
    assert declared(catalog, "(TRUE, 'rare')") == distance()


def test_create_model_trains_and_keeps_it_with_its_declaration(catalog: MemoryCatalog):
    [made] = run(CASCADE.format("(TRUE, 'rare')", ", folds=2"), catalog).to_pylist()
    assert made["model_type"] == "cascade"
    assert made["root_mean_squared_error"] < made["baseline_root_mean_squared_error"]
    assert catalog.model("distance").declaration() == distance(folds=2)
    found = run("SELECT route, COUNT(*) AS n FROM ML.PREDICT(MODEL distance, TABLE rentals) GROUP BY route", catalog)
    assert set(found["route"].to_pylist()) == {"rare", "typical"}


@pytest.mark.parametrize(
    ("router", "route", "condition"),
    [
        ("is_long", "(TRUE, 'rare')", ps.col("is_long") > 0.5),
        ("is_long", "(FALSE, 'rare')", ps.col("is_long") <= 0.5),
        ("is_long", "('is_long > 0.3', 'rare')", ps.col("is_long") > 0.3),
        ("is_long", "('IS_LONG > 0.3 AND X1 < 2', 'rare')", (ps.col("is_long") > 0.3) & (ps.col("x1") < 2)),
        ("kind", "('large', 'rare')", ps.col("kind").eq("large")),
        ("kind", "('`kind:probability:large` > 0.2', 'rare')", ps.probability("kind", "large") > 0.2),
        ("kind", "STRUCT(\"kind IN ('large', 'middle')\", 'rare')", ps.col("kind").is_in(["large", "middle"])),
    ],
)
def test_a_route_is_for_a_label_of_the_router_or_for_a_condition(
    catalog: MemoryCatalog, router: str, route: str, condition: Any
):
    assert when(catalog, route, router) == condition


def test_every_option_of_a_cascade_goes_by_its_name(catalog: MemoryCatalog):
    more = (
        ", metric='mean_absolute_error', policy='labels', folds=3, calibrate='isotonic', blend=TRUE, holdout=0.3,"
        " time='x2', group='size', seed=7, baseline='rare'"
    )
    assert declared(catalog, "(TRUE, 'rare', 'the long ones')", more) == distance(
        metric="mean_absolute_error", policy="labels", folds=3, calibrate="isotonic", blend=True, holdout=0.3,
        time="x2", group="size", seed=7, baseline=RARE,
        routes=[ps.route(when=ps.col("is_long") > 0.5, use=RARE, name="the long ones")],
    )  # fmt: skip


def test_thresholds_costs_and_a_budget_are_said_in_sql(catalog: MemoryCatalog):
    route = "('is_long > PENSTOCK.THRESHOLD()', 'rare', 'dear', 9)"
    assert declared(catalog, route, ", router_cost=1, otherwise_cost=0.5, budget=4") == distance(
        routes=[ps.route(when=ps.col("is_long") > ps.threshold(), use=RARE, name="dear", cost=9)],
        router_cost=1, otherwise_cost=0.5, budget=4,
    )  # fmt: skip


def test_a_route_may_lead_to_a_constant_or_to_a_cascade(catalog: MemoryCatalog, trained: MemoryCatalog):
    assert declared(catalog, "(TRUE, 40.5)").routes[0].use == 40.5
    text = "CREATE MODEL s OPTIONS(model_type='cascade', router='is_long', routes=[(TRUE, STRUCT('large'))],"
    sizes = to_model(f"{text} otherwise='dear', input_label_cols=['size']) AS SELECT * FROM rentals", catalog)
    assert (sizes.routes[0].use, sizes.metric) == ("large", "log_loss")  # type: ignore[union-attr]
    text = "CREATE MODEL whole OPTIONS(model_type='cascade', router='kind', routes=[('large', 'distance')],"
    whole = to_model(f"{text} otherwise='typical', input_label_cols=['km']) AS SELECT * FROM rentals", trained)
    assert whole.routes[0].use == distance()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        (CASCADE.format("('Lnog', 'rare')", ""), SqlError, "'Lnog', which is no label of .* it knows FALSE, TRUE"),
        (CASCADE.format("(3, 'rare')", ""), SqlError, "a route is for 3, which is no label"),
        (CASCADE.format("('is_long >', 'rare')", ""), SqlError, "neither a label of the router 'is_long' nor a cond"),
        (CASCADE.format("(TRUE, 'rar')", ""), UnknownNameError, "no model named 'rar' in option routes .*mean 'rare'"),
        (CASCADE.format("(TRUE, ['rare'])", ""), SqlError, "option routes leads to .*STRUCT"),
        (CASCADE.format("'Long'", ""), SqlError, r"option routes=\['Long'\]; it is a list of what the router says"),
        (CASCADE.format("(TRUE, 'rare')", ", fold=3"), UnknownNameError, "no option named 'fold' .*you mean 'folds'"),
        (CASCADE.format("(TRUE, 'rare')", ", folds='3'"), SqlError, "option folds='3' of a cascade: Expected `int`"),
        (CASCADE.format("(TRUE, 'rare')", ", policy='oof'"), UnknownNameError, "no policy named 'oof'"),
        (CASCADE.format("(TRUE, 'rare')", ", time='day'"), UnknownNameError, "no column named 'day' .* option time"),
        (CASCADE.format("(TRUE, 'rare')", "").replace("*", "x1, x2, is_long, km"), UnknownNameError,
         "no column named 'x3' in the query of CREATE MODEL distance, which its stage 'is_long' reads"),
        (CASCADE.format("(TRUE, 'rare')", "").replace("otherwise='typical',", ""), SqlError, "needs the option other"),
        (CASCADE.format("(TRUE, 'rare')", "").replace("OPTIONS", "TRANSFORM(x1, km) OPTIONS"), SqlError, "leave it"),
        (CASCADE.format("(TRUE, 'rare')", "").replace("['km']", "['x3']"), DeclarationError, "predicts 'x3', and its"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(catalog: MemoryCatalog, text: str, error: type[Exception], said: str):
    with pytest.raises(error, match=said):
        run(text, catalog)


def test_a_router_that_reads_the_label_of_the_whole_is_refused(catalog: MemoryCatalog):
    leaky = ps.model("is_long", type="logistic_reg", label="is_long", features={"km": ps.col("km")})
    catalog.models["is_long"] = ps.fit(leaky, ROWS)
    with pytest.raises(DeclarationError, match="'is_long' reads the column 'km', which the cascade is to predict"):
        declared(catalog, "(TRUE, 'rare')")


def one(catalog: MemoryCatalog, query: str) -> dict[str, Any]:
    found: dict[str, Any] = run(query, catalog).slice(0, 1).to_pylist()[0]
    return found


def test_evaluate_lists_the_metrics_of_bigquery_with_and_without_rows(trained: MemoryCatalog):
    kept, again = one(trained, "SELECT * FROM ML.EVALUATE(MODEL distance)"), trained.model("distance").evaluate(ROWS)
    assert list(kept) == list(again)
    assert one(trained, "SELECT * FROM ML.EVALUATE(MODEL distance, TABLE rentals)") == again


def test_a_stage_answers_what_the_whole_has_not(trained: MemoryCatalog):
    graph = trained.model("distance")
    asked = run("SELECT * FROM ML.WEIGHTS(MODEL distance, STRUCT('rare' AS stage)) ORDER BY 1", trained)
    assert asked.num_rows == 4
    assert one(trained, "SELECT * FROM ML.EVALUATE(MODEL distance, TABLE rentals, STRUCT('rare' AS stage))") == (
        graph.stage("rare").evaluate(ROWS)
    )
    predicted = run("SELECT * FROM ML.PREDICT(MODEL distance, TABLE rentals, STRUCT('is_long' AS stage))", trained)
    assert predicted.column_names[:2] == ["predicted_is_long", "predicted_is_long_probs"]
    with pytest.raises(UnknownNameError, match="no stage named 'rar' in the cascade 'distance'"):
        run("SELECT * FROM ML.WEIGHTS(MODEL distance, STRUCT('rar' AS stage))", trained)
    with pytest.raises(DataError, match="model 'rare' is no cascade; it has no stage 'x'"):
        run("SELECT * FROM ML.WEIGHTS(MODEL rare, STRUCT('x' AS stage))", trained)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            "WEIGHTS(MODEL distance)",
            r"no weights of its own; .* \(rare, typical\): STRUCT\('typical' AS stage",
        ),
        ("FEATURE_IMPORTANCE(MODEL distance)", r"no importance of features of its own; .* \(is_long\)"),
        ("CENTROIDS(MODEL distance)", "no centroids, and none of its stages has"),
        ("TRIAL_INFO(MODEL distance)", "no trials, and none of its stages has"),
        ("TRANSFORM(MODEL distance, TABLE rentals)", "no features of its own; ask a stage"),
        ("TRAINING_INFO(MODEL distance)", "no iterations of its own; ask a stage"),
        ("GLOBAL_EXPLAIN(MODEL distance)", r"depends on the routes that rows take; give rows"),
        ("ROC_CURVE(MODEL distance, TABLE rentals)", "is no classifier"),
    ],
)
def test_what_only_a_stage_has_says_which_has_it_and_how_to_ask(trained: MemoryCatalog, call: str, said: str):
    with pytest.raises(DataError, match=said):
        run(f"SELECT * FROM ML.{call}", trained)


def test_a_cascade_of_labels_has_a_confusion_matrix(trained: MemoryCatalog):
    kept = run("SELECT * FROM ML.CONFUSION_MATRIX(MODEL sizes)", trained)
    held_out = trained.model("sizes").facts["rows"]["held_out"]
    assert sum(sum(row[name] for name in ("large", "middle", "small")) for row in kept.to_pylist()) == held_out
    whole = run("SELECT * FROM ML.CONFUSION_MATRIX(MODEL sizes, TABLE rentals)", trained)
    assert sum(whole["large"].to_pylist()) == trained.model("sizes").predict(ROWS)["predicted_size"].to_pylist().count(
        "large"
    )


def test_describe_shows_the_routes_the_stages_and_the_baseline(trained: MemoryCatalog):
    rows = run("DESCRIBE MODEL distance", trained).to_pylist()
    told = {(row["part"], row["name"]): row["value"] for row in rows}
    assert told["route", "rare"] == "if is_long > 0.5, the stage rare"
    assert told["stage", "is_long"] == "random_forest_classifier"
    assert float(told["baseline", "root_mean_squared_error"]) > float(told["metric", "root_mean_squared_error"])


def test_feature_info_tells_of_the_columns_that_all_stages_read(trained: MemoryCatalog):
    assert run("SELECT input FROM ML.FEATURE_INFO(MODEL distance)", trained)["input"].to_pylist() == ["x1", "x2", "x3"]


def test_explain_predict_explains_by_the_stage_that_is_taken(trained: MemoryCatalog):
    query = "SELECT * FROM ML.EXPLAIN_PREDICT(MODEL distance, TABLE rentals, STRUCT(2 AS top_k_features{}))"
    whole = run(query.format(""), trained)
    alone = {name: run(query.format(f", '{name}' AS stage"), trained).to_pylist() for name in ("rare", "typical")}
    for at, row in enumerate(whole.to_pylist()):
        assert {name: row[name] for name in alone["rare"][0]} == alone[row["route"]][at]
    assert pa.compute.count_distinct(whole["route"]).as_py() == 2
