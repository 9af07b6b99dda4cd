"""Lists and mappings of stored values: a small blob that names the blobs of the items, so that one item can be had
without the others. Read and written through the store that is handed in; no item is opened."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore
from penstock.errors import CorruptArtifactError, UnknownNameError

COLLECTIONS = ("list", "mapping")
"""The kinds of artifact whose blob names other blobs."""

_SHOWN_ELSEWHERE = ("preview",)  # of an item: its own record shows it, the list stays small


def list_artifact(children: Sequence[Artifact], store: ArtifactStore) -> Artifact:
    """Store the list of these artifacts; equal items in the same order are one artifact, whoever made them."""
    return _stored("list", [_entry(child) for child in children], children, store)


def mapping_artifact(children: Mapping[str, Artifact], store: ArtifactStore) -> Artifact:
    """Store the mapping from names to these artifacts, in their order."""
    entries = [{"name": name, **_entry(child)} for name, child in children.items()]
    return _stored("mapping", entries, list(children.values()), store)


def items(artifact: Artifact, store: ArtifactStore) -> list[Artifact]:
    """Return the items of a list (of a mapping: its values), without opening them; they are made by the list's maker.

    Raises `CorruptArtifactError` where the list or an item is missing.
    """
    return list(named_items(artifact, store).values())


def named_items(artifact: Artifact, store: ArtifactStore) -> dict[str | int, Artifact]:
    """Return the items of a mapping by their names, of a list by their positions, without opening them."""
    found = _entries(artifact, store)
    return {key: replace(child, uri=store.path(child.digest).as_uri()) for key, child in found}


def item(artifact: Artifact, key: str | int, store: ArtifactStore) -> Artifact:
    """Return one item by its name or position (from the end where negative); raises `UnknownNameError`."""
    found = dict(_entries(artifact, store))
    place = key + len(found) if isinstance(key, int) and key < 0 else key
    if place not in found:
        raise UnknownNameError("item", str(key), map(str, found), within=f"a {artifact.kind} of {len(found)} items")
    return replace(found[place], uri=store.path(found[place].digest).as_uri())


def closure(artifact: Artifact, store: ArtifactStore) -> Iterator[str]:
    """Yield every digest that is needed to read an artifact: its own, then those of all items, as far as lists that
    are there name them."""
    yield artifact.digest
    if artifact.kind in COLLECTIONS and store.has(artifact.digest):
        for _, child in _entries(artifact, store):
            yield from closure(child, store)


def is_whole(artifact: Artifact, store: ArtifactStore) -> bool:
    """Tell whether all the bytes of an artifact are there: its own, and those of every item."""
    return all(map(store.has, closure(artifact, store)))


def _stored(kind: str, entries: list[dict[str, Any]], children: Sequence[Artifact], store: ArtifactStore) -> Artifact:
    content = json.dumps({kind: entries}, allow_nan=False, sort_keys=True, separators=(",", ":"))
    digest = store.put(content.encode())
    facts: dict[str, Any] = {
        "items": len(children),
        "of": sorted({child.kind for child in children}),
        "size_bytes": sum(child.facts.get("size_bytes", 0) for child in children),
    }
    if children and all("rows" in child.facts for child in children):
        facts["rows"] = sum(child.facts["rows"] for child in children)
    return Artifact(digest=digest, kind=kind, uri=store.path(digest).as_uri(), facts=facts)


def _entry(child: Artifact) -> dict[str, Any]:
    facts = {name: value for name, value in child.facts.items() if name not in _SHOWN_ELSEWHERE}
    return {"digest": child.digest, "kind": child.kind, "schema": child.schema, "facts": facts}


def _entries(artifact: Artifact, store: ArtifactStore) -> list[tuple[str | int, Artifact]]:
    try:
        entries = json.loads(store.path(artifact.digest).read_bytes())[artifact.kind]
        return [
            (
                entry.get("name", position),
                Artifact(
                    digest=entry["digest"],
                    kind=entry["kind"],
                    uri="",
                    schema=tuple((name, type) for name, type in entry["schema"]),
                    made_by=artifact.made_by,
                    created=artifact.created,
                    facts=entry["facts"],
                ),
            )
            for position, entry in enumerate(entries)
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptArtifactError(
            f"artifact {artifact.digest[:12]} is recorded as a {artifact.kind}, but its bytes are none: {error!r}",
            digest=artifact.digest,
        ) from error
