"""The closed table of aggregates and window functions: what each takes, gives, and is in DuckDB's SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from penstock.errors import ExpressionError, SqlError

_NUMBER = ("int64", "float64")
_ORDERED = (*_NUMBER, "bool", "string", "bytes", "date", "time", "datetime", "timestamp")
_TYPES = {"number": _NUMBER, "ordered": _ORDERED, "bool": ("bool",), "int64": ("int64",), "string": ("string", "bytes")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One use of an aggregate: the DuckDB texts and types of its arguments, and what stands around them.

    `inside` follows the arguments (` IGNORE NULLS`, ` ORDER BY ...`), `after` the call (` FILTER (...) OVER (...)`).
    `limit` is the number of a LIMIT among the arguments.
    """

    arguments: Sequence[str]
    types: Sequence[str]
    constants: Sequence[str | None]  # the arguments that are written as a number or a string
    distinct: bool = False
    inside: str = ""
    after: str = ""
    limit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One meaning of one name. `takes` names the types of its arguments, the last ones optional after `required`."""

    name: str
    takes: tuple[str, ...]
    result: Callable[[Call], str]
    sql: Callable[[Call], str]
    required: int | None = None
    window_only: bool = False
    limited: bool = False  # whether its arguments may end with a LIMIT


def aggregate_of(node: exp.Expr) -> Aggregate | None:
    """Return the aggregate or window function that a syntax node calls; None where it calls neither."""
    found = AGGREGATES.get(type(node))
    if found is None and isinstance(node, exp.AggFunc):
        name = node.meta.get("bigquery_name") or node.sql("bigquery").split("(")[0]
        raise SqlError(f"the aggregate {name} is not in penstock yet; there are: {', '.join(_names())}")
    return found


def apply(aggregate: Aggregate, call: Call) -> tuple[str, str]:
    """Return the DuckDB text and the type of a call; `ExpressionError` where its arguments do not fit."""
    least = len(aggregate.takes) if aggregate.required is None else aggregate.required
    if not least <= len(call.types) <= len(aggregate.takes):
        raise ExpressionError(f"{aggregate.name} takes {least} arguments, not {len(call.types)}")
    for group, type in zip(aggregate.takes, call.types, strict=False):
        if group == "array" and not type.startswith("array<"):
            raise ExpressionError(f"{aggregate.name} takes arrays, not {type}")
        if group in _TYPES and type not in (*_TYPES[group], "null"):
            raise ExpressionError(f"{aggregate.name} takes {' or '.join(_TYPES[group])}, not {type}")
    if "constant" in aggregate.takes and call.constants[aggregate.takes.index("constant")] is None:
        raise ExpressionError(f"the last argument of {aggregate.name} must be written as a constant")
    if call.limit and not aggregate.limited:
        raise ExpressionError(f"{aggregate.name} takes no LIMIT")
    return aggregate.sql(call), aggregate.result(call)


def _names() -> list[str]:
    return sorted({aggregate.name for aggregate in AGGREGATES.values()})


def _function(name: str) -> Callable[[Call], str]:
    def sql(call: Call) -> str:
        distinct = "DISTINCT " if call.distinct else ""
        return f"{name}({distinct}{', '.join(call.arguments)}{call.inside}){call.after}"

    return sql


def _cast(name: str, type: str) -> Callable[[Call], str]:
    return lambda call: f"CAST({_function(name)(call)} AS {type})"


def _sum(call: Call) -> str:
    """DuckDB adds integers up in 128 bits; BigQuery's SUM overflows at 64, and so does the cast."""
    return _cast("sum", "BIGINT")(call) if call.types[0] == "int64" else _function("sum")(call)


def _min(call: Call) -> str:
    """NaN is the least of all in BigQuery's MIN, and the greatest of all in DuckDB's order."""
    if call.types[0] != "float64":
        return _function("min")(call)
    return f"(-max(-({call.arguments[0]})){call.after})"


def _quantiles(call: Call) -> str:
    """Nearest-rank quantiles, exact: 0/n, 1/n, ... n/n."""
    number = int(call.constants[1] or 0)
    ranks = ", ".join(repr(rank / number) for rank in range(number + 1))
    distinct = "DISTINCT " if call.distinct else ""
    return f"quantile_disc({distinct}{call.arguments[0]}, [{ranks}]){call.after}"


