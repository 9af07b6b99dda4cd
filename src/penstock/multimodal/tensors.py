"""What enters a network, as arrays: of many rows as long as there are rows, of some as tensors of one width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from penstock.multimodal.spec import Spec

Array: TypeAlias = np.ndarray[Any, Any]
Batch: TypeAlias = dict[str, Array]
"""The tensors of some rows by their names: `numbers`, `entries`, `weights` (of the entries), `present`, and `input_0`,
`input_1`, ... for the branches with an encoder."""

_MOST_ROWS, _MOST_NUMBERS = 1024, 1 << 20
NO_TOKEN, NO_NUMBER = -1, float("nan")
"""What stands where a row has fewer tokens, or numbers of a sequence, than the longest of its batch."""


@dataclass(frozen=True, slots=True)
class Ragged:
    """Lists of different lengths: those of row k are `values[starts[k] : starts[k + 1]]`."""

    starts: Array
    values: Array

    def take(self, rows: Array) -> Ragged:
        """Return the lists of some rows."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        at = np.repeat(self.starts[rows] - starts[:-1], lengths) + np.arange(starts[-1])
        return Ragged(starts, self.values[at])

    def padded(self, rows: Array, empty: float, most: int | None = None) -> Array:
        """Return the lists of some rows side by side, as wide as the longest, at least one, at most `most`."""
        lengths = self.starts[rows + 1] - self.starts[rows]
        if most is not None:
            lengths = np.minimum(lengths, most)
        width = max(int(lengths.max(initial=0)), 1)
        at = np.arange(width)
        there = at < lengths[:, np.newaxis]
        found = np.full((len(rows), width), empty, dtype=self.values.dtype)
        found[there] = self.values[(self.starts[rows][:, np.newaxis] + at)[there]]
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Many rows: plain numbers, entries with their weights, what each encoder reads, and whether each branch is there.

    An input is an array with a row for each row, or lists.
    """

    numbers: Array  # float32 (rows, numbers)
    entries: Ragged  # int64, places among all entries
    weights: Ragged  # float32, of the entries
    inputs: tuple[Array | Ragged, ...]
    present: Array  # float32 (rows, branches)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.present)


def rows_at_once(inputs: Sequence[Array | Ragged]) -> int:
    """Return how many rows are run together where nothing else says it: fewer of large images, whose layers take many
    times their pixels."""
    numbers = sum(int(math.prod(each.shape[1:])) for each in inputs if not isinstance(each, Ragged))
    return max(1, min(_MOST_ROWS, _MOST_NUMBERS // max(numbers, 1)))


def batch(spec: Spec, columns: Columns, rows: Array) -> Batch:
    """Return the tensors of some rows."""
    inputs = {
        f"input_{at}": _input(given, rows, spec.branches[place].settings.get("most_tokens"))
        for at, (given, place) in enumerate(zip(columns.inputs, spec.encoded, strict=True))
    }
    return {
        "numbers": columns.numbers[rows],
        "entries": columns.entries.padded(rows, 0),
        "weights": columns.weights.padded(rows, 0.0),
        "present": columns.present[rows],
        **inputs,
    }


def without(spec: Spec, given: Batch, kept: Array) -> Batch:
    """Return tensors in which some branches are left out: `kept` is 0 for those, 1 for the others, for each row."""
    made = {**given, "present": given["present"] * kept}
    if spec.numbers:
        made["numbers"] = given["numbers"] * kept[:, list(spec.numbers)]
    if spec.entries:
        owners = np.repeat([place for place, _ in spec.entries], [count for _, count in spec.entries])
        made["weights"] = given["weights"] * np.take_along_axis(kept, owners[given["entries"]], axis=1)
    return made


def ragged(lists: Sequence[Sequence[Any]], dtype: str) -> Ragged:
    """Return lists as arrays."""
    starts = np.cumsum([0, *map(len, lists)])
    return Ragged(starts, np.array([item for each in lists for item in each], dtype=dtype))


def _input(given: Array | Ragged, rows: Array, most: int | None) -> Array:
    if not isinstance(given, Ragged):
        return given[rows]
    return given.padded(rows, NO_NUMBER if given.values.dtype.kind == "f" else NO_TOKEN, most)
