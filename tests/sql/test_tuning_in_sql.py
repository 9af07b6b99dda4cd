"""Tuning in SQL: CREATE MODEL with search spaces, ML.TRIAL_INFO, and what a trial_id asks for."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import DataError, SqlError
from penstock.sql import MemoryCatalog, run, to_model

HIRES = "`bigquery-public-data.london_bicycles.cycle_hire`"
CREATE = f"""
    CREATE MODEL d.tuned OPTIONS(
      model_type='boosted_tree_regressor', input_label_cols=['duration'], num_trials=5, max_parallel_trials=2,
      hparam_tuning_algorithm='VIZIER_DEFAULT', hparam_tuning_objectives=['R2_SCORE'],
      learn_rate=HPARAM_RANGE(0.01, 0.5), max_tree_depth=HPARAM_CANDIDATES([3, 6])
    ) AS SELECT duration, start_station_name, bike_id FROM {HIRES}
"""


@pytest.fixture(scope="module")
def tuned(hires: pa.Table) -> MemoryCatalog:
    catalog = MemoryCatalog({HIRES.strip("`"): hires})
    run(CREATE, catalog)
    run(
        "CREATE MODEL d.plain OPTIONS(model_type='linear_reg', input_label_cols=['duration']) AS"
        f" SELECT duration, bike_id FROM {HIRES}",
        catalog,
    )
    return catalog


def test_both_fronts_declare_the_same_tuning(tuned: MemoryCatalog) -> None:
    declared = ps.model(
        "d.tuned",
        type="boosted_tree_regressor",
        label="duration",
        options={
            "learn_rate": ps.hparam_range(0.01, 0.5),
            "max_tree_depth": ps.hparam_candidates([3, 6]),
            "num_trials": 5,
            "max_parallel_trials": 2,
        },
    )
    assert to_model(CREATE, tuned) == declared


def test_trial_info_has_the_columns_of_bigquery_and_a_row_for_each_trial(tuned: MemoryCatalog) -> None:
    table = run("SELECT * FROM ML.TRIAL_INFO(MODEL d.tuned) ORDER BY trial_id", tuned)
    assert table.column_names == [
        "trial_id", "hyperparameters", "hparam_tuning_evaluation_metrics", "training_loss", "eval_loss", "status",
        "error_message", "is_optimal",
    ]  # fmt: skip
    assert table["trial_id"].to_pylist() == [1, 2, 3, 4, 5]
    assert set(table["status"].to_pylist()) == {"SUCCEEDED"}
    assert table["is_optimal"].to_pylist().count(True) == 1
    [row] = run(
        "SELECT hyperparameters.max_tree_depth AS depth, hparam_tuning_evaluation_metrics.r2_score AS r2"
        " FROM ML.TRIAL_INFO(MODEL d.tuned) ORDER BY r2 DESC LIMIT 1",
        tuned,
    ).to_pylist()
    best = next(each for each in table.to_pylist() if each["is_optimal"])
    assert row == {
        "depth": best["hyperparameters"]["max_tree_depth"],
        "r2": max(each["r2_score"] for each in table["hparam_tuning_evaluation_metrics"].to_pylist()),
    }


def test_evaluate_without_rows_tells_of_every_trial_on_the_rows_to_test(tuned: MemoryCatalog) -> None:
    table = run("SELECT * FROM ML.EVALUATE(MODEL d.tuned)", tuned)
    assert table.column_names[:2] == ["trial_id", "mean_absolute_error"]
    assert table.num_rows == 5
    [optimal] = run("SELECT trial_id FROM ML.TRIAL_INFO(MODEL d.tuned) WHERE is_optimal", tuned)["trial_id"].to_pylist()
    [row] = run(f"SELECT * FROM ML.EVALUATE(MODEL d.tuned, STRUCT({optimal} AS trial_id))", tuned).to_pylist()
    assert row == {"trial_id": optimal, **tuned.model("d.tuned").facts["evaluation"]}


def test_a_function_over_rows_takes_the_optimal_trial_and_no_other(tuned: MemoryCatalog) -> None:
    optimal = run("SELECT trial_id FROM ML.TRIAL_INFO(MODEL d.tuned) WHERE is_optimal", tuned)["trial_id"][0].as_py()
    call = f"SELECT predicted_duration FROM ML.PREDICT(MODEL d.tuned, TABLE {HIRES}{{}})"
    assert run(call.format(f", STRUCT({optimal} AS trial_id)"), tuned) == run(call.format(""), tuned)
    other = 1 if optimal != 1 else 2
    with pytest.raises(SqlError, match=f"only the optimal one, {optimal}, is kept; to have trial {other}, create a"):
        run(call.format(f", STRUCT({other} AS trial_id)"), tuned)
    with pytest.raises(SqlError, match="no trial named '9'"):
        run(call.format(", STRUCT(9 AS trial_id)"), tuned)


def test_export_takes_the_optimal_trial_and_no_other(tuned: MemoryCatalog, tmp_path: Path) -> None:
    optimal = run("SELECT trial_id FROM ML.TRIAL_INFO(MODEL d.tuned) WHERE is_optimal", tuned)["trial_id"][0].as_py()
    run(f"EXPORT MODEL d.tuned OPTIONS(URI='{tmp_path}/kept', trial_id={optimal})", tuned)
    assert ps.load_model(tmp_path / "kept").facts["tuning"] == tuned.model("d.tuned").facts["tuning"]
    with pytest.raises(SqlError, match="only the optimal one"):
        run(f"EXPORT MODEL d.tuned OPTIONS(URI='{tmp_path}/other', trial_id={1 if optimal != 1 else 2})", tuned)


def test_what_a_tuned_model_learned_is_told_with_the_trial_that_was_kept(tuned: MemoryCatalog) -> None:
    table = f"AS SELECT duration, start_station_name, bike_id FROM {HIRES}"
    run(
        "CREATE MODEL d.line OPTIONS(model_type='linear_reg', input_label_cols=['duration'], num_trials=2,"
        f" l2_reg=HPARAM_CANDIDATES([0.0, 100.0])) {table};"
        "CREATE MODEL d.groups OPTIONS(model_type='kmeans', num_trials=2, num_clusters=HPARAM_RANGE(2, 4))"
        f" {table}",
        tuned,
    )
    for model, call in (("d.line", "ML.WEIGHTS"), ("d.groups", "ML.CENTROIDS")):
        optimal = run(f"SELECT trial_id FROM ML.TRIAL_INFO(MODEL {model}) WHERE is_optimal", tuned)["trial_id"]
        told = run(f"SELECT * FROM {call}(MODEL {model})", tuned)
        assert told.column_names[0] == "trial_id"
        assert set(told["trial_id"].to_pylist()) == set(optimal.to_pylist())
    assert "trial_id" not in run("SELECT * FROM ML.WEIGHTS(MODEL d.plain)", tuned).column_names


def test_a_model_that_was_not_tuned_has_no_trials(tuned: MemoryCatalog) -> None:
    with pytest.raises(DataError, match=r"'d.plain' was not tuned; a tuned model is one with the option num_trials"):
        run("SELECT * FROM ML.TRIAL_INFO(MODEL d.plain)", tuned)


def test_candidates_that_are_lists_are_structs_in_sql(tuned: MemoryCatalog) -> None:
    text = CREATE.replace("boosted_tree_regressor", "dnn_regressor").replace(
        "max_tree_depth=HPARAM_CANDIDATES([3, 6])", "hidden_units=HPARAM_CANDIDATES([STRUCT([8, 4]), STRUCT([8])])"
    )
    assert to_model(text, tuned).options["hidden_units"] == ps.hparam_candidates([[8, 4], [8]])
