"""What a network is made of, apart from its weights: a plain value, kept as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """A network: its branches, what of its plain numbers and entries belongs to which of them, and what follows.

    `numbers` has the place of its branch for each number, `entries` (place of the branch, how many) for each block of
    entries (the words of a bag, the values of a category), of which a row has few. `outputs` is how many totals there
    are: one of a value or of two classes, else one for each class.
    """

    branches: tuple[Branch, ...]
    numbers: tuple[int, ...]
    entries: tuple[tuple[int, int], ...]
    hidden_units: tuple[int, ...]
    activation: str
    outputs: int
    fusion: str = "concat"

    @property
    def encoded(self) -> tuple[int, ...]:
        """The places of the branches that have an encoder, in the order of their inputs."""
        return tuple(place for place, branch in enumerate(self.branches) if branch.encoder is not None)

    @property
    def entry_count(self) -> int:
        """How many entries there are in all blocks."""
        return sum(count for _, count in self.entries)
