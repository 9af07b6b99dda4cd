"""Facts about a text: how many words, how it is written, how it feels and in which language it is."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from penstock.core.operation import Operation, Parameter, golden
from penstock.errors import MissingExtraError
from penstock.operations.literals import sql_literal
from penstock.operations.regexps import compiled
from penstock.operations.templates import STRING, plain

_WORD = r"[\pL\pN\pM]+(?:['’-][\pL\pN\pM]+)*"
_SENTENCE_ENDS = re.compile(r"[.!?…。！？]+(?:\s|$)|$")
_EXCLAIMED, _ASKED = "!！", "?？"
_UNDETERMINED, _NOTHING_KNOWN = "und", -1e30
SENTIMENTS = ("compound", "positive", "neutral", "negative")


# What most texts of Latin letters hold. Of it Python's own expression finds what RE2's does, 30 times as fast.
_LATIN = re.compile("[\\x00-\u02ff\u2010-\u2027]*").fullmatch
_LATIN_WORDS = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*").findall


def words_of(x: str) -> list[str]:
    """Return the words: runs of letters, digits and marks, with an apostrophe or hyphen within."""
    found: list[str] = _LATIN_WORDS(x) if _LATIN(x) else _any_words()(x)
    return found


@lru_cache(1)
def _any_words() -> Callable[[str], list[str]]:
    """Return what finds the words of any script; RE2 is loaded when the first such text comes."""
    found: Callable[[str], list[str]] = compiled(_WORD).findall
    return found


def word_count(x: str) -> int:
    """Return how many words there are."""
    return len(words_of(x))


def _mean_word_length(x: str, words: list[str]) -> float:
    return sum(map(len, words)) / len(words) if words else 0.0


def _distinct_share(x: str, words: list[str]) -> float:
    return len({word.casefold() for word in words}) / len(words) if words else 0.0


def _shouted_words(x: str, words: list[str]) -> int:
    return sum(len(word) > 1 and word.isupper() for word in words)


def _sentences(x: str, words: list[str]) -> int:
    return sum(1 for part in _SENTENCE_ENDS.split(x) if part and not part.isspace())


def _upper_share(x: str, words: list[str]) -> float:
    letters = sum(map(str.isalpha, x))
    return sum(map(str.isupper, x)) / letters if letters else 0.0


def _digit_share(x: str, words: list[str]) -> float:
    return sum(map(str.isdecimal, x)) / len(x) if x else 0.0


def _punctuation_share(x: str, words: list[str]) -> float:
    return sum(unicodedata.category(each)[0] == "P" for each in x) / len(x) if x else 0.0


STATISTICS: Mapping[str, Callable[[str, list[str]], float]] = {
    "characters": lambda x, words: len(x),
    "words": lambda x, words: len(words),
    "sentences": _sentences,
    "lines": lambda x, words: x.count("\n") + 1 if x else 0,
    "mean_word_length": _mean_word_length,
    "longest_word": lambda x, words: max(map(len, words), default=0),
    "distinct_share": _distinct_share,
    "shouted_words": _shouted_words,
    "upper_share": _upper_share,
    "digit_share": _digit_share,
    "punctuation_share": _punctuation_share,
    "exclamation_marks": lambda x, words: sum(map(x.count, _EXCLAIMED)),
    "question_marks": lambda x, words: sum(map(x.count, _ASKED)),
}
"""What is counted in a text -> how, of the text and its words."""


def text_stat(x: str, statistic: str) -> float:
    """Return one statistic of a text."""
    return float(STATISTICS[statistic](x, words_of(x)))


def text_stats(x: str) -> dict[str, float]:
    """Return all statistics of a text by their names."""
    words = words_of(x)
    return {name: float(count(x, words)) for name, count in STATISTICS.items()}


def sentiment(x: str, score: str) -> float:
    """Return how a text feels, as VADER judges it."""
    found: float = _judge()(x)[_SCORES[score]]
    return float(found)


def language(x: str) -> str:
    """Return the language of a text by its code of two letters, 'und' where nothing tells it."""
    return _classifier()(x) if any(map(str.isalpha, x)) else _UNDETERMINED


_SCORES = dict(zip(SENTIMENTS, ("compound", "pos", "neu", "neg"), strict=True))


@lru_cache(1)
def _judge() -> Callable[[str], dict[str, float]]:
    """Return VADER, whose lexicon is read once."""
    try:
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    except ImportError as error:
        raise MissingExtraError("vaderSentiment", extra="text", purpose="the sentiment of a text") from error
    judged: Callable[[str], dict[str, float]] = SentimentIntensityAnalyzer().polarity_scores
    return lru_cache(1024)(judged)  # its scores are asked for one by one


@lru_cache(1)
def _classifier() -> Callable[[str], str]:
    """Return what tells languages, whose model comes with its package and is read once."""
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise MissingExtraError("py3langid", extra="text", purpose="the language of a text") from error
    classify = LanguageIdentifier.from_model_file(MODEL_FILE).classify

    def classified(x: str) -> str:
        code, score = classify(x)
        return str(code) if score > _NOTHING_KNOWN else _UNDETERMINED

    return classified


def _sentiment_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    _judge()  # what is missing is told here: DuckDB would tell of an error in a function
    return f"penstock_sentiment({arguments[0]}, {sql_literal(arguments[1], 'string')})"


def _language_sql(arguments: Sequence[Any], types: Sequence[Any]) -> str:
    _classifier()
    return f"penstock_language({arguments[0]})"


_STRUCT = f"struct<{', '.join(f'{name} float64' for name in STATISTICS)}>"
_SHOUTED = "WHAT a Place!! Really?\nI'd come 2 times."
_COUNTED = dict(
    characters=40.0, words=8.0, sentences=3.0, lines=2.0, mean_word_length=3.625, longest_word=6.0, distinct_share=1.0,
    shouted_words=1.0, upper_share=7 / 27, digit_share=1 / 40, punctuation_share=5 / 40, exclamation_marks=2.0,
    question_marks=1.0,
)  # fmt: skip

NATIVE_FUNCTIONS = (
    (text_stat, ("string", "string"), "float64"),
    (text_stats, ("string",), _STRUCT),
    (sentiment, ("string", "string"), "float64"),
    (language, ("string",), "string"),
)
"""Functions that the SQL form calls, with the types that they take and give."""

OPERATIONS = (
    plain("word_count", "How many words: runs of letters, digits and marks, with an apostrophe or hyphen within. What "
        "is written without spaces is one word.",
        f"CAST(len(regexp_extract_all({{0}}, {sql_literal(_WORD, 'string')})) AS BIGINT)",
        "word_count({0})",
        golden(("Hello World", 2), ("don't well-known  it's", 3), ("a-b -c- 'd'", 3), ("हिन्दी भाषा", 2), ("…!", 0),
            ("", 0), (None, None), types="string"),
        result="int64", names={"word_count": word_count}, bigquery=""),
    Operation(
        name="text_stat",
        meaning=f"One number about how a text is written: {', '.join(STATISTICS)}. Shares are of the letters (upper), "
        "the words (distinct) or the characters; a shouted word is in capitals.",
        parameters=(STRING, Parameter(name="statistic", types=("string",), constant=True, choices=tuple(STATISTICS))),
        result="float64",
        sql=lambda a, t: f"penstock_text_stat({a[0]}, {sql_literal(a[1], 'string')})",
        row=lambda a, t: f"text_stat({a[0]}, {a[1]!r})",
        names={"text_stat": text_stat},
        examples=golden(
            *((_SHOUTED, name, value) for name, value in _COUNTED.items()),
            ("", "mean_word_length", 0.0), ("?!", "upper_share", 0.0), ("ÀB c", "upper_share", 2 / 3),
            ("٣४5x", "digit_share", 0.75), ("no. no", "distinct_share", 0.5), (None, "words", None),
            types="string; string"),
    ),
    Operation(
        name="text_stats",
        meaning="All that text_stat knows of a text, as a struct: as a feature each is a column of its own.",
        parameters=(STRING,),
        result=_STRUCT,
        sql=lambda a, t: f"penstock_text_stats({a[0]})",
        row=lambda a, t: f"text_stats({a[0]})",
        names={"text_stats": text_stats},
        examples=golden((_SHOUTED, _COUNTED), ("", dict.fromkeys(STATISTICS, 0.0)), (None, None), types="string"),
    ),
    Operation(
        name="sentiment",
        meaning="How an English text feels by VADER's lexicon: compound from -1 (bad) to 1 (good), or the share of it "
        "that is positive, neutral or negative. Needs the extra text.",
        parameters=(STRING, Parameter(name="score", types=("string",), default=SENTIMENTS[0], constant=True,
            choices=SENTIMENTS)),
        result="float64",
        sql=_sentiment_sql,
        row=lambda a, t: f"sentiment({a[0]}, {a[1]!r})",
        names={"sentiment": sentiment},
        examples=golden(("I love it", "compound", 0.6369), ("I love it", "positive", 0.677),
            ("I love it", "neutral", 0.323), ("It is not good, it is AWFUL", "negative", 0.551), ("", "compound", 0.0),
            (None, "compound", None), types="string; string"),
    ),
    Operation(
        name="language",
        meaning="The language of a text by its code (en, de, zh), 'und' where nothing tells it. Needs the extra "
        "text.",
        parameters=(STRING,),
        result="string",
        sql=_language_sql,
        row=lambda a, t: f"language({a[0]})",
        names={"language": language},
        examples=golden(("The food was cold and the waiter was rude.", "en"), ("Das Essen war kalt.", "de"),
            ("La cuenta por favor", "es"), ("我喜欢这个地方", "zh"), ("12!", "und"), ("ok", "und"), ("", "und"),
            (None, None), types="string"),
    ),
)  # fmt: skip
