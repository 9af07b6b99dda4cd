"""An alias moved by a person: to a version, or back to where it pointed before; the history keeps who, and why."""

from __future__ import annotations

import getpass

from penstock.core.ports import MetadataStore
from penstock.core.run import AliasChange
from penstock.errors import ConflictError, UnknownNameError
from penstock.models.registry import CHAMPION, alias_history, aliases, resolve_version, set_alias


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
    return set_alias(metadata, name, alias, version, reason=_said("promoted", by, reason))


def rollback(
    metadata: MetadataStore, name: str, *, alias: str = CHAMPION, reason: str = "", by: str = ""
) -> AliasChange:
    """Point an alias back at the version that it pointed at before the one it points at now.

    Rolled back once more, it goes one further back, never forth. Raises `ConflictError` where there is nothing before.
    """
    pointing = aliases(metadata, name)
    if alias not in pointing:
        raise UnknownNameError("alias", alias, sorted(pointing), within=f"model '{name}'")
    pointed = [change.version for change in alias_history(metadata, name, alias)]
    first = pointed.index(pointed[-1])
    if not first:
        raise ConflictError(
            f"'{name}@{alias}' points at version {pointed[-1]}, and never pointed at another before; promote one by "
            f"its number: penstock models promote {name} VERSION"
        )
    before, now = pointed[first - 1], pointed[-1]
    return set_alias(metadata, name, alias, before, reason=_said(f"rolled back from version {now}", by, reason))


def _said(what: str, by: str, reason: str) -> str:
    return f"{what} by {by or person()}{f': {reason}' if reason else ''}"
