"""The table of tensor forms: which operation is lowered by what. One that is not here has a form only as a table."""

from __future__ import annotations

from penstock.operations.tensors import (
    arithmetic,
    arrays,
    characters,
    choices,
    conversions,
    encoders,
    formats,
    mathematics,
    moments,
    parts,
    scanning,
    sequences,
    structures,
    substrings,
    terms,
    texts,
)
from penstock.operations.tensors.values import Handling, Strict, Whole

_FAMILIES = (
    *(arithmetic, mathematics, choices, conversions, moments, texts, characters, substrings, scanning),
    *(parts, arrays, terms, encoders, sequences, structures),
)

STRICT: dict[str, Strict] = {name: form for family in _FAMILIES for name, form in family.STRICT.items()}
"""Operation -> its form, where an argument that is NULL makes the result NULL. A safe form is made of its own."""

HANDLING: dict[str, Handling] = {name: form for family in _FAMILIES for name, form in family.HANDLING.items()}
"""Operation -> its form, where it sees NULL."""

WHOLE: dict[str, Whole] = {**structures.WHOLE, **formats.WHOLE}
"""Operation -> its form, where it is put together of others or takes values as they are."""
