"""The row predictors that requests use. They follow the registry in a thread of their own, off the request path."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from penstock.core.graph import ModelGraph
from penstock.core.run import AliasChange, ModelVersion
from penstock.errors import PenstockError
from penstock.models import resolve_version
from penstock.models.routing import is_routed
from penstock.serving.errors import LOG
from penstock.serving.service import MakePredictor, RowPredictor, Service

T = TypeVar("T")

KEPT_VERSIONS = 32
"""How many versions that no alias leads to stay loaded after they were asked for by number."""

_DECODERS = min(os.cpu_count() or 1, 4)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version of a model, ready to predict; a cascade also for those who ask for its stages."""

    model: str
    version: int
    digest: str
    graph: ModelGraph
    predictor: RowPredictor
    staged: RowPredictor | None = None
    takes_files: bool = False
    """Whether an input is bytes: an image, which takes a while to decode."""

    def predicting(self, *, stages: bool) -> RowPredictor:
        """Return what predicts, and tells the stages if they are asked for; raises `DataError` where there are none."""
        return self.staged or self.predictor.with_stages() if stages else self.predictor


def predict_path(model: str, version: int | str | None = None) -> str:
    """Return the path at which a model, or one version of it, predicts."""
    return f"/v1/models/{model}:predict" if version is None else f"/v1/models/{model}/versions/{version}:predict"


def is_predict_path(path: str) -> bool:
    """Tell whether a path is one of `predict_path`."""
    return path.endswith(":predict") and path.startswith("/v1/models/")


def parse_path(path: str) -> tuple[str, str | None]:
    """Return the model and the version, if one is named, in a path of `predict_path`."""
    model, separator, version = path[len("/v1/models/") : -len(":predict")].partition("/versions/")
    return model, version if separator else None


class Predictors:
    """What is loaded, by the path that predicts with it.

    `by_path` is what requests read, one dictionary look-up; only the loading thread writes to it, one entry at a time.
    `shadows` has the versions, by their models, that are asked beside those that are served: `[server] shadow`.
    """

    def __init__(self, project: Service, make: MakePredictor) -> None:
        self.by_path: dict[str, Loaded] = {}
        self.shadows: dict[str, Loaded] = {}
        self._project, self._make = project, make
        self._versions: dict[tuple[str, int], Loaded] = {}
        self._broken: set[str] = set()
        self._seen: tuple[Any, ...] | None = None
        self._loading = ThreadPoolExecutor(max_workers=1, thread_name_prefix="penstock-load")
        self._predicting = ThreadPoolExecutor(max_workers=1, thread_name_prefix="penstock-predict")
        self._decoding = ThreadPoolExecutor(max_workers=_DECODERS, thread_name_prefix="penstock-decode")

    async def get(self, model: str, version: str | None = None) -> Loaded:
        """Return the predictor of a version (None: the one that is served), loading it if need be."""
        return await asyncio.get_running_loop().run_in_executor(self._loading, self._get, model, version)

    async def beside(self, work: Callable[[], T], *, files: bool = False) -> T:
        """Do a long piece of work in a thread, so that small requests need not wait for it; with `files`, in one of
        several: what decodes an image leaves the interpreter to others meanwhile."""
        threads = self._decoding if files else self._predicting
        return await asyncio.get_running_loop().run_in_executor(threads, work)

    @property
    def served(self) -> list[Loaded]:
        """What answers where no version is named, by the model's name."""
        named = (path for path in sorted(self.by_path) if "/versions/" not in path)
        return [self.by_path[path] for path in named if "@" not in path]

    async def load(self) -> None:
        """Load what the registry serves now, if it has changed since the last time."""
        await asyncio.get_running_loop().run_in_executor(self._loading, self._refresh)

    def close(self) -> None:
        """End the threads."""
        self._loading.shutdown(cancel_futures=True)
        self._predicting.shutdown(cancel_futures=True)
        self._decoding.shutdown(cancel_futures=True)

    def _refresh(self) -> None:
        newest = tuple(
            tuple(self._project.metadata.find(kind, newest_first=True, limit=1)) for kind in (ModelVersion, AliasChange)
        )
        if newest == self._seen:
            return
        self._drop_unregistered()
        for model in self._project.models:
            served = self._registered(model)
            if served.digest not in self._broken:
                try:
                    self._get(model, None)
                except PenstockError as error:
                    # The version before it, if there was one, goes on being served.
                    self._broken.add(served.digest)
                    LOG.error("version %s of model '%s' cannot be loaded: %s", served.version, model, error)
        for path in [path for path in self.by_path if "@" in path]:
            self._follow_alias(path)
        for model, alias in self._project.config.server.shadow.items():
            self._follow_shadow(model, f"{model}@{alias}")
        self._seen = newest

    def _follow_alias(self, path: str) -> None:
        """Let a path that names an alias lead to where the alias points now; no request finds one that is gone."""
        try:
            self._get(*parse_path(path))
        except PenstockError as error:
            self.by_path.pop(path, None)
            LOG.error("%s leads nowhere: %s", path, error)

    def _follow_shadow(self, model: str, reference: str) -> None:
        try:
            self.shadows[model] = self._load(self._registered(reference))
        except PenstockError as error:
            self.shadows.pop(model, None)
            LOG.warning("nothing stands in the shadow of model '%s': %s", model, error)

    def _get(self, model: str, version: str | None) -> Loaded:
        served = self._registered(model)
        loaded = self._load(served if version is None else self._registered(f"{model}/{version}"))
        if loaded.version == served.version:
            self.by_path[predict_path(model)] = loaded
        self._forget()
        return loaded

    def _registered(self, reference: str) -> ModelVersion:
        return resolve_version(self._project.metadata, reference)

    def _load(self, version: ModelVersion) -> Loaded:
        key = version.model, version.version
        found = self._versions.get(key)
        if found is None or found.digest != version.digest:
            graph = self._project.models[version.model].load(version.version)
            made = self._make(graph)
            staged = made.with_stages() if is_routed(graph) else None
            files = any(field.type == "bytes" for field in graph.signature.inputs)
            found = Loaded(*key, version.digest, graph, made, staged, files)
            self._versions[key] = self.by_path[predict_path(*key)] = found
        return found

    def _drop_unregistered(self) -> None:
        """Serve nothing that the registry has no more: its state may have been deleted and begun anew."""
        registered = {(each.model, each.version): each.digest for each in self._project.metadata.find(ModelVersion)}
        gone = {key for key, loaded in self._versions.items() if registered.get(key) != loaded.digest}
        for key in gone:
            del self._versions[key]
        for path, loaded in list(self.by_path.items()):
            if (loaded.model, loaded.version) in gone:
                del self.by_path[path]

    def _forget(self) -> None:
        served = {id(self.by_path.get(predict_path(model))) for model, _ in self._versions}
        served.update(map(id, self.shadows.values()))
        unused = [key for key, loaded in self._versions.items() if id(loaded) not in served]
        for key in unused[:-KEPT_VERSIONS]:
            del self._versions[key], self.by_path[predict_path(*key)]
