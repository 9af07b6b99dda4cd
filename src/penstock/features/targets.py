"""A feature set as the target of a step: where its store is, as a source that travels to the step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import blake3
import pyarrow as pa

from penstock.core.artifact import Source
from penstock.core.ports import MetadataStore
from penstock.errors import DataError
from penstock.features.declared.versions import find_set
from penstock.features.history.histories import Histories
from penstock.features.ingest.batches import Ingested
from penstock.features.ingest.checking import OnBad
from penstock.features.online.online_address import open_online
from penstock.features.places import Places
from penstock.features.store import FeatureStore
from penstock.secrets import without_password

TARGET = "feature-set:"
"""How the text of a target begins; the name of the set is behind it."""

_FORMAT = "feature_set"


def target_source(
    metadata: MetadataStore, text: str, *, history: str, index: Path, online: str, project: str
) -> Source:
    """Return what such a text stands for: the set's newest version, and where its store is."""
    registered = find_set(metadata, text.removeprefix(TARGET))
    return Source(
        name=TARGET + registered.record.name,
        uris=(history, str(index), without_password(online), project),
        format=_FORMAT,
        digest=registered.record.digest,
    )


def ingest_into(
    target: Source, rows: pa.Table, metadata: MetadataStore, *, root: Path, secrets: Mapping[str, str], on_bad: OnBad
) -> tuple[Ingested, str]:
    """Store rows in the set that a target stands for, as the batch of that content; return also the batch's name."""
    if target.format != _FORMAT:
        raise DataError(f"'{target.name}' is no feature set; write ps.ingest('rides', rows)")
    history, index, online, project = target.uris
    store = open_online(online, root=root, project=project, secrets=secrets)
    histories = Histories(history, secrets)
    places = Places(metadata=metadata, history=histories, index=Path(index), online=store, rows=_as_they_are)
    batch = _digest(rows)
    name = target.name.removeprefix(TARGET)
    return FeatureStore(places).ingest(name, rows, batch=batch, on_bad=on_bad), batch


def _as_they_are(rows: Any) -> Any:
    return rows


def _digest(rows: pa.Table) -> str:
    """Return what tells the content of rows: of columns, types and values, not of how they lie in memory."""
    hashed = blake3.blake3()
    with (
        pa.PythonFile(_Hashing(hashed), mode="w") as sink,
        pa.ipc.new_stream(sink, rows.schema.remove_metadata()) as out,
    ):
        out.write_table(rows.combine_chunks().replace_schema_metadata(None), max_chunksize=1 << 20)
    return hashed.hexdigest()


class _Hashing:
    """A file that takes what is written to it into a hash."""

    closed = False

    def __init__(self, hashed: Any) -> None:
        self._hashed, self._at = hashed, 0

    def write(self, content: Any) -> int:
        self._hashed.update(content)
        self._at += len(content)
        return len(content)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        """Do nothing: it is hashed already."""

    def close(self) -> None:
        """Do nothing."""
