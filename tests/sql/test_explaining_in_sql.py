"""ML.EXPLAIN_PREDICT and ML.GLOBAL_EXPLAIN: BigQuery's columns, types and defaults, and what Python gives."""

from __future__ import annotations

import pyarrow as pa
import pytest

from penstock.errors import DataError, DeclarationError, PenstockError, SqlError, UnknownNameError
from penstock.models import explain
from penstock.sql import MemoryCatalog, run

HIRES = "`bigquery-public-data.london_bicycles.cycle_hire`"
ROWS = f"(SELECT * EXCEPT (duration) FROM {HIRES})"
ATTRIBUTIONS = pa.list_(pa.struct({"feature": pa.string(), "attribution": pa.float64()}))


@pytest.fixture(scope="module")
def trained(hires: pa.Table) -> MemoryCatalog:
    """A regression of each kind, a classification of two labels and one of three, and clusters."""
    catalog = MemoryCatalog({HIRES.strip("`"): hires})
    transform = "start_station_name, EXTRACT(HOUR FROM start_date) AS hour, start_date, bike_id"
    query = (
        "AS SELECT *, duration > 1000 AS is_long, IF(duration > 1500, 'long', IF(duration > 900, 'usual', 'short'))"
        f" AS length FROM {HIRES}"
    )
    options = "input_label_cols=['{}'], enable_global_explain=TRUE"
    for name, label, type, more in (
        ("line", "duration", "linear_reg", ""),
        ("trees", "duration", "boosted_tree_regressor", ", max_iterations=5"),
        ("long", "is_long", "logistic_reg", ", l2_reg=1"),
        ("length", "length", "random_forest_classifier", ", num_parallel_tree=4"),
    ):
        run(
            f"CREATE MODEL d.{name} OPTIONS(model_type='{type}', {options.format(label)}{more})"
            f" TRANSFORM({label}, {transform}) {query}",
            catalog,
        )
    run(f"CREATE MODEL d.groups OPTIONS(model_type='kmeans', num_clusters=2) AS SELECT bike_id FROM {HIRES}", catalog)
    run(f"CREATE MODEL d.plain OPTIONS(model_type='linear_reg', input_label_cols=['duration']) AS "
        f"SELECT duration, bike_id FROM {HIRES}", catalog)  # fmt: skip
    return catalog


@pytest.mark.parametrize("model", ["line", "trees", "long", "length"])
def test_sql_explains_what_python_explains(model: str, trained: MemoryCatalog) -> None:
    rows, graph = run(f"SELECT * EXCEPT (duration) FROM {HIRES}", trained), trained.model(f"d.{model}")
    assert run(f"SELECT * FROM ML.EXPLAIN_PREDICT(MODEL d.{model}, {ROWS})", trained) == explain(graph, rows)
    asked = "STRUCT(2 AS top_k_features)"
    assert run(f"SELECT * FROM ML.EXPLAIN_PREDICT(MODEL d.{model}, {ROWS}, {asked})", trained) == graph.explain(rows, 2)
    assert run(f"SELECT * FROM ML.GLOBAL_EXPLAIN(MODEL d.{model})", trained) == graph.importance()


def test_an_explanation_has_the_columns_of_bigquery_before_those_of_the_rows(trained: MemoryCatalog) -> None:
    table = run(f"SELECT * FROM ML.EXPLAIN_PREDICT(MODEL d.line, TABLE {HIRES})", trained)
    told = [
        ("predicted_duration", pa.float64()),
        ("top_feature_attributions", ATTRIBUTIONS),
        ("baseline_prediction_value", pa.float64()),
        ("prediction_value", pa.float64()),
        ("approximation_error", pa.float64()),
    ]
    given = run(f"SELECT * FROM {HIRES}", trained)
    assert table.schema.equals(pa.schema([*told, *given.schema]))
    classified = run(f"SELECT * FROM ML.EXPLAIN_PREDICT(MODEL d.long, {ROWS})", trained)
    assert classified.column_names[:3] == ["predicted_is_long", "probability", "top_feature_attributions"]
    assert classified.schema.field("probability").type == pa.float64()


