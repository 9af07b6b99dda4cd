"""What each feature and each modality is worth to a model: left out and learned again, or shuffled among the rows."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from penstock import models
from penstock.components.feature_join import historical_features
from penstock.components.learning import fit
from penstock.components.splitting import split
from penstock.core.artifact import Artifact
from penstock.core.model import Model
from penstock.errors import DataError, DeclarationError
from penstock.models import ModelGraph
from penstock.models.fitting.ablating import Variant, check_ablatable, metric_of, modalities, variants, without_features
from penstock.models.judging.parts import judged_in_parts, judged_shuffled, sure
from penstock.pipelines import step
from penstock.tables import Table

HOW = ("refit", "permute")
_ODD = re.compile(r"[/\\:\x00-\x1f]")
_SCHEMA = pa.schema(
    {
        "variant": pa.string(),
        "kind": pa.string(),
        "name": pa.string(),
        "alone": pa.bool_(),
        "left_out": pa.list_(pa.string()),
        "metric": pa.string(),
        "value": pa.float64(),
        "difference": pa.float64(),
        "standard_error": pa.float64(),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ablation:
    """What is to be tried of a model: `variants`, each with the model that learns for it where it is `refit`.

    `seeds` is how often the rows are divided anew; `graph` a model that has learned already, which is judged on all
    the rows.
    """

    model: Model
    variants: tuple[Variant, ...]
    learners: tuple[Model, ...]
    how: str
    metric: str
    seeds: int
    repeats: int
    test: float
    by: str | None
    graph: Artifact | ModelGraph | None = None


def ablation_of(
    model: Model,
    sample: pa.Table,
    *,
    how: Literal["refit", "permute"] = "refit",
    metric: str | None = None,
    features: Sequence[str] | None = None,
    alone: bool = True,
    seeds: int = 1,
    repeats: int = 5,
    test: float = 0.2,
    by: str | None = None,
    graph: Artifact | ModelGraph | None = None,
) -> Ablation:
    """Return what is to be tried; `sample` are some of the rows. Raises an error of ours for what cannot be."""
    check_ablatable(model)
    if how not in HOW:
        raise DeclarationError(f"ablation of model '{model.name}': how={how!r}; it is 'refit' or 'permute'")
    for name, count in {"seeds": seeds, "repeats": repeats}.items():
        if count < 1:
            raise DeclarationError(f"ablation of model '{model.name}': {name}={count}; give 1 or more")
    shows = modalities(model, sample)
    tried = variants(model, shows, features, alone=alone and how == "refit")
    learners = tuple(without_features(model, each.left_out, sample) for each in tried) if how == "refit" else ()
    return Ablation(
        model=model,
        variants=tuple(tried),
        learners=learners,
        how=how,
        metric=metric_of(model, metric, sample),
        seeds=seeds,
        repeats=repeats,
        test=test,
        by=by,
        graph=graph if how == "permute" else None,
    )


def ablated(plan: Ablation, rows: Any) -> Any:
    """Try all of it and return the table: in a pipeline the reference to it, outside one the table.

    All variants of one division of the rows learn from the same of them, and are judged on the same others.
    """
    if models.feature_references(plan.model):
        rows = historical_features(rows, plan.model)
    rounds = [_round(plan, rows, seed) for seed in range(plan.seeds if plan.graph is None else 1)]
    told = [
        {"variant": each.label, "kind": each.kind, "name": each.name}
        | {"alone": each.alone, "left_out": list(each.left_out)}
        for each in plan.variants
    ]
    return ablation(told, rounds, plan.metric, plan.test)


@step(modes={"train"})
def judge(graph: ModelGraph, rows: Table) -> dict[str, Any]:
    """Judge a model on rows, and on them without each of twenty parts."""
    found = judged_in_parts(graph, rows)
    for name, value in found["whole"].items():
        print(f"{name} {value}")
    return found


@step(modes={"train"})
def permute(
    graph: ModelGraph, rows: Table, groups: dict[str, list[str]], repeats: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Judge a model on rows in which the features of each group are those of other rows."""
    return judged_shuffled(graph, rows, groups, repeats=repeats, seed=seed)


@step(modes={"train"})
def ablation(
    variants: list[dict[str, Any]], rounds: list[dict[str, dict[str, Any]]], metric: str, test: float
) -> Table:
    """Put together what came of the variants: the metric of each, and how it differs from that of the whole model.

    Of one division of the rows the standard error of the difference is by a jackknife over the rows judged on; of
    several it is that of the divisions, corrected for what they share (Nadeau and Bengio 2003).
    """
    found = []
    for each in variants:
        label = each["variant"]
        values = [judged[label]["whole"].get(metric) for judged in rounds]
        apart = [sure(metric, judged[label], judged["all"]) for judged in rounds]
        differences = [difference for difference, _ in apart]
        error = apart[0][1] if len(rounds) == 1 else _error(differences, test)
        found.append(
            each
            | {"metric": metric, "value": _mean(values), "difference": _mean(differences)}
            | {"standard_error": None if label == "all" else error}
        )
        print(f"{label}: {metric} {found[-1]['value']}, difference {found[-1]['difference']} +- {error}")
    if found[0]["value"] is None:
        raise DataError(f"{metric} has no value on the rows to judge by; take another metric, or more rows")
    return pa.Table.from_pylist(found, schema=_SCHEMA)


def _round(plan: Ablation, rows: Any, seed: int) -> Any:
    if plan.graph is not None:
        return _permuted(plan, plan.graph, rows, seed)
    train, test = split(rows, by=plan.by, test=plan.test, seed=seed)
    known = models.LEARNERS[plan.model.type].options
    options = {"seed": seed} if seed and "seed" in known else None
    if plan.how == "permute":
        return _permuted(plan, fit(plan.model, train, options), test, seed)
    made: dict[tuple[str, ...], Any] = {}
    for variant, learner in zip(plan.variants, plan.learners, strict=True):
        if variant.left_out not in made:  # a modality of one feature is that feature
            name = _ODD.sub("_", variant.label)
            graph = fit.configured(name=f"fit {name}")(learner, train, options)
            made[variant.left_out] = judge.configured(name=f"judge {name}")(graph, test)
    return {variant.label: made[variant.left_out] for variant in plan.variants}


def _permuted(plan: Ablation, graph: Any, rows: Any, seed: int) -> Any:
    groups = {variant.label: list(variant.left_out) for variant in plan.variants}
    return permute(graph, rows, groups, plan.repeats, seed)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


def _error(differences: Sequence[float | None], test: float) -> float | None:
    known = [each for each in differences if each is not None]
    if len(known) < len(differences):
        return None
    return math.sqrt(float(np.var(known, ddof=1)) * (1 / len(known) + test / (1 - test)))
