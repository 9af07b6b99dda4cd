"""Documents: texts taken apart into terms, and terms put together into n-grams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.core.operation import Operation, Parameter, golden
from penstock.errors import ExpressionError
from penstock.operations.analyzers import ANALYZERS, prepared, terms
from penstock.operations.literals import let, sql_literal

_SENTENCE = "I like pie, you like-pie, they like 2 PIEs."
_CIRCLED = "I like ❶ ② pies, you like Ño PIEs"
_TERMS, _FIRST, _SIZE = '"(terms)"', '"(first)"', '"(size)"'


def ngrams(x: list[str | None], least: int, most: int, separator: str) -> list[str]:
    """Return runs of neighbouring terms, joined: by where they start, short ones first. NULL is no term."""
    known = [term for term in x if term is not None]
    return [
        separator.join(known[first : first + size])
        for first in range(len(known))
        for size in range(least, most + 1)
        if first + size <= len(known)
    ]


def _sizes(given: int | Sequence[int]) -> tuple[int, int]:
    """Read the range of sizes: two of them, or one for both. Raises `ValueError` if it is none."""
    sizes = (given, given) if isinstance(given, int) else tuple(given)
    if len(sizes) != 2 or not 1 <= sizes[0] <= sizes[1]:
        raise ValueError("it is a size, or [least, most], of at least 1")
    return sizes[0], sizes[1]


def _checked_sizes(given: int | Sequence[int]) -> None:
    _sizes(given)


def _ngrams_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    x, given, separator = arguments
    least, most = _sizes(given)
    run = f"array_to_string({_TERMS}[{_FIRST} : {_FIRST} + {_SIZE} - 1], {sql_literal(separator, 'string')})"
    fitting = f"list_filter(range({least}, {most + 1}), lambda {_SIZE}: {_FIRST} + {_SIZE} - 1 <= len({_TERMS}))"
    from_first = f"list_transform({fitting}, lambda {_SIZE}: {run})"
    runs = f"flatten(list_transform(range(1, len({_TERMS}) + 1), lambda {_FIRST}: {from_first}))"
    return let(_TERMS, f"list_filter({x}, lambda {_TERMS}: {_TERMS} IS NOT NULL)", runs)


def _ngrams_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    least, most = _sizes(arguments[1])
    return f"ngrams({arguments[0]}, {least}, {most}, {arguments[2]!r})"


def _analyzed(types: Sequence[Any]) -> str:
    """Return the type of the terms; raises `ExpressionError` where the options are none of the analyzer's."""
    try:
        prepared(types[1], _options(types))
    except ValueError as error:
        raise ExpressionError(f"text_analyze: {error}") from error
    return "array<string>"


def _options(arguments: Sequence[Any]) -> str:
    return (arguments[2] or "") if len(arguments) > 2 else ""


def _analyze_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    constants = ", ".join(sql_literal(text, "string") for text in (arguments[1], _options(arguments)))
    return f"penstock_terms({arguments[0]}, {constants})"


_ABC = ["a", "b", "c"]
_NFKC = '{"token_filters": [{"normalizer": {"mode": "ICU_NORMALIZE", "icu_normalize_mode": "NFKC"}}]}'

