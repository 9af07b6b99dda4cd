"""JSON: values taken out of JSON text by a path, as BigQuery's functions of JSON-formatted strings take them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from penstock.core.operation import Example, Operation, Parameter, golden
from penstock.operations import jsonpaths
from penstock.operations.jsontext import NOTHING, Number, Pairs, find, read, scalar, write
from penstock.operations.literals import sql_literal

_CONTAINERS = (Pairs, list)
_Rows: TypeAlias = tuple[tuple[Any, ...], ...]


def _found(x: str, path: str, legacy: bool) -> Any:
    """Return the first value that the path leads to: None for null, for nothing, and for one that does not end."""
    root, unfinished = read(x)
    value = find(root, jsonpaths.read_path(path, legacy=legacy))
    return None if value is NOTHING or any(value is one for one in unfinished) else value


def json_query(x: str, path: str, legacy: bool) -> str | None:
    """Return the value that a path leads to as JSON text."""
    value = _found(x, path, legacy)
    return None if value is None else write(value)


def json_value(x: str, path: str, legacy: bool) -> str | None:
    """Return the string, number or boolean that a path leads to, as text without quotes and escapes."""
    value = _found(x, path, legacy)
    return None if value is None or type(value) in _CONTAINERS else _bare(value)


def json_query_array(x: str, path: str, legacy: bool) -> list[str] | None:
    """Return the items of the array that a path leads to as JSON texts."""
    value = _found(x, path, legacy)
    return [write(item) for item in value] if type(value) is list else None


def json_value_array(x: str, path: str, legacy: bool) -> list[str | None] | None:
    """Return the strings, numbers and booleans of the array that a path leads to, without quotes; null is None."""
    value = _found(x, path, legacy)
    if type(value) is not list or any(type(item) in _CONTAINERS for item in value):
        return None
    return [None if item is None else _bare(item) for item in value]


def _bare(value: Any) -> str:
    return str(value) if type(value) in (str, Number) else scalar(value)


def _extractor(
    name: str, meaning: str, function: Callable[..., Any], result: str, examples: tuple[Example, ...]
) -> Operation:
    """Return an operation; the legacy functions of BigQuery are those with EXTRACT in their name."""
    legacy = "extract" in name
    native = f"penstock_{function.__name__}"
    check = jsonpaths.checked_legacy_path if legacy else jsonpaths.checked_path
    return Operation(
        name=name,
        meaning=meaning,
        parameters=(
            Parameter(name="x", types=("string",)),
            Parameter(name="json_path", types=("string",), default="$", constant=True, prepare=check),
        ),
        result=result,
        sql=lambda a, t: f"{native}({a[0]}, {sql_literal(a[1], 'string')}, {sql_literal(legacy, 'bool')})",
        row=lambda a, t: f"{function.__name__}({a[0]}, {a[1]!r}, {legacy})",
        nulls="makes",
        names={function.__name__: function},
        bigquery=name.upper(),
        examples=examples,
    )


def _spelled(opening: str, closing: str, rows: _Rows) -> tuple[Example, ...]:
    """Return examples of (text, path, value); `<a.b>` is a key with signs in it, spelled as the function has it."""
    escaped = [(x, path and path.replace("<", opening).replace(">", closing), value) for x, path, value in rows]
    return golden(*escaped, types="string; string")


def _both(rows: _Rows) -> tuple[tuple[Example, ...], tuple[Example, ...]]:
    """Return the examples of a standard function and those of its legacy form."""
    return _spelled('."', '"', rows), _spelled("['", "']", rows)


_CLASS = '{"class" : {"students" : [{"name" : "Jane"}]}}'
_EMPTY_CLASS = '{"class" : {"students" : []}}'
_TWO = '{"class" : {"students" : [{"name" : "John"}, {"name" : null}]}}'
_JAMIE = '{"class" : {"students" : [{"name" : "John"}, {"name": "Jamie"}]}}'
_AGES = '{ "name" : "Jakob", "age" : "6" }'
_FRUITS = '{"fruits": ["apple", "banana"]}'
_WIDE = '{"x":11111111111111111111, "y":3.14e314, "z":[ -0 , 1E400 ], "a":true,"s":"fo\\u00e9\\n\\"\\/"}'
_TWICE = '{"k": {"a": 1}, "k": {"b": 2}, "k": {"b": 3}}'

_QUERIES: _Rows = (
    (_CLASS, "$", '{"class":{"students":[{"name":"Jane"}]}}'), (_EMPTY_CLASS, "$", '{"class":{"students":[]}}'),
    (_CLASS, "$.class.students[0]", '{"name":"Jane"}'), (_EMPTY_CLASS, "$.class.students[0]", None),
    (_JAMIE, "$.class.students[0]", '{"name":"John"}'), (_CLASS, "$.class.students[1].name", None),
    (_TWO, "$.class.students[1].name", None), (_JAMIE, "$.class.students[1].name", '"Jamie"'),
    (_JAMIE, "$.class<students>", '[{"name":"John"},{"name":"Jamie"}]'), ('{"a":null}', "$.a", None),
    ('{"a":null}', "$.b", None), ("null", "$", None), (_AGES, "$.name", '"Jakob"'), (_AGES, "$.age", '"6"'),
    (_FRUITS, "$.fruits", '["apple","banana"]'), ('{"key": 1, "key": 2}', "$", '{"key":1,"key":2}'),
    ('{"x": [1, 2, 3]}', "$.x[ 1]", "2"), ('{"x": [1, 2, 3]}', "$.x[-1]", None), ('{"x": [1, 2]}', "$.x<1>", "2"),
    ('{"a.b.c": 5}', "$<a.b.c>", "5"), ('{"a": 1, "": [5, "foo"]}', "$<>[1]", '"foo"'),
    (_WIDE, "$", '{"x":11111111111111111111,"y":3.14e314,"z":[-0,1E400],"a":true,"s":"foé\\n\\"/"}'),
    ('{"a": "foo\\t\\\\t\\n\\ bar"}', "$.a", '"foo\\t\\\\t\\n bar"'), ('{"a": ', "$", None), ('{"a": ', "$.a", None),
    ('{"a": [1, {"b": 2}], "c": [', "$.a", '[1,{"b":2}]'), ('{"a": [1, {"b": 2}], "c": [', "$.c", None),
    ("{'a': [1,,2,],}", "$", '{"a":[1,null,2]}'), ("[NaN]", "$", None), ('{"a":1.}', "$.a", None), ("", "$", None),
    ('"\\ud83d\\ude00 \\ud83d\\u0001\\x41\\101"', "$", '"😀 \ufffd\\u0001AA"'), (_TWICE, "$.k.b", "2"),
    ('{"a\\"b": 1}', "$", '{"a\\"b":1}'), ("[" * 3000 + "]" * 3000, "$[0][0]", "[" * 2998 + "]" * 2998),
    (None, "$", None), (_CLASS, None, None),
)  # fmt: skip
_VALUES: _Rows = (
    (_AGES, "$.name", "Jakob"), (_AGES, "$.age", "6"), (_FRUITS, "$.fruits", None), ('{"a": 1.23}', "$.a", "1.23"),
    ('{"a.b": {"c": "world"}}', "$<a.b>.c", "world"), ('{"hello": "world"', "$.hello", "world"), ("true", "$", "true"),
    ('{"a":[{"f":null}],"e": true}', "$.a[0].f", None), ('{"e": true}', "$.e", "true"), ("-4.58295", "$", "-4.58295"),
    (_WIDE, "$.x", "11111111111111111111"), (_WIDE, "$.y", "3.14e314"), (_WIDE, "$.s", 'foé\n"/'), (_WIDE, "$", None),
    ('"hello my friend"', "$", "hello my friend"), ('{"1" : 2}', "$.1", "2"), ('{"Моша_鰻" : "x"}', "$.Моша_鰻", "x"),
    ('"a\nb"', "$", "a\nb"), ('{"a":"', "$.a", None), ('{"a":01}', "$.a", "0"), ("{'a': 'x'}", "$.a", "x"),
    (_TWICE, "$.k.b", "2"), (_TWICE, "$.k", None), ('""', "$", ""), ('{"a":"\\u0000"}', "$.a", "\0"), ("}}", "$", None),
    ("\u00a01", "$", None), (" \t1\v", "$", "1"), (None, "$", None), ("1", None, None),
)  # fmt: skip
_QUERY_ARRAYS: _Rows = (
    ("[1,2,3]", "$", ["1", "2", "3"]), ('["apples","oranges"]', "$", ['"apples"', '"oranges"']),
    ('{"fruit":[{"apples":5,"oranges":10},{"apples":2,"oranges":4}]}', "$.fruit",
        ['{"apples":5,"oranges":10}', '{"apples":2,"oranges":4}']),
    ('{"a.b": {"c": ["world"]}}', "$<a.b>.c", ['"world"']), ('{"a":"foo"}', "$.a", None), ('{"a":"foo"}', "$.b", None),
    ('{"a":"foo","b":[]}', "$.b", []), ('{"a": ["foo", null, "baz"]}', "$.a", ['"foo"', "null", '"baz"']),
    ('{"a": [[1, 2, 3], [3, 2, 1]]}', "$.a[1]", ["3", "2", "1"]), ('{"a": ', "$", None), (None, "$", None),
    ("[1]", None, None), ("[1e400, {", "$", None),
)  # fmt: skip
_VALUE_ARRAYS: _Rows = (
    ('["apples","oranges"]', "$", ["apples", "oranges"]), ("[1,2,3]", "$", ["1", "2", "3"]), ("}}", "$", None),
    ('{"a.b": {"c": ["world"]}}', "$<a.b>.c", ["world"]), ('{"a":["foo","bar","baz"]}', "$.b", None),
    ('{"a":"foo"}', "$", None), ('{"a":[{"b":"foo","c":1},{"b":"bar","c":2}],"d":"baz"}', "$.a", None),
    ('{"a":[10, {"b": 20}]', "$.a", None), ('{"a":"foo","b":[]}', "$.b", []),
    ('["world", null, 1]', "$", ["world", None, "1"]), ('["", true, [1]]', "$", None),
    ('["", true]', "$", ["", "true"]), (None, "$", None), ("[1]", None, None),
)  # fmt: skip

_QUERY = (
    "The value that a JSONPath leads to, as JSON text: without spaces, numbers as they stand there. NULL for null and "
    "nothing. Texts are not validated: what stands before an error is found."
)
_VALUE = (
    "The string (without quotes and escapes), number or boolean that a JSONPath leads to, as text. NULL for null, an "
    "object, an array and nothing."
)
_QUERY_ARRAY = "The items of the array that a JSONPath leads to, as JSON texts. NULL if it leads to no array."
_VALUE_ARRAY = (
    "The strings (without quotes), numbers and booleans of the array that a JSONPath leads to, as texts; null is NULL. "
    "NULL if it leads to no array, or to one that holds others."
)
_OLD = " The legacy form: keys with signs in them stand in brackets, $['a.b']."

_QUERY_EXAMPLES, _OLD_QUERY_EXAMPLES = _both(_QUERIES)
_VALUE_EXAMPLES, _OLD_VALUE_EXAMPLES = _both(_VALUES)
_ITEM_EXAMPLES, _OLD_ITEM_EXAMPLES = _both(_QUERY_ARRAYS)
_SCALAR_EXAMPLES, _OLD_SCALAR_EXAMPLES = _both(_VALUE_ARRAYS)
_TEXTS = "array<string>"

EXTRACTORS = (
    (json_query, "string"), (json_value, "string"), (json_query_array, _TEXTS), (json_value_array, _TEXTS)
)  # fmt: skip
"""The functions that DuckDB calls, by a text, a path and whether it is of the legacy form; and what they give."""

OPERATIONS = (
    _extractor("json_query", _QUERY, json_query, "string", _QUERY_EXAMPLES),
    _extractor("json_value", _VALUE, json_value, "string", _VALUE_EXAMPLES),
    _extractor("json_query_array", _QUERY_ARRAY, json_query_array, _TEXTS, _ITEM_EXAMPLES),
    _extractor("json_value_array", _VALUE_ARRAY, json_value_array, _TEXTS, _SCALAR_EXAMPLES),
    _extractor("json_extract", _QUERY + _OLD, json_query, "string", _OLD_QUERY_EXAMPLES),
    _extractor("json_extract_scalar", _VALUE + _OLD, json_value, "string", _OLD_VALUE_EXAMPLES),
    _extractor("json_extract_array", _QUERY_ARRAY + _OLD, json_query_array, _TEXTS, _OLD_ITEM_EXAMPLES),
    _extractor("json_extract_string_array", _VALUE_ARRAY + _OLD, json_value_array, _TEXTS, _OLD_SCALAR_EXAMPLES),
)
