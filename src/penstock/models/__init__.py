"""Models: declared, learned, judged, packed into files, registered; one row or many predicted by the same graph."""

from __future__ import annotations

from penstock.models.declare import model
from penstock.models.evaluate import evaluate
from penstock.models.explanation import explain
from penstock.models.fit import fit
from penstock.models.graph import ModelGraph, from_files
from penstock.models.learner import SUPERVISED, Learner
from penstock.models.learners import LEARNERS
from penstock.models.loading import ModelCodec, load_model
from penstock.models.lookups import (
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
from penstock.models.package import save, to_files
from penstock.models.predict import predict, predict_batches
from penstock.models.ranking import Ranking, ranking
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
from penstock.models.row import RowPredictor, row_predictor
from penstock.models.search import hparam_candidates, hparam_range

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
    "evaluate",
    "explain",
    "feature_references",
    "fit",
    "from_files",
    "given_to",
    "hparam_candidates",
    "hparam_range",
    "load_model",
    "looked_up",
    "lookup_columns",
    "model",
    "model_names",
    "no_look_up",
    "predict",
    "predict_batches",
    "ranking",
    "register",
    "resolve_version",
    "row_predictor",
    "row_times",
    "save",
    "set_alias",
    "to_files",
    "versions",
]
