"""A lesson made ready: rows prepared once, and then fitted as often as there are trials."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.core.expression import Expr
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.errors import DataError
from penstock.models.fitting.assembly import Made, assemble
from penstock.models.fitting.preparation import Prepared, enter, prepare
from penstock.models.fitting.side_by_side import cells, heads_in, network_heads
from penstock.models.graph import ModelGraph
from penstock.models.graphs.heads import Head
from penstock.models.judging import labels
from penstock.models.judging.curves import errors_of
from penstock.models.judging.evaluate import judge
from penstock.models.judging.predicted import FACT, predicted_statistics
from penstock.models.judging.several import cell_weights, held, several_in, type_of_several
from penstock.models.learning.branch_options import ASKS_FOR_BRANCHES, BRANCHED
from penstock.models.learning.learner import Learner, Lesson, Method, Progress, Task, unheard
from penstock.models.learning.learners import LEARNERS
from penstock.models.learning.losses import loss
from penstock.models.learning.matrix import Examples, Features, Floats
from penstock.models.predicting.estimators import estimate
from penstock.models.predicting.outcomes import OUTCOMES, heads_schema
from penstock.multimodal import Head as NetworkHead
from penstock.transforms import apply


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of the rows, with their labels (None: the model has none): to learn from, or to judge by."""

    rows: pa.Table
    labels: pa.ChunkedArray | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """Labels of a part of the rows, and what enters the estimator for them."""

    labels: pa.ChunkedArray | None
    features: Features


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of the label: what is learned of it, its type, and its classes, or the labels that its fields
    are."""

    task: Task
    type: str = ""
    classes: tuple[Any, ...] = ()
    heads: tuple[Head, ...] = ()

    @property
    def outputs(self) -> int:
        """How many numbers are estimated."""
        return sum(head.numbers for head in self.heads) or max(len(self.classes), 1)


_BRANCHED: tuple[Task, ...] = ("multilabel", "multioutput")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """All that learning needs but the learner's options: whatever they are, it is the same.

    `judged` is the part held out, or the training part where nothing is; `tested` the part kept to test, if any.
    """

    model: Model
    method: Method
    known: Known
    prepared: Prepared
    lesson: Lesson
    judged: Entered
    tested: Entered | None
    facts: Mapping[str, Any]


def ready(
    model: Model,
    settings: Mapping[str, Any],
    declared: Mapping[str, Expr],
    parts: tuple[Part, Part | None, Part | None],
    facts: Mapping[str, Any],
) -> Ready:
    """Find every constant in the rows to learn from, and put all parts into the form that the learner takes."""
    learner, (train, held_out, tested) = LEARNERS[model.type], parts
    assert learner.method is not None  # noqa: S101  # what only transforms has no lesson
    known = _known(model, learner, settings, parts)
    scaled = learner.scaled_by is None or settings[learner.scaled_by]
    form = learner.form if scaled else "unscaled"
    asked = learner.branched is not None and any(settings[name] != BRANCHED[name].default for name in ASKS_FOR_BRANCHES)
    prepared, features = prepare(model, declared, train.rows, form, branched=asked or known.task in _BRANCHED)
    method = learner.branched if prepared.branches and learner.branched else learner.method
    entered = Entered(labels=train.labels, features=features)
    judged, kept = (_entered(prepared, part) for part in (held_out, tested))
    examples, weights, heads = _taught(model, known, entered, settings)
    return Ready(
        model=model,
        method=method,
        known=known,
        prepared=prepared,
        lesson=Lesson(
            train=examples,
            held_out=None if judged is None else _taught(model, known, judged, {})[0],
            names=tuple(prepared.entering),
            kinds=prepared.kinds,
            widths=prepared.widths,
            options=settings,
            classes=len(known.classes),
            heads=heads,
            weights=weights,
            branches=prepared.branches,
            owners=prepared.owners,
            columns={
                option: column_of(model, train.rows, name) for option, name in column_options(learner, settings).items()
            },
        ),
        judged=entered if judged is None else judged,
        tested=kept,
        facts={**facts, "feature_nodes": prepared.names},
    )


def learn(
    ready: Ready,
    options: Mapping[str, Any],
    *,
    judged: bool = True,
    counted: bool = True,
    progress: Progress = unheard,
) -> ModelGraph:
    """Run the learner with these options, all of them set, and judge what it learned, unless that is not wanted; what
    it predicts is counted too, unless it is one trial of many."""
    learned = ready.method.fit(dataclasses.replace(ready.lesson, options=options, progress=progress))
    model = ready.model
    known, label = ready.known, model.label or ""
    outputs = OUTCOMES[known.task].schema(label, known.type, learned.outputs)
    outputs = heads_schema(known.heads) if known.heads else outputs
    facts = {**ready.facts, "learner": learned.facts}
    made = Made(task=known.task, outputs=outputs, classes=known.classes, heads=known.heads, files=learned.files)
    graph = assemble(model, ready.prepared, made, facts=facts)
    if not judged:
        return graph
    ends = judged_on(ready, graph, ready.judged, counted=counted)
    if ready.tested is not None:
        ends["test_evaluation"] = judged_on(ready, graph, ready.tested, counted=False)["evaluation"]
    return dataclasses.replace(graph, facts=FrozenMap({**facts, **ends}))


def judged_on(ready: Ready, graph: ModelGraph, part: Entered, *, counted: bool = True) -> dict[str, Any]:
    """Return the facts that tell how good a graph is on a part of the rows, a classifier's errors among them, and how
    its predictions are distributed there if that is to be `counted`."""
    estimates = estimate(graph, part.features)
    found: dict[str, Any] = {"evaluation": judge(graph, part.labels, part.features, estimates)}
    if ready.known.task == "classification":
        numbers = labels.class_numbers(graph.name, graph.label or "", ready.known.classes, part.labels)
        found |= errors_of(numbers, estimates)
    if counted and ready.known.task in ("regression", "classification"):
        found[FACT] = predicted_statistics(graph, estimates)
    return found


def losses(ready: Ready, graph: ModelGraph) -> tuple[float | None, float | None]:
    """Return the loss of what was learned: on the rows to learn from, and on those held out, None where none are."""
    iterations = graph.facts["learner"].get("training")
    if iterations:
        return iterations[-1]["loss"], iterations[-1]["eval_loss"]
    train, held_out = (
        None if each is None else _loss(ready, graph, each) for each in (ready.lesson.train, ready.lesson.held_out)
    )
    return train, held_out


def _loss(ready: Ready, graph: ModelGraph, examples: Examples) -> float:
    weights = ready.lesson.weights if examples is ready.lesson.train else None
    estimates = estimate(graph, examples.features)
    return loss(examples.target, estimates, classes=ready.lesson.classes, weights=weights)


def column_options(learner: Learner, settings: Mapping[str, Any]) -> dict[str, str]:
    """Return the columns that options name, by the options' names; they are no features."""
    named = [name for name, option in learner.options.items() if option.type == "column"]
    return {name: settings[name] for name in named if settings[name] is not None}


