"""Networks with encoders, as learners: from the columns that enter to the tensors of `multimodal`, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from penstock.models.learning.inputs import ENTRIES, columns_of, row_totals
from penstock.models.learning.learner import Attributions, Estimator, Learned, Lesson, RowLines
from penstock.models.learning.losses import iteration
from penstock.models.learning.loudness import louder, loudness
from penstock.models.learning.matrix import PLAIN, Examples, Features, Floats, rows_of
from penstock.models.learning.weights import logistic, probabilities, softmax
from penstock.multimodal import Head, Spec, training
from penstock.multimodal.attributing import shares
from penstock.multimodal.running import network_files, network_of, spread_network_of
from penstock.multimodal.tensors import batch, rows_at_once

_HIDDEN_UNITS = (64,)


def fit_branched(lesson: Lesson) -> Learned:
    """Train the encoders and the layers that follow them, together."""
    options, spec = lesson.options, spec_of(lesson)
    scale = _scale(spec, lesson)
    factors = loudness(lesson.train.features)
    rows = _examples(spec, lesson, _louder(lesson.train, factors), scale, lesson.weights)
    held_out = None
    if lesson.held_out is not None:
        held_out = _examples(spec, lesson, _louder(lesson.held_out, factors), scale, None)
    iterations: list[dict[str, Any]] = []

    def told(number: int, loss: float, eval_loss: float | None, rate: float) -> None:
        iterations.append(iteration(number, loss, eval_loss=eval_loss, learning_rate=rate))
        lesson.progress(iterations[-1])

    trained = training.train(spec, rows, held_out, options, told)
    facts = {
        "hidden_units": list(spec.hidden_units),
        "fusion": spec.fusion,
        "iterations": len(iterations),
        "training": iterations,
    }
    files = network_files(trained.spec, _as_served(trained.weights, spec, lesson, scale, factors))
    return Learned(files=files, outputs=max(lesson.classes, 1), facts=facts)


def spec_of(lesson: Lesson) -> Spec:
    """Return the network that a lesson is about."""
    entering = list(zip(lesson.owners, lesson.kinds, lesson.widths, strict=True))
    return Spec(
        branches=lesson.branches,
        numbers=tuple(owner for owner, kind, _ in entering if kind == "number"),
        entries=tuple((owner, width) for owner, kind, width in entering if kind in ENTRIES),
        hidden_units=tuple(lesson.options["hidden_units"] or _HIDDEN_UNITS),
        activation=lesson.options["activation_fn"],
        fusion=lesson.options["fusion"].lower(),
        heads=lesson.heads or (_head(lesson.classes),),
    )


def _head(classes: int) -> Head:
    match classes:
        case 0:
            return Head(kind="value")
        case 2:
            return Head(kind="two")
    return Head(kind="classes", outputs=classes)


def estimate(estimator: Estimator, features: Features) -> Floats:
    """Return the value, or the probability of each class, of each row."""
    network = network_of(estimator.files)
    found = np.empty((features.rows, network.spec.outputs))
    height = rows_at_once([each.values for each in features.encoded])
    for start in range(0, features.rows, height):
        block = slice(start, start + height)
        some = rows_of(features, block)
        columns = columns_of(network.spec, estimator.kinds, estimator.widths, some)
        found[block] = network.totals(batch(network.spec, columns, np.arange(some.rows)))
    return np.hstack([_estimates(head, found[:, own]) for head, own in _of_heads(network.spec)])


def _of_heads(spec: Spec) -> list[tuple[Head, slice]]:
    """Return which of the totals are of which head."""
    ends = np.cumsum([head.outputs for head in spec.heads]).tolist()
    return [(head, slice(end - head.outputs, end)) for head, end in zip(spec.heads, ends, strict=True)]


def attributions(estimator: Estimator, features: Features, *, steps: int) -> Attributions:
    """Return the Shapley values of the branches: what each adds, in the mean of all orders in which they may come in
    one after the other; of many branches in that of `steps` orders and their reverses. The baseline is what the network
    gives where nothing is there: what it learned for a missing image or text, numbers at their mean, no category."""
    network = spread_network_of(estimator.files)
    columns = columns_of(network.spec, estimator.kinds, estimator.widths, features)
    baselines, scores, parts = shares(network, columns, steps)
    names = tuple(branch.name for branch in network.spec.branches)
    return Attributions(baselines=baselines, scores=scores, parts=parts, features=names)


def row_lines(estimator: Estimator, entering: Sequence[str]) -> RowLines:
    """Put the values of one row into tensors, and run the network."""
    names: dict[str, Any] = {"_totals": row_totals(estimator), "_logistic": logistic, "_softmax": softmax}
    made = [_OF_ROW[head.kind].format(own.start, own.stop) for head, own in _of_heads(network_of(estimator.files).spec)]
    estimate = made[0] if len(made) == 1 else f"({', '.join(made)})"
    return RowLines(lines=[f"totals = _totals(({', '.join(entering)},))", f"estimate = {estimate}"], names=names)


_OF_ROW = {
    "value": "totals[{0}]",
    "two": "_logistic(totals[{0}])",
    "classes": "_softmax(totals[{0}:{1}])",
    "several": "list(map(_logistic, totals[{0}:{1}]))",
}


def _estimates(head: Head, totals: Floats) -> Floats:
    match head.kind:
        case "value":
            return totals
        case "several":
            with np.errstate(over="ignore"):  # exp(800) is inf, and 1 / inf is the right answer
                return np.asarray(1.0 / (1.0 + np.exp(-totals)))
    return probabilities(totals)


def _louder(part: Examples, factors: Sequence[float]) -> Examples:
    return Examples(louder(part.features, factors), part.target)


Scale: TypeAlias = tuple[Floats, Floats]
"""The mean and deviation of each cell: of one that is a value, those of the label; else 0 and 1."""


def _examples(spec: Spec, lesson: Lesson, part: Examples, scale: Scale, weights: Floats | None) -> training.Examples:
    """Return rows to train by, or to judge by; a target that is NaN is not known, and does not count."""
    target = (part.target.reshape(len(part.target), -1) - scale[0]) / scale[1]
    there = ~np.isnan(target)
    counts = there * (1.0 if weights is None else weights.reshape(target.shape))
    columns = columns_of(spec, lesson.kinds, lesson.widths, part.features)
    told_in = float(scale[1][0]) if len(spec.heads) == 1 else 1.0  # side by side, losses are relative: see `Head.unit`
    return training.Examples(
        columns=columns,
        target=np.where(there, target, 0.0).astype(np.float32),
        weights=counts.astype(np.float32),
        scale=told_in,
    )


def _scale(spec: Spec, lesson: Lesson) -> Scale:
    """Return by what values are scaled: a network learns slowly what is far from 0 or 1."""
    means, deviations = (np.full(sum(head.cells for head in spec.heads), each) for each in (0.0, 1.0))
    target, at = lesson.train.target.reshape(len(lesson.train.target), -1), 0
    for head in spec.heads:
        if head.kind == "value":
            means[at], deviations[at] = np.nanmean(target[:, at]), np.nanstd(target[:, at]) or 1.0
        at += head.cells
    return means, deviations


def _as_served(
    weights: Mapping[str, np.ndarray[Any, Any]], spec: Spec, lesson: Lesson, scale: Scale, factors: Sequence[float]
) -> dict[str, np.ndarray[Any, Any]]:
    """Return the weights with the label's scale in the last layer, the entries' `loudness` in theirs, and 0 for a
    category that training did not see."""
    last = f"layers.{len(spec.hidden_units)}"
    mean, deviation = (_of_totals(spec, each).astype(np.float32) for each in scale)
    entries, start = weights["entries.weight"].copy(), 0
    plain = [each for each in zip(lesson.kinds, lesson.widths, strict=True) if each[0] in PLAIN]
    for (kind, width), factor in zip(plain, factors, strict=True):
        if kind in ENTRIES:
            entries[start : start + width] *= factor
            entries[start] = 0.0 if kind == "category" else entries[start]
            start += width
    return {
        **weights,
        "entries.weight": entries,
        f"{last}.weight": weights[f"{last}.weight"] * deviation[:, np.newaxis],
        f"{last}.bias": weights[f"{last}.bias"] * deviation + mean,
    }


def _of_totals(spec: Spec, cells: Floats) -> Floats:
    """Return what is told of cells for each total: classes of which one is true have one cell and several totals."""
    return np.repeat(cells, [count for head in spec.heads for count in _totals_of_cells(head)])


def _totals_of_cells(head: Head) -> list[int]:
    return [1] * head.outputs if head.kind == "several" else [head.outputs]