def _top(call: Call) -> str:
    """The most frequent values with their counts, NULL among them; of equal counts in order, NULL last."""
    counted = f"map_entries(histogram(struct_pack(v := {call.arguments[0]})){call.after})"
    ranked = f"list_transform({counted}, lambda e: struct_pack(n := -CAST(e.value AS BIGINT), v := e.key.v))"
    first = f"list_sort({ranked})[1:{int(call.constants[1] or 0)}]"
    return f"list_transform({first}, lambda e: struct_pack(value := e.v, count := -e.n))"


def _top_sum(call: Call) -> str:
    """The values whose weights have the greatest sums; a sum of nothing but NULLs is NULL, and the least."""
    value, weight, _ = call.arguments
    pairs = f"list(struct_pack(v := {value}, w := {weight})){call.after}"
    weights = f"list_transform(list_filter({pairs}, lambda e: e.v IS NOT DISTINCT FROM k.v), lambda e: e.w)"
    least = "DOUBLE" if call.types[1] == "float64" else "BIGINT"
    summed = f"struct_pack(n := -CAST(list_sum({weights}) AS {least}), v := k.v)"
    values = f"list_distinct(list_transform({pairs}, lambda e: struct_pack(v := e.v)))"
    first = f"list_sort(list_transform({values}, lambda k: {summed}))[1:{int(call.constants[2] or 0)}]"
    return f"list_transform({first}, lambda e: struct_pack(value := e.v, sum := -e.n))"


def _joined(call: Call) -> str:
    """STRING_AGG. With a LIMIT, the first so many texts in order: they are listed, cut, and put together."""
    if not call.limit:
        return _function("string_agg")(call)
    separator = call.arguments[1] if len(call.arguments) > 1 else "','"
    return f"array_to_string({_present(call)}, {separator})"


def _concatenated(call: Call) -> str:
    """ARRAY_CONCAT_AGG: the elements of all arrays that are there, in order."""
    return f"flatten({_present(call)})"


def _present(call: Call) -> str:
    """The values of the first argument as an array, NULLs left out."""
    there = f" FILTER (({call.arguments[0]}) IS NOT NULL){call.after}"
    return _listed(replace(call, arguments=call.arguments[:1], after=there))


def _listed(call: Call) -> str:
    return f"({_function('list')(call)})[1:{call.limit}]" if call.limit else _function("list")(call)


def _percentile(name: str) -> Callable[[Call], str]:
    return lambda call: f"{name}({call.arguments[0]}, {float(call.constants[1] or 0)!r}){call.after}"


def _count(call: Call) -> str:
    return _function("count")(call) if call.arguments else f"count(*){call.after}"


def _fixed(type: str) -> Callable[[Call], str]:
    return lambda call: type


def _first(call: Call) -> str:
    return call.types[0]


def _array(call: Call) -> str:
    return f"array<{call.types[0]}>"


def _statistic(name: str, function: str) -> Aggregate:
    return Aggregate(name=name, takes=("number",), result=_fixed("float64"), sql=_function(function))


def _pair(name: str, function: str) -> Aggregate:
    return Aggregate(name=name, takes=("number", "number"), result=_fixed("float64"), sql=_function(function))


def _rank(name: str, type: str) -> Aggregate:
    return Aggregate(name=name, takes=(), result=_fixed(type), sql=_function(name.lower()), window_only=True)


def _shift(name: str) -> Aggregate:
    return Aggregate(
        name=name,
        takes=("any", "int64", "any"),
        required=1,
        result=_first,
        sql=_function(name.lower()),
        window_only=True,
    )


def _value(name: str) -> Aggregate:
    return Aggregate(name=name, takes=("any",), result=_first, sql=_function(name.lower()), window_only=True)


