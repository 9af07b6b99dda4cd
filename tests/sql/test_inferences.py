"""ML.PREDICT and ML.EVALUATE inside ordinary queries."""

from __future__ import annotations

import pyarrow as pa
import pytest

from penstock.errors import DataError, PenstockError, SqlError, UnknownNameError
from penstock.models import evaluate, predict
from penstock.sql import MemoryCatalog, run

HIRES = "`bigquery-public-data.london_bicycles.cycle_hire`"


@pytest.fixture(scope="module")
def trained(hires: pa.Table) -> MemoryCatalog:
    """A regression and a binary classification of the hires."""
    catalog = MemoryCatalog({HIRES.strip("`"): hires})
    query = f"AS SELECT duration, start_station_name, duration > 1000 AS is_long FROM {HIRES}"
    run(
        "CREATE MODEL d.minutes OPTIONS(model_type='linear_reg', input_label_cols=['duration'])"
        f" TRANSFORM(duration, UPPER(start_station_name) AS station) {query};"
        "CREATE MODEL d.long OPTIONS(model_type='logistic_reg', input_label_cols=['is_long'])"
        f" TRANSFORM(is_long, start_station_name) {query};"
        "CREATE MODEL d.plain OPTIONS(model_type='linear_reg', input_label_cols=['y']) AS"
        " SELECT * FROM UNNEST([STRUCT(1.5 AS x, 2 AS y), STRUCT(2.5, 3)])",
        catalog,
    )
    return catalog


def test_predict_gives_the_prediction_and_then_every_input_column(trained: MemoryCatalog) -> None:
    table = run(
        f"SELECT * FROM ML.PREDICT(MODEL d.minutes, (SELECT bike_id, start_station_name FROM {HIRES} LIMIT 5))", trained
    )
    assert table.column_names == ["predicted_duration", "bike_id", "start_station_name"]
    assert table.num_rows == 5


def test_a_class_comes_with_the_probability_of_each(trained: MemoryCatalog) -> None:
    table = run(
        "SELECT *, (SELECT prob FROM UNNEST(predicted_is_long_probs) WHERE label) AS p"
        " FROM ML.PREDICT(MODEL d.long, (SELECT 'Soho Square' AS start_station_name))",
        trained,
    )
    [row] = table.to_pylist()
    assert table.column_names == ["predicted_is_long", "predicted_is_long_probs", "start_station_name", "p"]
    assert row["predicted_is_long"] == (row["p"] > 0.5)
    assert sum(entry["prob"] for entry in row["predicted_is_long_probs"]) == pytest.approx(1.0)


def test_sql_predicts_what_python_predicts(trained: MemoryCatalog) -> None:
    rows = run(f"SELECT * FROM {HIRES}", trained)
    assert run(f"SELECT * FROM ML.PREDICT(MODEL d.minutes, TABLE {HIRES})", trained) == predict(
        trained.model("d.minutes"), rows
    )


def test_a_prediction_is_a_table_like_any_other(trained: MemoryCatalog) -> None:
    text = f"""
    WITH few AS (SELECT start_station_name, duration FROM {HIRES} LIMIT 50),
         told AS (SELECT predicted_duration AS told, duration FROM ML.PREDICT(MODEL d.minutes, (SELECT * FROM few)))
    SELECT COUNT(*) AS n, AVG(ABS(told - duration)) AS wrong, (SELECT COUNT(*) FROM told WHERE told > 0) AS m
    FROM told CROSS JOIN ML.EVALUATE(MODEL d.minutes) AS e WHERE e.mean_absolute_error > 0
    """
    [row] = run(text, trained).to_pylist()
    assert (row["n"], row["m"]) == (50, 50)
    assert row["wrong"] > 0


def test_predictions_are_joined_by_union_and_fed_to_another_model(trained: MemoryCatalog) -> None:
    inner = f"SELECT start_station_name FROM ML.PREDICT(MODEL d.long, TABLE {HIRES}) WHERE predicted_is_long"
    other = f"SELECT start_station_name FROM ML.PREDICT(MODEL d.long, TABLE {HIRES}) WHERE NOT predicted_is_long"
    told = [f"SELECT * FROM ML.PREDICT(MODEL d.minutes, ({query}))" for query in (inner, other)]
    text = f"SELECT COUNT(*) AS n FROM ({' UNION ALL '.join(told)})"
    assert run(text, trained).to_pylist() == [{"n": 600}]