def test_attributions_are_an_array_that_a_query_takes_apart(trained: MemoryCatalog) -> None:
    table = run(
        "SELECT prediction_value AS score, baseline_prediction_value + (SELECT SUM(attribution) FROM"
        " UNNEST(top_feature_attributions)) AS told"
        f" FROM ML.EXPLAIN_PREDICT(MODEL d.trees, TABLE {HIRES})",
        trained,
    )
    assert table.num_rows == 600
    assert table["told"].to_pylist() == pytest.approx(table["score"].to_pylist(), rel=1e-9)


def test_a_threshold_says_which_of_two_labels_is_explained(trained: MemoryCatalog) -> None:
    call = "SELECT * FROM ML.EXPLAIN_PREDICT(MODEL d.long, {}, STRUCT(9 AS top_k_features, {} AS threshold))"
    low, high = (run(call.format(ROWS, threshold), trained).to_pylist() for threshold in (0.0, 1.0))
    assert {row["predicted_is_long"] for row in low} == {True}
    assert {row["predicted_is_long"] for row in high} == {False}
    assert [row["prediction_value"] for row in low] == [-row["prediction_value"] for row in high]


def test_each_label_has_its_own_global_explanation(trained: MemoryCatalog) -> None:
    table = run("SELECT * FROM ML.GLOBAL_EXPLAIN(MODEL d.length, STRUCT(TRUE AS class_level_explain))", trained)
    assert table == trained.model("d.length").importance(by_class=True)
    assert table.schema.equals(pa.schema({"length": pa.string(), "feature": pa.string(), "attribution": pa.float64()}))
    assert set(table["length"].to_pylist()) == {"long", "short", "usual"}
    counts = dict(
        zip(*run("SELECT * FROM ML.GLOBAL_EXPLAIN(MODEL d.trees)", trained).to_pydict().values(), strict=True)
    )
    assert counts["bike_id"] < min(counts["start_station_name"], counts["start_date"]) / 10


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (
            "ML.GLOBAL_EXPLAIN(MODEL d.plain)",
            DataError,
            "'d.plain' was learned without enable_global_explain; learn it",
        ),
        ("ML.GLOBAL_EXPLAIN(MODEL d.line, STRUCT(TRUE AS class_level_explain))", DataError, "is no classifier"),
        (
            "ML.GLOBAL_EXPLAIN(MODEL d.groups)",
            DataError,
            "(kmeans) has no explanations: the nearest centroid is no sum",
        ),
        (f"ML.EXPLAIN_PREDICT(MODEL d.groups, TABLE {HIRES})", DataError, "models of these types do: linear_reg, "),
        ("ML.EXPLAIN_PREDICT(MODEL d.line)", SqlError, "ML.EXPLAIN_PREDICT at 1:18 needs rows"),
        (
            f"ML.EXPLAIN_PREDICT(MODEL d.line, {ROWS}, STRUCT(0 AS top_k_features))",
            SqlError,
            "takes int64 of 1 and more",
        ),
        (
            f"ML.EXPLAIN_PREDICT(MODEL d.line, {ROWS}, STRUCT(3 AS top_k))",
            UnknownNameError,
            "there are: top_k_features, thr",
        ),
        (f"ML.EXPLAIN_PREDICT(MODEL d.length, {ROWS}, STRUCT(0.5 AS threshold))", DataError, "models of two labels"),
    ],
)
def test_what_cannot_be_explained_says_why(
    call: str, error: type[PenstockError], said: str, trained: MemoryCatalog
) -> None:
    with pytest.raises(error) as caught:
        run(f"SELECT * FROM {call}", trained)
    assert said in str(caught.value)


def test_a_type_without_explanations_refuses_the_option(trained: MemoryCatalog) -> None:
    with pytest.raises(DeclarationError, match=r"enable_global_explain.* models of this type have no explanations"):
        run(
            "CREATE MODEL d.refused OPTIONS(model_type='kmeans', enable_global_explain=TRUE) AS"
            f" SELECT bike_id FROM {HIRES}",
            trained,
        )
