"""Segments as windows read them: every key in one of them, and what aggregates need worked out once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from penstock.core.schema import Schema
from penstock.features.index.aggregates import Column
from penstock.features.index.keys import Numbers
from penstock.features.index.layout import Layout, Truths
from penstock.features.index.segment import Segment, build_segment

_NOTHING_STORED = Layout(Schema(()))


class WindowRows:
    """The rows of a segment, with the inputs of windows as columns of values that count."""

    def __init__(self, segment: Segment, inputs: Layout) -> None:
        self.segment, self._inputs = segment, inputs
        self._columns: dict[str, tuple[Column, Numbers | None]] = {}

    def column(self, name: str) -> tuple[Column, Numbers | None]:
        """Return an input's values that are not NULL, and for each row how many of them stand before it: None where
        that is its number, since none is NULL."""
        if name not in self._columns:
            present = ~self._inputs.nulls(self.segment.inputs, [name])[name]
            words, starts, counted = self.words(name), self.segment.starts, None
            if not present.all():
                counted = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(present)])
                words, starts = words[present], counted[starts]
            self._columns[name] = self.values(name, words, starts), counted
        return self._columns[name]

    def words(self, name: str, rows: Numbers | slice = slice(None)) -> Numbers:
        """Return an input's word in rows."""
        place = self._inputs.null_words + self._inputs.positions[name]
        return np.ascontiguousarray(self.segment.inputs[rows, place])

    def present(self, name: str, rows: Numbers) -> Truths:
        """Return those of the rows in which an input is not NULL."""
        place, bit = divmod(self._inputs.positions[name], 64)
        present: Truths = (self.segment.inputs[rows, place] >> bit) & 1 == 0
        return present

    def values(self, name: str, words: Numbers, starts: Numbers) -> Column:
        """Return words of an input as a column, whose groups begin at `starts`."""
        return Column(self._inputs.schema[name].type, words, self.segment.dictionaries.get(name), starts)

    def take(self, rows: Numbers) -> pa.Table:
        """Return the inputs of rows."""
        records = self.segment.inputs[rows]
        nulls = self._inputs.nulls(records, self._inputs.schema.names)
        dictionaries = self.segment.dictionaries
        return pa.table(
            {name: self._inputs.decode(name, records, nulls[name], dictionaries.get(name)) for name in nulls}
        )


def window_rows(segments: Sequence[Segment], inputs: Layout, before: Sequence[WindowRows] = ()) -> list[WindowRows]:
    """Return rows of which the last that has a key has all rows of that key: the first segment, and for the keys of the
    second one (what was ingested since) their rows of both. What is in `before` already is used again."""
    base = before[0] if before and before[0].segment is segments[0] else WindowRows(segments[0], inputs)
    made = [base]
    for tail in segments[1:]:
        if len(tail):
            made.append(WindowRows(_joined(base, WindowRows(tail, inputs), inputs), inputs))
    return made


def _joined(base: WindowRows, tail: WindowRows, inputs: Layout) -> Segment:
    """Return a segment of all rows of the second one's keys."""
    old, new = base.segment, tail.segment
    ordinals = old.keys.find(new.keys.columns(np.arange(len(new.keys))))
    ordinals = ordinals[ordinals >= 0]
    sizes = old.starts[ordinals + 1] - old.starts[ordinals]
    rows = ranges(old.starts[ordinals], sizes)
    keys = zip(
        old.keys.columns(np.repeat(ordinals, sizes)),
        new.keys.columns(np.repeat(np.arange(len(new.keys)), np.diff(new.starts))),
        strict=True,
    )
    return build_segment(
        _NOTHING_STORED,
        [pa.chunked_array([mine, other]) for mine, other in keys],
        np.concatenate([old.events[rows], new.events]),
        np.concatenate([old.created[rows], new.created]),
        np.concatenate([old.sequences[rows], new.sequences]),
        pa.concat_tables([base.take(rows), tail.take(np.arange(len(new)))]),
        inputs,
    )


def ranges(starts: Numbers, sizes: Numbers) -> Numbers:
    """Return the numbers of every range, one range after another."""
    offsets = np.cumsum(sizes) - sizes
    return np.repeat(starts - offsets, sizes) + np.arange(int(sizes.sum()))
