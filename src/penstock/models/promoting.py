"""An alias moved by a person: to a version, or back to where it pointed before; the history keeps who, and why."""

from __future__ import annotations

import getpass
from collections.abc import Sequence

from penstock.core.ports import MetadataStore
from penstock.core.run import AliasChange
from penstock.errors import ConflictError, UnknownNameError
from penstock.models.registry import CHAMPION, alias_history, aliases, resolve_version, set_alias

_PROMOTED, _ROLLED_BACK = "promoted", "rolled back"
"""How the reasons of changes begin that a person made."""


def person() -> str:
    """Return who acts here: the user of this process, as the system calls them."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"  # a process whose user the system does not know


def promote(
    metadata: MetadataStore, name: str, version: int, *, alias: str = CHAMPION, reason: str = "", by: str = ""
) -> AliasChange:
    """Point an alias at a version of a model; servers follow within a second.

    Raises `UnknownNameError` for a version that is not there.
    """
    resolve_version(metadata, f"{name}/{version}")
    return set_alias(metadata, name, alias, version, reason=_said(_PROMOTED, by, reason))


def rollback(
    metadata: MetadataStore, name: str, *, alias: str = CHAMPION, reason: str = "", by: str = ""
) -> AliasChange:
    """Point an alias back at the version that it pointed at before the one it points at now.

    Rolled back once more, it goes one further back, never forth. Raises `ConflictError` where nothing is before, or
    where the alias was moved just now.
    """
    pointing = aliases(metadata, name)
    if alias not in pointing:
        raise UnknownNameError("alias", alias, sorted(pointing), within=f"model '{name}'")
    changes = alias_history(metadata, name, alias)
    pointed = [change.version for change in changes]
    first = pointed.index(pointed[-1])
    if not first:
        raise ConflictError(
            f"'{name}@{alias}' points at version {pointed[-1]}, and never pointed at another before; promote one by "
            f"its number: penstock models promote {name} VERSION"
        )
    before, now = pointed[first - 1], pointed[-1]
    said = _said(f"{_ROLLED_BACK} from version {now}", by, reason)
    return set_alias(metadata, name, alias, before, reason=said, after=changes[-1].sequence)


def taken_back(changes: Sequence[AliasChange], version: int) -> AliasChange | None:
    """Return the change by which a person took an alias away from a version, where that is how it left it last: what a
    person decided, no run decides otherwise."""
    there = [place for place, change in enumerate(changes) if change.version == version]
    left = changes[there[-1] + 1 : there[-1] + 2] if there else ()
    return next((change for change in left if change.reason.startswith((_PROMOTED, _ROLLED_BACK))), None)


def _said(what: str, by: str, reason: str) -> str:
    return f"{what} by {by or person()}{f': {reason}' if reason else ''}"
