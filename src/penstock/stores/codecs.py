"""The kinds of values that the store keeps, in the order in which they are asked whether a value is theirs."""

from __future__ import annotations

from penstock.core.ports import Codec
from penstock.stores.collections import with_collections
from penstock.stores.documents import JsonCodec, MetricsCodec
from penstock.stores.files import ArrayCodec, BytesCodec, FileCodec, FolderCodec, TextCodec
from penstock.stores.objects import FigureCodec, ObjectCodec
from penstock.stores.tabular import TABLE_FORMS, TableCodec

PLAIN_CODECS: tuple[Codec, ...] = (
    ObjectCodec(),
    TableCodec(),
    *TABLE_FORMS,
    TextCodec(),
    BytesCodec(),
    ArrayCodec(),
    FileCodec(),
    FolderCodec(),
    FigureCodec(),
    JsonCodec(),  # the widest of those that take what is not declared
    MetricsCodec(),
)
"""Those of single values."""

CODECS: tuple[Codec, ...] = with_collections(PLAIN_CODECS)
"""Those, and lists and mappings of them."""
