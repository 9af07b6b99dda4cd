"""Fingerprints: FarmHash's Fingerprint64, which BigQuery's hashes are, of a text's bytes."""

from __future__ import annotations

from functools import lru_cache

from penstock.core.operation import Operation, Parameter, golden

_ALL = 0xFFFF_FFFF_FFFF_FFFF
_K0, _K1, _K2 = 0xC3A5_C85C_97CB_3127, 0xB492_B66F_BE98_F273, 0x9AE1_6A3B_2F90_404F
Pair = tuple[int, int]


def fingerprint(x: bytes) -> int:
    """Return Fingerprint64 as a signed number, as FARM_FINGERPRINT gives it."""
    value = fingerprint64(x)
    return value - (1 << 64) if value >> 63 else value


def hash_bucket(x: bytes, buckets: int) -> int:
    """Return Fingerprint64, taken as unsigned, modulo so many buckets; with 0 buckets the signed fingerprint."""
    return fingerprint64(x) % buckets if buckets else fingerprint(x)


def fingerprint64(x: bytes) -> int:
    """Return Fingerprint64 as an unsigned number: the function that FarmHash promises never to change."""
    return _of_short(x) if len(x) <= 64 else _of_long(x, len(x))


@lru_cache(1 << 14)  # categories come again and again
def _of_short(x: bytes) -> int:
    size = len(x)
    if size <= 16:
        return _up_to_16(x, size)
    return _up_to_32(x, size) if size <= 32 else _up_to_64(x, size)


def _word(x: bytes, start: int) -> int:
    """Read 8 bytes, the least first."""
    return int.from_bytes(x[start : start + 8], "little")


def _rotated(value: int, by: int) -> int:
    """Turn the lowest 64 bits of a sum to the right."""
    value &= _ALL
    return (value >> by | value << (64 - by)) & _ALL


def _shifted(value: int) -> int:
    return value ^ (value >> 47)


def _mixed(low: int, high: int, factor: int) -> int:
    """Mix two words into one."""
    first = _shifted((((low ^ high) & _ALL) * factor) & _ALL)
    return _shifted((((high & _ALL) ^ first) * factor) & _ALL) * factor & _ALL


def _up_to_16(x: bytes, size: int) -> int:
    if size >= 8:
        factor = _K2 + size * 2
        first, last = _word(x, 0) + _K2, _word(x, size - 8)
        return _mixed(_rotated(last, 37) * factor + first, (_rotated(first, 25) + last) * factor, factor & _ALL)
    if size >= 4:
        head, tail = int.from_bytes(x[:4], "little"), int.from_bytes(x[size - 4 :], "little")
        return _mixed(size + (head << 3), tail, _K2 + size * 2)
    if size == 0:
        return _K2
    ends, middle = x[0] + (x[size >> 1] << 8), size + (x[-1] << 2)
    return _shifted(ends * _K2 & _ALL ^ middle * _K0 & _ALL) * _K2 & _ALL


def _up_to_32(x: bytes, size: int) -> int:
    factor = _K2 + size * 2
    a, b, c, d = _word(x, 0) * _K1, _word(x, 8), _word(x, size - 8) * factor, _word(x, size - 16) * _K2
    return _mixed(_rotated(a + b, 43) + _rotated(c, 30) + d, a + _rotated(b + _K2, 18) + c, factor)


def _up_to_64(x: bytes, size: int) -> int:
    factor = _K2 + size * 2
    a, b, c, d = _word(x, 0) * _K2, _word(x, 8), _word(x, size - 8) * factor, _word(x, size - 16) * _K2
    y = _rotated(a + b, 43) + _rotated(c, 30) + d
    z = _mixed(y, a + _rotated(b + _K2, 18) + c, factor)
    e, f, g = _word(x, 16) * factor, _word(x, 24), (y + _word(x, size - 32)) * factor
    h = (z + _word(x, size - 24)) * factor
    return _mixed(_rotated(e + f, 43) + _rotated(g, 30) + h, e + _rotated(f + a, 18) + g, factor)


def _weak(x: bytes, start: int, a: int, b: int) -> Pair:
    """Mix 32 bytes into two words, with seeds."""
    first, second, third, last = (_word(x, start + place) for place in (0, 8, 16, 24))
    a += first
    b = _rotated(b + a + last, 21)
    whole = a + second + third
    return (whole + last) & _ALL, (b + _rotated(whole, 44) + a) & _ALL


