"""What learned encoders freeze into: the places of values in a vocabulary, of one value or of the items of an array."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, golden
from penstock.core.schema import element_type
from penstock.errors import ExpressionError
from penstock.operations.literals import sql_literal, sql_type

Places = Callable[[Any, int], int]
"""Looks up a value's place, from 1; what is not there has the place that is given."""

_TABLE, _ENTRY, _PLACE, _WEIGHT = (
    '"(vocabulary)"',
    '"(entry)"',
    '"(place)"',
    '"(weight)"',
)  # they hide columns of these names
_ITEM, _ORDER, _ITEMS, _SIZE = '"(item)"', '"(order)"', '"(items)"', '"(size)"'
_BY_PLACE = f"coalesce({_TABLE}.{_PLACE}, 0)"
_SMALL_VOCABULARY = 32  # above it a join with the vocabulary is faster than a search in a list (30 against 10 M rows/s)
_SEPARATORS = ("\x1f", "\x1e", "\x1d", "\x1c", "|", "\n", "\t")  # the first that no entry holds


def _vocabulary(values: tuple[Any, ...]) -> Places:
    """Return the look-up of a value's place."""
    return {value: place for place, value in enumerate(values, 1)}.get


def placed(x: list[Any]) -> list[dict[str, Any]]:
    """Return the items that are not NULL with their places, from 0."""
    return [{"index": place, "value": float(item)} for place, item in enumerate(x) if item is not None]


def multi_hot(x: list[Any], places: Places) -> list[dict[str, Any]]:
    """Return the places of the items, each once, in the order of the items."""
    return [{"index": place, "value": 1.0} for place in dict.fromkeys([places(item, 0) for item in x])]


def term_counts(x: list[Any], places: Places) -> list[dict[str, Any]]:
    """Return how often each place is met, in the order of the places."""
    counts = Counter([places(item, 0) for item in x])
    return [{"index": place, "value": float(counts[place])} for place in sorted(counts)]


def term_weights(x: list[Any], places: Places, weights: Sequence[float]) -> list[dict[str, Any]]:
    """Return the share that each place has of the items, times its weight, in the order of the places."""
    counts = Counter([places(item, 0) for item in x])
    return [{"index": place, "value": counts[place] / len(x) * weights[place]} for place in sorted(counts)]


def _entries_sql(values: tuple[Any, ...], type: str) -> str:
    """Return values as a list; many stand in one literal, for DuckDB reads 32,000 of their own in half a second."""
    if len(values) > _SMALL_VOCABULARY and type in ("string", "int64", "float64"):
        texts = values if type == "string" else tuple(map(repr, values))
        separator = next((mark for mark in _SEPARATORS if not any(mark in text for text in texts)), None)
        if separator is not None:
            joined = sql_literal(separator.join(texts), "string")
            return f"CAST(string_split({joined}, {sql_literal(separator, 'string')}) AS {sql_type(type)}[])"
    return f"[{', '.join(sql_literal(value, type) for value in values)}]"


def _table_sql(values: tuple[Any, ...], type: str, weights: tuple[float, ...] | None = None) -> str:
    """Return the vocabulary as an item of a FROM clause, with a weight for each entry if there are any."""
    entries = _entries_sql(values, type) if values else f"CAST([] AS {sql_type(type)}[])"
    columns = [f"unnest({entries}) AS {_ENTRY}", f"unnest(range(1, {len(values) + 1})) AS {_PLACE}"]
    if weights:
        columns.append(f"unnest({_entries_sql(weights, 'float64')}) AS {_WEIGHT}")
    return f"(SELECT {', '.join(columns)}) AS {_TABLE}"


def _places_sql(x: str, values: tuple[Any, ...], type: str) -> str:
    """Return the place of x in the vocabulary, NULL if it is not there.

    A long vocabulary is written as a correlated subquery, which DuckDB makes a hash join. That may put rows of other
    groups of 122,880 first: who needs the rows' order carries their positions along, as `transforms.apply` does.
    """
    if not values:
        return "CAST(NULL AS BIGINT)"
    if len(values) <= _SMALL_VOCABULARY:
        return f"list_position({_entries_sql(values, type)}, {x})"
    return f"(SELECT {_TABLE}.{_PLACE} FROM {_table_sql(values, type)} WHERE {_TABLE}.{_ENTRY} = {x})"


