"""How plain values become bytes: JSON with exact floats, and nothing in it that would come back as something else."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import replace
from numbers import Real
from typing import Any

import msgspec
import numpy as np

from penstock.core.artifact import Artifact
from penstock.core.ports import ArtifactStore
from penstock.errors import DataError

_PREVIEW_CHARACTERS = 500


class JsonCodec:
    """Numbers, texts, lists and dicts of them, as JSON.

    They come back equal and in the same order; a tuple comes back as a list, a frozen dataclass as a dict. What JSON
    would change silently (NaN, keys that are no texts, dates, any other object) is refused, with the path to it.
    """

    kind = "json"

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is of a form that JSON can hold; `save` still refuses what it cannot hold inside."""
        scalar = value is None or isinstance(value, bool | int | float | str | np.number | np.bool_)
        return scalar or isinstance(value, list | tuple | Mapping) or _is_record(value)

    def save(self, value: Any, store: ArtifactStore) -> Artifact:
        """Store a value; facts are `size_bytes` and the value itself as `preview` where it is short."""
        plain = to_plain(value)
        content = msgspec.json.encode(plain) + b"\n"  # so that 2 and the text "2" are not one artifact
        digest = store.put(content)
        facts: dict[str, Any] = {"size_bytes": len(content)}
        if len(content) <= _PREVIEW_CHARACTERS:
            facts["preview"] = plain
        return Artifact(digest=digest, kind=self.kind, uri=store.path(digest).as_uri(), facts=facts)

    def load(self, artifact: Artifact, store: ArtifactStore) -> Any:
        """Return the value."""
        return msgspec.json.decode(store.path(artifact.digest).read_bytes())


class MetricsCodec:
    """Numbers by name that a step declares as `ps.Metrics`, as JSON."""

    kind = "metrics"

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is a dict from texts to numbers or None."""
        return isinstance(value, Mapping) and all(
            isinstance(name, str) and (number is None or (isinstance(number, Real) and not isinstance(number, bool)))
            for name, number in value.items()
        )

    def save(self, value: Any, store: ArtifactStore) -> Artifact:
        """Store metrics; facts are the `values` themselves, and `size_bytes`."""
        saved = JsonCodec().save(value, store)
        return replace(saved, kind=self.kind, facts={**saved.facts, "values": to_plain(value)})

    def load(self, artifact: Artifact, store: ArtifactStore) -> Any:
        """Return the dict."""
        return JsonCodec().load(artifact, store)


def to_plain(value: Any, at: str = "$") -> Any:
    """Return `value` as dicts, lists, texts and numbers of Python's own; raises `DataError` with the path `at` which
    something else stands."""
    match value:
        case None | bool():
            return value
        case np.bool_() | np.number():
            return to_plain(value.item(), at)
        case str():
            return str(value)
        case int():
            if not -(2**63) <= value < 2**64:
                raise DataError(f"{_place(at)} is {value}, which does not fit into 64 bits; give str(...) of it")
            return int(value)
        case float():
            if not math.isfinite(value):
                raise DataError(f"{_place(at)} is {value}, which JSON has no number for; give None, or leave it out")
            return float(value)
        case list() | tuple():
            return [to_plain(item, f"{at}[{position}]") for position, item in enumerate(value)]
        case Mapping():
            return {_key(key, at): to_plain(item, f"{at}.{key}") for key, item in value.items()}
        case _ if _is_record(value):
            fields = dataclasses.fields(value)
            return {field.name: to_plain(getattr(value, field.name), f"{at}.{field.name}") for field in fields}
    raise DataError(
        f"{_place(at)} is a {type(value).__module__}.{type(value).__qualname__}, which JSON cannot keep; give its "
        "numbers and texts (a date as .isoformat()), or return a table, bytes or a file instead"
    )


def _place(at: str) -> str:
    return "the value" if at == "$" else at


def _key(key: Any, at: str) -> str:
    if not isinstance(key, str):
        raise DataError(f"{_place(at)} has the key {key!r}; JSON has only texts as keys, so give str(...) of it")
    return key


def _is_record(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)
