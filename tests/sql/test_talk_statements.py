"""The statements on the talk's slides, word for word, over generated bike hires."""

from __future__ import annotations

import datetime

import pytest

import penstock as ps
from penstock.sql import MemoryCatalog, run, to_model

CREATE = """CREATE OR REPLACE MODEL ch09edu.bicycle_model
OPTIONS(input_label_cols=['duration'], model_type='linear_reg')
TRANSFORM(
  SELECT * EXCEPT(start_date)
  , CAST(EXTRACT(dayofweek from start_date) AS STRING)
         as dayofweek
  , CAST(EXTRACT(hour from start_date) AS STRING)
         as hourofday
)
AS
SELECT
  duration, start_station_name, start_date
FROM
  `bigquery-public-data.london_bicycles.cycle_hire`
"""
PREDICT = """SELECT * FROM ML.PREDICT(MODEL ch09edu.bicycle_model,(
   350 AS duration
   , 'Kings Cross' AS start_station_name
   , CURRENT_TIMESTAMP() as start_date
))
"""
CREATE_WITHOUT_TRANSFORM = """CREATE OR REPLACE MODEL ch09edu.bicycle_model
OPTIONS(input_label_cols=['duration'],
        model_type='linear_reg')
AS
SELECT
  duration
  , start_station_name
  , CAST(EXTRACT(dayofweek from start_date) AS STRING)
         as dayofweek
  , CAST(EXTRACT(hour from start_date) AS STRING)
         as hourofday
FROM
  `bigquery-public-data.london_bicycles.cycle_hire`
"""
PREDICT_TRANSFORMED = """SELECT * FROM ML.PREDICT(MODEL ch09edu.bicycle_model,(
   350 AS duration
   , 'Kings Cross' AS start_station_name
   , '3' as dayofweek
   , '18' as hourofday
))
"""
TUESDAY_EVENING = datetime.datetime(2024, 5, 7, 18, 20, tzinfo=datetime.UTC)


@pytest.fixture
def trained(catalog: MemoryCatalog) -> MemoryCatalog:
    run(CREATE, catalog)
    return catalog


def test_the_slide_and_python_declare_the_same_model(catalog: MemoryCatalog) -> None:
    start = ps.col("start_date")
    assert to_model(CREATE, catalog) == ps.model(
        "ch09edu.bicycle_model",
        type="linear_reg",
        label="duration",
        features={
            "start_station_name": ps.col("start_station_name"),
            "dayofweek": start.day_of_week().cast("string"),
            "hourofday": start.hour().cast("string"),
        },
        options={"data_split_method": "AUTO_SPLIT"},
    )


def test_clients_send_raw_inputs_and_know_nothing_of_the_transformations(trained: MemoryCatalog) -> None:
    table = run(PREDICT, trained, now=TUESDAY_EVENING)
    assert table.column_names == ["predicted_duration", "duration", "start_station_name", "start_date"]
    [row] = table.to_pylist()
    assert row["start_date"] == TUESDAY_EVENING
    assert row["predicted_duration"] == pytest.approx(600 + 10 * 18 + 30, abs=30)


def test_the_transformation_of_a_sunday_evening_is_what_the_slide_says(trained: MemoryCatalog) -> None:
    text = PREDICT.replace("ML.PREDICT", "ML.TRANSFORM")
    [row] = run(text, trained, now=datetime.datetime(2024, 5, 5, 18, tzinfo=datetime.UTC)).to_pylist()
    assert row == {"duration": 350, "start_station_name": "Kings Cross", "dayofweek": "1", "hourofday": "18"}


def test_the_day_of_the_week_of_the_moment_counts(trained: MemoryCatalog) -> None:
    sunday = TUESDAY_EVENING + datetime.timedelta(days=5)
    [weekday], [weekend] = (run(PREDICT, trained, now=now).to_pylist() for now in (TUESDAY_EVENING, sunday))
    assert weekend["predicted_duration"] - weekday["predicted_duration"] == pytest.approx(500, abs=30)


def test_transformations_inside_the_model_and_before_it_predict_the_same(trained: MemoryCatalog) -> None:
    inside = run(PREDICT, trained, now=TUESDAY_EVENING).column("predicted_duration")[0].as_py()
    run(CREATE_WITHOUT_TRANSFORM, trained)
    before = run(PREDICT_TRANSFORMED, trained).column("predicted_duration")[0].as_py()
    assert before == pytest.approx(inside, rel=1e-9)


def test_the_same_with_select_and_with_the_label_left_out(trained: MemoryCatalog) -> None:
    bare = run(PREDICT, trained, now=TUESDAY_EVENING)
    text = PREDICT.replace("(\n   350 AS duration\n   , ", "(SELECT ")
    selected = run(text, trained, now=TUESDAY_EVENING)
    assert selected.column("predicted_duration") == bare.column("predicted_duration")
    assert selected.column_names == ["predicted_duration", "start_station_name", "start_date"]


def test_the_model_is_better_than_the_mean(trained: MemoryCatalog) -> None:
    [metrics] = run("SELECT * FROM ML.EVALUATE(MODEL ch09edu.bicycle_model)", trained).to_pylist()
    assert metrics["r2_score"] > 0.95
