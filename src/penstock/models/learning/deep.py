"""Networks trained by PyTorch on the CPU, reproducibly: the same rows and options give the same bytes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.errors import DataError, MissingExtraError
from penstock.models.learning.design import block_of, scipy_sparse
from penstock.models.learning.learner import Learned, Lesson
from penstock.models.learning.losses import iteration, loss
from penstock.models.learning.loudness import louder, loudness
from penstock.models.learning.matrix import Examples, Floats, Integers, numbers_of
from penstock.models.learning.network import Part, network_files
from penstock.models.learning.weights import probabilities
from penstock.multimodal.training import OPTIMIZERS, default_batch, diverged, has_settled, reproducible

_MOST_UNITS, _LEAST_UNITS, _ROWS_A_WEIGHT = 128, 8, 10
_ROWS_AT_ONCE = 1 << 14
_MOST_AT_ONCE = 1024  # rows a step, of many: BigQuery's
_RATE = 0.001


@dataclass(frozen=True, slots=True)
class Entering:
    """What enters the network, for each row: numbers, and the entries of categories and lists as sparse rows."""

    numbers: Floats
    entries: Any  # scipy.sparse.csr_matrix
    target: Floats | Integers

    def batch(self, torch: Any, rows: Any) -> tuple[Any, ...]:
        """Return some rows as tensors: numbers, and indices, offsets and values of the entries."""
        part = self.entries[rows]
        indices, offsets = (torch.from_numpy(each.astype(np.int64)) for each in (part.indices, part.indptr[:-1]))
        return torch.from_numpy(self.numbers[rows]), indices, offsets, torch.from_numpy(part.data)


@dataclass(frozen=True, slots=True)
class Scale:
    """How a label is scaled before it is learned: a network learns slowly what is far from 0 or from 1."""

    mean: float = 0.0
    deviation: float = 1.0


def fit_deep(lesson: Lesson) -> Learned:
    """Train hidden layers."""
    return _fit(lesson, wide=False)


def fit_wide_and_deep(lesson: Lesson) -> Learned:
    """Train hidden layers and, beside them, weights from what enters to what is predicted."""
    return _fit(lesson, wide=True)


def _fit(lesson: Lesson, *, wide: bool) -> Learned:
    torch = _torch()
    options, outputs = lesson.options, lesson.classes if lesson.classes > 2 else 1
    factors = loudness(lesson.train.features)
    train = _entering(lesson, lesson.train, factors)
    held_out = None if lesson.held_out is None else _entering(lesson, lesson.held_out, factors)
    units = options["hidden_units"] or _default_units(lesson, outputs)
    with reproducible(torch, options["seed"], 1):
        layers = _layers(torch, options["activation_fn"], [sum(lesson.widths), *units, outputs], wide=wide)
        scale = _scale(lesson)
        training, best = _train(torch, lesson, layers, (train, held_out), scale)
    for weights in (best[0], best[-2]) if wide else (best[0],):
        weights *= np.repeat(factors, lesson.widths)[:, np.newaxis]
    files = network_files(options["activation_fn"], *_parts(lesson, best, scale, wide=wide))
    facts = {"hidden_units": list(units), "iterations": len(training), "training": training}
    return Learned(files=files, outputs=max(lesson.classes, 1), facts=facts)


def _train(
    torch: Any, lesson: Lesson, layers: list[Any], parts: tuple[Entering, Entering | None], scale: Scale
) -> tuple[list[dict[str, Any]], list[Floats]]:
    """Train until iterations gain too little, or as often as asked; return what was noted, and the best weights."""
    options, (train, held_out) = lesson.options, parts
    optimizer = OPTIMIZERS[options["optimizer"]](torch, layers, _rate(options))
    rows, step = len(train.numbers), options["batch_size"] or default_batch(len(train.numbers), most=_MOST_AT_ONCE)
    training: list[dict[str, Any]] = []
    best, known = _numbers(layers), list[float]()
    for number in range(options["max_iterations"]):
        order = torch.randperm(rows).numpy()
        for start in range(0, rows, step):
            chosen = order[start : start + step]
            optimizer.zero_grad()
            given = _forward(torch, lesson, layers, train.batch(torch, chosen), training=True)
            _batch_loss(torch, lesson, given, chosen, scale, layers).backward()
            optimizer.step()
        losses = [_loss(torch, lesson, layers, each, scale, weighted=each is train) for each in parts if each]
        judged = losses[-1]
        if not math.isfinite(judged):
            raise DataError(diverged(number, _rate(options)))
        now = iteration(number, losses[0], eval_loss=losses[1] if held_out else None, learning_rate=_rate(options))
        training.append(now)
        lesson.progress(now)
        if judged < min(known, default=math.inf):
            best = _numbers(layers)
        known.append(judged)
        if options["early_stop"] and has_settled(known, options):
            break
    return training, best


def _numbers(layers: list[Any]) -> list[Floats]:
    return [layer.detach().numpy().astype(np.float64) for layer in layers]


def _rate(options: Mapping[str, Any]) -> float:
    return _RATE if options["learn_rate"] is None else float(options["learn_rate"])


def _forward(torch: Any, lesson: Lesson, layers: list[Any], batch: tuple[Any, ...], *, training: bool) -> Any:
    """Return the totals. `layers` are weights and constants by turns; a wide part has its own at the end."""
    from penstock.multimodal.net import ACTIVATIONS  # with PyTorch

    functional, options = torch.nn.functional, lesson.options
    activate = ACTIVATIONS[options["activation_fn"]]
    numbers, indices, offsets, values = batch
    places = torch.from_numpy(_number_places(lesson))

    def enter(weights: Any, constants: Any) -> Any:
        entered = numbers @ weights[places] + constants
        bag = functional.embedding_bag(indices, weights, offsets, mode="sum", per_sample_weights=values)
        return entered + bag

    deep = 2 * (len(options["hidden_units"] or (0,)) + 1)
    given = enter(*layers[:2])
    for at in range(2, deep, 2):
        given = activate(given)
        given = functional.dropout(given, options["dropout"], training=training) @ layers[at] + layers[at + 1]
    return given + enter(*layers[deep:]) if len(layers) > deep else given


def _batch_loss(torch: Any, lesson: Lesson, given: Any, rows: Any, scale: Scale, layers: list[Any]) -> Any:
    """Return what a step makes smaller: the mean loss of the rows by their weights, and what large weights cost."""
    functional, options = torch.nn.functional, lesson.options
    target = lesson.train.target[rows]
    if lesson.classes > 2:
        each = functional.cross_entropy(given, torch.from_numpy(target), reduction="none")
    elif lesson.classes == 2:
        wanted = torch.from_numpy(target.astype(np.float32))
        each = functional.binary_cross_entropy_with_logits(given[:, 0], wanted, reduction="none")
    else:
        scaled = ((target - scale.mean) / scale.deviation).astype(np.float32)
        each = (given[:, 0] - torch.from_numpy(scaled)) ** 2
    weights = np.ones(len(rows)) if lesson.weights is None else lesson.weights[rows]
    mean = (each * torch.from_numpy(weights.astype(np.float32))).sum() / max(float(weights.sum()), 1e-12)
    for strength, power in ((options["l1_reg"], 1), (options["l2_reg"], 2)):
        if strength:
            mean = mean + strength * sum((layer.abs() ** power).sum() for layer in layers[::2])
    return mean


def _loss(torch: Any, lesson: Lesson, layers: list[Any], rows: Entering, scale: Scale, *, weighted: bool) -> float:
    totals = []
    with torch.no_grad():
        for start in range(0, len(rows.numbers), _ROWS_AT_ONCE):
            batch = rows.batch(torch, slice(start, start + _ROWS_AT_ONCE))
            totals.append(_forward(torch, lesson, layers, batch, training=False).numpy().astype(np.float64))
    whole = np.concatenate(totals) * scale.deviation + scale.mean
    estimates = probabilities(whole) if lesson.classes else whole
    return loss(rows.target, estimates, classes=lesson.classes, weights=lesson.weights if weighted else None)


def _layers(torch: Any, activation: str, sizes: Sequence[int], *, wide: bool) -> list[Any]:
    """Return weights (Glorot's, uniform) and constants (0) of each layer, and of the wide part (all 0)."""
    layers = []
    for at, (given, made) in enumerate(itertools.pairwise(sizes)):
        reads = given * 2 if at and activation == "CRELU" else given
        bound = math.sqrt(6.0 / (reads + made))
        layers += [torch.empty(reads, made).uniform_(-bound, bound), torch.zeros(made)]
    if wide:
        layers += [torch.zeros(sizes[0], sizes[-1]), torch.zeros(sizes[-1])]
    return [layer.requires_grad_() for layer in layers]


def _parts(lesson: Lesson, layers: list[Floats], scale: Scale, *, wide: bool) -> tuple[list[Part], Part | None]:
    """Return the layers, the scale of the label put into the last, and no weight for what training never saw."""
    parts = [Part(weights, constants) for weights, constants in zip(layers[::2], layers[1::2], strict=True)]
    beside = parts.pop() if wide else None
    starts = np.cumsum([0, *lesson.widths])
    unseen = [start for start, kind in zip(starts, lesson.kinds, strict=False) if kind == "category"]
    for part in (parts[0], beside):
        if part is not None:
            part.weights[unseen] = 0.0
    parts[-1] = Part(parts[-1].weights * scale.deviation, parts[-1].constants * scale.deviation + scale.mean)
    if beside is not None:
        beside = Part(beside.weights * scale.deviation, beside.constants * scale.deviation)
    return parts, beside


def _scale(lesson: Lesson) -> Scale:
    if lesson.classes:
        return Scale()
    return Scale(float(lesson.train.target.mean()), float(lesson.train.target.std()) or 1.0)


def _default_units(lesson: Lesson, outputs: int) -> tuple[int, ...]:
    """Return one layer, of a tenth of the rows for each number that enters or leaves."""
    units = lesson.train.features.rows // (_ROWS_A_WEIGHT * (sum(lesson.widths) + outputs))
    return (min(_MOST_UNITS, max(_LEAST_UNITS, units)),)


def _entering(lesson: Lesson, examples: Examples, factors: Sequence[float]) -> Entering:
    sparse, features = scipy_sparse(), louder(examples.features, factors)
    blocks = [
        sparse.csc_matrix((features.rows, 1)) if kind == "number" else block_of(column, width, features.rows)
        for column, kind, width in zip(features.columns, lesson.kinds, lesson.widths, strict=True)
    ]
    entries = sparse.hstack(blocks, format="csr").astype(np.float32)
    return Entering(numbers_of(features).astype(np.float32), entries, examples.target)


def _number_places(lesson: Lesson) -> Integers:
    starts = np.cumsum([0, *lesson.widths])
    return np.array([at for at, kind in zip(starts, lesson.kinds, strict=False) if kind == "number"], dtype=np.int64)


def _torch() -> Any:
    try:
        import torch  # takes seconds: only when a network is trained
    except ImportError as error:
        raise MissingExtraError("torch", extra="deep", purpose="training a network") from error
    return torch