def _lookup_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    return f"coalesce(CAST({_places_sql(arguments[0], arguments[1], types[0])} AS BIGINT), 0)"


def _one_hot_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, _, dropped = arguments
    value = "1e0" if dropped is None else f"CASE WHEN {x} = {sql_literal(dropped, types[0])} THEN 0e0 ELSE 1e0 END"
    return f"[struct_pack(index := {_lookup_sql(arguments, types)}, value := {value})]"


def _one_hot_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, places, dropped = arguments
    value = "1.0" if dropped is None else f"0.0 if {x} == {dropped!r} else 1.0"
    return f'[{{"index": {places}({x}, 0), "value": {value}}}]'


def _each_place(x: str, table: str, *, value: str, order: str) -> str:
    """Return the (index, value) pairs of an array's places, each place once: `value` and `order` aggregate its items.

    The items are joined with the vocabulary; arrays that are equal are joined once.
    """
    found = f"{_spread(x)} LEFT JOIN {table} ON {_TABLE}.{_ENTRY} = items.{_ITEM}"
    pairs = f"SELECT {_BY_PLACE} AS index, {value} AS value, {order} AS {_ORDER} FROM {found} GROUP BY 1"
    listed = f"(SELECT list(struct_pack(index := index, value := value) ORDER BY {_ORDER}) FROM ({pairs}))"
    nothing = "CAST([] AS STRUCT(index BIGINT, value DOUBLE)[])"
    return f"CASE WHEN {x} IS NOT NULL THEN coalesce({listed}, {nothing}) END"


def _spread(x: str) -> str:
    """Return the items of an array as an item of a FROM clause, with their order and the array's size.

    The array has a name before it is spread: written where it is used, it would be computed for each of its items.
    """
    columns = f"unnest({_ITEMS}) AS {_ITEM}, generate_subscripts({_ITEMS}, 1) AS {_ORDER}, len({_ITEMS}) AS {_SIZE}"
    return f"(SELECT {columns} FROM (SELECT {x} AS {_ITEMS}) AS given) AS items"


def list_of_places(x: str, values: tuple[Any, ...], type: str) -> str:
    """Return the place of each item of an array, in their order: a list as long as the array."""
    found = f"{_spread(x)} LEFT JOIN {_table_sql(values, type)} ON {_TABLE}.{_ENTRY} = items.{_ITEM}"
    listed = f"(SELECT list({_BY_PLACE} ORDER BY items.{_ORDER}) FROM {found})"
    return f"CASE WHEN {x} IS NOT NULL THEN coalesce({listed}, CAST([] AS BIGINT[])) END"


def _placed_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    pair = f"struct_pack(index := {_ORDER} - 1, value := {_ITEM})"
    each = f"list_transform(CAST({arguments[0]} AS DOUBLE[]), lambda {_ITEM}, {_ORDER}: {pair})"
    return f"list_filter({each}, lambda {_ITEM}: {_ITEM}.value IS NOT NULL)"


def _placed_type(types: Sequence[Any]) -> str:
    if element_type(types[0]) not in ("int64", "float64", "null"):
        raise ExpressionError(f"placed takes an array of numbers, but it was given {types[0]}")
    return HOT


def resized(x: list[Any], length: int) -> list[float]:
    """Return the first items, 0.0 in place of NULL and after the last."""
    return [0.0 if item is None else float(item) for item in x[:length]] + [0.0] * (length - len(x))


def _resized_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    listed = f"list_resize(CAST({arguments[0]} AS DOUBLE[]), {arguments[1]}, 0e0)"
    return f"list_transform({listed}, lambda {_ITEM}: coalesce({_ITEM}, 0e0))"


def _checked_length(given: int) -> None:
    if not 1 <= given <= 1_000_000:
        raise ValueError("it is from 1 to 1,000,000")


