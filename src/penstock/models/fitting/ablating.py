"""What may be left out of a model: its features, and all those together that show the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from penstock.core.expression import Expr
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.errors import DeclarationError, UnknownNameError
from penstock.models.fitting.lessons import column_options
from penstock.models.fitting.modalities import modality_of, with_facts_of_texts
from penstock.models.fitting.preparation import declared_features, prepare
from penstock.models.graphs.lookups import feature_references
from penstock.models.judging.labels import label_column
from penstock.models.judging.metrics import CLASSIFICATION, REGRESSION
from penstock.models.judging.scores import ROOT
from penstock.models.judging.several import BESIDE
from penstock.models.learning.learner import SUPERVISED
from penstock.models.learning.learners import LEARNERS
from penstock.models.learning.settings import with_defaults
from penstock.operations import col
from penstock.operations.encoders import ENCODERS

WHOLE, FEATURE, MODALITY = "all", "feature", "modality"
_MANY = {"image": "images", "text": "texts", "columns": "columns"}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A model with some features left out. `kind` tells what was chosen: nothing (`all`), a `feature`, or a `modality`,
    all features that show the same; `alone` that it is what was kept, and all others were left out."""

    label: str
    kind: str
    name: str
    alone: bool
    left_out: tuple[str, ...]


def check_ablatable(model: Model) -> None:
    """Raise `DeclarationError` for a model that predicts no label: nothing could be said to be worth anything to it."""
    if LEARNERS[model.type].task not in SUPERVISED:
        able = ", ".join(type for type, learner in LEARNERS.items() if learner.task in SUPERVISED)
        raise DeclarationError(
            f"model '{model.name}' ({model.type}) predicts no label that it could be judged by; these types do: {able}"
        )


def metric_of(model: Model, metric: str | None, rows: pa.Table) -> str:
    """Return the metric to judge by: the one that is given, or what a tuning of such a model would go by.

    Of labels side by side, which the rows tell, one has to be given, such as `price.r2_score`.
    """
    objectives = LEARNERS[model.type].options["hparam_tuning_objectives"]
    target = col(str(model.label)) if model.target is None else model.target
    type = label_column(model.name, str(model.label), target, rows).type
    known: tuple[str, ...] = (*objectives.choices, ROOT) if "r2_score" in objectives.choices else objectives.choices
    if pa.types.is_list(type) or pa.types.is_large_list(type):
        known = (*known, *BESIDE)
    if pa.types.is_struct(type):
        known = tuple(
            f"{field.name}.{each}" for field in type for each in (*REGRESSION, ROOT, *CLASSIFICATION, *BESIDE)
        )
        if metric is None:
            raise DeclarationError(
                f"model '{model.name}' predicts several labels side by side; name the metric of one of them: "
                f"metric='{known[0]}'"
            )
    if metric is None:
        return str(objectives.default[0])
    if metric not in known:
        raise UnknownNameError("metric", metric, known, within=f"ablation of model '{model.name}'")
    return metric


def modalities(model: Model, rows: pa.Table) -> dict[str, str]:
    """Return what each feature shows (image, text, columns); `rows` are some to learn from.

    What an encoder reads is told by the rows: a text, or a column where it is one of a few values.
    """
    declared = _features(model, rows)
    shows = {}
    for name, expr in declared.items():
        shows[name] = modality_of(expr)
        if shows[name] == "columns" and expr.op in ENCODERS and not feature_references(model):
            prepared, _ = prepare(model, {name: expr}, rows, LEARNERS[model.type].form)
            shows[name] = prepared.branches[0].modality
    return with_facts_of_texts(shows, declared)


def variants(model: Model, shows: Mapping[str, str], only: Sequence[str] | None, *, alone: bool) -> list[Variant]:
    """Return the whole model, and it without each modality and each feature (`only` those named, if any are); with
    `alone` also each modality and feature by itself.

    Raises `DeclarationError` for a model of one feature, and `UnknownNameError` for a feature that it has not.
    """
    if len(shows) < 2:
        raise DeclarationError(
            f"model '{model.name}' has one feature, {next(iter(shows))}; without it there is nothing to learn from: "
            "declare more, ps.model(..., features={...})"
        )
    for name in only or ():
        if name not in shows:
            raise UnknownNameError("feature", name, tuple(shows), within=f"model '{model.name}'")
    chosen: list[tuple[str, str, str, tuple[str, ...]]] = []
    groups = {each: tuple(name for name in shows if shows[name] == each) for each in dict.fromkeys(shows.values())}
    if only is None and len(groups) > 1:
        chosen += [(MODALITY, each, f"all {_MANY[each]}", names) for each, names in groups.items()]
    chosen += [(FEATURE, name, name, (name,)) for name in only or shows]
    found = [Variant(label="all", kind=WHOLE, name="", alone=False, left_out=())]
    found += [
        Variant(label=f"without {told}", kind=kind, name=name, alone=False, left_out=names)
        for kind, name, told, names in chosen
    ]
    if alone:
        found += [
            Variant(
                label=f"only {told.removeprefix('all ')}" if kind == MODALITY else f"only {told}",
                kind=kind,
                name=name,
                alone=True,
                left_out=tuple(each for each in shows if each not in names),
            )
            for kind, name, told, names in chosen
        ]
    return found


def without_features(model: Model, names: Sequence[str], rows: pa.Table) -> Model:
    """Return the declaration of a model without some of its features."""
    declared = model.features if model.features is not None else _features(model, rows)
    return dataclasses.replace(
        model, features=FrozenMap({name: expr for name, expr in declared.items() if name not in names})
    )


def _features(model: Model, rows: pa.Table) -> dict[str, Expr]:
    settings: dict[str, Any] = with_defaults(model.options, LEARNERS[model.type].options)
    apart = column_options(LEARNERS[model.type], settings).values()
    if not feature_references(model):
        return declared_features(model, rows, apart)
    return {name: expr for name, expr in (model.features or {}).items() if name not in set(apart)}
