"""The server's own description (OpenAPI 3.1), with the rows that each loaded model takes and gives."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

import penstock
from penstock.models.routing import STAGES, is_routed
from penstock.serving.describing import ERROR, Json, operation, rows
from penstock.serving.feature_forms import FEATURE_FORMS
from penstock.serving.forms import (
    CancelForm,
    DecisionForm,
    ExportForm,
    FindForm,
    FireForm,
    FitForm,
    GcForm,
    InsertForm,
    LabelsForm,
    PauseForm,
    PlanForm,
    PromoteForm,
    RollbackForm,
    RowsForm,
    RunChange,
    RunForm,
    SqlForm,
    TriggerForm,
    VerifyForm,
)
from penstock.serving.inference import InferForm
from penstock.serving.inference_paths import INFERENCE_PATHS
from penstock.serving.paths import PATHS, STAGES_PARAMETER
from penstock.serving.predictors import Loaded, predict_path
from penstock.serving.schemas import example_row, form_schema, row_schema, stages_schema

_FORMS = [
    PlanForm,
    RunForm,
    RunChange,
    CancelForm,
    DecisionForm,
    PromoteForm,
    RollbackForm,
    VerifyForm,
    SqlForm,
    LabelsForm,
    TriggerForm,
    FindForm,
    InsertForm,
    RowsForm,
    FitForm,
    ExportForm,
    GcForm,
    PauseForm,
    FireForm,
    InferForm,
    *FEATURE_FORMS,
]


def openapi(loaded: Iterable[Loaded]) -> Json:
    """Return the whole document; `loaded` are the model versions that are served."""
    _, forms = msgspec.json.schema_components(_FORMS, ref_template="#/components/schemas/{name}")
    models = {predict_path(each.model): {"post": _predict(each)} for each in loaded}
    return {
        "openapi": "3.1.0",
        "info": {"title": "penstock", "version": penstock.__version__},
        "paths": {**models, **PATHS, **INFERENCE_PATHS},
        "components": {"schemas": {**forms, "Error": ERROR}},
    }


def _predict(loaded: Loaded) -> Json:
    signature, routed = loaded.graph.signature, is_routed(loaded.graph)
    answered = row_schema(signature.outputs, closed=False)
    if routed:
        answered["properties"][STAGES] = stages_schema(loaded.graph)
    return operation(
        f"Predict with model {loaded.model} (version {loaded.version} now)",
        (STAGES_PARAMETER,) if routed else (),
        body=rows("instances", row_schema(signature.inputs, closed=True)),
        example={"instances": [example_row(signature.inputs)]},
        parts=form_schema(signature.inputs),
        answer=rows("predictions", answered),
        failures=(400, 413, 422, 500),
    )
