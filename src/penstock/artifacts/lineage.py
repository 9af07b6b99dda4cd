"""Where things come from and what became of them: steps, artifacts, sources, names and models as one graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from penstock.artifacts.finding import size_of
from penstock.artifacts.history import History
from penstock.core.artifact import Artifact
from penstock.core.feature import FeatureVersion
from penstock.core.ports import ArtifactStore, MetadataStore
from penstock.core.run import ModelVersion, NamedVersion, StepRun

NodeKind: TypeAlias = Literal["artifact", "step", "source", "feature set", "model", "name"]

_FILE = "file "
_FEATURES = "features: "  # how a step's source is called that is features of feature sets


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One thing of a lineage. `id` tells it from all others ("artifact:<digest>", "step:<run>/<step>",
    "source:<digest>", "feature set:rides@2", "model:bicycle/3", "name:prices/1"); `label` is for people; `facts` is
    what is known of it: of a step its run, pipeline, state, parameters and the digests of its code, of an artifact its
    kind, rows and size."""

    id: str
    kind: NodeKind
    label: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`head` comes from `tail`. `label` says how: the parameter that read it, the output that it is, `version`."""

    tail: str
    head: str
    label: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What something came from and what came of it. `start` are the nodes that were asked for."""

    start: tuple[str, ...]
    nodes: dict[str, Node]
    edges: tuple[Edge, ...]

    def above(self, id: str) -> list[tuple[Edge, Node]]:
        """Return what a node directly came from."""
        return [(edge, self.nodes[edge.tail]) for edge in self.edges if edge.head == id]

    def below(self, id: str) -> list[tuple[Edge, Node]]:
        """Return what directly came of a node."""
        return [(edge, self.nodes[edge.head]) for edge in self.edges if edge.tail == id]

    def of_kind(self, kind: NodeKind) -> list[Node]:
        """Return the nodes of one kind."""
        return [node for node in self.nodes.values() if node.kind == kind]


Start: TypeAlias = Artifact | StepRun | ModelVersion | NamedVersion


def trace_lineage(
    start: Iterable[Start], metadata: MetadataStore, store: ArtifactStore, *, up: bool = True, down: bool = True
) -> Lineage:
    """Return the lineage of artifacts, step runs, versions of models and of names: what they came from (`up`), and
    what came of them (`down`).

    An artifact comes from the step that made its bytes first; one that a step of a run read, from a step of that run
    where one gave it.
    """
    tracer = _Tracer(History(metadata, store))
    ids = tuple(dict.fromkeys(tracer.add(each) for each in start))
    if up:
        tracer.walk(ids, tracer.above)
    if down:
        tracer.walk(ids, tracer.below)
    return Lineage(start=ids, nodes=tracer.nodes, edges=tuple(tracer.edges))


