"""Where a feature store keeps what it holds, and the indexes of its sets, each opened once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.core.ports import MetadataStore
from penstock.features.declared.versions import Registered
from penstock.features.history.histories import Histories
from penstock.features.history.tables import History
from penstock.features.index.retrieval_index import FeatureIndex
from penstock.features.online.online_store import OnlineStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a feature store keeps what it holds: `history` in a folder or a bucket, `index` in a folder of this machine
    that may be deleted at any time. `rows` finds what a text stands for: rows, or a stream."""

    metadata: MetadataStore
    history: Histories
    index: Path
    online: OnlineStore
    rows: Callable[[Any], Any]


class Past:
    """The histories of a store's sets, and their indexes: `index` is the folder that these are in."""

    def __init__(self, histories: Histories, index: Path) -> None:
        self._histories, self._folder = histories, index
        self._indexes: dict[str, FeatureIndex] = {}

    def history(self, registered: Registered) -> History:
        """Return the history of a version of a set."""
        return self._histories.open(registered.record.history)

    def index(self, registered: Registered) -> FeatureIndex:
        """Return the index of a version of a set; versions of the same values have one."""
        values = registered.definition.values_digest
        key = f"{registered.record.history}/{values}/{registered.definition.set.ttl}"
        if key not in self._indexes:
            folder = self._folder / registered.record.history / values[:24]
            self._indexes[key] = FeatureIndex(registered.definition, self.history(registered), folder)
        return self._indexes[key]