def _multi_hot_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    table = _table_sql(arguments[1], element_type(types[0]))
    return _each_place(arguments[0], table, value="1e0", order=f"min(items.{_ORDER})")


def _term_counts_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    table = _table_sql(arguments[1], element_type(types[0]))
    return _each_place(arguments[0], table, value="CAST(count(*) AS DOUBLE)", order=_BY_PLACE)


def _term_weights_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, values, (unknown, *known) = arguments
    table = _table_sql(values, element_type(types[0]), tuple(known))
    weight = (
        f"coalesce(first({_TABLE}.{_WEIGHT}), {sql_literal(unknown, 'float64')})"
        if known
        else sql_literal(unknown, "float64")
    )
    share = f"CAST(count(*) AS DOUBLE) / CAST(first(items.{_SIZE}) AS DOUBLE)"
    return _each_place(x, table, value=f"{share} * {weight}", order=_BY_PLACE)


HOT = "array<struct<index int64, value float64>>"
"""Pairs of (index, value): what enters an estimator as that many columns."""

_WORDS = ("a", "b", "c")
MANY = tuple(f"w{number:03}" for number in range(300))
_ARRAY = Parameter(name="x", types=("array",))
KNOWN = Parameter(name="vocabulary", types=("array",), constant=True, prepare=_vocabulary)
_THIRD, _HALF = 1 / 3 * 0.25, 1 / 2 * 0.5


def pairs(*values: tuple[int, float]) -> list[dict[str, Any]]:
    """Return (index, value) pairs as the operations give them."""
    return [{"index": index, "value": value} for index, value in values]


