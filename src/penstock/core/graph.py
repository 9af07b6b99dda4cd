"""A fitted model: a graph of named nodes from the raw inputs to the prediction. Everything that predicts reads it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from penstock.core.mapping import FrozenMap
from penstock.core.schema import Schema
from penstock.errors import UnknownNameError


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One named step of the graph.

    - `input`: a raw column; params `type`.
    - `feature`: a feature of a feature set, looked up by inputs (keys, values of the request); its name is its
      reference; params `set`, `version`, `feature`, `type`.
    - `expression`: reads columns (inputs, features or earlier expressions); params `expr` (without learned
      operations), `type`.
    - `encoder`: reads an expression, of which the estimator has learned to make a vector; params `encoder`, `settings`.
    - `concat`: reads expressions and encoders; params `kinds` (`number`, `category` or `sparse`; of an encoder what it
      reads) and `widths` (how many numbers each gives), in the order of its inputs; of networks with encoders
      `fusion`, how they meet.
    - `estimator`: reads the concat; params `learner` and what that learner needs; its bytes are blobs.
    - `stage` (of a cascade): a graph, whose files are blobs; params `stage`, its name, and `digest`.
    - `branch`: where a row may go; params `route`, `when` (None: wherever else), `stage` or `constant`.
    - `route`: reads branches, and takes the first whose condition on the stage `router` holds.
    - `output`: reads the estimator; params `type`. In a graph without estimator it reads an expression or an input, and
      has the param `column`, the name it is given by.
    """

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    params: FrozenMap[Any] = field(default_factory=FrozenMap)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model graph takes (raw inputs) and gives (predicted columns)."""

    inputs: Schema
    outputs: Schema


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelGraph:
    """Everything between a raw row and its prediction, with every learned constant in it.

    `nodes` stand in an order in which each comes after what it reads. `blobs` are the estimator's own bytes (LightGBM
    text, JSON weights). `facts` say where it came from: the declaration, metrics, rows, versions, lineage; they do
    not change what it predicts.
    """

    name: str
    label: str | None
    signature: Signature
    nodes: tuple[Node, ...]
    blobs: FrozenMap[bytes]
    facts: FrozenMap[Any]

    def node(self, name: str) -> Node:
        """Return the node of that name; raises `UnknownNameError`."""
        for node in self.nodes:
            if node.name == name:
                return node
        raise UnknownNameError("node", name, [node.name for node in self.nodes], within=f"the graph of '{self.name}'")

    def of(self, op: str) -> tuple[Node, ...]:
        """Return the nodes of one kind, in order."""
        return tuple(node for node in self.nodes if node.op == op)
