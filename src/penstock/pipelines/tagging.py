"""Tags and notes of runs: given when a run starts, changed later, and what runs are found by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from penstock.core.ports import MetadataStore
from penstock.core.run import Run
from penstock.errors import DeclarationError, UnknownNameError


def checked_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """Return tags as they are recorded: texts by names without spaces and "="; numbers are written as texts."""
    checked = {}
    for name, value in tags.items():
        if not isinstance(name, str) or not name or "=" in name or any(each.isspace() for each in name):
            raise DeclarationError(f"{name!r} is no name of a tag; give a text without spaces and '='")
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise DeclarationError(f"tag '{name}' is {value!r}, a {type(value).__name__}; give a text or a number")
        checked[name] = str(value)
    return checked


def tag_run(
    metadata: MetadataStore, run_id: str, tags: Mapping[str, Any] | None = None, *, note: str | None = None
) -> Run:
    """Change a run's tags (None: remove the tag) and, where one is given, its note; return the run as it is now."""
    run = metadata.get(Run, run_id)
    if run is None:
        raise UnknownNameError("run", run_id, [each.id for each in metadata.find(Run, newest_first=True, limit=5)])
    gone = {name for name, value in (tags or {}).items() if value is None}
    given = checked_tags({name: value for name, value in (tags or {}).items() if value is not None})
    kept = {name: value for name, value in run.tags.items() if name not in gone}
    changed = replace(run, tags=kept | given, notes=run.notes if note is None else note)
    metadata.write(changed)
    return changed


def find_runs(
    metadata: MetadataStore, *, tags: Mapping[str, Any] | None = None, limit: int | None = None, **equal: Any
) -> list[Run]:
    """Return runs, newest first, whose fields and tags are all as given."""
    if not tags:
        return metadata.find(Run, newest_first=True, limit=limit, **equal)
    wanted = checked_tags(tags).items()
    found = [run for run in metadata.find(Run, newest_first=True, **equal) if wanted <= run.tags.items()]
    return found[:limit]
