"""Models: declared, learned, judged, packed into files, registered; one row or many predicted by the same graph."""

from __future__ import annotations

from penstock.models.declare import model
from penstock.models.explaining.explanation import explain
from penstock.models.explaining.ranking import Ranking, ranking
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
from penstock.models.judging.evaluate import evaluate
from penstock.models.learning.learner import SUPERVISED, Learner
from penstock.models.learning.learners import LEARNERS
from penstock.models.learning.search import hparam_candidates, hparam_range
from penstock.models.loading import ModelCodec, load_model
from penstock.models.predicting.predict import predict, predict_batches
from penstock.models.predicting.row import RowPredictor, row_predictor
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
