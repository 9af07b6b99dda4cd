"""What is recorded of feature sets and feature services: their versions. Plain values."""

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
