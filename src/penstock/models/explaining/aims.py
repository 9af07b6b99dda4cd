"""Which of the scores of a model is explained: that of its label, of one of several labels, or of a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.core.graph import ModelGraph
from penstock.errors import DataError, UnknownNameError
from penstock.models.explaining.attributions import Explained, of_class
from penstock.models.graphs.heads import Head, heads_of
from penstock.models.judging.metrics import predicted_classes
from penstock.models.learning.matrix import Floats, Integers
from penstock.models.predicting.outcomes import answered


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """The label that is explained, where its estimates and its scores stand among those of all labels, and of which
    class: None is the one that is predicted."""

    head: Head
    estimates: slice
    scores: slice
    place: int | None = None

    def chosen(self, estimates: Floats, threshold: float | None = None) -> Integers:
        """Return the class that is explained of each row; of a value 1."""
        if self.place is not None or not self.head.classes:
            return np.full(len(estimates), 1 if self.place is None else self.place, dtype=np.int64)
        return predicted_classes(estimates[:, self.estimates], threshold)

    def probabilities(self, estimates: Floats, chosen: Integers) -> Floats:
        """Return those of the chosen classes."""
        return np.asarray(estimates[:, self.estimates][np.arange(len(chosen)), chosen])

    def explained(self, found: Explained, chosen: Integers) -> Explained:
        """Return what leads to the score of the class that is chosen of each row."""
        own = Explained(found.baselines[self.scores], found.scores[:, self.scores], found.parts[:, self.scores])
        if self.head.task == "multilabel" and len(self.head.classes) == 1:
            return of_class(own, np.ones(len(chosen), dtype=np.int64))  # its one score is for it, not for another
        return of_class(own, chosen)


def aim(graph: ModelGraph, label: Any = None) -> Aim:
    """Return what is explained of a graph's predictions.

    `label` names one of several labels (`price`), a class of one of those (`tags.red`), or a class of the one label.
    Without it, it is the value or the class that is predicted. Raises `DataError` listing what there is where several
    labels are predicted, or classes that hold at once, and none is chosen; `UnknownNameError` for one that is not
    there.
    """
    aims = aims_of(graph)
    if not heads_of(graph):
        [only] = aims.values()
        return _of_class(graph, only, label, within=f"model '{graph.name}'", before="")
    if label is None:
        raise DataError(
            f"model '{graph.name}' predicts several labels, each of which has its own explanation; say which: "
            f"{_listed(_ways(aims))}"
        )
    for each in sorted(aims, key=len, reverse=True):  # a label's name may have points of its own
        if label == each or str(label).startswith(f"{each}."):
            rest = None if label == each else str(label)[len(each) + 1 :]
            return _of_class(graph, aims[each], rest, within=f"label '{each}'", before=f"{each}.")
    raise UnknownNameError("label", str(label), tuple(_ways(aims)), within=f"model '{graph.name}'")


def aims_of(graph: ModelGraph) -> dict[str, Aim]:
    """Return what may be explained, by the label's name: of each label what is predicted of it."""
    found, estimates, scores = {}, 0, 0
    for head in answered(graph):
        many = 1 if head.task == "classification" and head.numbers == 2 else head.numbers  # see `Explained`
        own = slice(estimates, estimates + head.numbers), slice(scores, scores + many)
        found[head.label] = Aim(head=head, estimates=own[0], scores=own[1])
        estimates, scores = own[0].stop, own[1].stop
    return found


def _of_class(graph: ModelGraph, whole: Aim, label: Any, *, within: str, before: str) -> Aim:
    classes = whole.head.classes
    names = [before + class_text(each) for each in classes]
    if label is None and whole.head.task == "multilabel":
        raise DataError(
            f"model '{graph.name}': of the classes of '{whole.head.label}' several may hold, each of which has its own "
            f"explanation; say which: {_listed(names)}"
        )
    if label is None:
        return whole
    if not classes:
        raise DataError(f"model '{graph.name}': '{whole.head.label}' is a number; leave label={label!r} out")
    for place, each in enumerate(classes):
        if label == each or label == class_text(each):
            return Aim(head=whole.head, estimates=whole.estimates, scores=whole.scores, place=place)
    raise UnknownNameError("label", str(label), tuple(names), within=within)


def _ways(aims: dict[str, Aim]) -> list[str]:
    """Return what `label` may be: the labels, and, of one whose classes may hold at once, its classes."""
    ways = []
    for name, each in aims.items():
        several = each.head.task == "multilabel"
        ways += [f"{name}.{class_text(known)}" for known in each.head.classes] if several else [name]
    return ways


def _listed(ways: Sequence[str]) -> str:
    most = 20
    rest = f" and {len(ways) - most} others" if len(ways) > most else ""
    return f"label={', '.join(map(repr, ways[:most]))}{rest}"


def class_text(known: Any) -> str:
    """Return what a class is called where one is asked for, or told of: as SQL writes it."""
    return str(known).lower() if isinstance(known, bool) else str(known)
