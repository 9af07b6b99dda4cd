"""A cascade as one query: the queries of its stages around each other, and a CASE over the conditions of its routes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.expression import columns_of
from penstock.core.graph import ModelGraph
from penstock.core.schema import Schema
from penstock.errors import DeclarationError
from penstock.models.exporting.dialects import Dialect, expression, literal, name, number
from penstock.models.exporting.estimates import logistic
from penstock.models.graphs import nodes
from penstock.models.routing import (
    ROUTE,
    Branch,
    Routing,
    classes_of,
    confidence_column,
    is_routed,
    label_text,
    probability_column,
    routing_of,
)

Write = Callable[[ModelGraph, Dialect, str, Sequence[str]], str]
"""Writes the query of a stage over a text that gives rows; columns to keep are named."""

_SMALLEST = 1e-12  # as the calibration has it


def routed_query(graph: ModelGraph, dialect: Dialect, rows: str, keep: Sequence[str], write: Write) -> str:
    """Return the query of a cascade: its prediction, `route`, its inputs and the columns in `keep`.

    Every stage is computed of every row: a query cannot leave a stage out, but its CASE takes the one of the route.
    """
    routing = routing_of(graph)
    passed = [*nodes.inputs(graph).names, *(column for column in keep if column not in nodes.inputs(graph))]
    taken = next((column for column in passed if column in routing.columns), None)
    if taken is not None:
        raise DeclarationError(
            f"cascade '{graph.name}': in the query '{taken}' is what the router says; leave it out of keep=, or rename "
            "it in the rows"
        )
    return _Query(graph, routing, dialect, passed, write).text(rows)


class _Query:
    """Writes one cascade's query from the inside out; `columns` are those that the text so far gives."""

    def __init__(
        self, graph: ModelGraph, routing: Routing, dialect: Dialect, passed: Sequence[str], write: Write
    ) -> None:
        self.outputs, self.routing, self.dialect, self.write = graph.signature.outputs, routing, dialect, write
        self.schema = Schema((*nodes.inputs(graph), *routing.columns))
        self.passed, self.columns = list(passed), list(passed)
        self.prefix = "stage"
        while any(column.startswith(f"{self.prefix}_") for column in passed):  # those of a cascade around this one
            self.prefix = f"inner_{self.prefix}"

    def text(self, rows: str) -> str:
        routing, passed = self.routing, [self._named(column) for column in self.passed]
        source = self._with_router(self._with_stage(routing.router, rows))
        for stage in dict.fromkeys(branch.stage for branch in routing.branches):
            if stage is not None and stage != routing.router:
                source = self._with_stage(stage, source)
        field, route = self.outputs.fields[0], self._cases([self._route(branch) for branch in routing.branches])
        if not routing.classes:
            value = self._over([self._value(branch, None) for branch in routing.branches])
            outputs = [f"{value} AS {self._named(field.name)}", f"{route} AS {self._named(ROUTE)}"]
            return f"SELECT {select_list([*outputs, *passed], indent=2)}\nFROM {source}\n"
        made = [f"{text} AS prob_{at}" for at, text in enumerate(self._probabilities())]
        inner = f"(\n  SELECT {select_list([*made, f'{route} AS taken', *passed])}\n  FROM {source}\n) AS routed"
        numbers = [f"prob_{at}" for at in range(len(routing.classes))]
        best = winner([literal(label, field.type, self.dialect) for label in routing.classes], numbers, ">=")
        outputs = [
            f"{best} AS {self._named(field.name)}",
            *(
                f"prob_{at} AS {self._named(f'{field.name}_prob_{label_text(label)}')}"
                for at, label in enumerate(routing.classes)
            ),
            f"taken AS {self._named(ROUTE)}",
        ]
        return f"SELECT {select_list([*outputs, *passed], indent=2)}\nFROM {inner}\n"

    def _named(self, column: str) -> str:
        return name(column, self.dialect)

    def _column(self, stage: str, part: object = "value") -> str:
        """Return the name of the column with what a stage makes: a value, the probability of a class, a route."""
        return f"{self.prefix}_{list(self.routing.stages).index(stage)}_{part}"

    def _wrapped(self, items: Sequence[str], source: str, alias: str) -> str:
        return f"(\n  SELECT {select_list(items)}\n  FROM {source}\n) AS {alias}"

    def _with_stage(self, stage: str, source: str) -> str:
        """Return rows with what a stage makes of them beside all that they had."""
        graph = self.routing.stages[stage]
        inner = self.write(graph, self.dialect, source, self.columns)
        predicted, classes = graph.signature.outputs.names[0], classes_of(graph)
        made = {self._column(stage): predicted} if not classes else {}
        made |= {self._column(stage, at): f"{predicted}_prob_{label_text(label)}" for at, label in enumerate(classes)}
        made |= {self._column(stage, ROUTE): ROUTE} if is_routed(graph) else {}
        items = [f"{self._named(given)} AS {self._named(column)}" for column, given in made.items()]
        items += map(self._named, self.columns)
        self.columns += made
        return self._wrapped(items, f"(\n{inner}) AS made", f"{self._column(stage)}s")

    def _with_router(self, source: str) -> str:
        """Return rows with the router's columns, calibrated, that conditions and stages read."""
        routing, known, router = self.routing, self.routing.router_classes, self.routing.router
        if not known:
            made = {router: self._named(self._column(router))}
        else:
            columns = [self._column(router, at) for at in range(len(known))]
            if routing.calibration is not None:
                source = self._calibrated(source, columns, routing.calibration)
            numbers = list(map(self._named, columns))
            labels = [literal(label, routing.router_type, self.dialect) for label in known]
            made = {router: numbers[1] if routing.kind == "probability" else winner(labels, numbers, ">=")}
            made[confidence_column(router)] = f"GREATEST({', '.join(numbers)})"
            made |= {probability_column(router, label): numbers[at] for at, label in enumerate(known)}
        read = _read(routing)
        made = {column: text for column, text in made.items() if column in read}
        items = [
            *map(self._named, self.columns),
            *(f"{text} AS {self._named(column)}" for column, text in made.items()),
        ]
        self.columns += made
        return self._wrapped(items, source, "router_said")

    def _calibrated(self, source: str, columns: Sequence[str], calibration: Mapping[str, Any]) -> str:
        """Return rows whose probabilities of the router are calibrated."""
        numbers = list(map(self._named, columns))
        others = [self._named(column) for column in self.columns if column not in columns]
        curves = [_curve(calibration["method"], curve, self.dialect) for curve in calibration["curves"]]
        if len(curves) == 1:
            second = curves[0](numbers[1])
            made = [f"1 - ({second}) AS {numbers[0]}", f"{second} AS {numbers[1]}"]
            return self._wrapped([*made, *others], source, "calibrated")
        apart = [f"{curve(column)} AS {column}" for curve, column in zip(curves, numbers, strict=True)]
        whole, even = " + ".join(numbers), number(1.0 / len(numbers), self.dialect)
        made = [f"CASE WHEN {whole} > 0 THEN {column} / ({whole}) ELSE {even} END AS {column}" for column in numbers]
        return self._wrapped([*made, *others], self._wrapped([*apart, *others], source, "curves"), "calibrated")

    def _probabilities(self) -> list[str]:
        routing = self.routing
        made = [self._over([self._value(branch, label) for branch in routing.branches]) for label in routing.classes]
        return [f"1 - ({made[1]})", made[1]] if routing.blend and len(made) == 2 else made

    def _over(self, values: Sequence[str]) -> str:
        """Return the value of the branch that is taken, or the mean by weight."""
        if not self.routing.blend:
            return self._cases(values)
        of = [branch.of for branch in self.routing.branches if branch.of is not None]
        weights = [self._named(self._column(self.routing.router, at)) for at in of]
        weights.append(f"GREATEST(1 - {' - '.join(weights)}, 0)")
        parts = zip(weights, values, strict=True)
        return " + ".join(f"CASE WHEN {weight} > 0 THEN {weight} * ({value}) ELSE 0 END" for weight, value in parts)

    def _cases(self, values: Sequence[str]) -> str:
        cases = [
            f"WHEN {expression(branch.when, self.schema, self.dialect)} THEN {value}"
            for branch, value in zip(self.routing.branches, values, strict=True)
            if branch.when is not None
        ]
        return f"CASE {' '.join(cases)} ELSE {values[-1]} END" if cases else values[-1]

    def _value(self, branch: Branch, label: Any) -> str:
        """Return what a branch makes of a row: a value, or the probability of a label."""
        classes = self.routing.classes
        if branch.stage is None:
            return number(float(classes[int(branch.constant)] == label) if classes else branch.constant, self.dialect)
        own = classes_of(self.routing.stages[branch.stage])
        if classes and label not in own:
            return number(0.0, self.dialect)
        return self._named(self._column(branch.stage, own.index(label)) if classes else self._column(branch.stage))

    def _route(self, branch: Branch) -> str:
        if branch.stage is None or not is_routed(self.routing.stages[branch.stage]):
            return literal(branch.name, "string", self.dialect)
        before = literal(f"{branch.name}/", "string", self.dialect)
        return f"CONCAT({before}, {self._named(self._column(branch.stage, ROUTE))})"


