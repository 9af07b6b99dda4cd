"""Online records: the newest row of an entity in one value, which knows how new it is.

24 bytes   event time, created, sequence: big-endian with the sign turned, so that newer is greater byte by byte
words      what is NULL, then a word for each feature, as in `Layout`; little-endian
the rest   texts and other values of any length; their word holds offset << 32 | length
"""

from __future__ import annotations

import datetime
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from penstock.features.declared.statuses import NULL_VALUE, PRESENT
from penstock.features.index.keys import Numbers
from penstock.features.index.layout import NUMBERS, Layout
from penstock.operations.notation import value_from_json, value_to_json
from penstock.tables import arrow_type

AGE_BYTES = 24
_SIGN = 1 << 63
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_NAIVE_EPOCH = datetime.datetime(1970, 1, 1)
_FIRST_DAY = datetime.date(1970, 1, 1).toordinal()


def entity_prefix(name: str) -> bytes:
    """Return how the keys of a set's entities begin; `name` has the version: `driver_rides@2`."""
    return b"f" + name.encode() + b"\0"


def key_maker(prefix: bytes, types: Sequence[str]) -> Callable[[Sequence[Any]], bytes]:
    """Return what makes the key of an entity in the online store of its values; different entities have different
    keys."""
    parts = [_KEY_PARTS[type] for type in types]
    if len(parts) == 1:
        first = parts[0]
        return lambda values: prefix + first(values[0])
    return lambda values: prefix + b"".join([part(value) for part, value in zip(parts, values, strict=True)])


def keys_maker(prefix: bytes, types: Sequence[str]) -> Callable[[Sequence[Sequence[Any]]], list[bytes]]:
    """Return what makes the keys of many entities at once, as `key_maker` makes one, of the columns of their values."""
    if len(types) == 1:
        part = _KEY_PARTS[types[0]]
        return lambda columns: [prefix + part(value) for value in columns[0]]
    key = key_maker(prefix, types)
    return lambda columns: [key(values) for values in zip(*columns, strict=True)]


_whole = struct.Struct(">q").pack
_length = struct.Struct(">I").pack


def _text(value: str) -> bytes:
    content = value.encode()
    return _length(len(content)) + content


_KEY_PARTS: dict[str, Callable[[Any], bytes]] = {
    "int64": _whole,
    "string": _text,
    "bytes": lambda value: _length(len(value)) + value,
    "bool": lambda value: b"1" if value else b"0",
    "date": lambda value: _length(value.toordinal()),
}


def pack(
    layout: Layout,
    records: Numbers,
    ages: tuple[Numbers, Numbers, Numbers],
    dictionaries: Mapping[str, pa.Array],
) -> list[bytes]:
    """Return the online record of each row of words; `ages` are event times, creations and sequence numbers."""
    head = np.stack([age.astype(np.int64).view(np.uint64) ^ np.uint64(_SIGN) for age in ages], axis=1).astype(">u8")
    words = records.astype("<i8", copy=True)
    tails = _tails(layout, words, dictionaries)
    heads, fixed = head.tobytes(), words.tobytes()
    width = layout.width * 8
    return [
        heads[row * AGE_BYTES : (row + 1) * AGE_BYTES]
        + fixed[row * width : (row + 1) * width]
        + (tails[row] if tails else b"")
        for row in range(len(records))
    ]


def _tails(layout: Layout, words: Numbers, dictionaries: Mapping[str, pa.Array]) -> list[bytes]:
    """Return what stands behind the words of each row, and put its place into them."""
    if not dictionaries:
        return []
    tails: list[list[bytes]] = [[] for _ in range(len(words))]
    ends = np.full(len(words), AGE_BYTES + layout.width * 8, dtype=np.int64)
    for name in [name for name in layout.positions if name in dictionaries]:
        dictionary = dictionaries[name]
        place = layout.null_words + layout.positions[name]
        type = layout.schema[name].type
        null = layout.nulls(words, [name])[name]
        values = dictionary.take(pa.array(words[:, place], mask=null)).to_pylist()
        contents = [b"" if value is None else content_of(value, type) for value in values]
        lengths = np.fromiter(map(len, contents), dtype=np.int64, count=len(contents))
        words[:, place] = (ends << 32) | lengths
        ends += lengths
        for tail, content in zip(tails, contents, strict=True):
            tail.append(content)
    return [b"".join(parts) for parts in tails]