AGGREGATES: dict[type[exp.Expr], Aggregate] = {
    exp.Count: Aggregate(name="COUNT", takes=("any",), required=0, result=_fixed("int64"), sql=_count),
    exp.CountIf: Aggregate(name="COUNTIF", takes=("bool",), result=_fixed("int64"), sql=_cast("count_if", "BIGINT")),
    exp.Sum: Aggregate(name="SUM", takes=("number",), result=_first, sql=_sum),
    exp.Avg: _statistic("AVG", "avg"),
    exp.Min: Aggregate(name="MIN", takes=("ordered",), result=_first, sql=_min),
    exp.Max: Aggregate(name="MAX", takes=("ordered",), result=_first, sql=_function("max")),
    exp.Stddev: _statistic("STDDEV", "stddev_samp"),
    exp.StddevSamp: _statistic("STDDEV_SAMP", "stddev_samp"),
    exp.StddevPop: _statistic("STDDEV_POP", "stddev_pop"),
    exp.Variance: _statistic("VARIANCE", "var_samp"),
    exp.VariancePop: _statistic("VAR_POP", "var_pop"),
    exp.Corr: _pair("CORR", "corr"),
    exp.CovarSamp: _pair("COVAR_SAMP", "covar_samp"),
    exp.CovarPop: _pair("COVAR_POP", "covar_pop"),
    exp.LogicalAnd: Aggregate(name="LOGICAL_AND", takes=("bool",), result=_fixed("bool"), sql=_function("bool_and")),
    exp.LogicalOr: Aggregate(name="LOGICAL_OR", takes=("bool",), result=_fixed("bool"), sql=_function("bool_or")),
    exp.AnyValue: Aggregate(name="ANY_VALUE", takes=("any",), result=_first, sql=_function("first")),
    exp.ArgMax: Aggregate(name="MAX_BY", takes=("any", "ordered"), result=_first, sql=_function("arg_max_null")),
    exp.ArgMin: Aggregate(name="MIN_BY", takes=("any", "ordered"), result=_first, sql=_function("arg_min_null")),
    exp.ArrayAgg: Aggregate(name="ARRAY_AGG", takes=("any",), result=_array, sql=_listed, limited=True),
    exp.ArrayConcatAgg: Aggregate(
        name="ARRAY_CONCAT_AGG", takes=("array",), result=_first, sql=_concatenated, limited=True
    ),
    exp.GroupConcat: Aggregate(
        name="STRING_AGG", takes=("string", "string"), required=1, result=_first, sql=_joined, limited=True
    ),
    exp.ApproxDistinct: Aggregate(
        name="APPROX_COUNT_DISTINCT",
        takes=("any",),
        result=_fixed("int64"),
        sql=lambda call: f"count(DISTINCT {call.arguments[0]}){call.after}",
    ),
    exp.ApproxQuantiles: Aggregate(
        name="APPROX_QUANTILES", takes=("ordered", "constant"), result=_array, sql=_quantiles
    ),
    exp.ApproxTopK: Aggregate(
        name="APPROX_TOP_COUNT",
        takes=("any", "constant"),
        result=lambda call: f"array<struct<value {call.types[0]}, count int64>>",
        sql=_top,
    ),
    exp.ApproxTopSum: Aggregate(
        name="APPROX_TOP_SUM",
        takes=("any", "number", "constant"),
        result=lambda call: f"array<struct<value {call.types[0]}, sum {call.types[1]}>>",
        sql=_top_sum,
    ),
    exp.BitwiseAndAgg: Aggregate(name="BIT_AND", takes=("int64",), result=_first, sql=_function("bit_and")),
    exp.BitwiseOrAgg: Aggregate(name="BIT_OR", takes=("int64",), result=_first, sql=_function("bit_or")),
    exp.BitwiseXorAgg: Aggregate(name="BIT_XOR", takes=("int64",), result=_first, sql=_function("bit_xor")),
    exp.PercentileCont: Aggregate(
        name="PERCENTILE_CONT",
        takes=("number", "constant"),
        result=_fixed("float64"),
        sql=_percentile("quantile_cont"),
        window_only=True,
    ),
    exp.PercentileDisc: Aggregate(
        name="PERCENTILE_DISC",
        takes=("ordered", "constant"),
        result=_first,
        sql=_percentile("quantile_disc"),
        window_only=True,
    ),
    exp.RowNumber: _rank("ROW_NUMBER", "int64"),
    exp.Rank: _rank("RANK", "int64"),
    exp.DenseRank: _rank("DENSE_RANK", "int64"),
    exp.PercentRank: _rank("PERCENT_RANK", "float64"),
    exp.CumeDist: _rank("CUME_DIST", "float64"),
    exp.Ntile: Aggregate(
        name="NTILE", takes=("int64",), result=_fixed("int64"), sql=_function("ntile"), window_only=True
    ),
    exp.Lag: _shift("LAG"),
    exp.Lead: _shift("LEAD"),
    exp.FirstValue: _value("FIRST_VALUE"),
    exp.LastValue: _value("LAST_VALUE"),
    exp.NthValue: Aggregate(
        name="NTH_VALUE", takes=("any", "int64"), result=_first, sql=_function("nth_value"), window_only=True
    ),
}
"""Syntax node -> what it is. A name that is not here is refused, by name."""
