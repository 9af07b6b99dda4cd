"""Exact sums of any ranges of a column of numbers, all at once; rounded once, so the order of the numbers is no matter.

A number is an integer times a power of two. In units of the least such power in the column every number is a whole one,
cut into *limbs* of 32 bits. Each limb has prefix sums in 64 bits, so a range's sum is a difference for each limb.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np

Floats = np.ndarray[Any, np.dtype[np.float64]]
Numbers = np.ndarray[Any, np.dtype[np.int64]]
Unsigned = np.ndarray[Any, np.dtype[np.uint64]]

_LOW = np.uint64(0xFFFFFFFF)
_LIMB = np.uint64(32)
_MOST_LIMBS = 12


@dataclass(frozen=True, slots=True)
class PrefixSums:
    """Prefix sums of a column's numbers (or of their squares): one array for each limb, in units of 2**`exponent`."""

    limbs: tuple[Numbers, ...]
    exponent: int

    def totals(self, low: Numbers, high: Numbers) -> Numbers:
        """Return the sum of each range [low, high): a column of limbs, not yet carried."""
        sums = np.empty((len(self.limbs), len(low)), dtype=np.int64)
        for limb, sum in zip(self.limbs, sums, strict=True):
            np.subtract(limb.take(high), limb.take(low), out=sum)
        return sums


def prefix_sums(values: Any, *, squares: bool = False) -> PrefixSums | None:
    """Return the prefix sums of integers or floats; NaN and infinities count as 0. None where the numbers are so far
    apart that sums would take too many limbs."""
    negative, parts, shift, exponent = _integers(values) if values.dtype == np.int64 else _mantissas(values)
    if squares:
        negative, parts, shift, exponent = np.zeros_like(negative), _squared(parts), shift * 2, exponent * 2
    word, bits = shift >> 5, (shift & 31).astype(np.uint64)
    pieces = _shifted(parts, bits)
    count = (int(word.max()) if len(word) else 0) + len(pieces)
    if count > _MOST_LIMBS:
        return None
    limbs = []
    for place in range(count):
        limb = np.zeros(len(values) + 1, dtype=np.int64)
        for number, piece in enumerate(pieces):
            if number <= place <= number + count - len(pieces):
                limb[1:] += np.where(word == place - number, piece, 0)
        np.negative(limb[1:], out=limb[1:], where=negative)
        limbs.append(np.cumsum(limb))
    while len(limbs) > 1 and not limbs[-1].any():
        limbs.pop()
    return PrefixSums(tuple(limbs), exponent)


def rounded(totals: Numbers, exponent: int) -> Floats:
    """Return sums as the nearest floats, ties to even; 0.0 for none, infinite beyond the greatest float."""
    limbs = _carried(totals)
    if len(limbs) > 4 or (len(limbs) == 4 and not _fits(limbs)):
        return _rounded_wide(totals, exponent)
    # All bits above the lowest 32 are one integer, below its 62 bits as many of those 32 as have room; what has none is
    # told by the lowest bit, as far below the half of a float's last bit as need be. Then one conversion rounds.
    lowest, upper = limbs[0], limbs[1] if len(limbs) == 2 else limbs[1] | (limbs[2] << 32)
    room = np.clip(62 - np.frexp(upper.astype(np.float64))[1], 0, 32).astype(np.int64)
    left = 32 - room
    whole = (upper << room) | (lowest >> left)
    whole |= (lowest & ((1 << left) - 1)) != 0
    with np.errstate(over="ignore"):
        made: Floats = np.ldexp(whole.astype(np.float64), (left + exponent).astype(np.int32))
    return made + 0.0


def _fits(limbs: Numbers) -> bool:
    """Tell whether of each sum what is above the lowest limb, and the sign on top, is one integer of 62 bits."""
    sign = (limbs[2] >> 29) | (limbs[3] << 3)
    return bool(((sign == 0) | (sign == -1)).all())