def content_of(value: Any, type: str) -> bytes:
    """Return a value that is no number as bytes."""
    if type == "string":
        return str(value).encode()
    return bytes(value) if type == "bytes" else msgspec.json.encode(value_to_json(value, type))


Reads = tuple[int, int, int, Callable[[Any, Any], Any] | None]
"""How a feature is read: which of the columns of `RecordReader.words` has it, which one tells by which bit where it is
NULL, and what makes a value of a word and its record; None where the word is the value."""

_ROWS = """
def rows(records, fixed):
    made = []
    for record, ({words}) in zip(records, unpack(fixed)):
        values, statuses = [{shown}], present.copy()
{nulls}
        made.append((values, statuses))
    return made
"""
_NULLS = """
        nulls = w{word} & {mask}
        while nulls:
            bit = nulls & -nulls
            number = bits{word}[bit]
            values[number], statuses[number] = None, NULL
            nulls ^= bit
"""


@dataclass(frozen=True)
class RecordReader:
    """Reads certain features of online records of one layout, of many records at once: one more costs little."""

    layout: Layout
    features: tuple[str, ...]
    readers: tuple[Reads, ...]

    def event(self, record: Any) -> int:
        """Return the event time in microseconds."""
        return int.from_bytes(record[:8], "big") - _SIGN

    def oldest(self, records: Sequence[bytes]) -> int:
        """Return the earliest event time of records, in microseconds."""
        return self.event(min(records))  # as records begin with their age, older ones are less

    def words(self, records: Sequence[bytes]) -> list[Sequence[Any]]:
        """Return event times, and the words of records, by columns."""
        fixed = self._fixed(records)
        events = [event - _SIGN for (event,) in self._ages.iter_unpack(fixed)]
        return [events, *zip(*self._words.iter_unpack(fixed), strict=True)]

    def rows(self, records: Sequence[bytes]) -> list[tuple[list[Any], list[str]]]:
        """Return the values of each record, None for NULL, and their statuses."""
        return self._rows(records, self._fixed(records))

    def _fixed(self, records: Sequence[bytes]) -> bytes:
        """Return what is of fixed size in records, one behind the other."""
        size = self._ages.size
        whole = b"".join(records)
        return whole if len(whole) == size * len(records) else b"".join([record[:size] for record in records])

    @cached_property
    def _ages(self) -> struct.Struct:
        return struct.Struct(f">Q{AGE_BYTES - 8 + self.layout.width * 8}x")  # big-endian, the words are not

    @cached_property
    def _words(self) -> struct.Struct:
        return struct.Struct(f"<{AGE_BYTES}x{_word_codes(self.layout)}")

    @cached_property
    def _rows(self) -> Callable[[Sequence[bytes], bytes], list[tuple[list[Any], list[str]]]]:
        """What `rows` does: a function made for these features, which reads their words and no others."""
        bits: dict[int, dict[int, int]] = {}
        for number, (_, null_word, bit, _) in enumerate(self.readers):
            bits.setdefault(null_word - 1, {})[bit] = number
        needed = {*bits, *(place - 1 for place, _, _, _ in self.readers)}
        codes = [code if word in needed else "8x" for word, code in enumerate(_word_codes(self.layout))]
        unpack = struct.Struct(f"<{AGE_BYTES}x{''.join(codes)}").iter_unpack
        known: dict[str, Any] = {"unpack": unpack, "present": [PRESENT] * len(self.readers), "NULL": NULL_VALUE}
        known |= {f"read{number}": read for number, (_, _, _, read) in enumerate(self.readers)}
        known |= {f"bits{word}": numbers for word, numbers in bits.items()}
        shown = ", ".join([self._shown(number) for number in range(len(self.readers))])
        nulls = "".join([_NULLS.format(word=word, mask=sum(numbers)) for word, numbers in bits.items()])
        words = " ".join([f"w{word}," for word in sorted(needed)])
        text = _ROWS.format(words=words, shown=shown, nulls=nulls)
        exec(compile(text, "<rows of records>", "exec"), known)  # noqa: S102  # of numbers and names of ours alone
        made: Callable[[Sequence[bytes], bytes], list[tuple[list[Any], list[str]]]] = known["rows"]
        return made

    def _shown(self, number: int) -> str:
        """Return the text that makes a feature's value of its word; what it makes of one that is NULL is not kept."""
        place, null_word, bit, read = self.readers[number]
        word = f"w{place - 1}"
        if self.layout.schema[self.features[number]].type == "string":  # without a call: texts are frequent
            return f"str(record[{word} >> 32 : ({word} >> 32) + ({word} & 0xFFFFFFFF)], 'utf-8')"
        return word if read is None else f"None if w{null_word - 1} & {bit} else read{number}({word}, record)"

    def table(self, records: Sequence[Any]) -> tuple[Numbers, Numbers, dict[str, pa.Array]]:
        """Return event times, words, and the dictionaries of features that need one, of many records at once."""
        size = AGE_BYTES + self.layout.width * 8
        fixed = b"".join([record[:size] for record in records])
        events = np.frombuffer(fixed, dtype=">u8").reshape(len(records), size // 8)[:, 0]
        words = np.frombuffer(fixed, dtype="<i8").reshape(len(records), size // 8)[:, 3:].astype(np.int64)
        dictionaries = {}
        for name in self.features:
            type = self.layout.schema[name].type
            if type not in NUMBERS:
                dictionaries[name] = self._contents(name, type, records, words)
        return (events.astype(np.uint64) ^ np.uint64(_SIGN)).view(np.int64), words, dictionaries

    def _contents(self, name: str, type: str, records: Sequence[Any], words: Numbers) -> pa.Array:
        place = self.layout.null_words + self.layout.positions[name]
        null = self.layout.nulls(words, [name])[name]
        read = value_reader(type) or _word
        values = [
            None if none else read(word, record)
            for none, word, record in zip(null.tolist(), words[:, place].tolist(), records, strict=True)
        ]
        words[:, place] = np.arange(len(records))
        return pa.array(values, arrow_type(type))


def _word_codes(layout: Layout) -> str:
    """Return the words of a record as `struct` names them: what is NULL, then the features."""
    return "Q" * layout.null_words + "".join("d" if field.type == "float64" else "q" for field in layout.schema)


def record_reader(layout: Layout, features: Sequence[str]) -> RecordReader:
    """Return what reads these features."""
    readers = []
    for name in features:
        position = layout.positions[name]
        read = value_reader(layout.schema[name].type)
        readers.append((1 + layout.null_words + position, 1 + position // 64, 1 << (position % 64), read))
    return RecordReader(layout, tuple(features), tuple(readers))


def _word(word: Any, _: Any) -> Any:
    return word


def value_reader(type: str) -> Callable[[Any, Any], Any] | None:
    """Return what makes a value of a word (and the record around it); None where the word is the value."""
    match type:
        case "int64" | "float64":
            return None
        case "bool":
            return lambda word, _: word != 0
        case "string":
            return lambda word, record: str(record[word >> 32 : (word >> 32) + (word & 0xFFFFFFFF)], "utf-8")
        case "bytes":
            return lambda word, record: bytes(record[word >> 32 : (word >> 32) + (word & 0xFFFFFFFF)])
        case "date":
            return lambda word, _: datetime.date.fromordinal(_FIRST_DAY + word)
        case "time":
            return lambda word, _: (_NAIVE_EPOCH + datetime.timedelta(microseconds=word)).time()
        case "datetime":
            return lambda word, _: _NAIVE_EPOCH + datetime.timedelta(microseconds=word)
        case "timestamp":
            return lambda word, _: _EPOCH + datetime.timedelta(microseconds=word)
    return lambda word, record: value_from_json(
        msgspec.json.decode(record[word >> 32 : (word >> 32) + (word & 0xFFFFFFFF)]), type
    )
