"""Stored features as of any time: the row that counts for each question, and the words of its record, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from penstock.features.declared.references import Wanted, status_column
from penstock.features.declared.statuses import statuses_of
from penstock.features.index.keys import Numbers
from penstock.features.index.layout import NUMBERS, Layout, Truths, decoded, take_words
from penstock.features.index.retrieval_index import FeatureIndex, Found, best
from penstock.features.index.segment import Segment, joined_dictionary
from penstock.features.index.slices import in_slices
from penstock.features.index.window_history import Questions
from penstock.tables import arrow_type


def stored_features(
    index: FeatureIndex, wanted: Sequence[Wanted], asked: Questions, *, statuses: bool
) -> dict[str, pa.Array]:
    """Return stored features of one set for each question, and their statuses if they are asked for."""
    segments, layout, ttl = index.segments(), index.layout, index.definition.set.ttl
    finders = [segment.keys.finder(asked.keys) for segment in segments]
    answers = _answers(layout, segments, [each.feature for each in wanted], len(asked.times))
    told: list[dict[int, pa.Array]] = [{} for _ in answers]

    def answer(part: slice) -> None:
        times, known = asked.times[part], None if asked.known is None else asked.known[part]
        found = best(segments, [find(part) for find in finders], times, known=known, until=asked.until)
        there = found.segment >= 0
        fresh = there if ttl is None else there & (times - found.events <= ttl)
        nulls = {each.null_word: np.zeros(len(times), dtype=np.int64) for each in answers}
        words = [each.room(part) for each in answers]
        _take(segments, found, answers, nulls, words)
        for number, (each, mine) in enumerate(zip(answers, words, strict=True)):
            null = (nulls[each.null_word] & each.null_bit) != 0
            each.put(part, mine, ~fresh | null)
            if statuses:
                told[number][part.start] = statuses_of(there, fresh, null)

    in_slices(len(asked.times), answer)
    made = {name.column: each.array() for name, each in zip(wanted, answers, strict=True)}
    if statuses:
        made |= {status_column(name): _behind(parts, pa.string()) for name, parts in zip(wanted, told, strict=True)}
    return made


@dataclass(frozen=True, slots=True)
class _Answer:
    """A feature's column of the answer, made of parts. Words that are values as they are stand in `words`, and what
    tells their NULLs in `valid`, bit by bit; other types are arrays of their own in `parts`, by where they begin."""

    type: str
    place: int
    null_word: int
    null_bit: np.int64
    dictionary: pa.Array | None
    offsets: tuple[int, ...]  # of its words in each segment: for a text the sizes of the dictionaries before
    words: Numbers | None
    valid: np.ndarray[Any, np.dtype[np.uint8]]
    parts: dict[int, pa.Array]

    def room(self, part: slice) -> Numbers:
        """Return where to write the words of a part."""
        return np.zeros(part.stop - part.start, dtype=np.int64) if self.words is None else self.words[part]

    def put(self, part: slice, words: Numbers, null: Truths) -> None:
        """Make the part of its words; NULL where `null` is true."""
        if self.words is None:
            self.parts[part.start] = decoded(words, null, self.type, self.dictionary)
        else:
            self.valid[part.start // 8 : (part.stop + 7) // 8] = np.packbits(~null, bitorder="little")

    def array(self) -> pa.Array:
        """Return the column."""
        if self.words is None:
            return _behind(self.parts, arrow_type(self.type))
        buffers = [pa.py_buffer(self.valid), pa.py_buffer(self.words)]
        return pa.Array.from_buffers(arrow_type(self.type), len(self.words), buffers)


def _answers(layout: Layout, segments: Sequence[Segment], features: Sequence[str], count: int) -> list[_Answer]:
    direct = [name for name in features if layout.schema[name].type in NUMBERS.keys() - {"bool", "date"}]
    words = dict(zip(direct, np.zeros((len(direct), count), dtype=np.int64), strict=True))
    valid = dict(zip(direct, np.zeros((len(direct), (count + 7) // 8), dtype=np.uint8), strict=True))
    made = []
    for name in features:
        sizes = [len(segment.dictionaries.get(name, ())) for segment in segments]
        word, bit = divmod(layout.positions[name], 64)
        made.append(
            _Answer(
                type=layout.schema[name].type,
                place=layout.null_words + layout.positions[name],
                null_word=word,
                null_bit=np.uint64(1 << bit).astype(np.int64),
                dictionary=joined_dictionary(segments, name),
                offsets=tuple(sum(sizes[:number]) for number in range(len(segments))),
                words=words.get(name),
                valid=valid.get(name, np.zeros(0, dtype=np.uint8)),
                parts={},
            )
        )
    return made


def _take(
    segments: Sequence[Segment],
    found: Found,
    answers: Sequence[_Answer],
    nulls: Mapping[int, Numbers],
    words: Sequence[Numbers],
) -> None:
    """Copy the words that tell NULLs, and those of the answers, of the rows that were found."""
    places = [*nulls, *(each.place for each in answers)]
    into = [*nulls.values(), *words]
    if len(segments) == 1:
        if len(segments[0]):  # what is not there is taken from row 0, and NULL in the end
            take_words(segments[0].records, found.row, places, into)
        return
    for number, segment in enumerate(segments):
        mine = np.flatnonzero(found.segment == number)
        taken = np.empty((len(places), len(mine)), dtype=np.int64)
        if len(mine):
            take_words(segment.records, found.row[mine], places, list(taken))
        offsets = [0] * len(nulls) + [each.offsets[number] for each in answers]
        for target, column, offset in zip(into, taken, offsets, strict=True):
            target[mine] = column + offset if offset else column


def _behind(parts: dict[int, pa.Array], type: pa.DataType) -> pa.Array:
    """Return parts behind one another, in the order of where they begin."""
    ordered = [parts[first] for first in sorted(parts)]
    if not ordered:
        return pa.array([], type)
    return ordered[0] if len(ordered) == 1 else pa.concat_arrays(ordered)
