"""ALTER MODEL: what people say about a model, checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.errors import SqlError, UnknownNameError

SAID = {
    "description": "a text",
    "friendly_name": "a text",
    "labels": "pairs of texts, as [('team', 'bikes')]",
}
"""The options that ALTER MODEL sets, and what each takes; NULL takes it back."""


def said(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the options of ALTER MODEL say, labels as a dict; raises what is wrong with them."""
    found: dict[str, Any] = {}
    for option, value in options.items():
        if option not in SAID:
            raise UnknownNameError("option", option, SAID, within="ALTER MODEL")
        found[option] = _labels(value) if option == "labels" else value
        if value is not None and (found[option] is None or not isinstance(found[option], str | dict)):
            raise SqlError(f"ALTER MODEL: option {option} takes {SAID[option]}, or NULL; not {value!r}")
    return found


def _labels(value: Any) -> dict[str, str] | None:
    pairs = value if isinstance(value, list) else [value]
    texts = [pair for pair in pairs if isinstance(pair, tuple | list) and list(map(type, pair)) == [str, str]]
    return {key: text for key, text in texts} if len(texts) == len(pairs) else None
