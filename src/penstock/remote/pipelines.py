"""The pipelines that a server declares: their names and parameters. What they do is known only there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines import PipelineFunction, PipelineParameter
from penstock.pipelines.pipeline_function import REQUIRED
from penstock.remote.connection import Server

_TYPES: dict[str, Any] = {
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "list": list,
    "dict": dict,
    "None": type(None),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemotePipeline:
    """A pipeline that a server declares."""

    name: str
    description: str
    parameters: Mapping[str, PipelineParameter]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: its steps are declared on the server."""
        raise DeclarationError(f"pipeline '{self.name}' is declared on the server; run it: project.run('{self.name}')")


class RemotePipelines(Mapping[str, RemotePipeline]):
    """The pipelines of a server by name, as it has them now."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def __getitem__(self, name: str) -> RemotePipeline:
        found = self._all()
        if name not in found:
            raise UnknownNameError("pipeline", name, found)
        return found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, RemotePipeline]:
        listed = self._server.get("/v1/pipelines")["pipelines"]
        return {each["name"]: _pipeline(each) for each in listed}


def pipeline_name(pipeline: PipelineFunction | RemotePipeline | str) -> str:
    """Return the name by which a server knows a pipeline."""
    return pipeline if isinstance(pipeline, str) else pipeline.name


def _pipeline(listed: dict[str, Any]) -> RemotePipeline:
    parameters = {
        name: PipelineParameter(
            name=name, annotation=_annotation(each.get("type", "")), default=each.get("default", REQUIRED)
        )
        for name, each in listed["params"].items()
    }
    return RemotePipeline(name=listed["name"], description=listed["description"], parameters=parameters)


def _annotation(text: str) -> Any:
    """Return the type that a text names, where it is one of JSON's or a union of them; else anything."""
    types = [_TYPES.get(each.strip()) for each in text.split("|")]
    return Any if None in types else reduce(or_, types)
