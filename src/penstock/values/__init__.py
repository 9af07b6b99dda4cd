"""What steps may hand each other beside tables and plain values: lists and mappings of artifacts."""

from penstock.values.collection import (
    COLLECTIONS,
    closure,
    is_whole,
    item,
    items,
    list_artifact,
    mapping_artifact,
    named_items,
)

__all__ = [
    "COLLECTIONS",
    "closure",
    "is_whole",
    "item",
    "items",
    "list_artifact",
    "mapping_artifact",
    "named_items",
]
