"""Models: declared, learned, judged, packed into files, registered; one row or many predicted by the same graph.

Names are loaded when they are first used: whoever predicts a row loads what that takes, and no library of tables.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.models.declare import declared, model
    from penstock.models.explaining.explanation import explain
    from penstock.models.explaining.global_explanation import importance
    from penstock.models.explaining.image_explanation import explain_image
    from penstock.models.explaining.ranking import Ranking, ranking
    from penstock.models.explaining.text_explanation import explain_text
    from penstock.models.exporting import export
    from penstock.models.fitting.fit import fit
    from penstock.models.graph import ModelGraph, from_files
    from penstock.models.graphs.lookups import (
        KnownFeature,
        LookUp,
        as_of_column,
        feature_references,
        given_to,
        looked_up,
        lookup_columns,
        no_look_up,
        row_times,
    )
    from penstock.models.graphs.package import save, to_files
    from penstock.models.judging.calibration import calibration
    from penstock.models.judging.evaluate import evaluate
    from penstock.models.keeping import ModelCodec
    from penstock.models.learning.learner import SUPERVISED, Learner
    from penstock.models.learning.learners import LEARNERS
    from penstock.models.learning.search import hparam_candidates, hparam_range
    from penstock.models.loading import load_model
    from penstock.models.predicting.describe import describe
    from penstock.models.predicting.predict import predict, predict_batches
    from penstock.models.predicting.row import RowPredictor, row_predictor
    from penstock.models.promoting import person, promote, rollback, taken_back
    from penstock.models.registry import (
        CHAMPION,
        alias_history,
        aliases,
        model_names,
        register,
        resolve_version,
        set_alias,
        versions,
    )
    from penstock.models.reporting import report
    from penstock.models.routing import check_generation, stage_of

__all__ = [
    "CHAMPION",
    "LEARNERS",
    "SUPERVISED",
    "KnownFeature",
    "Learner",
    "LookUp",
    "ModelCodec",
    "ModelGraph",
    "Ranking",
    "RowPredictor",
    "alias_history",
    "aliases",
    "as_of_column",
    "calibration",
    "check_generation",
    "declared",
    "describe",
    "evaluate",
    "explain",
    "explain_image",
    "explain_text",
    "export",
    "feature_references",
    "fit",
    "from_files",
    "given_to",
    "hparam_candidates",
    "hparam_range",
    "importance",
    "load_model",
    "looked_up",
    "lookup_columns",
    "model",
    "model_names",
    "no_look_up",
    "person",
    "predict",
    "predict_batches",
    "promote",
    "ranking",
    "register",
    "report",
    "resolve_version",
    "rollback",
    "row_predictor",
    "row_times",
    "save",
    "set_alias",
    "stage_of",
    "taken_back",
    "to_files",
    "versions",
]

_NAMES = {
    "declare": ("declared", "model"),
    "explaining.explanation": ("explain",),
    "explaining.global_explanation": ("importance",),
    "explaining.image_explanation": ("explain_image",),
    "explaining.ranking": ("Ranking", "ranking"),
    "explaining.text_explanation": ("explain_text",),
    "exporting": ("export",),
    "fitting.fit": ("fit",),
    "graph": ("ModelGraph", "from_files"),
    "graphs.lookups": (
        "KnownFeature",
        "LookUp",
        "as_of_column",
        "feature_references",
        "given_to",
        "looked_up",
        "lookup_columns",
        "no_look_up",
        "row_times",
    ),
    "graphs.package": ("save", "to_files"),
    "judging.calibration": ("calibration",),
    "judging.evaluate": ("evaluate",),
    "learning.learner": ("Learner", "SUPERVISED"),
    "learning.learners": ("LEARNERS",),
    "learning.search": ("hparam_candidates", "hparam_range"),
    "keeping": ("ModelCodec",),
    "loading": ("load_model",),
    "predicting.describe": ("describe",),
    "predicting.predict": ("predict", "predict_batches"),
    "predicting.row": ("RowPredictor", "row_predictor"),
    "promoting": ("person", "promote", "rollback", "taken_back"),
    "registry": (
        "CHAMPION",
        "alias_history",
        "aliases",
        "model_names",
        "register",
        "resolve_version",
        "set_alias",
        "versions",
    ),
    "reporting": ("report",),
    "routing": ("check_generation", "stage_of"),
}
_WHERE = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
