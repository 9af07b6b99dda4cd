"""What could not be stored in the feature sets of a project that is served elsewhere."""

from __future__ import annotations

import datetime

import pyarrow as pa

from penstock.remote.connection import Server, segment
from penstock.remote.rows import ARROW_STREAM, arrow_table


class RemoteDeadLetters:
    """The dead letters of a server's feature sets: what `DeadLetters` does for who reads them."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def read(self, feature_set: str) -> pa.Table:
        """Return the dead letters of a feature set, the oldest first."""
        path = f"/v1/feature-sets/{segment(feature_set)}/dead-letters"
        return arrow_table(self._server.content("GET", path, headers={"accept": ARROW_STREAM}))

    def count(self, feature_set: str) -> int:
        """Return how many there are."""
        count: int = self._server.get(f"/v1/feature-sets/{segment(feature_set)}/dead-letters?limit=0")["count"]
        return count

    def clear(self, feature_set: str, *, before: datetime.datetime | None = None) -> int:
        """Take dead letters out for good, all or those of before an instant; return how many."""
        path = f"/v1/feature-sets/{segment(feature_set)}:clearDeadLetters"
        cleared: int = self._server.post(path, {"before": before})["cleared"]
        return cleared
