"""What a model of real births learned, told by its explanations in SQL: they are what a midwife would say."""

from __future__ import annotations

from pathlib import Path

import pytest

import penstock as ps

DATA = Path(__file__).parents[3] / "shared" / "data" / "babyweight_natality.parquet"

pytestmark = pytest.mark.usefixtures("warm_workers")


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_file(), reason="the folder of real data is not beside this checkout")
def test_explanations_of_real_births_add_up_and_say_what_is_known_of_them(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text(f'[tables]\nbirths = "{DATA}"\n')
    project = ps.open(tmp_path)
    features = "weight_pounds, is_male, mother_age, plurality, gestation_weeks"
    project.sql(
        "CREATE MODEL weight OPTIONS(model_type = 'boosted_tree_regressor', input_label_cols = ['weight_pounds'],"
        f" enable_global_explain = TRUE) AS SELECT {features} FROM births"
    )
    important = project.sql("SELECT * FROM ML.GLOBAL_EXPLAIN(MODEL weight)").to_pydict()
    assert important["feature"][:2] == ["gestation_weeks", "is_male"]  # twins are too few to count in the mean
    assert project.models["weight"].load().facts["global_explanation"]["rows"] > 9_000

    [told] = project.sql(
        "WITH told AS (SELECT * FROM ML.EXPLAIN_PREDICT(MODEL weight, (SELECT * FROM births LIMIT 5000)))"
        " SELECT MAX(ABS(prediction_value - baseline_prediction_value -"
        " (SELECT SUM(attribution) FROM UNNEST(top_feature_attributions)))) AS gap,"
        " MAX(ABS(prediction_value - predicted_weight_pounds)) AS other, COUNT(*) AS births FROM told"
    ).to_pylist()
    assert told["births"] == 5000
    assert told["gap"] < 1e-9
    assert told["other"] == 0.0

    means = project.sql(
        "SELECT gestation_weeks < 32 AS early, AVG((SELECT attribution FROM UNNEST(top_feature_attributions)"
        " WHERE feature = 'gestation_weeks')) AS weeks FROM ML.EXPLAIN_PREDICT(MODEL weight, (SELECT * FROM births"
        " WHERE gestation_weeks < 32 OR gestation_weeks = 40 LIMIT 5000)) GROUP BY early ORDER BY early"
    ).to_pylist()
    assert means[0]["weeks"] > 0.2  # pounds: born when due
    assert means[1]["weeks"] < -2
    sexes = project.sql(
        "SELECT is_male, AVG((SELECT attribution FROM UNNEST(top_feature_attributions) WHERE feature = 'is_male')) AS"
        " adds FROM ML.EXPLAIN_PREDICT(MODEL weight, (SELECT * FROM births LIMIT 5000)) GROUP BY is_male"
        " ORDER BY is_male"
    ).to_pylist()
    assert -0.4 < sexes[0]["adds"] < -0.05
    assert 0.05 < sexes[1]["adds"] < 0.4
