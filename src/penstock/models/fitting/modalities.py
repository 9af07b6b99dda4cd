"""What a feature shows: an image, a text, or columns."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.core.expression import Expr, columns_of, walk
from penstock.operations.documents import OPERATIONS as DOCUMENT_OPERATIONS
from penstock.operations.facts import OPERATIONS as FACT_OPERATIONS
from penstock.operations.imagefacts import OPERATIONS as IMAGE_FACT_OPERATIONS
from penstock.operations.images import OPERATIONS as IMAGE_OPERATIONS

_OF_IMAGES = {operation.name for operation in (*IMAGE_OPERATIONS, *IMAGE_FACT_OPERATIONS)}
_OF_TEXTS = {
    "tokens",
    "sentence_embedding",
    *(operation.name for operation in (*DOCUMENT_OPERATIONS, *FACT_OPERATIONS)),
}


def modality_of(*forms: Expr, is_category: bool = False) -> str:
    """Return what a feature shows, by the operations in it, as it was declared and as it was frozen; a text that is one
    of a few values is a column."""
    used = {node.op for form in forms for node in walk(form)}
    if used & _OF_IMAGES:
        return "image"
    return "text" if used & _OF_TEXTS and not is_category else "columns"


def with_facts_of_texts(shows: Mapping[str, str], declared: Mapping[str, Expr]) -> dict[str, str]:
    """Return the modalities of features, where what is told of a column of texts (its length, say) is of the text."""
    texts = {column for name, shown in shows.items() if shown == "text" for column in columns_of(declared[name])}
    read = {name: columns_of(declared[name]) for name in shows}
    return {
        name: "text" if shown == "columns" and read[name] and texts.issuperset(read[name]) else shown
        for name, shown in shows.items()
    }
