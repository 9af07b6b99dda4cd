"""Something a step made, by the digest of its bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A stored value: its bytes are the blob `digest` (blake3, hex); equal bytes are one artifact.

    `kind` says how to read it (`table`, `json`, `model`, `bytes`, `text`, `file`, ...; `list` and `mapping` name other
    artifacts: see `values/collection.py`). `schema` holds (column, type) pairs
    of a table; `facts` what is worth showing (rows, size_bytes, a preview). `made_by` is "run/step" of the first maker.
    """

    digest: str
    kind: str
    uri: str
    schema: tuple[tuple[str, str], ...] = ()
    made_by: str = ""
    created: float = 0.0  # seconds since 1970, UTC
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Rows outside the store: the files that a path, a pattern or a declared table name stands for, just now.

    `digest` changes when the content of any of them does, so a step that reads them is stale exactly then.
    """

    name: str
    uris: tuple[str, ...]
    format: str  # "parquet", "csv", "arrow"
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """An artifact found by its name ("prices@latest"), just now. A step that takes one is given the name as a text; the
    artifact's digest is in its key, so that it is stale when the name stands for another."""

    name: str
    artifact: Artifact
