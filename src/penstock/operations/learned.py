"""Learned operations: what to find in the training rows, and the ordinary expression that it is frozen into."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.core.expression import Expr, literal
from penstock.core.operation import LearnedOperation, Parameter, Statistic
from penstock.errors import ExpressionError

_X = Parameter(name="x", types=("float64",))
_CATEGORY = Parameter(name="x", types=("scalar",))
_TOP_K = Parameter(name="top_k", types=("int64",), default=32000, constant=True)
_THRESHOLD = Parameter(name="frequency_threshold", types=("int64",), default=5, constant=True)
_STRATEGIES = ("mean", "median", "most_frequent")
_DROPS = ("none", "most_frequent")
_HOT = "array<struct<index int64, value float64>>"


def _constant(arguments: Sequence[Expr], place: int, default: Any = None) -> Any:
    """Return the plain value of a constant argument, or the default if it was left out."""
    return arguments[place].args[0] if len(arguments) > place else default


def _call(op: str, x: Expr, *constants: Any, type: str | None = None) -> Expr:
    """Apply an operation to x and constants."""
    return Expr(op, (x, *(literal(constant, as_type=type) for constant in constants)))


def _aggregates(x: Expr, **aggregates: str) -> tuple[Statistic, ...]:
    return tuple(Statistic(name=name, of=x, aggregate=text) for name, text in aggregates.items())


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def _scale(x: Expr, center: Any, divisor: Any) -> Expr:
    """Return (x - center) / divisor; one training value has no deviation, which counts as 0 (divisor 1)."""
    return _call("standardize", x, _float(center), _float(divisor) or (None if center is None else 1.0), type="float64")


def _imputer_statistics(arguments: Sequence[Expr]) -> tuple[Statistic, ...]:
    match _constant(arguments, 1):
        case "mean":
            return _aggregates(arguments[0], value="avg({x})")
        case "median":
            return _aggregates(arguments[0], value="quantile_disc({x}, 0.5)")
    return (Statistic(name="value", of=arguments[0], vocabulary=(1, 1)),)


def _impute(arguments: Sequence[Expr], found: dict[str, Any]) -> Expr:
    value = found["value"]
    value = (value[0] if value else None) if isinstance(value, list | tuple) else value
    number = isinstance(value, int | float) or _constant(arguments, 1) != "most_frequent"
    return _call("coalesce", arguments[0], _float(value) if number else value, type="float64" if number else None)


def _vocabulary(arguments: Sequence[Expr], first: int) -> tuple[Statistic, ...]:
    """Ask for the entries; `first` is where top_k and frequency_threshold stand among the arguments."""
    limits = (_constant(arguments, first, 32000), _constant(arguments, first + 1, 5))
    return (Statistic(name="entries", of=arguments[0], vocabulary=limits),)


def _one_hot(arguments: Sequence[Expr], found: dict[str, Any]) -> Expr:
    entries = list(found["entries"])
    dropped = entries[0] if entries and _constant(arguments, 1) == "most_frequent" else None
    constants = (tuple(sorted(entries)), *(() if dropped is None else (dropped,)))
    return _call("one_hot", arguments[0], *constants)


def _quantiles(arguments: Sequence[Expr]) -> tuple[Statistic, ...]:
    buckets = _constant(arguments, 1)
    if buckets < 1:
        raise ExpressionError(f"quantile_bucketize needs at least one bucket, not {buckets}")
    ranks = ", ".join(repr(place / buckets) for place in range(1, buckets))
    return _aggregates(arguments[0], points=f"quantile_disc({{x}}, [{ranks}]::DOUBLE[])")


def _quantile_buckets(arguments: Sequence[Expr], found: dict[str, Any]) -> Expr:
    points = tuple(sorted({float(point) for point in found["points"] or ()}))
    return _call("bucketize", arguments[0], points, type="array<float64>")


_NUMBERS = (None, -3.0, 1.0, 2.0, 3.0, 4.0, 5.0)
_LETTERS = (None, "a", "b", "b", "c", "c", "c", "d", "d")

OPERATIONS = (
    LearnedOperation(
        name="standard_scaler",
        meaning="(x - mean) / sample standard deviation; a constant column becomes 0.",
        parameters=(_X,),
        result="float64",
        statistics=lambda a: _aggregates(a[0], mean="avg({x})", deviation="stddev_samp({x})"),
        freeze=lambda a, found: _scale(a[0], found["mean"], found["deviation"]),
        bigquery="ML.STANDARD_SCALER",
        examples=(
            ((1.0, 2.0, 3.0, 4.0, 5.0), (), (-1.2649110640673518, -0.6324555320336759, 0.0, 0.6324555320336759,
            1.2649110640673518)),
            ((7.0, 7.0, None), (), (0.0, 0.0, None)),
            ((-7.0,), (), (0.0,)),
            ((None,), (), (None,)),
        ),
    ),
    LearnedOperation(
        name="min_max_scaler",
        meaning="(x - least) / (greatest - least), always held between 0 and 1; a constant column becomes 0.",
        parameters=(_X,),
        result="float64",
        statistics=lambda a: _aggregates(a[0], least="min({x})", greatest="max({x})"),
        freeze=lambda a, found: _call("scale_min_max", a[0], _float(found["least"]), _float(found["greatest"]),
            type="float64"),
        bigquery="ML.MIN_MAX_SCALER",
        examples=(
            ((1.0, 2.0, None, 5.0), (), (0.0, 0.25, None, 1.0)),
            ((-7.0, -7.0), (), (0.0, 0.0)),
            ((None,), (), (None,)),
        ),
    ),
    LearnedOperation(
        name="max_abs_scaler",
        meaning="x / the greatest absolute value; not held between bounds. A column of zeros stays 0.",
        parameters=(_X,),
        result="float64",
        statistics=lambda a: _aggregates(a[0], greatest="max(abs({x}))"),
        freeze=lambda a, found: _scale(a[0], None if found["greatest"] is None else 0.0, found["greatest"]),
        bigquery="ML.MAX_ABS_SCALER",
        examples=(((-4.0, 2.0, None, 1.0), (), (-1.0, 0.5, None, 0.25)), ((0.0, 0.0), (), (0.0, 0.0)),
            ((None,), (), (None,))),
    ),
    LearnedOperation(
        name="robust_scaler",
        meaning="(x - median) / (75th - 25th percentile), by nearest rank; where they are equal the divisor is 1.",
        parameters=(_X,),
        result="float64",
        statistics=lambda a: _aggregates(a[0], quartiles="quantile_disc({x}, [0.25, 0.5, 0.75])"),
        freeze=lambda a, found: _scale(
            a[0],
            *(found["quartiles"][1], found["quartiles"][2] - found["quartiles"][0]) if found["quartiles"] else (None,
                None),
        ),
        bigquery="ML.ROBUST_SCALER",
        examples=(
            (_NUMBERS, (), (None, -5 / 3, -1 / 3, 0.0, 1 / 3, 2 / 3, 1.0)),
            ((7.0, 7.0), (), (0.0, 0.0)),
        ),
    ),
    LearnedOperation(
        name="imputer",
        meaning="x, and in place of NULL the mean, the median (nearest rank) or the most frequent value of the "
        "training rows. Numbers become float64.",
        parameters=(_CATEGORY, Parameter(name="strategy", types=("string",), constant=True, choices=_STRATEGIES)),
        result=lambda types: "float64" if types[0] == "int64" else str(types[0]),
        statistics=_imputer_statistics,
        freeze=_impute,
        bigquery="ML.IMPUTER",
        examples=(
            ((1.0, None, 4.0, 7.0), ("mean",), (1.0, 4.0, 4.0, 7.0)),
            ((1.0, None, 4.0, 9.0, -2.0), ("median",), (1.0, 1.0, 4.0, 9.0, -2.0)),
            (("b", None, "a", "b", ""), ("most_frequent",), ("b", "b", "a", "b", "")),
            (("b", None, "a"), ("most_frequent",), ("b", "a", "a")),
            ((None,), ("mean",), (None,)),
        ),
    ),
    LearnedOperation(
        name="quantile_bucketize",
        meaning="The name of x's bucket, of so many that hold about equally many training rows (by nearest rank).",
        parameters=(_X, Parameter(name="buckets", types=("int64",), constant=True)),
        result="string",
        statistics=_quantiles,
        freeze=_quantile_buckets,
        bigquery="ML.QUANTILE_BUCKETIZE",
        examples=(
            ((1.0, 2.0, 3.0, 4.0, 5.0), (3,), ("bin_1", "bin_2", "bin_2", "bin_3", "bin_3")),
            ((7.0, 7.0, None), (2,), ("bin_2", "bin_2", None)),
            ((-7.0,), (1,), ("bin_1",)),
        ),
    ),
    LearnedOperation(
        name="label_encoder",
        meaning="The place of x, from 1, in the alphabetical list of its most frequent values; 0 for NULL and others.",
        parameters=(_CATEGORY, _TOP_K, _THRESHOLD),
        result="int64",
        statistics=lambda a: _vocabulary(a, 1),
        freeze=lambda a, found: _call("lookup_index", a[0], tuple(sorted(found["entries"]))),
        bigquery="ML.LABEL_ENCODER",
        examples=(
            (_LETTERS, (2, 2), (0, 0, 1, 1, 2, 2, 2, 0, 0)),
            (_LETTERS, (), (0,) * 9),
            (("", "", None), (9, 1), (1, 1, 0)),
        ),
    ),
    LearnedOperation(
        name="one_hot_encoder",
        meaning="label_encoder's index and 1.0, as an array of one pair; drop='most_frequent' gives that one 0.0.",
        parameters=(_CATEGORY, Parameter(name="drop", types=("string",), default="none", constant=True,
            choices=_DROPS), _TOP_K, _THRESHOLD),
        result=_HOT,
        statistics=lambda a: _vocabulary(a, 2),
        freeze=_one_hot,
        bigquery="ML.ONE_HOT_ENCODER",
        examples=(
            (("a", "b", "b", None, "z"), ("none", 2,
            1), tuple([{"index": index, "value": 1.0}] for index in (1, 2, 2, 0, 0))),
            (("a", "b", "b", None), ("most_frequent", 9, 1), tuple([{"index": index, "value": value}] for index,
            value in ((1, 1.0), (2, 0.0), (2, 0.0), (0, 1.0)))),
        ),
    ),
)  # fmt: skip
