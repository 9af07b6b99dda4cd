"""How lists and mappings of stored values become bytes: each item is an artifact of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore, Codec
from penstock.errors import DataError, UnknownNameError
from penstock.values import items, list_artifact, mapping_artifact, named_items

_JSON_TYPES = frozenset({bool, int, float, str, type(None)})
_HELD_BY_JSON = ("json", "text")


def with_collections(codecs: Sequence[Codec]) -> tuple[Codec, ...]:
    """Return the codecs with those for lists and mappings of what they keep, just before JSON, which keeps the lists of
    plain values."""
    known: list[Codec] = []
    at = [codec.kind for codec in codecs].index("json")
    known.extend([*codecs[:at], ListCodec(known), MappingCodec(known), *codecs[at:]])
    return tuple(known)


class ListCodec:
    """A list with an item that JSON cannot hold: a table, an array, a model graph, bytes, the path of a file."""

    kind = "list"

    def __init__(self, codecs: Sequence[Codec]) -> None:
        self._codecs = codecs

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a list or tuple, and not one of plain values."""
        return isinstance(value, list | tuple) and _has_more_than_json(value, self._codecs)

    def save(self, value: Any, store: ArtifactStore) -> Artifact:
        """Store every item, then the list of them; facts are `items`, `of` which kinds, `size_bytes`, `rows`."""
        return list_artifact([_save(item, f"[{at}]", self._codecs, store) for at, item in enumerate(value)], store)

    def load(self, artifact: Artifact, store: ArtifactStore) -> list[Any]:
        """Return the list, every item loaded."""
        return [_load(item, self._codecs, store) for item in items(artifact, store)]


class MappingCodec:
    """A dict from texts to values, one of which JSON cannot hold."""

    kind = "mapping"

    def __init__(self, codecs: Sequence[Codec]) -> None:
        self._codecs = codecs

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a mapping from texts, and not one to plain values."""
        return (
            isinstance(value, Mapping)
            and all(isinstance(name, str) for name in value)
            and _has_more_than_json(value.values(), self._codecs)
        )

    def save(self, value: Any, store: ArtifactStore) -> Artifact:
        """Store every value, then the mapping to them; the facts are those of a list."""
        saved = {name: _save(item, f"[{name!r}]", self._codecs, store) for name, item in value.items()}
        return mapping_artifact(saved, store)

    def load(self, artifact: Artifact, store: ArtifactStore) -> dict[Any, Any]:
        """Return the dict, every value loaded."""
        return {name: _load(item, self._codecs, store) for name, item in named_items(artifact, store).items()}


def _has_more_than_json(values: Iterable[Any], codecs: Sequence[Codec]) -> bool:
    for value in values:
        if type(value) not in _JSON_TYPES:
            codec = next((codec for codec in codecs if codec.accepts(value)), None)
            if codec is not None and codec.kind not in _HELD_BY_JSON:
                return True
    return False


def _save(value: Any, at: str, codecs: Sequence[Codec], store: ArtifactStore) -> Artifact:
    for codec in codecs:
        if codec.accepts(value):
            return codec.save(value, store)
    raise DataError(f"the item at {at} is a {type(value).__module__}.{type(value).__qualname__}, which no codec keeps")


def _load(artifact: Artifact, codecs: Sequence[Codec], store: ArtifactStore) -> Any:
    for codec in codecs:
        if codec.kind == artifact.kind:
            return codec.load(artifact, store)
    raise UnknownNameError("kind of artifact", artifact.kind, [codec.kind for codec in codecs])
