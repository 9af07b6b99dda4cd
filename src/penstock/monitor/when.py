"""What makes a trigger fire, as a value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from penstock.core.mapping import FrozenMap
from penstock.core.trigger import TriggerKind
from penstock.errors import UnknownNameError


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """What makes a trigger fire: what `every`, `cron`, `new_file`, `event`, `new_artifact`, `run_finished`, `stale`,
    `drift` and `degraded` return."""

    kind: TriggerKind
    spec: FrozenMap[Any] = field(default_factory=FrozenMap)


def one_of(value: str, known: tuple[str, ...], what: str) -> str:
    """Return a value that is one of those known; raises `UnknownNameError`."""
    if value not in known:
        raise UnknownNameError(what, str(value), known)
    return value
