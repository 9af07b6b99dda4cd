"""The table functions of ML: which there are, what they take, and the columns that they give."""

from __future__ import annotations

from sqlglot import exp

from penstock.errors import SqlError, UnknownNameError
from penstock.operations import quoted
from penstock.sql.binding import Binding, Inference
from penstock.sql.dialect import MachineLearningTable, place
from penstock.sql.scope import Bound, Scope
from penstock.sql.statements import dotted

FUNCTIONS = ("PREDICT", "EVALUATE")
"""The table functions of ML that penstock has."""
_OTHERS = (
    "TRANSFORM", "WEIGHTS", "FEATURE_INFO", "TRAINING_INFO", "TRIAL_INFO", "CONFUSION_MATRIX", "ROC_CURVE",
    "FEATURE_IMPORTANCE", "EXPLAIN_PREDICT", "GLOBAL_EXPLAIN", "ADVANCED_WEIGHTS", "ARIMA_COEFFICIENTS",
    "ARIMA_EVALUATE", "CENTROIDS", "DESCRIBE_DATA", "DETECT_ANOMALIES", "ENTITY_FEATURES_AT_TIME",
    "EXPLAIN_FORECAST", "FEATURES_AT_TIME", "FORECAST", "GENERATE_EMBEDDING", "GENERATE_TEXT", "HOLIDAY_INFO",
    "PRINCIPAL_COMPONENTS", "PRINCIPAL_COMPONENT_INFO", "RECOMMEND", "RECONSTRUCTION_LOSS", "TFDV_DESCRIBE",
    "TFDV_VALIDATE", "UNDERSTAND_TEXT", "VALIDATE_DATA_DRIFT", "VALIDATE_DATA_SKEW",
)  # fmt: skip


def bind_inference(
    node: MachineLearningTable, scope: Scope, binding: Binding
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Note an inference to run first; return the name of the table that it will give, and its columns."""
    name = str(node.this)
    _refuse(name, node)
    if node.args.get("settings") is not None:
        settings = node.args["settings"].sql("bigquery")
        raise SqlError(f"ML.{name} takes no settings yet; leave {settings}{place(node.args['settings'])} out")
    model = node.args.get("model")
    if model is None:
        raise SqlError(f"ML.{name}{place(node)} needs a model: ML.{name}(MODEL name, (SELECT ...))")
    graph = binding.catalog.model(dotted(model))
    rows_node = node.args.get("rows")
    if rows_node is None and name == "PREDICT":
        raise SqlError(f"ML.PREDICT{place(node)} needs rows: ML.PREDICT(MODEL {dotted(model)}, (SELECT ...))")
    fresh = binding.fresh(name.lower())
    rows = None if rows_node is None else _rows(rows_node, scope, binding)
    inference = Inference(kind="predict" if name == "PREDICT" else "evaluate", graph=graph, rows=rows, name=fresh)
    binding.inferences.append(inference)
    return quoted(fresh), _columns(inference)


def _refuse(name: str, node: exp.Expr) -> None:
    there = ", ".join(f"ML.{function}" for function in FUNCTIONS)
    if name in _OTHERS:
        raise SqlError(f"ML.{name}{place(node)} is not in penstock yet; there are: {there}")
    if name not in FUNCTIONS:
        raise UnknownNameError(
            "table function", f"ML.{name}", [f"ML.{function}" for function in (*FUNCTIONS, *_OTHERS)]
        )


def _rows(node: exp.Expr, scope: Scope, binding: Binding) -> Bound:
    """Bind the input query. It runs on its own, before the query around it, so it sees common tables and no rows."""
    bound = binding.query(node, Scope(common=scope.common), binding)
    common = ", ".join(f"{fresh} AS ({query.text})" for fresh, query in scope.common.values())
    return Bound(f"WITH {common} {bound.text}" if common else bound.text, bound.columns)


def _columns(inference: Inference) -> tuple[tuple[str, str], ...]:
    if inference.kind == "evaluate":
        return tuple((metric, "float64") for metric in inference.graph.facts["evaluation"])
    predicted = tuple((field.name, field.type) for field in inference.graph.signature.outputs)
    assert inference.rows is not None  # noqa: S101  # a predict has rows
    return (*predicted, *inference.rows.columns)
