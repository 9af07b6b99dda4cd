"""What a network is made of, apart from its weights: a plain value, kept as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """One representation: a feature on its way into the concatenation.

    With an `encoder` it is what that learns to make of its `shape` (a vocabulary's size, an image's height, width and
    channels, a length), by its `settings`. Without one its numbers and entries enter as they are. `modality` is image,
    text or columns.
    """

    name: str
    modality: str
    encoder: str | None = None
    settings: Mapping[str, Any] = {}
    shape: tuple[int, ...] = ()


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What is predicted from the totals: a `value` (one total, the label itself), which of `two` classes (one: the
    log-odds of the second), which of more `classes` (a total for each, of which softmax makes probabilities), or
    `several` classes at once (for each its log-odds). `unit` is what the loss is told in: what the best constant has,
    where heads stand side by side, so that none of them drowns the others.
    """

    kind: Literal["value", "two", "classes", "several"]
    outputs: int = 1
    unit: float = 1.0

    @property
    def cells(self) -> int:
        """How many numbers say what there was to predict: 0 or 1 for each of several classes, else one."""
        return self.outputs if self.kind == "several" else 1


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """A network: its branches, what of its plain numbers and entries belongs to which of them, and what follows.

    `numbers` has the place of its branch for each number, `entries` (place of the branch, how many) for each block of
    entries (the words of a bag, the values of a category), of which a row has few. `heads` are what is predicted.
    """

    branches: tuple[Branch, ...]
    numbers: tuple[int, ...]
    entries: tuple[tuple[int, int], ...]
    hidden_units: tuple[int, ...]
    activation: str
    heads: tuple[Head, ...]
    fusion: str = "concat"

    @property
    def outputs(self) -> int:
        """How many totals there are, of all heads."""
        return sum(head.outputs for head in self.heads)

    @property
    def encoded(self) -> tuple[int, ...]:
        """The places of the branches that have an encoder, in the order of their inputs."""
        return tuple(place for place, branch in enumerate(self.branches) if branch.encoder is not None)

    @property
    def entry_count(self) -> int:
        """How many entries there are in all blocks."""
        return sum(count for _, count in self.entries)
