"""What steps may hand each other beside tables and plain values: lists, figures, metrics, your own types."""

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
from penstock.values.declared import TypeCodec, codec, codec_named, codec_of, codec_of_name, pickled
from penstock.values.figures import Figure, as_figure, from_bytes, html, is_drawn, png, svg
from penstock.values.metrics import METRICS, Metrics

__all__ = [
    "COLLECTIONS",
    "METRICS",
    "Figure",
    "Metrics",
    "TypeCodec",
    "as_figure",
    "closure",
    "codec",
    "codec_named",
    "codec_of",
    "codec_of_name",
    "from_bytes",
    "html",
    "is_drawn",
    "is_whole",
    "item",
    "items",
    "list_artifact",
    "mapping_artifact",
    "named_items",
    "pickled",
    "png",
    "svg",
]
