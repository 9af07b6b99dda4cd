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
from penstock.models.graph import ModelGraph
from penstock.models.judging import labels
from penstock.models.judging.curves import errors_of
from penstock.models.judging.evaluate import judge
from penstock.models.judging.several import cell_weights, held, several_in, type_of_several
from penstock.models.learning.learner import Learner, Lesson, Method, Task
from penstock.models.learning.learners import LEARNERS
from penstock.models.learning.losses import loss
from penstock.models.learning.matrix import Examples, Features
from penstock.models.predicting.estimators import estimate
from penstock.models.predicting.outcomes import OUTCOMES
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
class Ready:
    """All that learning needs but the learner's options: whatever they are, it is the same.

    `judged` is the part held out, or the training part where nothing is; `tested` the part kept to test, if any.
    """

    model: Model
    method: Method
    task: Task
    label_type: str
    classes: tuple[Any, ...]
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
    task, label_type, classes = _label_facts(model, learner, parts)
    several = task == "multilabel"
    scaled = learner.scaled_by is None or settings[learner.scaled_by]
    form = learner.form if scaled else "unscaled"
    prepared, features = prepare(model, declared, train.rows, form, branched=several)
    method = learner.branched if prepared.branches and learner.branched else learner.method
    entered = Entered(labels=train.labels, features=features)
    judged, kept = (_entered(prepared, part) for part in (held_out, tested))
    examples = _examples(model, task, classes, entered)
    weigh = cell_weights if several else labels.class_weights
    return Ready(
        model=model,
        method=method,
        task=task,
        label_type=label_type,
        classes=classes,
        prepared=prepared,
        lesson=Lesson(
            train=examples,
            held_out=None if judged is None else _examples(model, task, classes, judged),
            names=tuple(prepared.entering),
            kinds=prepared.kinds,
            widths=prepared.widths,
            options=settings,
            classes=len(classes),
            multilabel=several,
            weights=weigh(settings, classes, examples.target) if classes else None,
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


def learn(ready: Ready, options: Mapping[str, Any], *, judged: bool = True) -> ModelGraph:
    """Run the learner with these options, all of them set, and judge what it learned, unless that is not wanted."""
    learned = ready.method.fit(dataclasses.replace(ready.lesson, options=options))
    model = ready.model
    outputs = OUTCOMES[ready.task].schema(model.label or "", ready.label_type, learned.outputs)
    facts = {**ready.facts, "learner": learned.facts}
    made = Made(task=ready.task, outputs=outputs, classes=ready.classes, files=learned.files)
    graph = assemble(model, ready.prepared, made, facts=facts)
    if not judged:
        return graph
    ends = judged_on(ready, graph, ready.judged)
    if ready.tested is not None:
        ends["test_evaluation"] = judged_on(ready, graph, ready.tested)["evaluation"]
    return dataclasses.replace(graph, facts=FrozenMap({**facts, **ends}))


def judged_on(ready: Ready, graph: ModelGraph, part: Entered) -> dict[str, Any]:
    """Return the facts that tell how good a graph is on a part of the rows, a classifier's errors among them."""
    estimates = estimate(graph, part.features)
    found: dict[str, Any] = {"evaluation": judge(graph, part.labels, part.features, estimates)}
    if ready.task == "classification":
        numbers = labels.class_numbers(graph.name, graph.label or "", ready.classes, part.labels)
        found |= errors_of(numbers, estimates)
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


def _label_facts(
    model: Model, learner: Learner, parts: tuple[Part, Part | None, Part | None]
) -> tuple[Task, str, tuple[Any, ...]]:
    """Return what the learner does with the label, its type and the classes that there are, where there are any.

    Of several that may hold at once, those are known that only rows held out have: of many classes there often is one
    that is rare.
    """
    if model.label is None:
        return learner.task, "", ()
    there = [each.labels for each in parts if each is not None and each.labels is not None]
    train = there[0]
    if learner.task == "classification" and learner.branched is not None and (type := type_of_several(train)):
        found = pa.chunked_array([each.combine_chunks() for each in there])
        return "multilabel", type, several_in(model.name, model.label, found)
    type = labels.check_label(model.name, model.label, train, learner.task)
    known = labels.classes_in(model.name, model.label, train) if learner.task == "classification" else ()
    return learner.task, type, known


def _entered(prepared: Prepared, part: Part | None) -> Entered | None:
    return None if part is None else Entered(labels=part.labels, features=enter(prepared, part.rows))


def _examples(model: Model, task: Task, classes: tuple[Any, ...], part: Entered) -> Examples:
    if model.label is None:
        return Examples(part.features, np.empty(0))
    if task == "multilabel":
        return Examples(part.features, held(model.name, model.label, classes, part.labels))
    if classes:
        return Examples(part.features, labels.class_numbers(model.name, model.label, classes, part.labels))
    return Examples(part.features, labels.values(model.name, model.label, part.labels))
