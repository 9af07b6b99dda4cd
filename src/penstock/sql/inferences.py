"""The table functions of ML: name -> what it needs, its settings, the columns that it gives, what computes them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from penstock.core.schema import Field, Schema
from penstock.models import evaluate, predict
from penstock.sql.table_functions import Setting, TableFunction, Use

_THRESHOLD = Setting(type="float64", least=0.0, most=1.0)  # not set: the most probable class, which is 0.5 of two
_TRIAL = Setting(type="int64", least=1)


def _prediction(use: Use) -> Schema:
    kept = use.inputs[0].fields if use.settings["keep_original_columns"] else ()
    return Schema((*use.model.signature.outputs.fields, *kept))


def _predicted(use: Use, rows: Sequence[pa.Table]) -> pa.Table:
    return predict(use.model, rows[0], threshold=use.settings["threshold"]).select(list(_prediction(use).names))


def _metrics(use: Use) -> Schema:
    return Schema(tuple(Field(metric, "float64") for metric in use.model.facts["evaluation"]))


def _evaluated(use: Use, rows: Sequence[pa.Table]) -> pa.Table:
    graph, threshold = use.model, use.settings["threshold"]
    metrics = evaluate(graph, rows[0], threshold=threshold) if rows else graph.facts["evaluation"]
    return pa.table({metric: pa.array([value], pa.float64()) for metric, value in metrics.items()})


FUNCTIONS: dict[str, TableFunction] = {
    "PREDICT": TableFunction(
        rows=(1, 1),
        settings={
            "threshold": _THRESHOLD,
            "keep_original_columns": Setting(type="bool", default=True),
            "trial_id": _TRIAL,
        },
        columns=_prediction,
        table=_predicted,
    ),
    "EVALUATE": TableFunction(
        rows=(0, 1),
        settings={"threshold": _THRESHOLD, "trial_id": _TRIAL},
        columns=_metrics,
        table=_evaluated,
    ),
}
"""The table functions of ML that penstock has. A setting `trial_id` chooses the model of one trial of a tuning."""

OTHERS = (
    "TRANSFORM", "WEIGHTS", "FEATURE_INFO", "TRAINING_INFO", "TRIAL_INFO", "CONFUSION_MATRIX", "ROC_CURVE",
    "FEATURE_IMPORTANCE", "EXPLAIN_PREDICT", "GLOBAL_EXPLAIN", "ADVANCED_WEIGHTS", "ARIMA_COEFFICIENTS",
    "ARIMA_EVALUATE", "CENTROIDS", "DESCRIBE_DATA", "DETECT_ANOMALIES", "ENTITY_FEATURES_AT_TIME",
    "EXPLAIN_FORECAST", "FEATURES_AT_TIME", "FORECAST", "GENERATE_EMBEDDING", "GENERATE_TEXT", "HOLIDAY_INFO",
    "PRINCIPAL_COMPONENTS", "PRINCIPAL_COMPONENT_INFO", "RECOMMEND", "RECONSTRUCTION_LOSS", "TFDV_DESCRIBE",
    "TFDV_VALIDATE", "UNDERSTAND_TEXT", "VALIDATE_DATA_DRIFT", "VALIDATE_DATA_SKEW",
)  # fmt: skip
"""Those of BigQuery that penstock knows by name alone; `FUNCTIONS` may have one of them by now."""