class _Tracer:
    """Collects nodes and edges, and keeps the record behind each node that has more to tell."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.nodes: dict[str, Node] = {}
        self.edges: dict[Edge, None] = {}
        self._records: dict[str, Start | FeatureVersion] = {}
        self._readers: dict[str, StepRun] = {}  # the step run from which an artifact was reached, going up

    def walk(self, ids: Iterable[str], further: Callable[[str], Iterator[str]]) -> None:
        """Follow every node once."""
        queue, seen = deque(ids), set(ids)
        while queue:
            for found in further(queue.popleft()):
                if found not in seen:
                    seen.add(found)
                    queue.append(found)

    def add(self, record: Start) -> str:
        """Make a node of a record; return its id."""
        node = _node(record, self._history)
        self.nodes.setdefault(node.id, node)
        self._records.setdefault(node.id, record)
        return node.id

    def above(self, id: str) -> Iterator[str]:
        """Add and return what a node came from."""
        match self._records.get(id):
            case StepRun() as step:
                for parameter, digest in step.inputs.items():
                    for tail in self._read(step, parameter, digest):
                        yield self._above(tail, id, parameter)
                for name, digest in _files(step):
                    yield self._above(self._source(name, digest), id, "file")
            case FeatureVersion() as features:
                for tail in self._behind(features):
                    yield self._above(tail, id, "")
            case Artifact() as artifact:
                for maker in self._history.makers(artifact, read_by=self._readers.get(id)):
                    yield self._above(self.add(maker), id, _output(maker, artifact.digest))
                for place, item in self._history.items(artifact):
                    yield self._above(self.add(item), id, f"item {place}")
            case ModelVersion() | NamedVersion() as version:
                yield self._above(self._artifact(version.digest), id, "version")

    def below(self, id: str) -> Iterator[str]:
        """Add and return what came of a node."""
        match self._records.get(id):
            case StepRun() as step:
                for output, digest in step.artifacts.items():
                    yield self._below(id, self._artifact(digest), output)
            case Artifact() as artifact:
                for reader, parameter in self._history.readers(artifact.digest):
                    yield self._below(id, self.add(reader), parameter)
                for version in self._history.versions(artifact.digest):
                    yield self._below(id, self.add(version), "version")
                for place, whole in self._history.holders(artifact.digest):
                    yield self._below(id, self.add(whole), f"item {place}")
            case ModelVersion() | NamedVersion() as version:
                yield self._above(self._artifact(version.digest), id, "version")  # what came of it came of its bytes

    def _above(self, tail: str, head: str, label: str) -> str:
        self.edges[Edge(tail=tail, head=head, label=label)] = None
        return tail

    def _below(self, tail: str, head: str, label: str) -> str:
        self.edges[Edge(tail=tail, head=head, label=label)] = None
        return head

    def _read(self, step: StepRun, parameter: str, digest: str) -> list[str]:
        """Add what a step read: an artifact, rows outside the store, or feature sets."""
        source = _part(step, f"source {parameter}")
        if source.startswith(_FEATURES):
            return self._sets(source.removeprefix(_FEATURES).split(", "))
        if source and self._history.artifact(digest) is None:
            return [self._source(source, digest)]
        id = self._artifact(digest)
        self._readers.setdefault(id, step)
        return [id]

    def _source(self, name: str, digest: str) -> str:
        node = Node(id=f"source:{digest or name}", kind="source", label=name, facts={"digest": digest})
        self.nodes.setdefault(node.id, node)
        return node.id

    def _sets(self, references: Iterable[str]) -> list[str]:
        """Add the versions of feature sets that references name: "rides@2:fare"."""
        names = dict.fromkeys(reference.partition(":")[0] for reference in references)
        for name in names:
            record = self._history.feature_set(name)
            facts = {} if record is None else {"features": list(record.definition.get("features", ()))}
            node = Node(id=f"feature set:{name}", kind="feature set", label=name, facts=facts)
            self.nodes.setdefault(node.id, node)
            if record is not None:
                self._records.setdefault(node.id, record)
        return [f"feature set:{name}" for name in names]

    def _behind(self, features: FeatureVersion) -> list[str]:
        """Add what a version of a feature set comes from: where its rows are found, and the sets that it reads."""
        source = features.definition.get("source")
        found = [] if source is None else [self._source(source, "")]
        return found + self._sets(features.definition.get("reads", ()))

    def _artifact(self, digest: str) -> str:
        found = self._history.artifact(digest)
        if found is not None:
            return self.add(found)
        node = Node(id=f"artifact:{digest}", kind="artifact", label=digest[:12], facts={"recorded": False})
        self.nodes.setdefault(node.id, node)
        return node.id


def _node(record: Start, history: History) -> Node:
    match record:
        case Artifact():
            facts = {"kind": record.kind, "size_bytes": size_of(record), "made_by": record.made_by, "recorded": True}
            if "rows" in record.facts:
                facts["rows"] = record.facts["rows"]
            return Node(id=f"artifact:{record.digest}", kind="artifact", label=record.digest[:12], facts=facts)
        case StepRun():
            facts = {
                "run": record.run,
                "pipeline": history.pipeline(record.run),
                "state": record.state,
                "started": record.started,
                "ended": record.ended,
                "parameters": _parts(record, "parameter"),
                "code": _parts(record, "code"),
                "key": record.key,
            }
            return Node(id=f"step:{record.run}/{record.step}", kind="step", label=record.step, facts=facts)
        case ModelVersion():
            label = f"{record.model}/{record.version}"
            return Node(
                id=f"model:{label}", kind="model", label=label, facts={"metrics": record.metrics} | record.lineage
            )
        case NamedVersion():
            label = f"{record.name}/{record.version}"
            return Node(
                id=f"name:{label}", kind="name", label=label, facts={"expires": record.expires} | record.lineage
            )


def _parts(step: StepRun, kind: str) -> dict[str, str]:
    """Return the parts of one kind of a step's key: of its parameters what a person sees, of its code the digests."""
    at = 0 if kind == "code" else 2
    return {
        name.removeprefix(f"{kind} "): value.partition(" ")[at]
        for name, value in step.parts.items()
        if name.startswith(f"{kind} ")
    }


def _files(step: StepRun) -> Iterator[tuple[str, str]]:
    """Yield the files and folders outside the store that a step was given, with the digests of their content."""
    for name, digest in step.parts.items():
        if name.startswith(_FILE):
            yield name.removeprefix(_FILE), digest


def _part(step: StepRun, name: str) -> str:
    return step.parts.get(name, "").partition(" ")[2]


def _output(step: StepRun, digest: str) -> str:
    return next((output for output, given in step.artifacts.items() if given == digest), "")
