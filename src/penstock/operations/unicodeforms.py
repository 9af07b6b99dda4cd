"""Unicode: normal forms, case folding, and search without regard to case."""

from __future__ import annotations

import datetime
import unicodedata
from collections.abc import Sequence
from typing import Any, get_args

from penstock.core.operation import Operation, Parameter, golden
from penstock.core.schema import element_type, struct_fields
from penstock.errors import ExpressionError
from penstock.operations.conversion import conversion
from penstock.operations.letters import Form, folded
from penstock.operations.literals import let, sql_literal
from penstock.operations.printing import printed
from penstock.operations.templates import STRING

_FORM = Parameter(name="form", types=("string",), default="NFC", constant=True, choices=get_args(Form))


def normalized(x: str, form: Form) -> str:
    """Return a text in one of Unicode's normal forms."""
    return unicodedata.normalize(form, x)


def contains_folded(x: str, search: str) -> bool:
    """Tell whether a text, folded, contains a text that is folded already."""
    return search in folded(x, "NFKC")


def contains_substr(x: Any, search: str) -> bool | None:
    """Tell whether a value, or one inside of it, contains the text: None where it may be a NULL among them."""
    if x is None:
        return None
    if not isinstance(x, list | tuple | dict):
        return contains_folded(printed(x), search)
    found = [contains_substr(item, search) for item in (x.values() if isinstance(x, dict) else x)]
    return True if True in found else None if None in found else False


def _normalize_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, form = arguments
    if form != "NFC":
        return f"penstock_normalized({x}, {sql_literal(form, 'string')})"
    pieces = f"list_transform(string_split({x}, chr(0)), lambda c: nfc_normalize(c))"
    return f"array_to_string({pieces}, chr(0))"


def _searched(types: Sequence[Any]) -> str:
    """Return the result's type; raises for values that are not text to BigQuery, and for no text to search."""
    if types[1] is None:
        raise ExpressionError("contains_substr: search_value is NULL; it must be a text")
    if any(type in types[0] for type in ("float64", "bytes")):
        raise ExpressionError(f"contains_substr does not search in {types[0]}; cast it to string")
    return "bool"


def _contains_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, search = arguments
    return _found_sql(x, types[0], sql_literal(folded(search, "NFKC"), "string"), 0)


def _found_sql(x: str, type: str, search: str, depth: int) -> str:
    if type.startswith("array<"):
        item = f'"(item {depth})"'
        each = _found_sql(item, element_type(type), search, depth + 1)
        return _any_sql(f"list_transform({x}, lambda {item}: {each})", depth)
    if type.startswith("struct<"):
        fields = [
            _found_sql(f"struct_extract({x}, {sql_literal(name, 'string')})", member, search, depth)
            for name, member in struct_fields(type)
        ]
        found = _any_sql(f"[{', '.join(fields)}]", depth)
        return f"CASE WHEN {x} IS NOT NULL THEN {found} END"
    return f"penstock_contains_folded({x if type == 'string' else conversion(type, 'string').sql.format(x)}, {search})"


def _any_sql(found: str, depth: int) -> str:
    name = f'"(found {depth})"'
    body = (
        f"CASE WHEN list_contains({name}, TRUE) THEN TRUE WHEN list_count({name}) < len({name}) THEN NULL "
        f"WHEN {name} IS NOT NULL THEN FALSE END"
    )
    return let(name, found, body)


_ARRAY, _ROW = ["def", "ghi", "jkl"], {"a": 23, "b": None, "c": 41}

OPERATIONS = (
    Operation(
        name="normalize",
        meaning="The text in one of Unicode's normal forms. NFC: a letter and its marks are one character where there "
        "is one; NFD: they are apart; with K, characters of the same meaning (ligatures, widths) are one.",
        parameters=(STRING, _FORM),
        result="string",
        sql=_normalize_sql,
        row=lambda a, t: f"({a[0]} if {a[0]}.isascii() else normalized({a[0]}, {a[1]!r}))",
        names={"normalized": normalized},
        bigquery="NORMALIZE",
        examples=golden(("e\u0302", "NFC", "ê"), ("ê", "NFC", "ê"), ("a\0e\u0301", "NFC", "a\0é"), ("ﬁ", "NFC", "ﬁ"),
            ("Jane\u2004Doe", "NFKC", "Jane Doe"), ("ﬁ", "NFKC", "fi"), ("ê", "NFD", "e\u0302"),
            ("ﬁê", "NFKD", "fie\u0302"), ("", "NFKD", ""), (None, "NFC", None), (None, "NFD", None),
            types="string; string"),
    ),
    Operation(
        name="normalize_and_casefold",
        meaning="The text in one of Unicode's normal forms, without regard to case.",
        parameters=(STRING, _FORM),
        result="string",
        sql=lambda a, t: f"penstock_folded({a[0]}, {sql_literal(a[1], 'string')})",
        row=lambda a, t: f"folded({a[0]}, {a[1]!r})",
        names={"folded": folded},
        bigquery="NORMALIZE_AND_CASEFOLD",
        examples=golden(("The Red Barn", "NFC", "the red barn"), ("\u2168", "NFKC", "ix"), ("\u2168", "NFC", "\u2178"),
            ("A\u030a", "NFC", "å"), ("Å", "NFD", "a\u030a"), ("ß", "NFC", "ss"), ("ÉΣ", "NFKD", "e\u0301σ"),
            ("", "NFC", ""), (None, "NFC", None), types="string; string"),
    ),
    Operation(
        name="contains_substr",
        meaning="Whether a text (a constant) stands anywhere in x, both in form NFKC and without regard to case; of an "
        "array or a struct, in one of its values: NULL where none has it but one is NULL.",
        parameters=(Parameter(name="x", types=("any",)),
            Parameter(name="search_value", types=("string",), constant=True, prepare=lambda x: folded(x, "NFKC"))),
        result=_searched,
        sql=_contains_sql,
        row=lambda a, t: f"contains_substr({a[0]}, {a[1]})",
        nulls="makes",
        names={"contains_substr": contains_substr},
        bigquery="CONTAINS_SUBSTR",
        examples=(
            *golden(("the blue house", "Blue house", True), ("the red house", "blue", False),
                ("\u2168 day", "IX", True),
                ("STRASSE", "straße", True), ("", "", True), (None, "a", None), types="string; string"),
            *golden((235, "35", True), (None, "1", None), types="int64; string"),
            *golden((True, "RU", True), types="bool; string"),
            *golden((datetime.date(2024, 5, 5), "05-05", True), types="date; string"),
            *golden((_ROW, "41", True), (_ROW, "35", None), ({"a": 2, "b": 35, "c": 4}, "35", True), (None, "1", None),
                ({"a": 1, "b": 2, "c": 3}, "4", False), types="struct<a int64, b int64, c int64>; string"),
            *golden(({"a": "abc", "b": _ARRAY, "c": "mno"}, "jk", True), ({"a": "", "b": [None], "c": ""}, "jk", None),
                types="struct<a string, b array<string>, c string>; string"),
            *golden((_ARRAY, "GH", True), ([], "a", False), (["b", None], "a", None), (None, "a", None),
                types="array<string>; string"),
        ),
    ),
)  # fmt: skip