def _read(routing: Routing) -> set[str]:
    """Return the columns that conditions and stages read."""
    found = {*columns_of(*(branch.when for branch in routing.branches if branch.when is not None))}
    return found.union(*(nodes.inputs(stage).names for stage in routing.stages.values()))


def _curve(method: str, curve: Mapping[str, Any], dialect: Dialect) -> Callable[[str], str]:
    """Return what writes the calibrated probability for one that stands in a column."""
    if method == "platt":
        low, high = number(_SMALLEST, dialect), number(1.0 - _SMALLEST, dialect)
        slope, offset = number(curve["slope"], dialect), number(curve["offset"], dialect)

        def sigmoid(column: str) -> str:
            inside = f"LEAST(GREATEST({column}, {low}), {high})"
            return logistic(f"({slope} * LN({inside} / (1 - {inside})) + {offset})", dialect)

        return sigmoid
    points = list(zip(curve["at"], curve["share"], strict=True))
    spans = [(one, other) for one, other in itertools.pairwise(points) if one[0] < other[0]]

    def interpolated(column: str) -> str:
        (first, share) = points[0]
        cases = [f"WHEN {column} < {number(first, dialect)} THEN {number(share, dialect)}"]
        for (low, before), (high, after) in spans:
            rise, width = number(after - before, dialect), number(high - low, dialect)
            way = f"({column} - {number(low, dialect)}) / {width}"
            cases.append(f"WHEN {column} < {number(high, dialect)} THEN {number(before, dialect)} + {rise} * ({way})")
        return f"CASE {' '.join(cases)} ELSE {number(points[-1][1], dialect)} END"

    return interpolated


def select_list(items: Sequence[str], *, indent: int = 4) -> str:
    """Return the items of a select list, a line each."""
    return f",\n{' ' * indent}".join(items)


def winner(labels: Sequence[str], columns: Sequence[str], order: str) -> str:
    """Return the label of the column that comes before all others by an order; of equal ones the first wins."""
    cases = []
    for place, label in enumerate(labels[:-1]):
        others = [f"{columns[place]} {order} {other}" for at, other in enumerate(columns) if at != place]
        cases.append(f"WHEN {' AND '.join(others)} THEN {label}")
    if not cases:
        return labels[0]
    return f"CASE {' '.join(cases)} ELSE {labels[-1]} END"