def column_of(model: Model, rows: pa.Table, name: str) -> pa.ChunkedArray:
    """Return the values of a column that an option names: a feature declared under that name, or a raw column."""
    if model.features is not None and name in model.features:
        return apply({name: model.features[name]}, rows).column(name)
    if name not in rows.column_names:
        raise DataError(f"model '{model.name}' has an option that names {name}, which the rows lack", field=name)
    return rows.column(name)


def _known(
    model: Model, learner: Learner, settings: Mapping[str, Any], parts: tuple[Part, Part | None, Part | None]
) -> Known:
    """Return what is known of the label, if there is one.

    Of classes that may hold at once, and of labels side by side, those are known too that only rows held out have: of
    so many there often is one that is rare.
    """
    if model.label is None:
        return Known(task=learner.task)
    there = [each.labels for each in parts if each is not None and each.labels is not None]
    train = there[0]
    if learner.branched is not None and labels.is_struct(train):
        return Known(task="multioutput", heads=heads_in(model, learner, settings, there))
    if learner.task == "classification" and learner.branched is not None and (type := type_of_several(train)):
        found = pa.chunked_array([each.combine_chunks() for each in there])
        return Known(task="multilabel", type=type, classes=several_in(model.name, model.label, found))
    type = labels.check_label(model.name, model.label, train, learner.task)
    classes = labels.classes_in(model.name, model.label, train) if learner.task == "classification" else ()
    return Known(task=learner.task, type=type, classes=classes)


def _entered(prepared: Prepared, part: Part | None) -> Entered | None:
    return None if part is None else Entered(labels=part.labels, features=enter(prepared, part.rows))


def _taught(
    model: Model, known: Known, part: Entered, settings: Mapping[str, Any]
) -> tuple[Examples, Floats | None, tuple[NetworkHead, ...]]:
    """Return the examples of a part of the rows, how much each counts, and the heads of the network that learns them,
    where it is about more than one value or class."""
    name, label = model.name, model.label
    match known.task:
        case "multioutput":
            target, weights = cells(model, known.heads, part.labels, settings)
            return Examples(part.features, target), weights, network_heads(known.heads, target, weights)
        case "multilabel":
            there = held(name, label or "", known.classes, part.labels)
            heads = (NetworkHead(kind="several", outputs=len(known.classes)),)
            return Examples(part.features, there), cell_weights(settings, known.classes, there), heads
        case _ if label is None:
            return Examples(part.features, np.empty(0)), None, ()
        case _ if known.classes:
            numbers = labels.class_numbers(name, label, known.classes, part.labels)
            return Examples(part.features, numbers), labels.class_weights(settings, known.classes, numbers), ()
    return Examples(part.features, labels.values(name, label, part.labels)), None, ()