def test_a_model_is_trained_on_predictions_of_another(trained: MemoryCatalog) -> None:
    [made] = run(
        "CREATE OR REPLACE MODEL d.second OPTIONS(model_type='linear_reg', input_label_cols=['duration']) AS"
        f" SELECT predicted_is_long, duration FROM ML.PREDICT(MODEL d.long, (SELECT * FROM {HIRES}))",
        trained,
    ).to_pylist()
    assert made["rows"] == 600


def test_evaluate_gives_one_row_with_a_column_for_each_metric(trained: MemoryCatalog) -> None:
    stored = run("SELECT * FROM ML.EVALUATE(MODEL d.minutes)", trained)
    assert stored.column_names == [
        "mean_absolute_error",
        "mean_squared_error",
        "mean_squared_log_error",
        "median_absolute_error",
        "r2_score",
        "explained_variance",
    ]
    assert stored.to_pylist() == [dict(trained.model("d.minutes").facts["evaluation"])]


def test_evaluate_over_a_query_judges_its_rows(trained: MemoryCatalog) -> None:
    query = f"SELECT * FROM {HIRES} WHERE duration > 900"
    graph = trained.model("d.long")
    rows = run(f"SELECT *, duration > 1000 AS is_long FROM ({query})", trained)
    judged = run(
        f"SELECT * FROM ML.EVALUATE(MODEL d.long, (SELECT *, duration > 1000 AS is_long FROM ({query})))", trained
    )
    assert judged.column_names == ["precision", "recall", "accuracy", "f1_score", "log_loss", "roc_auc"]
    assert judged.to_pylist() == [evaluate(graph, rows)]


def test_a_threshold_moves_the_border_between_two_labels(trained: MemoryCatalog) -> None:
    call = f"ML.PREDICT(MODEL d.long, TABLE {HIRES}, {{}})"
    probability = "(SELECT prob FROM UNNEST(predicted_is_long_probs) WHERE label)"
    for settings in ("STRUCT(0.1 * 9 AS threshold)", "threshold => 0.9"):
        [row] = run(
            f"SELECT COUNTIF(predicted_is_long) AS said, COUNTIF({probability} > 0.9) AS above,"
            f" COUNTIF({probability} > 0.5) AS likely FROM {call.format(settings)}",
            trained,
        ).to_pylist()
        assert row["said"] == row["above"] < row["likely"]


def test_evaluate_judges_at_a_threshold(trained: MemoryCatalog) -> None:
    rows = f"(SELECT *, duration > 1000 AS is_long FROM {HIRES})"
    told = [
        run(f"SELECT recall FROM ML.EVALUATE(MODEL d.long, {rows}, STRUCT({t} AS threshold))", trained)["recall"][0]
        for t in (0, 0.5, 1)
    ]
    [default] = run(f"SELECT recall FROM ML.EVALUATE(MODEL d.long, {rows})", trained)["recall"]
    assert told[0].as_py() == 1.0
    assert told[1] == default
    assert told[2].as_py() == 0.0


def test_without_original_columns_a_prediction_stands_alone(trained: MemoryCatalog) -> None:
    table = run(
        f"SELECT * FROM ML.PREDICT(MODEL d.minutes, TABLE {HIRES}, STRUCT(FALSE AS keep_original_columns))", trained
    )
    assert table.column_names == ["predicted_duration"]


def test_transform_gives_the_features_and_the_label_where_it_is_there(trained: MemoryCatalog) -> None:
    call = "SELECT * FROM ML.TRANSFORM(MODEL d.minutes, (SELECT 'soho' AS start_station_name{}))"
    assert run(call.format(""), trained).to_pylist() == [{"station": "SOHO"}]
    assert run(call.format(", 5 AS duration"), trained).to_pylist() == [{"station": "SOHO", "duration": 5}]


def test_feature_info_is_about_the_raw_columns_that_the_model_learned_from(trained: MemoryCatalog) -> None:
    [row] = run("SELECT * FROM ML.FEATURE_INFO(MODEL d.minutes)", trained).to_pylist()
    assert row == {
        "input": "start_station_name",
        "min": None,
        "max": None,
        "mean": None,
        "median": None,
        "stddev": None,
        "category_count": 4,
        "null_count": 0,
        "dimension": None,
    }


