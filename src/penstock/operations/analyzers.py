"""Text analyzers: how a text becomes terms, as BigQuery's three analyzers do it, with their options."""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

from penstock.operations.letters import folded, lower
from penstock.operations.regexps import compiled

if TYPE_CHECKING:
    from penstock.operations.analyzer_options import AnalyzerOptions, TokenFilter

ANALYZERS = ("LOG_ANALYZER", "NO_OP_ANALYZER", "PATTERN_ANALYZER")
Filter: TypeAlias = Callable[[list[str]], list[str]]

_DELIMITERS = (
    *"[]<>(){}|!;,'\"*&?+/:=@.-$%\\_\n\r \t",
    *["%21", "%26", "%2526", "%3B", "%3b", "%7C", "%7c", "%20", "%2B", "%2b", "%3D", "%3d", "%2520", "%5D", "%5d"],
    *["%5B", "%5b", "%3A", "%3a", "%0A", "%0a", "%2C", "%2c", "%28", "%29"],
)
_WORDS = r"\b\w{2,}\b"
_ASCII_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def terms(x: str, analyzer: str, options: str) -> list[str]:
    """Return the terms of a text; `options` is JSON, or empty."""
    return prepared(analyzer, options)(x)


@lru_cache(256)
def prepared(analyzer: str, options: str) -> Callable[[str], list[str]]:
    """Return the function from a text to its terms; raises `ValueError` for options that the analyzer does not take."""
    chosen = _chosen(options)
    given = [name for name in chosen.__struct_fields__ if getattr(chosen, name) is not None]
    takes = {"LOG_ANALYZER": ["delimiters", "token_filters"], "PATTERN_ANALYZER": ["patterns", "token_filters"]}
    odd = [name for name in given if name not in takes.get(analyzer, [])]
    if odd:
        can = " and ".join(takes.get(analyzer, ())) or "no options"
        raise ValueError(f"{analyzer} takes {can}, not {odd[0]}")
    if analyzer == "NO_OP_ANALYZER":
        return lambda x: [x]
    split = _by_pattern(chosen.patterns) if analyzer == "PATTERN_ANALYZER" else _by_delimiters(chosen.delimiters)
    filters = [_lowered] if chosen.token_filters is None else [_filter(item) for item in chosen.token_filters]

    def analyze(x: str) -> list[str]:
        found = split(x)
        for change in filters:
            found = change(found)
        return found

    return analyze


def separators(analyzer: str, options: str) -> tuple[list[str], list[tuple[str, ...] | None]] | None:
    """Return the delimiters of an analyzer that splits at them, one character first, then the others, longer ones
    before; and what is done with the terms: None makes ASCII letters small, words are left out. None for an analyzer
    that does more."""
    chosen = _chosen(options)
    if analyzer != "LOG_ANALYZER":
        return None
    changes: list[tuple[str, ...] | None] = [None] if chosen.token_filters is None else []
    for each in chosen.token_filters or []:
        mode = each.normalizer.mode if each.normalizer else ""
        if mode in ("UNICODE_LOWER", "ICU_NORMALIZE"):
            return None
        changes += [tuple(each.stop_words)] if each.stop_words else [None] if mode == "LOWER" else []
    marks = list(chosen.delimiters or _DELIMITERS)
    longer = sorted((mark for mark in marks if len(mark) > 1), key=len, reverse=True)
    first = next((mark for mark in marks if len(mark) == 1), None)
    overlapping = any(mark[0] in other[1:] for mark in longer for other in marks)
    if overlapping or first is None:
        return None
    return [first, *longer, *(mark for mark in marks if len(mark) == 1 and mark != first)], changes


def _chosen(options: str) -> AnalyzerOptions:
    from penstock.operations.analyzer_options import analyzer_options  # with msgspec: only where texts are analyzed

    return analyzer_options(options)


def _by_delimiters(delimiters: Sequence[str] | None) -> Callable[[str], list[str]]:
    """Split at delimiters, of which longer ones go before their beginnings; what is empty is no term."""
    marks = _DELIMITERS if delimiters is None else delimiters
    odd = [mark for mark in marks if not (mark.isascii() and 0 < len(mark) <= 16)]
    if odd or not marks:
        raise ValueError(
            f"delimiters are ASCII texts of 1 to 16 characters, not {odd[0]!r}" if odd else "no delimiters"
        )
    divide = re.compile("|".join(map(re.escape, sorted(marks, key=len, reverse=True)))).split
    begins = {mark[0] for mark in marks if len(mark) > 1}
    single = [mark for mark in marks if len(mark) == 1]
    if len(begins) != 1 or not single:
        return lambda x: [term for term in divide(x) if term]
    (begin,), divide_at_one = begins, re.compile(f"[{re.escape(''.join(single))}]+").split
    # Most texts hold no longer mark: then a set of characters will do, at a third of the time.
    return lambda x: [term for term in (divide if begin in x else divide_at_one)(x) if term]


def _by_pattern(patterns: Sequence[str] | None) -> Callable[[str], list[str]]:
    """Take what an RE2 pattern matches, from left to right; an empty match is no term."""
    if patterns is not None and len(patterns) != 1:
        raise ValueError(f"patterns holds one pattern, not {len(patterns)}")
    matches = compiled(patterns[0] if patterns else _WORDS).finditer
    return lambda x: [term for match in matches(x) if (term := match.group())]


def _lowered(found: list[str]) -> list[str]:
    return [term.lower() if term.isascii() else term.translate(_ASCII_LOWER) for term in found]


def _filter(item: TokenFilter) -> Filter:
    if (item.normalizer is None) == (item.stop_words is None):
        raise ValueError("a token filter is either a normalizer or stop_words")
    if item.stop_words is not None:
        dropped = frozenset(item.stop_words)
        if not dropped:
            raise ValueError("stop_words needs at least one word")
        return lambda found: [term for term in found if term not in dropped]
    return _normalizing(item.normalizer)


def _normalizing(normalizer: Any) -> Filter:
    match normalizer.mode:
        case "NONE":
            return lambda found: found
        case "LOWER":
            return _lowered
        case "UNICODE_LOWER":
            return lambda found: [lower(term) for term in found]
    form = normalizer.icu_normalize_mode
    if not normalizer.icu_case_folding:
        return lambda found: [unicodedata.normalize(form, term) for term in found]
    return lambda found: [folded(term, form) for term in found]
