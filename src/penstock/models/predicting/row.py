"""One prediction for one row: a Python function generated for the graph, from raw values to predicted columns."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from penstock.core.graph import ModelGraph
from penstock.models.graphs import nodes
from penstock.models.graphs.domain import FAILURES, domain_error
from penstock.models.graphs.instances import Instances
from penstock.models.graphs.lookups import LookUp, check_look_up, given_to, looked_up
from penstock.models.learning.learner import RowLines
from penstock.models.predicting.estimators import estimator_of, method_of, task_of
from penstock.models.predicting.outcomes import OUTCOMES
from penstock.models.routing import ROUTE, STAGES, check_stages, is_routed, routed_row
from penstock.operations import row_source

_encode = msgspec.json.Encoder().encode


class RowPredictor:
    """Predicts one row at a time in a few microseconds: no table, frame, lock or database on the way.

    Safe from many threads. Equal to `predict(graph, rows)` bit for bit, or within 1e-12 where the learner is not
    `exact` (see `Method`). `source` is the text of the generated function. With `stages`, a cascade tells what each
    stage that it has computed has predicted.
    """

    __slots__ = ("_compiled", "_function", "_instances", "_look_up", "graph", "source")

    def __init__(self, graph: ModelGraph, look_up: LookUp | None = None, *, stages: bool = False) -> None:
        check_look_up(graph, look_up)
        self.graph = graph
        self._instances = Instances(graph)
        self._look_up = look_up
        self._compiled = _Estimating()
        self._compile(stages)

    def with_stages(self) -> RowPredictor:
        """Return the same for those who want to see the stages of a cascade; both have one estimator of each stage."""
        staged = copy.copy(self)
        staged._compile(stages=True)
        return staged

    def _compile(self, stages: bool) -> None:
        graph, look_up = self.graph, self._look_up
        if stages:
            check_stages(graph)
        self.source, names = _generate(graph, self._compiled, stages)
        names["_look_up"] = look_up
        exec(compile(self.source, f"<row function of {graph.name}>", "exec"), names)  # noqa: S102 - our own text: see row_source
        self._function = cast("Callable[[Any], dict[str, Any]]", names["predict"])

    def predict(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the predicted columns of a row of Python values; keys that are no inputs are passed over.

        Raises `DataError` naming the field that is missing, of a wrong type, or whose value a feature cannot take.
        """
        return self._predict(self._instances.from_mapping(row))

    def decode(self, body: bytes) -> list[Any]:
        """Return the rows of `{"instances": [{...}]}`, each to be handed to `predict_decoded`.

        Raises `RequestError` where the body is not of that form, and `DataError` naming the field that is unknown,
        missing or of a wrong type.
        """
        return self._instances.from_json(body)

    def predict_decoded(self, row: Any) -> dict[str, Any]:
        """Return the predicted columns of a row that `decode` gave."""
        return self._predict(row)

    def files(self, row: Any) -> dict[str, bytes]:
        """Return the bytes that a row which `decode` gave has, by the names of their inputs."""
        return self._instances.files(row)

    def looked_up(self, row: Any) -> dict[str, Any]:
        """Return the features that are looked up for a row that `decode` gave, by their nodes: as they are now."""
        if self._look_up is None:
            return {}
        values = self._instances.to_dict(row)
        given = {name: values[name] for name in given_to(self.graph)}
        return dict(zip(looked_up(self.graph), self._look_up(given), strict=True))

    def answer(self, body: bytes) -> bytes:
        """Return `{"predictions": [...]}` for `{"instances": [...]}`, in order; NaN and infinity become null."""
        return _encode({"predictions": [self._predict(row) for row in self._instances.from_json(body)]})

    def _predict(self, row: Any) -> dict[str, Any]:
        try:
            return self._function(row)
        except FAILURES as error:
            found = domain_error(self.graph, [self._read(row)])
            if found is None:
                raise
            raise found from error

    def _read(self, row: Any) -> dict[str, Any]:
        """Return what expressions read of a row, by name."""
        return self._instances.to_dict(row) | self.looked_up(row)


def row_predictor(graph: ModelGraph, look_up: LookUp | None = None, *, stages: bool = False) -> RowPredictor:
    """Compile the graph's row function; keep the result, compiling takes some milliseconds.

    A graph that looks features up is handed `look_up`, which gives them by the keys and values of the request. With
    `stages`, what a cascade predicts has `stages` too: of each stage that was computed its digest, and what it has
    predicted; None of the others.
    """
    return RowPredictor(graph, look_up, stages=stages)


