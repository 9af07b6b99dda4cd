"""Secrets in pipelines: there before anything runs, and in nothing that is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Pipeline
from penstock.core.ports import ArtifactStore
from penstock.errors import DeclarationError, StepError
from penstock.secrets import Secret, leaked_in


def check_secrets(pipeline: Pipeline, left_out: Mapping[str, str], places: Mapping[str, str]) -> None:
    """Raise `DeclarationError` where a step that may run is given a secret that is not there, or the text of one."""
    for step in pipeline.steps:
        for parameter, given in step.inputs.items():
            for value in _plain(given):
                if isinstance(value, str) and (name := leaked_in(value)):
                    raise DeclarationError(
                        f"step '{step.name}' is given the text of the secret '{name}' as '{parameter}', which would be "
                        f"kept with the run; give ps.secret('{name}') itself, and call .get() in the step"
                    )
                if isinstance(value, Secret) and not left_out[step.name] and value.find(places) is None:
                    said = value.missing(places)
                    raise DeclarationError(f"step '{step.name}' needs a secret as '{parameter}': {said}")


class DiscreetStore:
    """A store that refuses what contains a secret that this process has revealed."""

    def __init__(self, store: ArtifactStore, step: str) -> None:
        self._store, self._step = store, step

    def put(self, source: Path | bytes) -> str:
        """Store a file or bytes, unless a secret stands in them; a file is then removed."""
        if name := leaked_in(source):
            if isinstance(source, Path) and source.is_relative_to(self._store.scratch().parent):
                source.unlink()
            raise StepError(
                f"what step '{self._step}' gives contains the secret '{name}', so it is not stored; leave it out, and "
                f"give ps.secret('{name}') to the steps that need it",
                step=self._step,
            )
        return self._store.put(source)

    def path(self, digest: str) -> Path:
        """Return a local read-only file of these bytes."""
        return self._store.path(digest)

    def has(self, digest: str) -> bool:
        """Tell whether the blob is there with its full size."""
        return self._store.has(digest)

    def verify(self, digest: str) -> None:
        """Read every byte."""
        self._store.verify(digest)

    def scratch(self) -> Path:
        """Return a fresh path for a temporary file."""
        return self._store.scratch()


def _plain(value: Any) -> Iterator[Any]:
    """Yield the texts and secrets inside a value."""
    match value:
        case str() | Secret():
            yield value
        case list() | tuple() | set() | frozenset():
            for item in value:
                yield from _plain(item)
        case dict() | FrozenMap():
            for key, item in value.items():
                yield from _plain(key)
                yield from _plain(item)
