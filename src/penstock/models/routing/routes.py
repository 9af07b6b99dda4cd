"""A cascade as a model graph: stages that are graphs themselves, and branches that choose among them by what the first
of them, the router, predicts.

The graph has a node `stage` for each stage, whose files are blobs below its name, a node `branch` for each route in the
order in which they are tried, the last of which has no condition, and a node `route` that reads them all.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from blake3 import blake3

from penstock.core.expression import Expr, columns_of
from penstock.core.graph import ModelGraph
from penstock.core.mapping import FrozenMap
from penstock.core.schema import Field, Schema
from penstock.errors import ConflictError
from penstock.models.graphs.package import MANIFEST, read_files

Kind: TypeAlias = Literal["probability", "class", "value"]
"""What a router's own column holds: the probability of its second class, its predicted class, or a value."""

ROUTE = "route"
"""The predicted column that says which branch a row took."""

STAGES = "stages"
"""The column, for those who ask for it, with what each stage that was computed has predicted."""

_SOLE_PROBABILITY_TYPES = ("bool", "int64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One way that a row may take: by a `stage`, or to a `constant` (a value, or the number of a class) where that is
    None. `when` is None for the last. `of` is the class of the router whose probability is the branch's weight where
    predictions are blended; the last has what is left."""

    name: str
    when: Expr | None
    stage: str | None = None
    constant: float = 0.0
    of: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Router:
    """What a router gives: its name, the type of its labels, and the labels that it tells apart (none: a value)."""

    router: str
    router_type: str
    router_classes: tuple[Any, ...]

    @property
    def kind(self) -> Kind:
        """What the router's own column holds."""
        return kind_of(self.router_type, self.router_classes)

    @property
    def columns(self) -> Schema:
        """The columns that a condition or a stage may read."""
        return router_columns(self.router, self.kind, self.router_type, self.router_classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing(Router):
    """How a graph routes. `classes` are those of the whole (none: it predicts a value); `digests` tell each stage from
    any other that has its name."""

    calibration: Mapping[str, Any] | None
    branches: tuple[Branch, ...]
    blend: bool
    classes: tuple[Any, ...]
    stages: Mapping[str, ModelGraph]
    digests: Mapping[str, str]


def is_routed(graph: ModelGraph) -> bool:
    """Tell whether a graph is a cascade."""
    return bool(graph.of(ROUTE))


def routing_of(graph: ModelGraph) -> Routing:
    """Return how a graph routes; raises `ConflictError` where a stage is not the one that the graph was put together
    with."""
    [route] = graph.of(ROUTE)
    named = {node.params["stage"]: node.params["digest"] for node in graph.of("stage")}
    stages = {name: _stage(graph, name, digest) for name, digest in named.items()}
    router = stages[route.params["router"]]
    return Routing(
        **router_parts(route.params["router"], router),
        calibration=route.params["calibration"],
        branches=tuple(
            Branch(
                name=node.params["route"],
                when=node.params["when"],
                stage=node.params["stage"],
                constant=node.params["constant"],
                of=node.params["of"],
            )
            for node in graph.of("branch")
        ),
        blend=route.params["blend"],
        classes=tuple(route.params["classes"]),
        stages=stages,
        digests=named,
    )


def router_parts(name: str, graph: ModelGraph) -> dict[str, Any]:
    """Return the fields of a `Router` that a graph is."""
    type = graph.signature.outputs.fields[0].type
    return {"router": name, "router_type": type, "router_classes": classes_of(graph)}


def classes_of(graph: ModelGraph) -> tuple[Any, ...]:
    """Return the labels that a stage tells apart; none where it predicts a value."""
    for node in (*graph.of("estimator"), *graph.of(ROUTE)):
        return tuple(node.params["classes"])
    return ()


def kind_of(type: str, classes: tuple[Any, ...]) -> Kind:
    """Return what the column of a router holds whose labels are of a type. Two labels that are TRUE and FALSE, or
    numbers, have an order, so the probability of the second says it all; words are told by their names."""
    if not classes:
        return "value"
    return "probability" if len(classes) == 2 and type in _SOLE_PROBABILITY_TYPES else "class"


def router_columns(router: str, kind: Kind, type: str, classes: tuple[Any, ...]) -> Schema:
    """Return the columns that a router gives: its own, and of a classifier the confidence and each probability."""
    own = Field(router, type if kind == "class" else "float64", nullable=False)
    if not classes:
        return Schema((own,))
    more = [confidence_column(router), *(probability_column(router, label) for label in classes)]
    return Schema((own, *(Field(name, "float64", nullable=False) for name in more)))


def probability_column(router: str, label: object) -> str:
    """Return the name of the column with a router's probability of a class."""
    return f"{router}:probability:{label_text(label)}"


def label_text(label: object) -> str:
    """Return a label as the name of a column has it."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def confidence_column(router: str) -> str:
    """Return the name of the column with the probability of a router's most probable class."""
    return f"{router}:confidence"


def stage_files(name: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the files of a stage as blobs of the graph that it is a part of."""
    return {f"stages/{name}/{file}": content for file, content in files.items()}


def digest_of(files: Mapping[str, bytes]) -> str:
    """Return what tells the files of a stage from those of any other."""
    return blake3(files[MANIFEST]).hexdigest()


def read_by(branches: tuple[Branch, ...]) -> tuple[str, ...]:
    """Return the columns that conditions read."""
    return columns_of(*(branch.when for branch in branches if branch.when is not None))


def _stage(graph: ModelGraph, name: str, digest: str) -> ModelGraph:
    found, stage = _opened(graph.blobs, name)
    if found != digest:
        raise ConflictError(
            f"the stage '{name}' of the cascade '{graph.name}' is not of the generation that the others learned from: "
            f"it is {found[:12]}, and {digest[:12]} was put together with them; train the whole cascade"
        )
    return stage


@functools.lru_cache(maxsize=64)
def _opened(blobs: FrozenMap[bytes], name: str) -> tuple[str, ModelGraph]:
    """Return the digest and the graph of a stage. Bytes keep their hash, so that asking again costs little."""
    files = dict(_files(blobs, f"stages/{name}/"))
    return digest_of(files), read_files(files)


def _files(blobs: Mapping[str, bytes], folder: str) -> Iterator[tuple[str, bytes]]:
    for name, content in blobs.items():
        if name.startswith(folder):
            yield name.removeprefix(folder), content