def _of_long(x: bytes, size: int) -> int:
    """Take 64 bytes at a time, and the last 64 once more."""
    seed = 81
    y = seed * _K1 + 113 & _ALL
    z = _shifted(y * _K2 + 113 & _ALL) * _K2 & _ALL
    v, w = (0, 0), (0, 0)
    a = seed * _K2 + _word(x, 0) & _ALL
    for start in range(0, (size - 1) // 64 * 64, 64):
        a, y, z, v, w = _round(x, start, (a, y, z), v, w, _K1, 1)
    factor = _K1 + ((z & 0xFF) << 1)
    w = (w[0] + ((size - 1) & 63), w[1])
    v = (v[0] + w[0], v[1])
    w = (w[0] + v[0], w[1])
    a, y, z, v, w = _round(x, size - 64, (a, y, z), v, w, factor, 9)
    low = _mixed(v[0], w[0], factor) + _shifted(y) * _K0 + z
    return _mixed(low, _mixed(v[1], w[1], factor) + a, factor)


def _round(
    x: bytes, start: int, state: tuple[int, int, int], v: Pair, w: Pair, factor: int, weight: int
) -> tuple[int, int, int, Pair, Pair]:
    """Mix 64 bytes into the state."""
    a, y, z = state
    a = _rotated(a + y + v[0] + _word(x, start + 8), 37) * factor & _ALL
    y = _rotated(y + v[1] + _word(x, start + 48), 42) * factor & _ALL
    a ^= w[1] * weight & _ALL
    y = y + v[0] * weight + _word(x, start + 40) & _ALL
    z = _rotated(z + w[0], 33) * factor & _ALL
    v = _weak(x, start, v[1] * factor, a + w[0])
    w = _weak(x, start + 32, z + w[1], y + _word(x, start + 16))
    return z, y, a, v, w


def _checked_buckets(buckets: int) -> None:
    if buckets < 0:
        raise ValueError("there are 0 buckets (the fingerprint itself) or more")


OPERATIONS = (
    Operation(
        name="farm_fingerprint",
        meaning="FarmHash's Fingerprint64 of a text's bytes, as a signed number. It never changes.",
        parameters=(Parameter(name="x", types=("string", "bytes")),),
        result="int64",
        sql=lambda a, t: f"penstock_fingerprint({f'encode({a[0]})' if t[0] == 'string' else a[0]})",
        row=lambda a, t: f"fingerprint({f'{a[0]}.encode()' if t[0] == 'string' else a[0]})",
        names={"fingerprint": fingerprint},
        bigquery="FARM_FINGERPRINT",
        examples=(
            *golden(("a", -5528939962900187677), ("", -7286425919675154353), ("Kings Cross", -531223352814545252),
                ("é", 693143013273849025), ("a\0b", 7026922943720236280),
                ("x" * 40, -1443147843654566764), ("x" * 200, -4507755807737601089), (None, None), types="string"),
            *golden((b"a", -5528939962900187677), (b"\xff\x00", 220203550205093463), (None, None), types="bytes"),
        ),
    ),
    Operation(
        name="hash_bucketize",
        meaning="The bucket of a text, from 0: its fingerprint, taken as unsigned, modulo the number of buckets; with "
        "0 buckets the fingerprint itself.",
        parameters=(Parameter(name="x", types=("string",)),
            Parameter(name="hash_bucket_size", types=("int64",), constant=True, prepare=_checked_buckets)),
        result="int64",
        sql=lambda a, t: f"penstock_hash_bucket(encode({a[0]}), CAST({a[1]} AS BIGINT))",
        row=lambda a, t: f"hash_bucket({a[0]}.encode(), {a[1]})",
        names={"hash_bucket": hash_bucket},
        bigquery="ML.HASH_BUCKETIZE",
        examples=golden(("a", 3, 0), ("b", 3, 1), ("c", 3, 1), ("d", 3, 2), ("", 3, 2), ("a", 0, -5528939962900187677),
            ("a", 1, 0), ("Kings Cross", 2**62, 4080462665612842652), (None, 3, None), types="string; int64"),
    ),
)  # fmt: skip
