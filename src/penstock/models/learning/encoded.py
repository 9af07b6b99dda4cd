"""Columns that encoders read, as arrays: images, tokens, vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from penstock.errors import DataError
from penstock.models.learning.stored import zeros
from penstock.multimodal import Ragged
from penstock.operations.pictures import decoded

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Encoded:
    """A column that an encoder reads: an array with a row for each row, or lists, and which rows have a value."""

    values: np.ndarray[Any, Any] | Ragged
    present: np.ndarray[Any, np.dtype[np.bool_]]

    def take(self, rows: Any) -> Encoded:
        """Return some rows: a slice, or their positions."""
        if not isinstance(self.values, Ragged):
            return Encoded(self.values[rows], self.present[rows])
        chosen = np.arange(len(self.present))[rows]
        return Encoded(self.values.take(chosen), self.present[rows])


def encoded(column: pa.ChunkedArray, kind: str) -> Encoded:
    """Return a column of such a kind; raises `DataError` for images of different sizes."""
    return Encoded(_READERS[kind](column), column.is_valid().to_numpy())


def one_image(content: bytes | None, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Return an image of the shape that a network takes, black where there is none."""
    if content is None:
        return np.zeros(shape, dtype=np.uint8)
    found = decoded(content)
    if found.shape != shape:
        raise DataError(
            f"an image of height, width and channels {found.shape} where all others are {shape}; bring them to one "
            "size first: ps.col('photo').image(64)"
        )
    return found


def _images(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    first = next((each.as_py() for each in column if each.is_valid), None)
    shape = (1, 1, 1) if first is None else decoded(first).shape
    found = zeros((len(column), *shape), "uint8")
    for place, content in enumerate(column):
        if content.is_valid:
            found[place] = one_image(content.as_py(), shape)
    return found


def _tokens(column: pa.ChunkedArray) -> Ragged:
    lists = column.combine_chunks()
    lengths = lists.value_lengths().fill_null(0).to_numpy()
    return Ragged(np.concatenate([[0], np.cumsum(lengths)]), lists.flatten().to_numpy(zero_copy_only=False))


def _sequences(column: pa.ChunkedArray) -> Ragged:
    """Return arrays of numbers; NaN for what is not known, or not finite."""
    lists = column.combine_chunks()
    lengths = lists.value_lengths().fill_null(0).to_numpy()
    values = _single(lists.flatten())
    return Ragged(np.concatenate([[0], np.cumsum(lengths)]), np.where(np.isfinite(values), values, np.nan))


def _vectors(column: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Return arrays that have one length, as `fixed_length` makes them; 0 where there is none, and for what is not
    finite."""
    lists = column.combine_chunks()
    there = lists.is_valid().to_numpy(zero_copy_only=False)
    flat, count = _single(lists.flatten()), int(there.sum())
    found = np.zeros((len(lists), len(flat) // max(count, 1)), dtype=np.float32)
    found[there] = np.nan_to_num(flat.reshape(count, found.shape[1]), posinf=0.0, neginf=0.0)
    return found


def _single(numbers: pa.Array) -> np.ndarray[Any, Any]:
    """Return numbers in single precision, in which what is too large for it is infinite."""
    with np.errstate(over="ignore"):
        found: np.ndarray[Any, Any] = numbers.to_numpy(zero_copy_only=False).astype(np.float32)
        return found


_READERS: dict[str, Callable[[pa.ChunkedArray], np.ndarray[Any, Any] | Ragged]] = {
    "image": _images,
    "tokens": _tokens,
    "sequence": _sequences,
    "vector": _vectors,
}
