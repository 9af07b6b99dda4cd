"""JSONPath as BigQuery documents it: from `$` down by key (`.a`, and quoted) and by place in an array (`[0]`)."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TypeAlias

Path: TypeAlias = tuple[tuple[str, int | None], ...]
"""The steps from the root: a key of an object, and the place in an array that its text is, if it begins with digits."""

_SPACE = r"[\t\n\f\r ]*"
_KEY = re.compile(r"\.([\w:\-\t\n\f\r ]+)")
_STANDARD = (re.compile(rf"\[{_SPACE}([\d_\-]+){_SPACE}\]"), _KEY, re.compile(r'\."((?:[^\\"]|\\.)*)"', re.DOTALL))
_LEGACY = (
    re.compile(rf"\[{_SPACE}([\w\-]+){_SPACE}\]"),
    _KEY,
    re.compile(rf"\[{_SPACE}'((?:[^\\']|\\.)*)'{_SPACE}\]", re.DOTALL),
)
_UNSUPPORTED = re.compile(r"\*|\.\.|@")
_PLACE = re.compile(r" *\+?([0-9]+)")


@lru_cache(256)
def read_path(text: str, *, legacy: bool) -> Path:
    """Read a path; raises `ValueError` for what is none.

    Keys with signs in them stand in double quotes (`$."a.b"`), in the legacy form in brackets (`$['a.b']`).
    """
    if not text.startswith("$"):
        raise ValueError("a JSONPath starts with $, the root")
    lexers, quote, at = (_LEGACY, "'", 1) if legacy else (_STANDARD, '"', 1)
    steps: list[tuple[str, int | None]] = []
    while at < len(text):
        match = next((match for lexer in lexers if (match := lexer.match(text, at))), None)
        if match is None:
            if legacy and text[at:] == ".":  # the legacy functions let a point stand at the end
                break
            odd = _UNSUPPORTED.search(text, at)
            raise ValueError(
                f"a JSONPath has no operator {odd.group()}, only .key and [place]"
                if odd
                else _refusal(text, at, legacy)
            )
        key = match[1].replace(f"\\{quote}", quote) if match.re is lexers[2] else match[1]
        steps.append((key, _place(key)))
        at = match.end()
    return tuple(steps)


def _refusal(text: str, at: int, legacy: bool) -> str:
    escape = "['a.b']" if legacy else '."a.b"'
    return f"no JSONPath goes on with {text[at:]!r}; there are .key, [place], and {escape} for a key with signs in it"


def _place(key: str) -> int | None:
    match = _PLACE.match(key)
    return int(match[1]) if match and int(match[1]) < 2**32 else None


def checked_path(text: str) -> None:
    """Raise `ValueError` for a text that is no path of the standard functions."""
    read_path(text, legacy=False)


def checked_legacy_path(text: str) -> None:
    """Raise `ValueError` for a text that is no path of the legacy functions."""
    read_path(text, legacy=True)
