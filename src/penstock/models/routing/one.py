"""The route of one row: a generated function that computes the router, the conditions, and the stage that is taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from penstock.core.expression import columns_of
from penstock.core.graph import ModelGraph
from penstock.core.schema import Schema
from penstock.models.graphs import nodes
from penstock.models.routing.calibrators import calibrated_row
from penstock.models.routing.routes import (
    ROUTE,
    STAGES,
    Routing,
    classes_of,
    confidence_column,
    is_routed,
    probability_column,
    routing_of,
)
from penstock.operations import row_source

EstimateFunction = Callable[..., Any]
"""Estimates a row by the values of a graph's inputs, in their order: a value, the probability of the second of two
classes, or a list with the probability of each."""

Compile = Callable[[ModelGraph], EstimateFunction]

Outcomes = Callable[[ModelGraph], Callable[[Any], dict[str, Any]]]
"""Gives, for a stage, the function from what it estimates to its predicted columns."""


def routed_row(
    graph: ModelGraph, inputs: Sequence[str], compiled: Compile, outcomes: Outcomes | None = None
) -> Callable[..., tuple[Any, ...]]:
    """Return the function from the values of inputs to what is estimated and the branch taken.

    Only the stage of that branch is computed, or, where predictions are blended, those that have a weight. `compiled`
    makes the function of a stage that is no cascade. With `outcomes` a third value says what each stage that was
    computed has predicted.
    """
    variables = {name: f"a{at}" for at, name in enumerate(inputs)}
    writer = _Writer(routing_of(graph), graph, variables, compiled, outcomes)
    head = f"def route({', '.join(writer.variables.values())}):"
    text = "\n    ".join([head, *writer.lines()]) + "\n"
    exec(compile(text, f"<routes of {graph.name}>", "exec"), writer.names)  # noqa: S102 - our own text: see row_source
    return cast("Callable[..., tuple[Any, ...]]", writer.names["route"])


class _Writer:
    """Writes the lines of one cascade's function, and gathers the globals that they need."""

    def __init__(
        self,
        routing: Routing,
        graph: ModelGraph,
        variables: dict[str, str],
        compiled: Compile,
        outcomes: Outcomes | None,
    ) -> None:
        self.routing, self.graph, self.variables = routing, graph, variables
        self._outcomes, self._given = outcomes, "" if outcomes is None else ", stages"
        self.names: dict[str, Any] = {"_labels": routing.router_classes}
        self._known = dict(variables)  # with the router's columns
        for name, stage in routing.stages.items():
            read = nodes.inputs(stage).names
            self.names[self._function(name)] = (
                routed_row(stage, read, compiled, outcomes) if is_routed(stage) else compiled(stage)
            )

    def lines(self) -> list[str]:
        """Return the body of the function."""
        lines = [f"estimate = {self._call(self.routing.router)}"]
        if self.routing.calibration is not None:
            self.names["_calibrated"] = calibrated_row(self.routing.calibration)
            lines.append("estimate = _calibrated(estimate)")
        if self._outcomes is not None:
            lines.append(f"stages = {dict.fromkeys(self.routing.stages)!r}")
        lines += [*self._noted(self.routing.router, "estimate"), *self._router_columns()]
        branches = self.routing.branches
        conditions = {str(at): branch.when for at, branch in enumerate(branches) if branch.when is not None}
        raw = (field for field in nodes.inputs(self.graph) if field.name not in self.routing.columns)
        source = row_source(conditions, Schema((*raw, *self.routing.columns)), self._known)
        self.names |= source.names
        lines += source.lines
        tests = [f"({test})" for test in source.results.values()]
        return [*lines, *(self._blended(tests) if self.routing.blend else self._taken(tests))]

    def _router_columns(self) -> list[str]:
        """Return the lines that set the router's columns which a condition or a stage reads."""
        routing, known = self.routing, self.routing.router_classes
        if not known:
            self._known[routing.router] = "estimate"
            return []
        probabilities = [f"estimate[{at}]" for at in range(len(known))]
        own = "_labels[estimate.index(max(estimate))]"
        if len(known) == 2:
            probabilities, own = ["(1.0 - estimate)", "estimate"], "_labels[estimate > 1.0 - estimate]"
        columns = {probability_column(routing.router, label): probabilities[at] for at, label in enumerate(known)}
        columns[confidence_column(routing.router)] = f"max({', '.join(probabilities)})"
        columns[routing.router] = "estimate" if routing.kind == "probability" else own
        read = {*columns_of(*(branch.when for branch in routing.branches if branch.when is not None))}
        read = read.union(*(nodes.inputs(stage).names for stage in routing.stages.values()))
        wanted = {column: source for column, source in columns.items() if column in read}
        self._known |= {column: f"k{at}" for at, column in enumerate(wanted)}
        return [f"k{at} = {source}" for at, source in enumerate(wanted.values())]

    def _taken(self, tests: Sequence[str]) -> list[str]:
        lines = []
        for at, branch in enumerate(self.routing.branches):
            body = [*self._made(at), f"return made, name{self._given}"]
            lines += body if branch.when is None else [f"if {tests[at]}:", *(f"    {line}" for line in body)]
        return lines

    def _blended(self, tests: Sequence[str]) -> list[str]:
        branches, many = self.routing.branches, len(self.routing.classes) > 2
        taken = "".join(f"{at} if {test} else " for at, test in enumerate(tests))
        self.names["_branches"] = tuple(branch.name for branch in branches)
        lines = [
            f"taken, rest = {taken}{len(branches) - 1}, 1.0",
            "route = _branches[taken]",
            f"total = {[0.0] * len(self.routing.classes) if many else 0.0}",
        ]
        two = len(self.routing.router_classes) == 2
        for at, branch in enumerate(branches):
            weight = "max(rest, 0.0)" if branch.of is None else ("1.0 - estimate", "estimate")[branch.of] if two else ""
            lines.append(f"weight = {weight or f'estimate[{branch.of}]'}")
            added = "[part + weight * one for part, one in zip(total, made)]" if many else "total + weight * made"
            body = [*self._made(at), f"total = {added}", f"if taken == {at}: route = name"]
            lines += ["rest = rest - weight", "if weight > 0.0:", *(f"    {line}" for line in body)]
        return [*lines, f"return total, route{self._given}"]

    def _made(self, at: int) -> list[str]:
        """Return the lines that set what a branch makes of the row, and its name."""
        branch, classes = self.routing.branches[at], self.routing.classes
        if branch.stage is None:
            number = branch.constant
            made: Any = number if len(classes) <= 2 else [float(place == number) for place in range(len(classes))]
            return [f"made, name = {made!r}, {branch.name!r}"]
        stage = self.routing.stages[branch.stage]
        if branch.stage == self.routing.router:
            lines = [f"made, name = estimate, {branch.name!r}"]
        elif is_routed(stage):
            within = "" if self._outcomes is None else ", within"
            lines = [f"made, name{within} = {self._call(branch.stage)}", *self._noted(branch.stage, "made")]
            lines.append(f"name = {branch.name + '/'!r} + name")
        else:
            lines = [f"made, name = {self._call(branch.stage)}, {branch.name!r}", *self._noted(branch.stage, "made")]
        own = classes_of(stage)
        if own != classes:
            self.names[f"_aligned{at}"] = _aligner(own, classes)
            lines.append(f"made = _aligned{at}(made)")
        return lines

    def _noted(self, stage: str, estimate: str) -> list[str]:
        """Return the line that keeps what a stage has predicted, where that is asked for."""
        if self._outcomes is None:
            return []
        graph, function = self.routing.stages[stage], self._function(stage)
        self.names |= {f"_outcome{function}": self._outcomes(graph), f"_digest{function}": self.routing.digests[stage]}
        within = f", {ROUTE!r}: name, {STAGES!r}: within" if is_routed(graph) else ""
        kept = f"{{'digest': _digest{function}, **_outcome{function}({estimate}){within}}}"
        return [f"stages[{stage!r}] = {kept}"]

    def _call(self, stage: str) -> str:
        read = nodes.inputs(self.routing.stages[stage]).names
        return f"{self._function(stage)}({', '.join(self._known[name] for name in read)})"

    def _function(self, stage: str) -> str:
        return f"_stage{list(self.routing.stages).index(stage)}"


def _aligner(own: Sequence[Any], classes: Sequence[Any]) -> Callable[[Any], list[float]]:
    """Return what makes a stage's probabilities those of all classes: 0 for one that it does not know."""
    places, two = [classes.index(label) for label in own], len(own) == 2

    def aligned(estimate: Any) -> list[float]:
        made = [0.0] * len(classes)
        for place, value in zip(places, (1.0 - estimate, estimate) if two else estimate, strict=True):
            made[place] = value
        return made

    return aligned
