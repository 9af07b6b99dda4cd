"""Fingerprints are those of Google's FarmHash, for texts of every length."""

from __future__ import annotations

import pytest

from penstock.core.schema import Schema
from penstock.errors import ExpressionError
from penstock.operations import col, type_of
from penstock.operations.fingerprints import fingerprint64

# Of the bytes (7 n + 3) mod 256, by the C++ library: each way that it takes by length, and both sides of each border.
_FROM_FARMHASH = [
    (0, 11160318154034397263), (1, 13745158429558087051), (2, 1655114877597445365), (3, 4662423180930907492),
    (4, 17566270577251613586), (7, 5759834791111993764), (8, 907454142650066470), (9, 16509338067675758591),
    (16, 9140634717936656744), (17, 14506534093795057959), (24, 3530932784303194834), (32, 11907377154618496232),
    (33, 14001582926318596329), (48, 12067522278222762015), (64, 389040666157116578), (65, 8638051931306504420),
    (100, 11391788667801836296), (127, 14601120872369961854), (128, 7379187116787024497), (129, 10961879714037014659),
    (192, 4590343427702585127), (1000, 16150330943325068364),
]  # fmt: skip


@pytest.mark.parametrize(("length", "expected"), _FROM_FARMHASH)
def test_a_fingerprint_is_that_of_farmhash(length: int, expected: int) -> None:
    assert fingerprint64(bytes((place * 7 + 3) % 256 for place in range(length))) == expected


def test_fewer_buckets_than_none_are_refused() -> None:
    with pytest.raises(ExpressionError, match="hash_bucket_size cannot be -1: there are 0 buckets"):
        type_of(col("s").hash_bucketize(-1), Schema.of(s="string"))
