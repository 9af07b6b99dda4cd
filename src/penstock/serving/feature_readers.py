"""What reads online features for requests: made once for a list of features, and anew when a set is applied."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from penstock.core.feature import FeatureVersion
from penstock.errors import RequestError
from penstock.features import FeatureReader
from penstock.serving.service import Service

KEPT = 1024
"""How many lists of features stay prepared."""

Asked = tuple[bool, str | None, tuple[str, ...]]
"""Whether names are full, the feature service or None, the references: what tells one list from another."""


def features_of(service: str | None, features: Sequence[str]) -> Sequence[str] | str:
    """Return what a request asks for: references, or a feature service."""
    if service is not None and features:
        raise RequestError("the body has both features and feature_service; give one of them")
    if service is None and not features:
        raise RequestError('the body asks for nothing; give features: ["driver_rides:trips_7d"], or feature_service')
    return features if service is None else service


class FeatureReaders:
    """Readers by what is asked for.

    `by_asked` is what requests read, one dictionary look-up; only the one thread of this writes to it. That thread also
    looks for new versions, so no reader of an old one is kept after a new one was seen.
    """

    def __init__(self, project: Service) -> None:
        self.by_asked: dict[Asked, FeatureReader] = {}
        self._project = project
        self._seen: list[FeatureVersion] = []
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="penstock-features")

    async def get(self, asked: Asked) -> FeatureReader:
        """Return the reader of what is asked for, making it if need be."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._get, asked)

    async def refresh(self) -> None:
        """Forget every reader if there is a version that was not there at the last look."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._refresh)

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown(cancel_futures=True)

    def _refresh(self) -> None:
        newest = self._project.metadata.find(FeatureVersion, newest_first=True, limit=1)
        if newest != self._seen:
            self.by_asked.clear()
            self._seen = newest

    def _get(self, asked: Asked) -> FeatureReader:
        if asked not in self.by_asked:
            full_feature_names, service, features = asked
            asked_for = features_of(service, features)
            reader = self._project.features.reader(asked_for, full_feature_names=full_feature_names)
            while len(self.by_asked) >= KEPT:
                del self.by_asked[next(iter(self.by_asked))]
            self.by_asked[asked] = reader
        return self.by_asked[asked]
