"""Learned operations: what to find in the training rows, and the ordinary expression that it is frozen into."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from penstock.core.expression import Expr, literal
from penstock.core.operation import LearnedOperation, Parameter, Statistic
from penstock.core.schema import SCALAR_TYPES, element_type
from penstock.errors import ExpressionError
from penstock.operations.buckets import FORMATS
from penstock.operations.vocabularies import HOT, pairs

_X = Parameter(name="x", types=("float64",))
_CATEGORY = Parameter(name="x", types=("scalar",))
_TOP_K = Parameter(name="top_k", types=("int64",), default=32000, constant=True)
_THRESHOLD = Parameter(name="frequency_threshold", types=("int64",), default=5, constant=True)
_STRATEGIES = ("mean", "median", "most_frequent")
_DROPS = ("none", "most_frequent")
_DOCUMENT = Parameter(name="tokenized_document", types=("array<string>", "string"))


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
    value = next(iter(value), None) if isinstance(value, dict) else value
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


def _array_vocabulary(arguments: Sequence[Expr], found: dict[str, Any], op: str = "multi_hot") -> Expr:
    return _call(op, arguments[0], tuple(sorted(found["entries"])))


def _hot_items(types: Sequence[Any]) -> str:
    """Return the type of the pairs; raises `ExpressionError` for an array whose items are no categories."""
    if types[0] != "string" and element_type(types[0]) not in (SCALAR_TYPES.keys() - {"float64"} | {"null"}):
        raise ExpressionError(f"multi_hot_encoder takes an array of strings or the like, but it was given {types[0]}")
    return HOT


def _tf_idf_statistics(arguments: Sequence[Expr]) -> tuple[Statistic, ...]:
    return (*_vocabulary(arguments, 1), *_aggregates(arguments[0], documents="count({x})"))


def _tf_idf(arguments: Sequence[Expr], found: dict[str, Any]) -> Expr:
    """Weigh each term by ln(1 + documents / (1 + documents that hold it)); an unknown term weighs as the mean term."""
    entries = sorted(found["entries"].items())
    weights = [math.log(1 + found["documents"] / (1 + frequency)) for _, frequency in entries]
    unknown = math.fsum(weights) / len(weights) if weights else 0.0
    terms = tuple(entry for entry, _ in entries)
    return Expr("term_weights", (arguments[0], literal(terms), literal((unknown, *weights), as_type="array<float64>")))


def _quantile_range(arguments: Sequence[Expr]) -> tuple[int, int]:
    low, high = _constant(arguments, 1, (25, 75))
    return low, high


def _checked_range(given: tuple[int, ...]) -> None:
    if len(given) != 2 or not 0 < given[0] < given[1] < 100:
        raise ValueError("it is two percentages, 0 < low < high < 100")


def _robust_statistics(arguments: Sequence[Expr]) -> tuple[Statistic, ...]:
    low, high = _quantile_range(arguments)
    return _aggregates(arguments[0], quantiles=f"quantile_disc({{x}}, [{low / 100!r}, 0.5, {high / 100!r}])")


def _robust(arguments: Sequence[Expr], found: dict[str, Any]) -> Expr:
    """Freeze; without the median nothing is subtracted, without the quantile range nothing is divided by."""
    if not found["quantiles"]:
        return _scale(arguments[0], None, None)
    low, median, high = found["quantiles"]
    center = median if _constant(arguments, 2, True) else 0.0
    return _scale(arguments[0], center, high - low if _constant(arguments, 3, True) else 1.0)


def _checked_count(buckets: int) -> None:
    if buckets < 1:
        raise ValueError("there is at least one bucket")


def _quantiles(arguments: Sequence[Expr]) -> tuple[Statistic, ...]:
    buckets = _constant(arguments, 1)
    ranks = ", ".join(repr(place / buckets) for place in range(1, buckets))
    return _aggregates(arguments[0], points=f"quantile_disc({{x}}, [{ranks}]::DOUBLE[])")


def _quantile_buckets(arguments: Sequence[Expr], found: dict[str, Any]) -> Expr:
    points = tuple(sorted({float(point) for point in found["points"] or () if math.isfinite(point)}))
    form = _constant(arguments, 2, FORMATS[0])
    named = () if form == FORMATS[0] else (literal(False), literal(form))
    return Expr("bucketize", (arguments[0], literal(points, as_type="array<float64>"), *named))


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
        meaning="(x - median) / (75th - 25th percentile), by nearest rank; where they are equal the divisor is 1. The "
        "percentiles can be others, and each of the two steps left out.",
        parameters=(_X,
            Parameter(name="quantile_range", types=("array<int64>",), default=(25, 75), constant=True,
                prepare=_checked_range),
            Parameter(name="with_median", types=("bool",), default=True, constant=True),
            Parameter(name="with_quantile_range", types=("bool",), default=True, constant=True)),
        result="float64",
        statistics=_robust_statistics,
        freeze=_robust,
        bigquery="ML.ROBUST_SCALER",
        examples=(
            (_NUMBERS, (), (None, -5 / 3, -1 / 3, 0.0, 1 / 3, 2 / 3, 1.0)),
            (_NUMBERS, ((10, 90),), (None, *(number / 8 for number in (-5.0, -1.0, 0.0, 1.0, 2.0, 3.0)))),
            (_NUMBERS, ((25, 75), False), (None, -1.0, 1 / 3, 2 / 3, 1.0, 4 / 3, 5 / 3)),
            (_NUMBERS, ((25, 75), True, False), (None, -5.0, -1.0, 0.0, 1.0, 2.0, 3.0)),
            (_NUMBERS, ((25, 75), False, False), _NUMBERS),
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
        parameters=(_X, Parameter(name="num_buckets", types=("int64",), constant=True, prepare=_checked_count),
            Parameter(name="output_format", types=("string",), default=FORMATS[0], constant=True, choices=FORMATS)),
        result="string",
        statistics=_quantiles,
        freeze=_quantile_buckets,
        bigquery="ML.QUANTILE_BUCKETIZE",
        examples=(
            ((1.0, 2.0, 3.0, 4.0, 5.0), (3,), ("bin_1", "bin_2", "bin_2", "bin_3", "bin_3")),
            ((1.0, 2.0, 3.0, 4.0, 5.0), (3, "bucket_ranges"),
                ("(-inf, 2)", "[2, 4)", "[2, 4)", "[4, +inf)", "[4, +inf)")),
            ((1.0, 2.0, 4.0, 5.0), (2, "bucket_ranges_json"), ('{"start": "-Infinity", "end": "2"}',
                *['{"start": "2", "end": "Infinity"}'] * 3)),
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
        result=HOT,
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
    LearnedOperation(
        name="multi_hot_encoder",
        meaning="The places of an array's items in the alphabetical list of the items that most rows hold, as pairs of "
        "index (from 1; 0 for NULL and others) and 1.0, each index once. Of a text they are those of its terms.",
        parameters=(Parameter(name="array_expression", types=("array", "string")), _TOP_K, _THRESHOLD),
        result=_hot_items,
        statistics=lambda a: _vocabulary(a, 1),
        freeze=_array_vocabulary,
        bigquery="ML.MULTI_HOT_ENCODER",
        examples=(
            ((["a", "b", "b", "c", None], ["c", "c", "d", "d", None], None), (3, 1),
                (pairs((1, 1.0), (2, 1.0), (3, 1.0), (0, 1.0)), pairs((3, 1.0), (0, 1.0)), None)),
            (([7, 8], [8, 8, 9], []), (9, 2), (pairs((0, 1.0), (1, 1.0)), pairs((1, 1.0), (0, 1.0)), [])),
        ),
    ),
    LearnedOperation(
        name="token_ids",
        meaning="The places of an array's items, in their order, in the alphabetical list of the items that most rows "
        "hold; 0 for NULL and others.",
        parameters=(Parameter(name="array_expression", types=("array",)), _TOP_K, _THRESHOLD),
        result="array<int64>",
        statistics=lambda a: _vocabulary(a, 1),
        freeze=lambda a, found: _array_vocabulary(a, found, "lookup_indices"),
        examples=(
            ((["b", "a", None, "b"], ["b", "c"], [], None), (9, 1), ([2, 1, 0, 2], [2, 3], [], None)),
            (([7, 8], [8, 9]), (1, 1), ([0, 1], [1, 0])),
        ),
        bigquery="PENSTOCK.TOKEN_IDS",
    ),
    LearnedOperation(
        name="fixed_length",
        meaning="The numbers of an array, as many as the longest of the training rows has: a longer one is cut, a "
        "shorter one goes on with 0.",
        parameters=(Parameter(name="array_expression", types=("array<float64>", "array<int64>")),),
        result="array<float64>",
        statistics=lambda a: _aggregates(a[0], most="max(len({x}))"),
        freeze=lambda a, found: _call("resized", a[0], max(found["most"] or 0, 1)),
        bigquery="PENSTOCK.FIXED_LENGTH",
        examples=((([1.0, 2.0], [3.0], [], None), (), ([1.0, 2.0], [3.0, 0.0], [0.0, 0.0], None)),),
    ),
    LearnedOperation(
        name="bag_of_words",
        meaning="How often a document holds each term that most documents hold: pairs of the term's place in their "
        "alphabetical list (from 1; 0 for NULL and others) and count, in the order of the places. A text's terms are "
        "those that TEXT_ANALYZE finds.",
        parameters=(_DOCUMENT, _TOP_K, _THRESHOLD),
        result=HOT,
        statistics=lambda a: _vocabulary(a, 1),
        freeze=lambda a, found: _array_vocabulary(a, found, "term_counts"),
        bigquery="ML.BAG_OF_WORDS",
        examples=(
            ((["a", "b", "b", "c"], ["a", "c"]), (32, 1),
                (pairs((1, 1.0), (2, 2.0), (3, 1.0)), pairs((1, 1.0), (3, 1.0)))),
            ((["a", *"bbb", *"cccc", "d", "d"], ["a", "c", None], None), (4, 2),
                (pairs((0, 5.0), (1, 1.0), (2, 4.0)), pairs((0, 1.0), (1, 1.0), (2, 1.0)), None)),
            (([*"abbc"], [*"acc"]), (2, 1), (pairs((0, 2.0), (1, 1.0), (2, 1.0)), pairs((1, 1.0), (2, 2.0)))),
            (([*"abbcddd"], [*"accddd"]), (2, 2), (pairs((0, 5.0), (1, 1.0), (2, 1.0)),
                pairs((0, 3.0), (1, 1.0), (2, 2.0)))),
        ),
    ),
    LearnedOperation(
        name="tf_idf",
        meaning="bag_of_words' places, each with the term's share of the document times ln(1 + documents / (1 + "
        "documents that hold it)); for index 0 the mean of those logarithms.",
        parameters=(_DOCUMENT, _TOP_K, _THRESHOLD),
        result=HOT,
        statistics=_tf_idf_statistics,
        freeze=_tf_idf,
        bigquery="ML.TF_IDF",
        examples=(
            ((["I", "like", "pie", "pie", "pie", None], ["yum", "yum", "pie", None], ["I", "yum", "pie", None],
                ["you", "like", "pie", None]), (3, 1), (
                pairs((0, 0.12679902142647365), (1, 0.1412163100645339), (2, 0.1412163100645339),
                    (3, 0.29389333245105953)),
                pairs((0, 0.5705955964191315), (3, 0.14694666622552977)),
                pairs((0, 0.380397064279421), (1, 0.21182446509680086), (3, 0.14694666622552977)),
                pairs((0, 0.380397064279421), (2, 0.21182446509680086), (3, 0.14694666622552977)))),
            ((["a"], [], None), (), (pairs((0, 0.0)), [], None)),
        ),
    ),
)  # fmt: skip