OPERATIONS = (
    Operation(
        name="lookup_index",
        meaning="The place of x in the vocabulary, from 1; 0 for NULL and what is not in it.",
        parameters=(Parameter(name="x", types=("scalar",), alike=True),
            Parameter(name="vocabulary", types=("array",), constant=True, alike=True, prepare=_vocabulary)),
        result="int64",
        sql=_lookup_sql,
        row=lambda a, t: f"{a[1]}({a[0]}, 0)",
        nulls="answers",
        examples=(
            *golden(("b", _WORDS, 2), ("z", _WORDS, 0), (None, _WORDS, 0), ("", _WORDS, 0), ("a", (), 0),
                ("w299", MANY, 300), ("w3", MANY, 0), (None, MANY, 0), ("\x1f", ("\x1f|\0", *MANY, "\x1f"), 302),
                ("\x1f|\0", ("\x1f|\0", *MANY), 1), types="string; array<string>"),
            *golden((7, (-7, 7), 2), (-7, (-7, 7), 1), (0, (-7, 7), 0), (99, tuple(range(100)), 100),
                types="int64; array<int64>"),
        ),
    ),
    Operation(
        name="one_hot",
        meaning="An array of one (index, value) pair: the place of x in the vocabulary, from 1 (0: NULL, not in it), "
        "and 1.0, or 0.0 for the dropped entry.",
        parameters=(Parameter(name="x", types=("scalar",), alike=True),
            Parameter(name="vocabulary", types=("array",), constant=True, alike=True, prepare=_vocabulary),
                    Parameter(name="dropped", types=("scalar",), default=None, constant=True)),
        result=HOT,
        sql=lambda a, t: _one_hot_sql(a if len(a) == 3 else (*a, None), t),
        row=lambda a, t: _one_hot_row(a if len(a) == 3 else (*a, None), t),
        nulls="answers",
        examples=(
            *golden(("b", _WORDS, pairs((2, 1.0))), (None, _WORDS, pairs((0, 1.0))), ("", _WORDS, pairs((0, 1.0))),
                types="string; array<string>"),
            *golden(("b", _WORDS, "b", pairs((2, 0.0))), ("a", _WORDS, "b", pairs((1, 1.0))),
                (None, _WORDS, "b", pairs((0, 1.0))), types="string; array<string>; string"),
        ),
    ),
    Operation(
        name="multi_hot",
        meaning="The places of an array's items in the vocabulary, each once and with 1.0, in the order of the items; "
        "0 for NULL and what is not in it.",
        parameters=(_ARRAY, KNOWN),
        result=HOT,
        sql=_multi_hot_sql,
        row=lambda a, t: f"multi_hot({a[0]}, {a[1]})",
        names={"multi_hot": multi_hot},
        examples=(
            *golden((["c", "b", "b", None, "z", "a"], _WORDS, pairs((3, 1.0), (2, 1.0), (0, 1.0), (1, 1.0))),
                ([], _WORDS, []), ([None], _WORDS, pairs((0, 1.0))), (["a"], (), pairs((0, 1.0))), (None, _WORDS, None),
                (["w299", "w0", "w299"], MANY, pairs((300, 1.0), (0, 1.0))), types="array<string>; array<string>"),
            *golden(([7, None, -7], (-7, 7), pairs((2, 1.0), (0, 1.0), (1, 1.0))), types="array<int64>; array<int64>"),
        ),
    ),
    Operation(
        name="term_counts",
        meaning="How often an array holds each entry of the vocabulary: pairs of place and count, in the order of the "
        "places; under 0 what is NULL or not in it.",
        parameters=(_ARRAY, KNOWN),
        result=HOT,
        sql=_term_counts_sql,
        row=lambda a, t: f"term_counts({a[0]}, {a[1]})",
        names={"term_counts": term_counts},
        examples=golden((["c", "b", "b", None, "z"], _WORDS, pairs((0, 2.0), (2, 2.0), (3, 1.0))), ([], _WORDS, []),
            (["b", "b"], (), pairs((0, 2.0))), (None, _WORDS, None),
            (["w299", "w0", "w299"], MANY, pairs((0, 1.0), (300, 2.0))), types="array<string>; array<string>"),
    ),
    Operation(
        name="term_weights",
        meaning="The share that each entry of the vocabulary has of an array's items, times its weight: pairs of place "
        "and product, in the order of the places; under 0, with the first weight, what is NULL or not in it.",
        parameters=(_ARRAY, KNOWN, Parameter(name="weights", types=("array<float64>",), constant=True, prepare=list)),
        result=HOT,
        sql=_term_weights_sql,
        row=lambda a, t: f"term_weights({a[0]}, {a[1]}, {a[2]})",
        names={"term_weights": term_weights},
        examples=golden((["c", "z", None], _WORDS, (0.25, 1.0, 2.0, 0.25), pairs((0, 2 / 3 * 0.25), (3, _THIRD))),
            (["a", "b"], _WORDS, (0.0, 0.5, 0.5, 1.0), pairs((1, _HALF), (2, _HALF))), ([], _WORDS, (0.0,) * 4, []),
            (None, _WORDS, (0.0,) * 4, None), types="array<string>; array<string>; array<float64>"),
    ),
    Operation(
        name="resized",
        meaning="So many items of an array of numbers: those beyond are left out, 0 stands for NULL and for those that "
        "a shorter one lacks.",
        parameters=(Parameter(name="x", types=("array<float64>", "array<int64>")),
            Parameter(name="length", types=("int64",), constant=True, prepare=_checked_length)),
        result="array<float64>",
        sql=_resized_sql,
        row=lambda a, t: f"resized({a[0]}, {a[1]})",
        names={"resized": resized},
        examples=(
            *golden(([0.5, None, -1.0], 2, [0.5, 0.0]), ([0.5], 3, [0.5, 0.0, 0.0]), ([], 1, [0.0]), (None, 1, None),
                types="array<float64>; int64"),
            *golden(([7], 2, [7.0, 0.0]), types="array<int64>; int64"),
        ),
    ),
    Operation(
        name="placed",
        meaning="The items of an array of numbers with their places, from 0, as (index, value) pairs, without NULL.",
        parameters=(_ARRAY,),
        result=_placed_type,
        sql=_placed_sql,
        row=lambda a, t: f"placed({a[0]})",
        names={"placed": placed},
        examples=(
            *golden(([0.5, None, -1.0], pairs((0, 0.5), (2, -1.0))), ([], []), (None, None), types="array<float64>"),
            *golden(([7, None], pairs((0, 7.0))), types="array<int64>"),
        ),
    ),
)  # fmt: skip