def test_training_info_has_a_row_for_each_iteration(trained: MemoryCatalog) -> None:
    run(
        "CREATE OR REPLACE MODEL d.trees OPTIONS(model_type='boosted_tree_regressor', input_label_cols=['duration'],"
        f" max_iterations=3) AS SELECT duration, start_station_name FROM {HIRES}",
        trained,
    )
    rows = run("SELECT * FROM ML.TRAINING_INFO(MODEL d.trees) ORDER BY iteration", trained).to_pylist()
    assert [row["iteration"] for row in rows] == [0, 1, 2]
    assert rows[0]["loss"] > rows[1]["loss"] > rows[2]["loss"] > 0
    assert {row["training_run"] for row in rows} == {0}
    assert all(row["eval_loss"] > 0 and row["learning_rate"] == 0.3 for row in rows)


def test_a_confusion_matrix_has_a_row_for_each_label_and_a_column_for_each_prediction(trained: MemoryCatalog) -> None:
    rows = f"(SELECT *, duration > 1000 AS is_long FROM {HIRES})"
    table = run(f"SELECT * FROM ML.CONFUSION_MATRIX(MODEL d.long, {rows}, STRUCT(0.9 AS threshold))", trained)
    assert table.column_names == ["expected_label", "false", "true"]
    by_hand = run(
        f"SELECT is_long AS expected_label, COUNTIF(NOT predicted_is_long) AS `false`, COUNTIF(predicted_is_long) AS"
        f" `true` FROM ML.PREDICT(MODEL d.long, {rows}, STRUCT(0.9 AS threshold)) GROUP BY 1 ORDER BY 1",
        trained,
    )
    assert table.to_pylist() == by_hand.to_pylist()


def test_without_rows_the_errors_are_those_on_the_rows_held_out(trained: MemoryCatalog) -> None:
    [counted] = run("SELECT SUM(`false` + `true`) AS n FROM ML.CONFUSION_MATRIX(MODEL d.long)", trained).to_pylist()
    assert counted["n"] == trained.model("d.long").facts["rows"]["held_out"] == 120
    [row] = run("SELECT * FROM ML.ROC_CURVE(MODEL d.long) WHERE threshold = 0", trained).to_pylist()
    assert (row["recall"], row["false_positive_rate"], row["true_negatives"]) == (1.0, 1.0, 0)


def test_a_roc_curve_goes_up_from_none_to_all_and_says_what_the_matrix_says(trained: MemoryCatalog) -> None:
    rows = f"(SELECT *, duration > 1000 AS is_long FROM {HIRES})"
    curve = run(f"SELECT * FROM ML.ROC_CURVE(MODEL d.long, {rows})", trained).to_pylist()
    assert [row["threshold"] for row in curve] == sorted((row["threshold"] for row in curve), reverse=True)
    assert [row["recall"] for row in curve] == sorted(row["recall"] for row in curve)
    assert (curve[0]["recall"], curve[-1]["recall"], curve[-1]["false_positive_rate"]) == (0.0, 1.0, 1.0)
    asked = run(
        f"SELECT * FROM ML.ROC_CURVE(MODEL d.long, {rows}, GENERATE_ARRAY(0.25, 0.75, 0.25))", trained
    ).to_pylist()
    assert [round(row["threshold"], 9) for row in asked] == [0.75, 0.5, 0.25]
    matrix = run(f"SELECT * FROM ML.CONFUSION_MATRIX(MODEL d.long, {rows})", trained).to_pylist()
    assert (asked[1]["true_negatives"], asked[1]["false_positives"]) == (matrix[0]["false"], matrix[0]["true"])
    assert (asked[1]["false_negatives"], asked[1]["true_positives"]) == (matrix[1]["false"], matrix[1]["true"])


def test_skew_compares_rows_with_those_of_the_training(trained: MemoryCatalog) -> None:
    call = "SELECT * FROM ML.VALIDATE_DATA_SKEW(MODEL d.minutes, (SELECT * REPLACE ({} AS start_station_name) FROM {}))"
    [same] = run(call.format("start_station_name", HIRES), trained).to_pylist()
    assert (same["input"], same["metric"], same["threshold"]) == ("start_station_name", "L_INFTY", 0.3)
    assert same["value"] < 0.05
    assert not same["is_anomaly"]
    [other] = run(call.format("'Euston'", HIRES), trained).to_pylist()
    assert other["value"] == 1.0
    assert other["is_anomaly"]


