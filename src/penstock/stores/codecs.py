"""The kinds of values that the store keeps, in the order in which they are asked whether a value is theirs."""

from __future__ import annotations

from penstock.core.ports import Codec
from penstock.stores.collections import with_collections
from penstock.stores.documents import JsonCodec
from penstock.stores.files import ArrayCodec, BytesCodec, FileCodec, FolderCodec, TextCodec
from penstock.stores.tabular import TABLE_FORMS, TableCodec

PLAIN_CODECS: tuple[Codec, ...] = (
    TableCodec(),
    *TABLE_FORMS,
    TextCodec(),
    BytesCodec(),
    ArrayCodec(),
    FileCodec(),
    FolderCodec(),
    JsonCodec(),  # the widest, so it comes last
)
"""Those of single values."""

CODECS: tuple[Codec, ...] = with_collections(PLAIN_CODECS)
"""Those, and lists and mappings of them."""
