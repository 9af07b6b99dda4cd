"""How the stored features of a row become one record of fixed width: 64-bit words, first those that say what is NULL.

A word holds a number, a time or a truth value as it is; a text, bytes, an array or a struct is a position in a table of
all values of that feature (a *dictionary*). Taking a record is one access to memory, however many features it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.schema import Schema
from penstock.tables import arrow_type

NUMBERS = {
    "int64": np.int64, "float64": np.float64, "bool": np.int64, "date": np.int64, "time": np.int64,
    "datetime": np.int64, "timestamp": np.int64,
}  # fmt: skip
"""Types whose values are a word themselves -> how NumPy reads the word."""

Words = np.ndarray[Any, np.dtype[np.int64]]
Truths = np.ndarray[Any, np.dtype[np.bool_]]

_BLOCK = 1 << 12
"""So many records are taken at a time."""

_BITS = (1 << np.arange(64, dtype=np.uint64)).view(np.int64)


@dataclass(frozen=True)
class Layout:
    """Where the features of a schema stand in a record."""

    schema: Schema

    @cached_property
    def positions(self) -> dict[str, int]:
        """Which feature of the schema each is, by name."""
        return {name: position for position, name in enumerate(self.schema.names)}

    @property
    def null_words(self) -> int:
        """How many words say what is NULL: a bit for each feature."""
        return (len(self.schema) + 63) // 64

    @property
    def width(self) -> int:
        """How many words a record has."""
        return self.null_words + len(self.schema)

    def encode(
        self, features: pa.Table, order: Words, zeros: Callable[[tuple[int, int]], Words] | None = None
    ) -> tuple[Words, dict[str, pa.Array]]:
        """Return records of the rows in the given order, and the dictionaries of features that need one; `zeros` makes
        the array for the records (default: in memory)."""
        shape = len(order), self.width
        records = np.zeros(shape, dtype=np.int64) if zeros is None else zeros(shape)
        dictionaries: dict[str, pa.Array] = {}
        for position, field in enumerate(self.schema):
            column = _whole(features.column(field.name))
            null = column.is_null().to_numpy(zero_copy_only=False)
            if field.type in NUMBERS:
                words = _words(column, field.type)
            else:
                words, dictionaries[field.name] = _coded(column, field.type)
            records[:, self.null_words + position] = words[order]
            if null.any():
                records[:, position // 64] |= np.where(null[order], _BITS[position % 64], 0)
        return records, dictionaries

    def decode(self, name: str, records: Words, null: Truths, dictionary: pa.Array | None) -> pa.Array:
        """Return the values of a feature from records; NULL where `null` is true."""
        words = np.ascontiguousarray(records[:, self.null_words + self.positions[name]])
        return decoded(words, null, self.schema[name].type, dictionary)

    def nulls(self, records: Words, names: Sequence[str]) -> dict[str, Truths]:
        """Tell for each of the features in which records it is NULL."""
        words = [np.ascontiguousarray(records[:, word]) for word in range(self.null_words)]
        places = {name: divmod(self.positions[name], 64) for name in names}
        return {name: words[word] & np.int64(_BITS[bit]) != 0 for name, (word, bit) in places.items()}


def take_words(records: Words, rows: Words, places: Sequence[int], into: Sequence[Words]) -> None:
    """Copy words of rows, each word into an array of its own; a row below 0 is taken for the first.

    Where most words of a record are asked for, whole records are taken, some at a time: what stays in the processor's
    cache is turned into columns at little cost.
    """
    width = records.shape[1]
    if 2 * len(places) < width:
        flat, starts = records.reshape(-1), np.maximum(rows, 0) * width
        for place, words in zip(places, into, strict=True):
            flat.take(starts + place, mode="clip", out=words)
        return
    block = np.empty((min(_BLOCK, len(rows)), width), dtype=np.int64)
    for first in range(0, len(rows), _BLOCK):
        part = slice(first, first + _BLOCK)
        taken = records.take(rows[part], axis=0, mode="clip", out=block[: len(rows) - first])
        for place, words in zip(places, into, strict=True):
            words[part] = taken[:, place]


def decoded(words: Words, null: Truths, type: str, dictionary: pa.Array | None) -> pa.Array:
    """Return the values that words stand for; NULL where `null` is true."""
    if dictionary is not None:
        return dictionary.take(pa.array(words, mask=null))
    values = words.view(NUMBERS[type])
    if type == "bool":
        return pa.array(values != 0, mask=null)
    made = pa.array(values, mask=null)
    if type == "date":
        return made.cast(pa.int32()).view(pa.date32())
    return made if type in ("int64", "float64") else made.view(arrow_type(type))


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)


def _words(column: pa.Array, type: str) -> Words:
    if type not in ("bool", "int64", "float64"):
        column = column.view(pa.int32() if type == "date" else pa.int64())
    filled = pc.fill_null(column, pa.scalar(False if type == "bool" else 0).cast(column.type))
    if type == "float64":
        return np.asarray(filled.to_numpy(zero_copy_only=False)).view(np.int64)
    return np.asarray(filled.to_numpy(zero_copy_only=False)).astype(np.int64, copy=False)


def _coded(column: pa.Array, type: str) -> tuple[Words, pa.Array]:
    """Return each value's position among all values; equal texts have one position."""
    if type in ("string", "bytes"):
        coded = column.dictionary_encode()
        codes = pc.fill_null(coded.indices, 0).to_numpy(zero_copy_only=False).astype(np.int64)
        return codes, coded.dictionary
    return np.arange(len(column), dtype=np.int64), column