OPERATIONS = (
    Operation(
        name="ngrams",
        meaning="Runs of neighbouring items of an array, of so many items each ([least, most], or one size), joined by "
        "a separator: by where they start, short ones first. NULL items are passed over.",
        parameters=(Parameter(name="x", types=("array<string>",)),
            Parameter(name="range", types=("array<int64>", "int64"), constant=True, prepare=_checked_sizes),
            Parameter(name="separator", types=("string",), default=" ", constant=True)),
        result="array<string>",
        sql=_ngrams_sql,
        row=_ngrams_row,
        names={"ngrams": ngrams},
        bigquery="ML.NGRAMS",
        examples=(
            *golden((_ABC, (2, 3), "#", ["a#b", "a#b#c", "b#c"]), (_ABC, (1, 1), " ", _ABC), (_ABC, (4, 9), " ", []),
                (["a", None, "b"], (2, 2), " ", ["a b"]), (["", ""], (2, 2), "", [""]), ([], (1, 2), " ", []),
                ([None], (1, 2), " ", []), (None, (1, 2), " ", None), types="array<string>; array<int64>; string"),
            *golden((_ABC, 2, "' ", ["a' b", "b' c"]), types="array<string>; int64; string"),
        ),
    ),
    Operation(
        name="text_analyze",
        meaning="The terms of a text. LOG_ANALYZER splits at punctuation and spaces, PATTERN_ANALYZER takes what a "
        "pattern matches (words of two letters or more), both in small letters; NO_OP_ANALYZER gives the text as it "
        "is. Options are JSON: delimiters, patterns, token_filters.",
        parameters=(Parameter(name="x", types=("string",)),
            Parameter(name="analyzer", types=("string",), default=ANALYZERS[0], constant=True, choices=ANALYZERS),
            Parameter(name="analyzer_options", types=("string",), default=None, constant=True)),
        result=_analyzed,
        sql=_analyze_sql,
        row=lambda a, t: f"terms({a[0]}, {a[1]!r}, {_options(a)!r})",
        names={"terms": terms},
        bigquery="TEXT_ANALYZE",
        examples=(
            *golden(
                (_SENTENCE, "LOG_ANALYZER", ["i", "like", "pie", "you", "like", "pie", "they", "like", "2", "pies"]),
                (_SENTENCE, "NO_OP_ANALYZER", [_SENTENCE]),
                (_SENTENCE, "PATTERN_ANALYZER", ["like", "pie", "you", "like", "pie", "they", "like", "pies"]),
                ("a%2520B%3bc%%", "LOG_ANALYZER", ["a", "b", "c"]), ("ÑO", "LOG_ANALYZER", ["Ño"]),
                ("", "LOG_ANALYZER", []), ("", "NO_OP_ANALYZER", [""]), (None, "NO_OP_ANALYZER", None),
                types="string; string"),
            *golden((_SENTENCE, "LOG_ANALYZER", '{"delimiters": [",", ".", "-"]}',
                    ["i like pie", " you like", "pie", " they like 2 pies"]),
                (_SENTENCE, "LOG_ANALYZER", '{"token_filters": [{"stop_words": ["they", "pie"]}]}',
                    ["I", "like", "you", "like", "like", "2", "PIEs"]),
                (_SENTENCE, "PATTERN_ANALYZER", '{"patterns": ["[a-zA-Z]*"], "token_filters": '
                    '[{"normalizer": {"mode": "LOWER"}}, {"stop_words": ["they", "pie"]}]}',
                    ["i", "like", "you", "like", "like", "pies"]),
                (_CIRCLED, "LOG_ANALYZER", _NFKC, ["i", "like", "❶", "2", "pies", "you", "like", "ño", "pies"]),
                (_CIRCLED, "LOG_ANALYZER", _NFKC.replace("}}]", '}}, {"stop_words": ["pies", "2"]}]'),
                    ["i", "like", "❶", "you", "like", "ño"]),
                (_CIRCLED, "LOG_ANALYZER", _NFKC.replace('"NFKC"', '"NFC", "icu_case_folding": false'),
                    ["I", "like", "❶", "②", "pies", "you", "like", "Ño", "PIEs"]),
                (_CIRCLED, "LOG_ANALYZER", '{"token_filters": [{"normalizer": {"mode": "UNICODE_LOWER"}}]}',
                    ["i", "like", "❶", "②", "pies", "you", "like", "ño", "pies"]),
                (_CIRCLED, "LOG_ANALYZER", '{"token_filters": [{"normalizer": {"mode": "NONE"}}]}',
                    ["I", "like", "❶", "②", "pies", "you", "like", "Ño", "PIEs"]),
                (None, "LOG_ANALYZER", "{}", None), types="string; string; string"),
        ),
    ),
)  # fmt: skip
