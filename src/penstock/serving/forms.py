"""The bodies that the endpoints take."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec


class RunForm(msgspec.Struct, forbid_unknown_fields=True):
    """How a pipeline is to be run."""

    params: dict[str, Any] = {}
    experiment: str = ""
    mode: Literal["train", "infer"] = "train"


class SqlForm(msgspec.Struct, forbid_unknown_fields=True):
    """A query, and the most rows that are returned of its result."""

    query: str
    limit: Annotated[int, msgspec.Meta(ge=0)] = 10_000
