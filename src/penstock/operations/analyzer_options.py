"""What the `analyzer_options` of text_analyze may hold."""

from __future__ import annotations

from typing import Literal

import msgspec


class Normalizer(msgspec.Struct, forbid_unknown_fields=True):
    """How terms are brought to one form."""

    mode: Literal["NONE", "LOWER", "UNICODE_LOWER", "ICU_NORMALIZE"]
    icu_normalize_mode: Literal["NFC", "NFKC", "NFD", "NFKD"] = "NFKC"
    icu_case_folding: bool = True


class TokenFilter(msgspec.Struct, forbid_unknown_fields=True):
    """What is done with the terms: one of the two."""

    normalizer: Normalizer | None = None
    stop_words: list[str] | None = None


class AnalyzerOptions(msgspec.Struct, forbid_unknown_fields=True):
    """What `analyzer_options` may hold."""

    delimiters: list[str] | None = None
    patterns: list[str] | None = None
    token_filters: list[TokenFilter] | None = None


def analyzer_options(text: str) -> AnalyzerOptions:
    """Read options from JSON (empty: none are given); raises `ValueError` for what they may not hold."""
    try:
        return msgspec.json.decode(text or "{}", type=AnalyzerOptions)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise ValueError(f"analyzer_options: {error}") from error
