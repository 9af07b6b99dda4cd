"""CREATE MODEL: the value it declares is the one that Python declares, and what it cannot declare it names."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core.model import Model
from penstock.errors import ConflictError, DeclarationError, PenstockError, SqlError, UnknownNameError
from penstock.models import model
from penstock.operations import col
from penstock.sql import MemoryCatalog, run, to_model

HIRES = "`bigquery-public-data.london_bicycles.cycle_hire`"
QUERY = f"AS SELECT duration, start_station_name, start_date, bike_id FROM {HIRES}"
AUTO = {"data_split_method": "AUTO_SPLIT"}


def create(clauses: str, query: str = QUERY) -> str:
    options = "OPTIONS(model_type='linear_reg', input_label_cols=['duration'])"
    return f"CREATE OR REPLACE MODEL bicycle {options} {clauses} {query}"


def bicycle(**declaration: Any) -> Model:
    return model("bicycle", **{"type": "linear_reg", "label": "duration", "options": AUTO, **declaration})


@pytest.mark.parametrize(
    ("clauses", "declared"),
    [
        ("", bicycle()),
        (
            "TRANSFORM(* EXCEPT(start_date, bike_id), CAST(EXTRACT(dayofweek FROM start_date) AS STRING) AS day)",
            bicycle(
                features={
                    "start_station_name": col("start_station_name"),
                    "day": col("start_date").day_of_week().cast("string"),
                }
            ),
        ),
        (
            "TRANSFORM(SELECT duration, UPPER(start_station_name) AS s, ML.STANDARD_SCALER(bike_id) OVER() AS bike)",
            bicycle(features={"s": "UPPER(start_station_name)", "bike": col("bike_id").standard_scaler()}),
        ),
        (
            "TRANSFORM(* EXCEPT(start_date, start_station_name) REPLACE(bike_id + 1 AS bike_id))",
            bicycle(features={"bike_id": col("bike_id") + 1}),
        ),
        (
            "TRANSFORM(duration / 60 AS duration, BIKE_ID)",
            bicycle(features={"BIKE_ID": col("bike_id")}, target=col("duration") / 60),
        ),
    ],
)
def test_sql_and_python_declare_one_value(clauses: str, declared: Model, catalog: MemoryCatalog) -> None:
    assert to_model(create(clauses), catalog) == declared


def test_options_go_by_their_own_names_whatever_their_case(catalog: MemoryCatalog) -> None:
    given = "MODEL_TYPE='BOOSTED_TREE_REGRESSOR', max_iterations=7, Input_Label_Cols=['duration']"
    text = f"CREATE MODEL m OPTIONS({given}) {QUERY}"
    options = {**AUTO, "max_iterations": 7}
    assert to_model(text, catalog) == model("m", type="boosted_tree_regressor", label="duration", options=options)


def test_the_label_is_the_column_named_label_unless_an_option_says_otherwise(catalog: MemoryCatalog) -> None:
    text = "CREATE MODEL m OPTIONS(model_type='linear_reg') AS SELECT k AS label, name FROM names"
    assert to_model(text, catalog).label == "label"


def test_a_split_that_sql_names_is_kept(catalog: MemoryCatalog) -> None:
    text = create("").replace("model_type", "data_split_method='SEQ', data_split_col='start_date', model_type")
    assert dict(to_model(text, catalog).options) == {"data_split_method": "SEQ", "data_split_col": "start_date"}


def test_the_query_may_be_anything_that_can_be_queried(catalog: MemoryCatalog) -> None:
    text = create(
        "TRANSFORM(duration, name)",
        f"AS WITH h AS (SELECT duration, MOD(bike_id, 3) + 1 AS k FROM {HIRES})"
        " SELECT duration, name FROM h JOIN names USING (k)",
    )
    assert to_model(text, catalog) == bicycle(features={"name": col("name")})


@pytest.mark.parametrize(
    ("clauses", "error", "said"),
    [
        ("TRANSFORM(start_station_name)", SqlError, "the label 'duration' is not among the results of TRANSFORM"),
        ("TRANSFORM(duration)", SqlError, "gives the label alone"),
        ("TRANSFORM(duration, FROBNICATE(bike_id) AS b)", PenstockError, "FROBNICATE"),
        ("TRANSFORM(duration, bike AS b)", UnknownNameError, "no column named 'bike' in the query of TRANSFORM at 1:"),
        ("TRANSFORM(duration, bike_id, bike_id)", SqlError, "TRANSFORM gives 'bike_id' twice"),
        ("TRANSFORM(duration, bike_id + 1)", SqlError, "in TRANSFORM has no name; add AS"),
        ("TRANSFORM(duration, AVG(bike_id) AS b)", SqlError, "TRANSFORM at 1:117 has the aggregate AVG"),
        ("TRANSFORM(duration, AVG(bike_id) OVER() AS b)", SqlError, "only ML.* functions with an empty OVER()"),
        ("TRANSFORM(duration, ML.MIN_MAX_SCALER(bike_id) OVER(ORDER BY bike_id) AS b)", SqlError, "empty OVER()"),
        ("TRANSFORM(duration, (SELECT 1) AS b)", SqlError, "has a subquery"),
        (
            "TRANSFORM(duration, CURRENT_TIMESTAMP() AS b)",
            SqlError,
            "would not be at prediction what it was in training",
        ),
        ("TRANSFORM(duration, RAND() AS b)", SqlError, "has RAND(), which"),
        ("TRANSFORM(* EXCEPT(nothing))", UnknownNameError, "no column named 'nothing'"),
    ],
)
def test_a_transform_that_cannot_be_says_why(
    clauses: str, error: type[Exception], said: str, catalog: MemoryCatalog
) -> None:
    with pytest.raises(error) as caught:
        to_model(create(clauses), catalog)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ("input_label_cols=['duration']", SqlError, "needs the option model_type"),
        ("model_type='linear_regg', input_label_cols=['duration']", UnknownNameError, "Did you mean 'linear_reg'?"),
        ("model_type='linear_reg'", SqlError, "has no column 'label'; add input_label_cols"),
        ("model_type='linear_reg', input_label_cols=['dur']", UnknownNameError, "no column named 'dur'"),
        ("model_type='linear_reg', input_label_cols=['duration', 'bike_id']", DeclarationError, "learns one label"),
        (
            "model_type='linear_reg', input_label_cols=['duration'], l2_rag=1",
            UnknownNameError,
            "Did you mean 'l2_reg'?",
        ),
        ("model_type='linear_reg', input_label_cols=['duration'], l2_reg='x'", DeclarationError, "l2_reg='x'"),
    ],
)
def test_options_that_cannot_be_say_why(
    options: str, error: type[Exception], said: str, catalog: MemoryCatalog
) -> None:
    with pytest.raises(error) as caught:
        to_model(f"CREATE MODEL m OPTIONS({options}) {QUERY}", catalog)
    assert said in str(caught.value)


def test_create_says_what_was_made(catalog: MemoryCatalog) -> None:
    [made] = run(create(""), catalog).to_pylist()
    assert {key: made[key] for key in ("model", "model_type", "label", "rows")} == {
        "model": "bicycle",
        "model_type": "linear_reg",
        "label": "duration",
        "rows": 600,
    }
    assert made["mean_absolute_error"] > 0


def test_a_model_that_is_there_is_kept_replaced_or_a_conflict_as_the_statement_says(catalog: MemoryCatalog) -> None:
    text = create("")
    run(text, catalog)
    first = catalog.model("bicycle")
    with pytest.raises(ConflictError, match="a model named 'bicycle' exists; write CREATE OR REPLACE MODEL"):
        run(text.replace("OR REPLACE ", ""), catalog)
    [kept] = run(text.replace("OR REPLACE MODEL", "MODEL IF NOT EXISTS"), catalog).to_pylist()
    assert "exists already" in kept["done"]
    assert catalog.model("bicycle") is first
    run(text, catalog)
    assert catalog.model("bicycle") is not first


def test_drop_model_forgets_it(catalog: MemoryCatalog) -> None:
    run(create(""), catalog)
    assert run("DROP MODEL bicycle", catalog).to_pylist() == [{"model": "bicycle", "done": "dropped"}]
    with pytest.raises(UnknownNameError, match="no model named 'bicycle'"):
        run("DROP MODEL bicycle", catalog)
    [answer] = run("DROP MODEL IF EXISTS bicycle", catalog).to_pylist()
    assert answer["done"] == "no model of that name to drop"


def test_nothing_is_trained_when_the_declaration_is_wrong(catalog: MemoryCatalog) -> None:
    with pytest.raises(SqlError):
        run(create("TRANSFORM(duration)"), catalog)
    assert catalog.model_names() == ()


def test_a_model_that_only_transforms_has_no_label_and_gives_its_features(catalog: MemoryCatalog) -> None:
    transform = "TRANSFORM(UPPER(start_station_name) AS station, ML.MIN_MAX_SCALER(bike_id) OVER() AS bike)"
    text = f"CREATE MODEL prepared {transform} OPTIONS(model_type='transform_only') {QUERY}"
    features = {"station": "UPPER(start_station_name)", "bike": col("bike_id").min_max_scaler()}
    assert to_model(text, catalog) == model("prepared", type="transform_only", features=features)
    run(text, catalog)
    found = run(f"SELECT station, bike FROM ML.PREDICT(MODEL prepared, (SELECT * FROM {HIRES}))", catalog)
    assert found.num_rows == 600
    assert (min(found["bike"].to_pylist()), max(found["bike"].to_pylist())) == (0.0, 1.0)


def test_a_label_of_a_model_that_learns_without_is_an_error(catalog: MemoryCatalog) -> None:
    text = f"CREATE MODEL prepared OPTIONS(model_type='transform_only', input_label_cols=['duration']) {QUERY}"
    with pytest.raises(SqlError, match="transform_only learns without labels; leave input_label_cols out"):
        to_model(text, catalog)
