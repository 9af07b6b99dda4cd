"""What the server needs of a project, and of the models in it: handed in, so that tests can serve without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from penstock.cascades import Cascade
from penstock.core.graph import ModelGraph
from penstock.core.model import Model
from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.features import FeatureStore
from penstock.project.config import Config
from penstock.project.production import Production
from penstock.project.repository import Repository
from penstock.project.triggers import Triggers

if TYPE_CHECKING:
    import pyarrow as pa


class RegisteredModel(Protocol):
    """A model of the registry."""

    def load(self, version: int, /) -> ModelGraph:
        """Return the model graph of a version."""
        ...

    def export(self, format: str, path: Path, *, version: int, **options: Any) -> Path:
        """Write a version in a form that others run."""
        ...


class Service(Protocol):
    """The project that is served; `penstock.project.Project` is one. `features` is its feature store, `production`
    what its models do in production."""

    features: FeatureStore
    production: Production

    @property
    def root(self) -> Path:
        """The folder in which runs are started."""
        ...

    @property
    def metadata(self) -> MetadataStore:
        """Runs, steps, versions and aliases; used from several threads."""
        ...

    @property
    def artifacts(self) -> ArtifactStore:
        """The blobs of artifacts."""
        ...

    @property
    def pipelines(self) -> Mapping[str, Callable[..., Any]]:
        """The declared pipelines by name."""
        ...

    @property
    def models(self) -> Mapping[str, RegisteredModel]:
        """The registered models by name, as the registry has them now."""
        ...

    @property
    def config(self) -> Config:
        """What penstock.toml says."""
        ...

    @property
    def repository(self) -> Repository:
        """All that was made."""
        ...

    @property
    def triggers(self) -> Triggers:
        """What starts runs by itself."""
        ...

    def predict(self, name: str, rows: Any, /, *, timestamp: str | None = None, stages: bool = False) -> pa.Table:
        """Predict rows with a registered model."""
        ...

    def evaluate(self, name: str, rows: Any, /, *, timestamp: str | None = None) -> dict[str, float | None]:
        """Judge a registered model on rows with labels."""
        ...

    def fit(self, model: Model | Cascade, rows: Any, /) -> ModelGraph:
        """Fit a model or a cascade as a run, and register it."""
        ...

    def sql(self, text: str) -> pa.Table:
        """Run one statement."""
        ...


class RowPredictor(Protocol):
    """The row function of a model graph. Used from several threads at once."""

    def predict(self, row: Mapping[str, Any], /) -> dict[str, Any]:
        """Return the predicted columns of a row by the names of its values; others than the inputs are passed over."""
        ...

    def decode(self, body: bytes) -> list[Any]:
        """Return the rows of `{"instances": [{...}]}`; raises `RequestError`, or `DataError` naming the field."""
        ...

    def predict_decoded(self, row: Any) -> dict[str, Any]:
        """Return the predicted columns of a row that `decode` gave."""
        ...

    def looked_up(self, row: Any) -> dict[str, Any]:
        """Return the features that are looked up for a row that `decode` gave, as they are now."""
        ...

    def files(self, row: Any) -> dict[str, bytes]:
        """Return the bytes that a row which `decode` gave has, by the names of their fields."""
        ...

    def with_stages(self) -> RowPredictor:
        """Return the same for those who want to see the stages of a cascade; raises `DataError` for another model."""
        ...


MakePredictor = Callable[[ModelGraph], RowPredictor]