def test_describe_data_has_a_row_for_each_column_and_needs_no_model(trained: MemoryCatalog) -> None:
    rows = run(
        "SELECT name, num_rows, `unique`, ARRAY_LENGTH(quantiles) AS q, ARRAY_LENGTH(top_values) AS top"
        f" FROM ML.DESCRIBE_DATA(TABLE {HIRES}, STRUCT(5 AS num_quantiles, 3 AS top_k)) WHERE name != 'bike_id'",
        trained,
    ).to_pylist()
    assert rows == [
        {"name": "duration", "num_rows": 600, "unique": None, "q": 6, "top": None},
        {"name": "start_station_name", "num_rows": 600, "unique": 4, "q": None, "top": 3},
        {"name": "start_date", "num_rows": 600, "unique": rows[2]["unique"], "q": None, "top": 3},
    ]


def test_drift_between_two_queries_is_told_column_by_column(trained: MemoryCatalog) -> None:
    table = run(
        f"SELECT * FROM ML.VALIDATE_DATA_DRIFT((SELECT * FROM {HIRES}),"
        f" (SELECT * REPLACE ('Soho Square' AS start_station_name) FROM {HIRES}),"
        " STRUCT([('duration', 0.2)] AS thresholds, 0.5 AS categorical_default_threshold))",
        trained,
    )
    assert table.column_names == ["input", "metric", "threshold", "value", "is_anomaly"]
    duration, station, *_ = table.to_pylist()
    assert duration == {
        "input": "duration",
        "metric": "JENSEN_SHANNON_DIVERGENCE",
        "threshold": 0.2,
        "value": 0.0,
        "is_anomaly": False,
    }
    assert (station["input"], station["metric"], station["threshold"]) == ("start_station_name", "L_INFTY", 0.5)
    assert station["value"] == pytest.approx(0.75, abs=0.05)
    assert station["is_anomaly"]


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        ("ML.PREDICT(MODEL d.minute, (SELECT 1 AS a))", UnknownNameError, "no model named 'd.minute'; there are:"),
        ("ML.PREDICT(MODEL d.minutes)", SqlError, "ML.PREDICT at 1:18 needs rows"),
        ("ML.PREDICT((SELECT 1 AS a))", SqlError, "ML.PREDICT at 1:18 needs a model"),
        ("ML.PREDICT(MODEL d.minutes, (SELECT 1 AS a))", PenstockError, "start_station_name"),
        (
            "ML.PREDICT(MODEL d.long, (SELECT 1), STRUCT(0.7 AS treshold))",
            UnknownNameError,
            "Did you mean 'threshold'?",
        ),
        ("ML.PREDICT(MODEL d.long, (SELECT 1), STRUCT(7 AS threshold))", SqlError, "takes float64 from 0 to 1"),
        ("ML.PREDICT(MODEL d.long, (SELECT 1), STRUCT('a' AS threshold))", SqlError, "threshold cannot be 'a'"),
        ("ML.PREDICT(MODEL d.long, (SELECT 1), STRUCT(0.7))", SqlError, "0.7 at 1:59 has no name; add AS"),
        ("ML.PREDICT(MODEL d.long, (SELECT 1), 0.7)", SqlError, "a setting is a field of a STRUCT"),
        ("ML.PREDICT(MODEL d.long, (SELECT 1), STRUCT(3 AS trial_id))", SqlError, "'d.long' was not tuned"),
        ("ML.PREDICT(MODEL d.minutes, (SELECT 'a' AS start_station_name), STRUCT(0.7 AS threshold))", DataError, "two"),
        (
            "ML.ADVANCED_WEIGHTS(MODEL d.long)",
            SqlError,
            "ML.ADVANCED_WEIGHTS at 1:18 is not in penstock yet; there are: ML.PREDICT, ML.EVALUATE",
        ),
        ("ML.TRANSFORM(MODEL d.plain, (SELECT 1 AS x))", DataError, "made without TRANSFORM"),
        ("ML.CONFUSION_MATRIX(MODEL d.minutes)", DataError, "'d.minutes' (linear_reg) is no classifier"),
        ("ML.CONFUSION_MATRIX(MODEL d.long, STRUCT(0.7 AS threshold))", DataError, "a threshold needs rows"),
        ("ML.ROC_CURVE(MODEL d.long, GENERATE_ARRAY(0.1, 0.2, 0.1))", DataError, "thresholds need rows"),
        ("ML.FEATURE_INFO(MODEL d.long, (SELECT 1 AS x))", SqlError, "takes no rows: ML.FEATURE_INFO(MODEL name)"),
        ("ML.DESCRIBE_DATA(MODEL d.long, (SELECT 1 AS x))", SqlError, "takes no model"),
        (
            "ML.VALIDATE_DATA_DRIFT((SELECT 1 AS x))",
            SqlError,
            "needs two tables: ML.VALIDATE_DATA_DRIFT((SELECT ...), ",
        ),
        (
            "ML.VALIDATE_DATA_DRIFT((SELECT 1 AS x), (SELECT 1 AS x), STRUCT([STRUCT('y', 0.1)] AS thresholds))",
            DataError,
            "a threshold for 'y', but compared are: x",
        ),
        (
            "ML.VALIDATE_DATA_DRIFT((SELECT 1 AS x), (SELECT 'a' AS x))",
            DataError,
            "column 'x' has numbers before and categories now",
        ),
        ("ML.PREDIKT(MODEL d.long)", UnknownNameError, "no table function named 'ML.PREDIKT'; there are: ML.PREDICT"),
    ],
)
def test_a_call_that_cannot_be_says_why(call: str, error: type[Exception], said: str, trained: MemoryCatalog) -> None:
    with pytest.raises(error) as caught:
        run(f"SELECT * FROM {call}", trained)
    assert said in str(caught.value)


