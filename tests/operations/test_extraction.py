"""Values taken out of JSON text: any document gives what Python's own reader finds in it, however it is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from penstock.core.schema import Schema
from penstock.errors import ExpressionError, SqlError
from penstock.operations import Expression, col, parse, type_of

_KEYS = st.sampled_from(["a", "b", "a.b", "", "é", '"', "'", "\\", "0"]) | st.text(max_size=3)
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_DOCUMENTS = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4), max_leaves=12
)
_TEXT = Schema.of(x="string")
_RESTS = st.sampled_from(["", " }", "x"])


def _run(expr: Expression, x: str | None, forms: Any) -> Any:
    """Return what both forms give."""
    by_row, by_sql = forms.row(expr, _TEXT, [{"x": x}]), forms.sql(expr, _TEXT, [{"x": x}])
    assert by_row == by_sql
    return by_row[0][1]


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(document=_DOCUMENTS, indent=st.sampled_from([None, 1]), ascii=st.booleans(), rest=_RESTS)
def test_a_document_is_found_whole_however_it_is_written_and_whatever_follows(
    document: Any, indent: int | None, ascii: bool, rest: str, forms: Any
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii)
    found = _run(col("x").json_query(), text + rest, forms)
    assert found is None if document is None else json.loads(found) == document
    items = _run(col("x").json_query_array(), text + rest, forms)
    if isinstance(document, list):
        assert [json.loads(item) for _, item in items] == document
    else:
        assert items is None


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(document=st.dictionaries(_KEYS, _SCALARS, max_size=5), extra=_SCALARS)
def test_each_key_of_an_object_is_found_by_either_way_to_write_it(document: Any, extra: Any, forms: Any) -> None:
    text = json.dumps(document)
    for key, value in document.items():
        if key.endswith("\\") or '\\"' in key or "\\'" in key:
            continue  # a path has no way to write a backslash before a quote
        expected = None if value is None else value if isinstance(value, str) else json.dumps(value)
        standard, legacy = '$."' + key.replace('"', '\\"') + '"', "$['" + key.replace("'", "\\'") + "']"
        assert _run(col("x").json_value(standard), text, forms) == expected
        assert _run(col("x").json_extract_scalar(legacy), text, forms) == expected


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("abc", r"starts with \$"),
        ("", r"starts with \$"),
        ("$.a.*", r"no operator \*"),
        ("$.a..c", r"no operator \.\."),
        ("$.x[(@.length-1)]", "no operator @"),
        ("$['a.b']", r"\.\"a\.b\" for a key"),
        ("$[0,1]", "goes on with '\\[0,1\\]'"),
        ("$.", "goes on with '.'"),
    ],
)
def test_a_path_that_is_none_is_refused_before_there_are_rows(path: str, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        type_of(col("x").json_value(path), _TEXT)


def test_the_legacy_functions_have_their_own_way_to_write_a_key() -> None:
    with pytest.raises(ExpressionError, match=r"\['a\.b'\] for a key"):
        type_of(col("x").json_extract('$."a.b"'), _TEXT)
    assert type_of(col("x").json_extract("$['a.b']."), _TEXT) == "string"


def test_a_path_is_a_constant() -> None:
    with pytest.raises((ExpressionError, SqlError), match="must be a constant"):
        type_of(parse("JSON_VALUE(x, x)"), _TEXT)
