"""The labels that a graph predicts side by side, where there are several: each has a head of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from penstock.core.graph import ModelGraph
from penstock.core.schema import element_type
from penstock.operations.notation import value_from_json, value_to_json

HeadTask: TypeAlias = Literal["regression", "classification", "multilabel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A label that is predicted: what of it (its `task`), the type of its values and, where there are, its classes."""

    label: str
    task: HeadTask
    type: str
    classes: tuple[Any, ...] = ()

    @property
    def class_type(self) -> str:
        """The type of a class: of classes that hold at once, that of an element of the label."""
        return element_type(self.type) if self.task == "multilabel" else self.type

    @property
    def numbers(self) -> int:
        """How many numbers are estimated of it."""
        return max(len(self.classes), 1)


def heads_of(graph: ModelGraph) -> tuple[Head, ...]:
    """Return the labels that a graph predicts side by side, in their order; of a graph with one label, none."""
    told: dict[str, Any] = next((node.params.get("labels", {}) for node in graph.of("estimator")), {})
    return tuple(
        Head(label=name, task=each["task"], type=each["type"], classes=_classes(each)) for name, each in told.items()
    )


def heads_json(heads: Sequence[Head]) -> dict[str, Any]:
    """Return heads as the estimator's node keeps them: plain JSON that `heads_of` reads."""
    return {
        head.label: {
            "task": head.task,
            "type": head.type,
            "classes": [value_to_json(each, head.class_type) for each in head.classes],
        }
        for head in heads
    }


def _classes(told: Any) -> tuple[Any, ...]:
    type = element_type(told["type"]) if told["task"] == "multilabel" else told["type"]
    return tuple(value_from_json(each, type) for each in told["classes"])
