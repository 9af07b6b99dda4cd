"""Distances between vectors, which are arrays of float64. Sums run from the first item to the last in both forms."""

from __future__ import annotations

import math
from collections.abc import Callable

from penstock.core.operation import Operation, Parameter, Raises, golden
from penstock.errors import ExpressionError
from penstock.operations.literals import fails
from penstock.operations.templates import bound, plain

_VECTOR = ("array<float64>",)
_UNLIKE = "vectors of different lengths, or with NULL"
_ZERO = "a vector of zeros has no direction"


def _checked(x: list[float | None], other: list[float | None]) -> None:
    if len(x) != len(other) or None in x or None in other:
        raise ExpressionError(f"{_UNLIKE}: {len(x)} and {len(other)} items")


def euclidean_distance(x: list[float], other: list[float]) -> float:
    """Return the root of the sum of squared differences."""
    _checked(x, other)  # type: ignore[arg-type]
    total = 0.0
    for own, its in zip(x, other, strict=True):
        total += (own - its) * (own - its)
    return math.sqrt(total)


def cosine_distance(x: list[float], other: list[float]) -> float:
    """Return one minus the cosine of the angle between the vectors."""
    _checked(x, other)  # type: ignore[arg-type]
    both = own_square = its_square = 0.0
    for own, its in zip(x, other, strict=True):
        both += own * its
        own_square += own * own
        its_square += its * its
    if own_square == 0 or its_square == 0:
        raise ExpressionError(_ZERO)
    return 1.0 - both / (math.sqrt(own_square) * math.sqrt(its_square))


def _sum(term: str) -> str:
    """Return DuckDB text of the sum of a term over pairs, `p[1]` and `p[2]`, in their order."""
    return f"list_reduce(list_transform(list_zip({{0}}, {{1}}), lambda p: {term}), lambda sum, own: sum + own, 0e0)"


def _distance(name: str, meaning: str, function: Callable[..., float], body: str, **sums: str) -> Operation:
    unlike = "len(s.x) <> len(s.y) OR list_count(s.x) < len(s.x) OR list_count(s.y) < len(s.y)"
    text = bound(f"CASE WHEN {unlike} THEN {fails(_UNLIKE)} {body} END", x="{0}", y="{1}")
    for key, term in sums.items():
        text = text.replace(f"<{key}>", _sum(term).format("s.x", "s.y"))
    return plain(
        name,
        meaning,
        text,
        f"{name}({{0}}, {{1}})",
        (
            *golden(
                ([1.0, 2.0], [3.0, 4.0], function([1.0, 2.0], [3.0, 4.0])),
                ([9.0, 7.0], [8.0, 4.0, 5.0], Raises),
                ([1.0, None], [1.0, 2.0], Raises),
                (None, [], None),
                ([1.0], None, None),
                ([-1e200], [1e200], function([-1e200], [1e200])),
                types="array<float64>; array<float64>",
            ),
            *golden(
                ([0.0, 0.0], [3.0, 4.0], 5.0 if name == "euclidean_distance" else Raises),
                ([], [], 0.0 if name == "euclidean_distance" else Raises),
                types="array<float64>; array<float64>",
            ),
        ),
        Parameter(name="x", types=_VECTOR),
        Parameter(name="other", types=_VECTOR),
        result="float64",
        names={name: function},
    )


OPERATIONS = (
    _distance(
        "euclidean_distance",
        "The root of the sum of squared differences; raises for vectors of different lengths, or with NULL.",
        euclidean_distance,
        "ELSE sqrt(<square>)",
        square="(p[1] - p[2]) * (p[1] - p[2])",
    ),
    _distance(
        "cosine_distance",
        "One minus the cosine of the angle; raises for vectors of different lengths, with NULL, or of zeros only.",
        cosine_distance,
        f"WHEN <own> = 0 OR <its> = 0 THEN {fails(_ZERO)} ELSE 1e0 - <both> / (sqrt(<own>) * sqrt(<its>))",
        own="p[1] * p[1]",
        its="p[2] * p[2]",
        both="p[1] * p[2]",
    ),
)