def test_a_wrong_outer_query_is_found_before_anything_is_predicted(trained: MemoryCatalog) -> None:
    with pytest.raises(UnknownNameError, match="no column named 'nothing'"):
        run(
            "SELECT nothing FROM ML.PREDICT(MODEL d.minutes, (SELECT CAST('x' AS INT64) AS start_station_name))",
            trained,
        )


def test_the_rows_of_a_function_do_not_see_the_query_around_it(trained: MemoryCatalog) -> None:
    with pytest.raises(UnknownNameError, match=r"no column named 'h\.duration'"):
        run(
            f"SELECT * FROM {HIRES} AS h, ML.PREDICT(MODEL d.minutes, (SELECT h.duration AS start_station_name))",
            trained,
        )


def test_predict_over_no_rows_gives_no_rows_with_the_same_columns(trained: MemoryCatalog) -> None:
    table = run(
        f"SELECT * FROM ML.PREDICT(MODEL d.minutes, (SELECT start_station_name FROM {HIRES} WHERE FALSE))", trained
    )
    assert table.schema.equals(pa.schema([("predicted_duration", pa.float64()), ("start_station_name", pa.string())]))


def test_weights_are_told_in_sql_as_the_graph_has_them(trained: MemoryCatalog) -> None:
    table = run("SELECT * FROM ML.WEIGHTS(MODEL d.plain)", trained)
    assert [(row["processed_input"], round(row["weight"], 9)) for row in table.to_pylist()] == [
        ("x", 1.0),
        ("__INTERCEPT__", 0.5),
    ]
    [row] = run(
        "SELECT weight FROM ML.WEIGHTS(MODEL d.plain, STRUCT(TRUE AS standardize)) LIMIT 1", trained
    ).to_pylist()
    assert row["weight"] == pytest.approx(0.5**0.5)
    categories = run(
        "SELECT category FROM UNNEST((SELECT category_weights FROM ML.WEIGHTS(MODEL d.minutes)"
        " WHERE processed_input = 'station'))",
        trained,
    )
    assert None in categories["category"].to_pylist()
    assert "SOHO SQUARE" in categories["category"].to_pylist()
    with pytest.raises(PenstockError, match="no importance of features"):
        run("SELECT * FROM ML.FEATURE_IMPORTANCE(MODEL d.plain)", trained)


def test_clusters_components_and_importance_have_tables(trained: MemoryCatalog) -> None:
    query = f"AS SELECT duration, start_station_name FROM {HIRES}"
    run(
        f"CREATE OR REPLACE MODEL d.clusters OPTIONS(model_type='kmeans', num_clusters=2) {query};"
        f"CREATE OR REPLACE MODEL d.axes OPTIONS(model_type='pca', num_principal_components=2) {query};"
        "CREATE OR REPLACE MODEL d.trees OPTIONS(model_type='boosted_tree_regressor', input_label_cols=['duration'],"
        f" max_iterations=3) {query}",
        trained,
    )
    found = {
        call: run(f"SELECT COUNT(*) AS n FROM ML.{call}", trained)["n"][0].as_py()
        for call in (
            "CENTROIDS(MODEL d.clusters, STRUCT(TRUE AS standardize))",
            "PRINCIPAL_COMPONENTS(MODEL d.axes)",
            "PRINCIPAL_COMPONENT_INFO(MODEL d.axes)",
            "FEATURE_IMPORTANCE(MODEL d.trees)",
        )
    }
    assert list(found.values()) == [4, 4, 2, 1]
