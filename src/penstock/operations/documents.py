"""Documents: texts taken apart into terms, and terms put together into n-grams, or hashed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from penstock.core.expression import Expr
from penstock.core.operation import Operation, Parameter, golden
from penstock.errors import ExpressionError
from penstock.operations.analyzers import ANALYZERS, prepared, terms
from penstock.operations.fingerprints import fingerprint64
from penstock.operations.literals import let, sql_literal
from penstock.operations.vocabularies import HOT, pairs

_SENTENCE = "I like pie, you like-pie, they like 2 PIEs."
_CIRCLED = "I like ❶ ② pies, you like Ño PIEs"
_DOCUMENT = ("array<string>", "string")
OF_TERMS = ("bag_of_words", "tf_idf", "multi_hot_encoder")
"""Learned operations that take a document as its terms, or as a text."""
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


def char_ngrams(x: str, least: int, most: int) -> list[str]:
    """Return runs of characters of each word, which begins and ends with a space: by where they start, short ones
    first."""
    return [
        padded[first : first + size]
        for word in _words(x)
        for padded in (f" {word} ",)
        for first in range(len(padded))
        for size in range(least, most + 1)
        if first + size <= len(padded)
    ]


def hashed_words(x: list[str | None], buckets: int) -> list[dict[str, Any]]:
    """Return how many terms fall into each bucket, in the order of the buckets. NULL is no term."""
    counts = Counter([fingerprint64(term.encode()) % buckets for term in x if term is not None])
    return [{"index": place, "value": float(counts[place])} for place in sorted(counts)]


_words = prepared(ANALYZERS[0], "")


def analyzed(expr: Expr, type: str) -> Expr:
    """Return one of these operations over the terms of a document, which is of a type: of a text, what it holds."""
    terms = Expr("text_analyze", expr.args[:1])
    return Expr(expr.op, (terms, *expr.args[1:])) if type == "string" else expr


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
    x = _terms_sql(x, types[0])
    least, most = _sizes(given)
    run = f"array_to_string({_TERMS}[{_FIRST} : {_FIRST} + {_SIZE} - 1], {sql_literal(separator, 'string')})"
    fitting = f"list_filter(range({least}, {most + 1}), lambda {_SIZE}: {_FIRST} + {_SIZE} - 1 <= len({_TERMS}))"
    from_first = f"list_transform({fitting}, lambda {_SIZE}: {run})"
    runs = f"flatten(list_transform(range(1, len({_TERMS}) + 1), lambda {_FIRST}: {from_first}))"
    return let(_TERMS, f"list_filter({x}, lambda {_TERMS}: {_TERMS} IS NOT NULL)", runs)


def _ngrams_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    least, most = _sizes(arguments[1])
    return f"ngrams({_terms_row(arguments[0], types[0])}, {least}, {most}, {arguments[2]!r})"


def _terms_sql(x: str, type: str) -> str:
    """Return DuckDB text of the terms of a document, which may be a text."""
    return _analyze_sql((x, ANALYZERS[0]), ()) if type == "string" else x


def _terms_row(x: str, type: str) -> str:
    return f"terms({x}, {ANALYZERS[0]!r}, '')" if type == "string" else x


def _char_ngrams_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    least, most = _sizes(arguments[1])
    return f"penstock_char_ngrams({arguments[0]}, CAST({least} AS BIGINT), CAST({most} AS BIGINT))"


def _char_ngrams_row(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    least, most = _sizes(arguments[1])
    return f"char_ngrams({arguments[0]}, {least}, {most})"


def _checked_buckets(buckets: int) -> None:
    if not 1 <= buckets <= 2**31:
        raise ValueError("there are from 1 to 2,147,483,648 buckets")


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

NATIVE_FUNCTIONS = (
    (char_ngrams, ("string", "int64", "int64"), "array<string>"),
    (hashed_words, ("array<string>", "int64"), HOT),
)
"""Functions that the SQL form calls, with the types that they take and give."""

OPERATIONS = (
    Operation(
        name="ngrams",
        meaning="Runs of neighbouring items of an array, of so many items each ([least, most], or one size), joined by "
        "a separator: by where they start, short ones first. NULL items are passed over. Of a text they are of its "
        "terms, as TEXT_ANALYZE finds them.",
        parameters=(Parameter(name="x", types=_DOCUMENT),
            Parameter(name="range", types=("array<int64>", "int64"), constant=True, prepare=_checked_sizes),
            Parameter(name="separator", types=("string",), default=" ", constant=True)),
        result="array<string>",
        sql=_ngrams_sql,
        row=_ngrams_row,
        names={"ngrams": ngrams, "terms": terms},
        bigquery="ML.NGRAMS",
        examples=(
            *golden((_ABC, (2, 3), "#", ["a#b", "a#b#c", "b#c"]), (_ABC, (1, 1), " ", _ABC), (_ABC, (4, 9), " ", []),
                (["a", None, "b"], (2, 2), " ", ["a b"]), (["", ""], (2, 2), "", [""]), ([], (1, 2), " ", []),
                ([None], (1, 2), " ", []), (None, (1, 2), " ", None), types="array<string>; array<int64>; string"),
            *golden((_ABC, 2, "' ", ["a' b", "b' c"]), types="array<string>; int64; string"),
            *golden(("I like pie", 2, " ", ["i like", "like pie"]), (None, 2, " ", None),
                types="string; int64; string"),
        ),
    ),
    Operation(
        name="char_ngrams",
        meaning="Runs of neighbouring characters of each word, as TEXT_ANALYZE finds it, with a space before and after "
        "it; of so many characters each ([least, most], or one size).",
        parameters=(Parameter(name="x", types=("string",)),
            Parameter(name="range", types=("array<int64>", "int64"), default=(3, 5), constant=True,
                prepare=_checked_sizes)),
        result="array<string>",
        sql=_char_ngrams_sql,
        row=_char_ngrams_row,
        names={"char_ngrams": char_ngrams},
        examples=(
            *golden(("Go, é!", (2, 3), [" g", " go", "go", "go ", "o ", " é", " é ", "é "]), ("", (2, 3), []),
                ("a", (4, 9), []), (None, (2, 3), None), types="string; array<int64>"),
            *golden(("abc", 4, [" abc", "abc "]), types="string; int64"),
        ),
    ),
    Operation(
        name="hashed_words",
        meaning="How many terms of a document fall into each of so many buckets by their FarmHash: pairs of bucket "
        "(from 0) and count. A text's terms are those that TEXT_ANALYZE finds. Nothing is learned, so no word is "
        "unknown.",
        parameters=(Parameter(name="x", types=_DOCUMENT),
            Parameter(name="buckets", types=("int64",), constant=True, prepare=_checked_buckets)),
        result=HOT,
        sql=lambda a, t: f"penstock_hashed_words({_terms_sql(a[0], t[0])}, CAST({a[1]} AS BIGINT))",
        row=lambda a, t: f"hashed_words({_terms_row(a[0], t[0])}, {a[1]})",
        names={"hashed_words": hashed_words, "terms": terms},
        examples=(
            *golden((["a", "b", "c", None, "d"], 3, pairs((0, 1.0), (1, 2.0), (2, 1.0))), ([], 3, []),
                ([None], 3, []), (None, 3, None), types="array<string>; int64"),
            *golden(("A, b - c d.", 3, pairs((0, 1.0), (1, 2.0), (2, 1.0))), (None, 3, None), types="string; int64"),
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
