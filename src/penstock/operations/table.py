"""The closed table: every operation of every family, by name."""

from __future__ import annotations

from typing import TypeAlias

from penstock.core.operation import LearnedOperation, Operation
from penstock.operations import (
    arithmetic,
    arrays,
    bits,
    buckets,
    characters,
    clocks,
    comparison,
    conditional,
    conversion,
    crosses,
    dates,
    dateseries,
    documents,
    encodings,
    extraction,
    facts,
    fingerprints,
    formats,
    formatting,
    geography,
    imagefacts,
    images,
    jsonvalues,
    learned,
    logic,
    mathematics,
    parts,
    regexps,
    scaling,
    scanning,
    sentences,
    strings,
    structures,
    tokens,
    trigonometry,
    unicodeforms,
    vectors,
    vocabularies,
    zones,
)
from penstock.operations.encoders import ENCODERS, Encoder
from penstock.operations.safe import safe_forms

FAMILIES = (
    arithmetic,
    bits,
    comparison,
    logic,
    conditional,
    conversion,
    mathematics,
    trigonometry,
    vectors,
    strings,
    characters,
    unicodeforms,
    regexps,
    encodings,
    parts,
    dates,
    clocks,
    dateseries,
    zones,
    formats,
    formatting,
    scanning,
    structures,
    arrays,
    geography,
    crosses,
    documents,
    facts,
    sentences,
    extraction,
    jsonvalues,
    fingerprints,
    buckets,
    scaling,
    vocabularies,
    tokens,
    images,
    imagefacts,
)

_PLAIN = [operation for family in FAMILIES for operation in family.OPERATIONS]

OPERATIONS: dict[str, Operation] = {operation.name: operation for operation in (*_PLAIN, *safe_forms(_PLAIN))}
"""Operations that have both forms. What is not here, or in LEARNED, has no meaning."""

LEARNED: dict[str, LearnedOperation] = {operation.name: operation for operation in learned.OPERATIONS}
"""Operations whose constants are found in the training rows; `freeze` turns them into those of OPERATIONS."""


Named: TypeAlias = Operation | LearnedOperation | Encoder
"""What a call can apply."""


def named(name: str) -> Named | None:
    """Return the operation of that name, learned or not, or the encoder; None if there is none."""
    return OPERATIONS.get(name) or LEARNED.get(name) or ENCODERS.get(name)