class _Estimating:
    """The functions that estimate the stages of a cascade: one of each, so that no estimator is loaded twice."""

    def __init__(self) -> None:
        self._made: dict[int, tuple[ModelGraph, Callable[..., Any]]] = {}

    def __call__(self, graph: ModelGraph) -> Callable[..., Any]:
        """Return the function of a stage that is no cascade."""
        if id(graph) not in self._made:
            self._made[id(graph)] = graph, _estimating(graph)
        return self._made[id(graph)][1]


def _generate(graph: ModelGraph, compiled: _Estimating, stages: bool) -> tuple[str, dict[str, Any]]:
    """Return the source of `predict(row)` and the globals that it needs."""
    raw, inputs = graph.signature.inputs, nodes.inputs(graph)
    variables = {name: f"a{position}" for position, name in enumerate(raw.names)}
    if nodes.is_imported(graph):
        return _imported(graph, variables)
    features_at = {name: f"b{position}" for position, name in enumerate(looked_up(graph))}
    names: dict[str, Any] = {"_utc": datetime.UTC}
    lines = [f"{variable} = row.f{position}" for position, variable in enumerate(variables.values())]
    lines += [
        f"if {variables[field.name]} is not None: {variables[field.name]} = {variables[field.name]}.astimezone(_utc)"
        for field in raw
        if field.type == "timestamp"
    ]
    if features_at:
        given = ", ".join(f"{name!r}: {variables[name]}" for name in given_to(graph))
        lines.append(f"{''.join(f'{variable}, ' for variable in features_at.values())}= _look_up({{{given}}})")
    variables |= features_at
    if is_routed(graph):
        taken = f"_routed({', '.join(variables[name] for name in inputs.names)})"
        names["_routed"] = routed_row(graph, inputs.names, compiled, _outcome if stages else None)
        names["_outcome"] = _outcome(graph)
        made = {"estimate": "**_outcome(estimate)", "route": f"{ROUTE!r}: route"}
        made |= {"stages": f"{STAGES!r}: stages"} if stages else {}
        lines += [f"{', '.join(made)} = {taken}", f"return {{{', '.join(made.values())}}}"]
        return _function(lines), names
    if nodes.only_transforms(graph):
        features = row_source(nodes.entering(graph), inputs, variables)
        items = [f"{name!r}: {source}" for name, source in features.results.items()]
        return _function([*lines, *features.lines, f"return {{{', '.join(items)}}}"]), names | features.names
    for part in (_estimate_lines(graph, variables), OUTCOMES[task_of(graph)].row(graph)):
        lines += part.lines
        names |= part.names
    return _function(lines), names


def _estimate_lines(graph: ModelGraph, variables: Mapping[str, str]) -> RowLines:
    """Return the lines that set `estimate`, for inputs in these variables."""
    features = row_source(nodes.entering(graph), nodes.inputs(graph), variables)
    lines, entering = list(features.lines), []
    for position, source in enumerate(features.results.values()):
        lines.append(f"x{position} = {source}")
        entering.append(f"x{position}")
    made = method_of(graph).row(estimator_of(graph), entering)
    return RowLines(lines=[*lines, *made.lines], names={**features.names, **made.names})


def _estimating(graph: ModelGraph) -> Callable[..., Any]:
    """Return the function from the values of a graph's inputs, in their order, to what it estimates."""
    variables = {name: f"a{position}" for position, name in enumerate(nodes.inputs(graph).names)}
    made = _estimate_lines(graph, variables)
    head = f"estimating({', '.join(variables.values())})"
    return _compiled(graph, head, RowLines(lines=[*made.lines, "return estimate"], names=made.names))


def _outcome(graph: ModelGraph) -> Callable[[Any], dict[str, Any]]:
    """Return the function from what a graph estimates to its predicted columns."""
    return _compiled(graph, "outcome(estimate)", OUTCOMES[task_of(graph)].row(graph))


def _compiled(graph: ModelGraph, head: str, made: RowLines) -> Callable[..., Any]:
    names = dict(made.names)
    text = "\n    ".join([f"def {head}:", *made.lines]) + "\n"
    exec(compile(text, f"<{head.partition('(')[0]} of {graph.name}>", "exec"), names)  # noqa: S102 - our own text
    return cast("Callable[..., Any]", names[head.partition("(")[0]])


def _imported(graph: ModelGraph, variables: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    from penstock.models.predicting.imported import imported_row  # here, as such files give tables

    values = ", ".join(f"row.f{position}" for position in range(len(variables)))
    return _function([f"return _run(({values},))"]), {"_run": imported_row(graph)}


def _function(lines: list[str]) -> str:
    return "def predict(row):\n" + "".join(f"    {line}\n" for line in lines)
