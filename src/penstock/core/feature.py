"""What is recorded of feature sets and feature services: their versions, and what rows were like. Plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureVersion:
    """A version of a feature set or a feature service (`kind` "set" or "service"): a number, and its definition.

    `digest` tells a changed definition from the same one applied again. `changes` say what differs from the version
    before, `breaks` what whoever uses that one can no more rely on. `history` names the table of a set's rows,
    which versions share as long as its keys, times and types stay."""

    kind: str
    name: str
    version: int
    digest: str
    definition: dict[str, Any] = field(default_factory=dict)
    changes: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    history: str = ""
    created: float = 0.0

    @property
    def compatible(self) -> bool:
        """Whether all that the version before gave is there still."""
        return not self.breaks


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestStatistics:
    """What the rows of one ingest were like, or of several that were put together (`ingests`): of those that a history
    has under the numbers `first` to `last`, as a definition (`digest` tells its values from others') sees them.

    `features` has a sketch of the values of each. `first_event` and `last_event` are microseconds since 1970, `reached`
    says when the last event came, `created` when the newest of the rows came, in seconds. With `rows` below 0 nothing
    is known of the rows but that they came together: they are to be counted anew."""

    history: str
    digest: str
    first: int
    last: int
    ingests: int = 1
    batch: str = ""
    rows: int = 0
    first_event: int | None = None
    last_event: int | None = None
    features: dict[str, Any] = field(default_factory=dict)
    reached: float = 0.0
    created: float = 0.0
