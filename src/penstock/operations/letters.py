"""Upper and lower case letter by letter, as DuckDB has it (Python's ß becomes SS, here it stays one); case folding."""

from __future__ import annotations

import unicodedata
from typing import Literal, TypeAlias

Form: TypeAlias = Literal["NFC", "NFKC", "NFD", "NFKD"]

# Where Python's counterpart is several characters and Unicode's simple mapping has one.
_LOWER = {0x130: "i"}
_UPPER = {
    0xDF: "ẞ",
    **{code: chr(code + 8) for start in (0x1F80, 0x1F90, 0x1FA0) for code in range(start, start + 8)},
    0x1FB3: "ᾼ",
    0x1FC3: "ῌ",
    0x1FF3: "ῼ",
}


def lower(x: str) -> str:
    """Return x with each letter in lower case."""
    return "".join(_LOWER.get(ord(c), c) if len(small := c.lower()) != 1 else small for c in x)


def upper(x: str) -> str:
    """Return x with each letter in upper case."""
    return "".join(_UPPER.get(ord(c), c) if len(large := c.upper()) != 1 else large for c in x)


def folded(x: str, form: Form) -> str:
    """Return x in one of Unicode's normal forms, without regard to case."""
    return unicodedata.normalize(form, unicodedata.normalize(form, x).casefold())
