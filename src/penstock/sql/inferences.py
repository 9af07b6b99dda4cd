"""The table functions of ML: name -> what it needs, its settings, the columns that it gives, what computes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pyarrow as pa

from penstock.core.schema import Field, Schema
from penstock.models import evaluate, predict
from penstock.models.explaining import TOP
from penstock.models.explaining.attributions import STEPS
from penstock.models.explaining.explanation import explain, explanation_schema
from penstock.models.explaining.feature_importance import importance_schema, importance_table
from penstock.models.explaining.global_explanation import global_schema, importance
from penstock.models.fitting.coefficients import weights_schema, weights_table
from penstock.models.fitting.points import (
    centroid_schema,
    centroid_table,
    component_info,
    component_info_schema,
    component_schema,
    component_table,
)
from penstock.models.fitting.trials import is_tuned, trial_info, trial_metrics, trial_metrics_schema, trial_schema
from penstock.models.graphs.heads import heads_of
from penstock.models.graphs.nodes import inputs, only_transforms
from penstock.models.judging.curves import CURVE, check_curve, confusion_matrix, confusion_schema, error_curve
from penstock.models.judging.evaluate import imported_metrics, listed_metrics
from penstock.models.judging.information import (
    FEATURES,
    ITERATIONS,
    feature_info,
    feature_schema,
    feature_table,
    training_distributions,
    training_info,
)
from penstock.models.predicting.estimators import task_of
from penstock.models.predicting.imported import is_imported
from penstock.sql.table_functions import Setting, TableFunction, Use
from penstock.tables import arrow_schema
from penstock.transforms import CHANGES, DESCRIPTION, Distribution, changes, describe_data, distributions

_THRESHOLD = Setting(type="float64", least=0.0, most=1.0)  # not set: the most probable class, which is 0.5 of two
_TRIAL = Setting(type="int64", least=1)
_STANDARDIZE = Setting(type="bool", default=False)


def _prediction(use: Use) -> Schema:
    given = use.model.signature.outputs
    keep = use.settings["keep_original_columns"]
    if keep is None:
        keep = only_transforms(use.model) or task_of(use.model) != "reduction"
    kept = use.inputs[0].fields if keep else ()
    if only_transforms(use.model):  # its columns stand in place of those that have their names
        kept = tuple(field for field in kept if field.name not in given.names)
    return Schema((*given.fields, *kept))


def _predicted(use: Use, rows: Sequence[pa.Table]) -> pa.Table:
    return predict(use.model, rows[0], threshold=use.settings["threshold"]).select(list(_prediction(use).names))


def _explanation(use: Use) -> Schema:
    return Schema((*explanation_schema(use.model, use.settings["label"]).fields, *use.inputs[0].fields))


def _explained(use: Use, rows: Sequence[pa.Table]) -> pa.Table:
    return explain(
        use.model,
        rows[0],
        top=use.settings["top_k_features"],
        threshold=use.settings["threshold"],
        steps=use.settings["integrated_gradients_num_steps"],
        label=use.settings["label"],
    )


def _metrics(use: Use) -> Schema:
    if _tells_trials(use):
        return trial_metrics_schema(use.model)
    names = imported_metrics(use.model) if is_imported(use.model) else listed_metrics(use.model)
    label = (Field("label", "string"),) if heads_of(use.model) else ()
    shown = dict.fromkeys(name.removeprefix(f"{head}.") for head, own in _by_label(use, names).items() for name in own)
    return Schema((*label, *(Field(metric, "float64") for metric in shown)))


def _by_label(use: Use, names: Iterable[str]) -> dict[str, list[str]]:
    """Return the metrics of each label, where a model has several: `price.r2_score` is of price; else of the one."""
    heads = [head.label for head in heads_of(use.model)] or [""]
    return {head: [name for name in names if not head or name.startswith(f"{head}.")] for head in heads}


def _tells_trials(use: Use) -> bool:
    return not use.inputs and is_tuned(use.model)


def _evaluated(use: Use, rows: Sequence[pa.Table]) -> pa.Table:
    graph, threshold = use.model, use.settings["threshold"]
    if _tells_trials(use):
        return trial_metrics(graph, use.settings["trial_id"])
    metrics = evaluate(graph, rows[0], threshold=threshold) if rows else graph.facts["evaluation"]
    rows_of = _by_label(use, metrics).items()
    told = [{"label": head} | {name.removeprefix(f"{head}."): metrics[name] for name in own} for head, own in rows_of]
    return pa.Table.from_pylist(told, schema=arrow_schema(_metrics(use)))


def _transformed(use: Use) -> Schema:
    return feature_schema(use.model, use.inputs[0])


def _confused(use: Use, rows: Sequence[pa.Table]) -> pa.Table:
    return confusion_matrix(use.model, rows[0] if rows else None, threshold=use.settings["threshold"])


def _curve(use: Use) -> Schema:
    check_curve(use.model)
    return CURVE


def _curved(use: Use, rows: Sequence[pa.Table]) -> pa.Table:
    return error_curve(use.model, rows[0] if rows else None, thresholds=use.settings["thresholds"])


def _described(use: Use, rows: Sequence[pa.Table]) -> pa.Table:
    return describe_data(rows[0], **use.settings)


def _drift(use: Use, rows: Sequence[pa.Table]) -> pa.Table:
    counted = {
        "buckets": use.settings["num_histogram_buckets"],
        "ranks": use.settings["num_rank_histogram_buckets"],
    }
    base, study = (distributions(table, **counted) for table in rows)
    return _changes(use, base, study)


def _skew(use: Use, rows: Sequence[pa.Table]) -> pa.Table:
    base = training_distributions(use.model)
    read = [name for name in rows[0].column_names if name in inputs(use.model)]
    return _changes(use, base, distributions(rows[0].select(read)))


def _changes(use: Use, base: Mapping[str, Distribution], study: Mapping[str, Distribution]) -> pa.Table:
    return changes(
        base,
        study,
        categorical_threshold=use.settings["categorical_default_threshold"],
        categorical_metric=use.settings["categorical_metric_type"],
        numerical_threshold=use.settings["numerical_default_threshold"],
        thresholds=use.settings["thresholds"],
    )


_COMPARED = {
    "categorical_default_threshold": Setting(type="float64", default=0.3, least=0.0, most=1.0),
    "categorical_metric_type": Setting(
        type="string", default="L_INFTY", choices=("L_INFTY", "JENSEN_SHANNON_DIVERGENCE")
    ),
    "numerical_default_threshold": Setting(type="float64", default=0.3, least=0.0, most=1.0),
    "numerical_metric_type": Setting(
        type="string", default="JENSEN_SHANNON_DIVERGENCE", choices=("JENSEN_SHANNON_DIVERGENCE",)
    ),
    "thresholds": Setting(type="array<struct<string, float64>>", default=()),
}

FUNCTIONS: dict[str, TableFunction] = {
    "PREDICT": TableFunction(
        rows=(1, 1),
        settings={
            "threshold": _THRESHOLD,
            "keep_original_columns": Setting(type="bool"),  # not set: TRUE, but FALSE of PCA
            "trial_id": _TRIAL,
        },
        columns=_prediction,
        table=_predicted,
    ),
    "EVALUATE": TableFunction(
        rows=(0, 1),
        settings={"threshold": _THRESHOLD, "trial_id": _TRIAL},
        tells_trials=True,
        columns=_metrics,
        table=_evaluated,
    ),
    "TRANSFORM": TableFunction(
        rows=(1, 1),
        columns=_transformed,
        table=lambda use, rows: feature_table(use.model, rows[0]),
    ),
    "FEATURE_INFO": TableFunction(
        columns=lambda use: FEATURES,
        table=lambda use, rows: feature_info(use.model),
    ),
    "TRAINING_INFO": TableFunction(
        columns=lambda use: ITERATIONS,
        table=lambda use, rows: training_info(use.model),
    ),
    "TRIAL_INFO": TableFunction(
        columns=lambda use: trial_schema(use.model),
        table=lambda use, rows: trial_info(use.model),
    ),
    "WEIGHTS": TableFunction(
        settings={"standardize": _STANDARDIZE},
        columns=lambda use: weights_schema(use.model),
        table=lambda use, rows: weights_table(use.model, **use.settings),
    ),
    "FEATURE_IMPORTANCE": TableFunction(
        columns=lambda use: importance_schema(use.model),
        table=lambda use, rows: importance_table(use.model),
    ),
    "EXPLAIN_PREDICT": TableFunction(
        rows=(1, 1),
        settings={
            "top_k_features": Setting(type="int64", default=TOP, least=1),
            "threshold": _THRESHOLD,
            "integrated_gradients_num_steps": Setting(type="int64", default=STEPS, least=1, most=10_000),
            "label": Setting(type="string"),  # ours: of several labels, or of classes that may hold at once
            "approx_feature_contrib": Setting(type="bool", default=False),  # exact attributions are fast enough
        },
        columns=_explanation,
        table=_explained,
    ),
    "GLOBAL_EXPLAIN": TableFunction(
        settings={"class_level_explain": Setting(type="bool", default=False)},
        columns=lambda use: global_schema(use.model, by_class=use.settings["class_level_explain"]),
        table=lambda use, rows: importance(use.model, by_class=use.settings["class_level_explain"]),
    ),
    "CENTROIDS": TableFunction(
        settings={"standardize": _STANDARDIZE},
        columns=lambda use: centroid_schema(use.model),
        table=lambda use, rows: centroid_table(use.model, **use.settings),
    ),
    "PRINCIPAL_COMPONENTS": TableFunction(
        columns=lambda use: component_schema(use.model),
        table=lambda use, rows: component_table(use.model),
    ),
    "PRINCIPAL_COMPONENT_INFO": TableFunction(
        columns=lambda use: component_info_schema(use.model),
        table=lambda use, rows: component_info(use.model),
    ),
    "CONFUSION_MATRIX": TableFunction(
        rows=(0, 1),
        settings={"threshold": _THRESHOLD, "trial_id": _TRIAL},
        columns=lambda use: confusion_schema(use.model),
        table=_confused,
    ),
    "ROC_CURVE": TableFunction(
        rows=(0, 1),
        settings={"thresholds": Setting(type="array<float64>"), "trial_id": _TRIAL},
        bare="thresholds",
        columns=_curve,
        table=_curved,
    ),
    "DESCRIBE_DATA": TableFunction(
        needs_model=False,
        rows=(1, 1),
        settings={
            "num_quantiles": Setting(type="int64", default=2, least=1, most=100_000),
            "num_array_length_quantiles": Setting(type="int64", default=10, least=1, most=100_000),
            "top_k": Setting(type="int64", default=1, least=1, most=10_000),
        },
        columns=lambda use: DESCRIPTION,
        table=_described,
    ),
    "VALIDATE_DATA_SKEW": TableFunction(
        rows=(1, 1),
        settings=_COMPARED,
        columns=lambda use: CHANGES,
        table=_skew,
    ),
    "VALIDATE_DATA_DRIFT": TableFunction(
        needs_model=False,
        rows=(2, 2),
        settings={
            "num_histogram_buckets": Setting(type="int64", default=10, least=1, most=1000),
            "num_quantiles_histogram_buckets": Setting(type="int64", default=10, least=1, most=1000),
            "num_values_histogram_buckets": Setting(type="int64", default=10, least=1, most=1000),
            "num_rank_histogram_buckets": Setting(type="int64", default=50, least=1, most=10_000),
            **_COMPARED,
        },
        columns=lambda use: CHANGES,
        table=_drift,
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
