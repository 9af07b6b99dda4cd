"""The bodies that the endpoints take."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

Names = str | list[str]


class PlanForm(msgspec.Struct, forbid_unknown_fields=True):
    """Which part of a pipeline, with which parameters: what `project.plan` takes."""

    params: dict[str, Any] = {}
    only: Names = []
    since: Names = []
    until: Names = []
    mode: Literal["train", "infer"] = "train"


class RunForm(PlanForm, forbid_unknown_fields=True):
    """How a pipeline is to be run: what `project.run` takes."""

    experiment: str = ""
    engine: str = ""
    tags: dict[str, str | int | float] = {}
    notes: str = ""


class SqlForm(msgspec.Struct, forbid_unknown_fields=True):
    """A query, and the most rows that are returned of its result."""

    query: str
    limit: Annotated[int, msgspec.Meta(ge=0)] = 10_000