def _rounded_wide(totals: Numbers, exponent: int) -> Floats:
    """Return what `rounded` does, for sums of any number of limbs."""
    negative = _carried(totals)[-1] < 0
    limbs = _carried(np.where(negative, -totals, totals)).astype(np.uint64)
    limbs = np.concatenate([np.zeros((3, limbs.shape[1]), dtype=np.uint64), limbs])
    columns, places = np.arange(limbs.shape[1]), np.arange(len(limbs))[:, None]
    top = np.maximum(np.where(limbs != 0, places, 0).max(axis=0), 3)
    first = np.where(limbs != 0, places, len(limbs)).min(axis=0)
    # The uppermost 64 bits, with the first of them set, and whether anything stands below.
    upper = (limbs[top, columns] << _LIMB) | limbs[top - 1, columns]
    lower = (limbs[top - 2, columns] << _LIMB) | limbs[top - 3, columns]
    gap = (32 - np.frexp(limbs[top, columns].astype(np.float64))[1]) % 33
    shift = gap.astype(np.uint64)
    whole = (upper << shift) | ((lower >> _LIMB) >> (_LIMB - shift))
    below = ((lower << shift) != 0) | (first < top - 3)
    kept, rest = whole >> np.uint64(11), whole & np.uint64(0x7FF)
    up = (rest > 0x400) | ((rest == 0x400) & (below | (kept & np.uint64(1) != 0)))
    power = 32 * (top - 4) + exponent - gap + 11
    with np.errstate(over="ignore"):
        size: Floats = np.ldexp((kept + up).astype(np.float64), power.astype(np.int32))
    signed: Floats = np.where(negative, -size, size) + 0.0
    return signed


def as_int64(totals: Numbers) -> tuple[Numbers, Any]:
    """Return sums in units of one as integers, and which of them do not fit into 64 bits."""
    limbs = _carried(totals)
    while len(limbs) < 3:
        limbs = np.concatenate([limbs[:-1], limbs[-1:] & 0xFFFFFFFF, limbs[-1:] >> 32])
    sign = -(limbs[1] >> 31)
    fits = (limbs[2:-1] == (sign & 0xFFFFFFFF)).all(axis=0) & (limbs[-1] == sign)
    return (limbs[1] << 32) | limbs[0], ~fits


def as_integers(totals: Numbers) -> list[int]:
    """Return sums, in their units, as integers of any size."""
    limbs = _carried(totals)
    width = len(limbs) * 4
    content = (limbs & 0xFFFFFFFF).astype("<u4").T.tobytes()
    return [int.from_bytes(content[at : at + width], "little", signed=True) for at in range(0, len(content), width)]


def _carried(totals: Numbers) -> Numbers:
    """Return limbs of 32 bits each, with one more on top that has the sign."""
    limbs = np.empty((len(totals) + 1, totals.shape[1]), dtype=np.int64)
    carry: Any = 0
    for place, total in enumerate(totals):
        whole = total + carry
        np.bitwise_and(whole, 0xFFFFFFFF, out=limbs[place])
        carry = whole >> 32
    limbs[-1] = carry
    return limbs


_Parts = tuple[Any, list[Unsigned], Numbers, int]
"""Which numbers are negative, their sizes in parts of 32 bits, the power of two of each above the least, the least."""


def _integers(values: Numbers) -> _Parts:
    negative = values < 0
    size = values.view(np.uint64)
    size = np.where(negative, ~size + np.uint64(1), size)
    return negative, [size & _LOW, size >> _LIMB], np.zeros(len(values), dtype=np.int64), 0


def _mantissas(values: Floats) -> _Parts:
    bits = values.view(np.int64)
    field = (bits >> 52) & 0x7FF
    mantissa = np.where(field == 0x7FF, 0, (bits & ((1 << 52) - 1)) | np.where(field > 0, 1 << 52, 0))
    power = np.maximum(field, 1) - 1075
    zeros = np.frexp((mantissa & -mantissa).astype(np.float64))[1].astype(np.int64) - 1
    some = mantissa != 0
    mantissa, power = np.where(some, mantissa >> np.maximum(zeros, 0), 0), power + zeros
    least = int(power[some].min()) if some.any() else 0
    size = mantissa.view(np.uint64)
    return bits < 0, [size & _LOW, size >> _LIMB], np.where(some, power - least, 0), least


def _squared(parts: list[Unsigned]) -> list[Unsigned]:
    low, high = parts
    squares, cross, top = low * low, low * high, high * high
    one = (squares >> _LIMB) + ((cross & _LOW) << np.uint64(1))
    two = ((cross >> _LIMB) << np.uint64(1)) + (top & _LOW) + (one >> _LIMB)
    return [squares & _LOW, one & _LOW, two & _LOW, (top >> _LIMB) + (two >> _LIMB)]


def _shifted(parts: list[Unsigned], bits: Unsigned) -> list[Numbers]:
    """Return parts of 32 bits, moved up by fewer than 32 bits: one more of them."""
    moved = [part << bits for part in parts]
    pieces = [moved[0] & _LOW]
    pieces += [(before >> _LIMB) + (part & _LOW) for before, part in itertools.pairwise(moved)]
    pieces.append(moved[-1] >> _LIMB)
    return [piece.astype(np.int64) for piece in pieces]
