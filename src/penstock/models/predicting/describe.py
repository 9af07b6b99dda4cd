"""A model graph as a text for people."""

from __future__ import annotations

from penstock.core.graph import ModelGraph, Node
from penstock.models.graphs import nodes
from penstock.models.routing import ROUTE, is_routed
from penstock.operations import text

_WIDEST = 100


def describe(graph: ModelGraph) -> str:
    """Return what the graph takes, does and gives, a line for each node."""
    facts = graph.facts
    rows = facts.get("rows", {})
    found = graph.of("feature")
    of = "" if graph.label is None else f" of {graph.label}"
    estimates = [_estimator(graph)] if graph.of("estimator") else [node.params["file"] for node in graph.of("onnx")]
    what = f"cascade {graph.name}:" if is_routed(graph) else f"model {graph.name}: {facts.get('type', '')}"
    lines = [
        f"{what}{of}, learned from {rows.get('train', 0):,} rows",
        "",
        *_section("takes", [f"{field.name}: {field.type}" for field in graph.signature.inputs]),
        *_section("looks up", [f"{node.name}: {node.params['type']}, by {', '.join(node.inputs)}" for node in found]),
        *_section("computes", [_node(node) for node in graph.of("expression")]),
        *_section("encodes", [_encoder(node) for node in graph.of("encoder")]),
        *_section("estimates", estimates),
        *_section("routes", _routes(graph)),
        *_section("gives", [f"{field.name}: {field.type}" for field in graph.signature.outputs]),
        *_stages(graph),
        *_section(f"judged on {facts.get('evaluated_on', '')} rows", _metrics(graph)),
        *_section("rows and batches differ in", [str(item) for item in facts.get("disagreements", ())]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _section(title: str, lines: list[str]) -> list[str]:
    return [title, *(f"  {line}" for line in lines), ""] if lines else []


def _node(node: Node) -> str:
    return f"{node.name}: {node.params['type']} = {shortened(text(node.params['expr']))}"


def _encoder(node: Node) -> str:
    settings = ", ".join(f"{name}={value}" for name, value in node.params["settings"].items())
    return f"{node.name}: {node.params['encoder']}({settings}) of {node.inputs[0]}"


def shortened(expression: str) -> str:
    """Return the text of an expression as far as a line holds it: a vocabulary may have thousands of words."""
    return expression if len(expression) <= _WIDEST else f"{expression[: _WIDEST - 1]}…"


def _estimator(graph: ModelGraph) -> str:
    params = nodes.concat(graph).params
    entering = [
        name if width == 1 else f"{name} ({width})"
        for name, width in zip(nodes.concat(graph).inputs, params["widths"], strict=True)
    ]
    fusion = params.get("fusion", "concat")
    met = "" if fusion == "concat" else f", which meet by {fusion}"
    return f"{nodes.estimator(graph).params['learner']} of {', '.join(entering)}{met}"


def _routes(graph: ModelGraph) -> list[str]:
    """Return a line for the router of a cascade, and one for each way that a row may take."""
    return [] if not is_routed(graph) else [f"{name}: {told}" for name, told in routes_told(graph)]


def routes_told(graph: ModelGraph) -> list[tuple[str, str]]:
    """Return the router of a cascade, and each of its routes by name, with what is to be known of it."""
    [route] = graph.of(ROUTE)
    router, calibration = route.params["router"], route.params["calibration"]
    how = "" if calibration is None else f", calibrated by {calibration['method']}"
    branches = graph.of("branch")
    if len(branches) == 1:  # one model turned out to be as good: no router is asked
        return [(branches[0].params["route"], f"every row, the stage {branches[0].params['stage']}")]
    found = [("router", f"{router}{how}{', whose probabilities blend the routes' if route.params['blend'] else ''}")]
    for node in branches:
        stage, when = node.params["stage"], node.params["when"]
        to = f"the constant {_constant(graph, node)}" if stage is None else f"the stage {stage}"
        found.append((node.params["route"], f"{'else' if when is None else f'if {shortened(text(when))}'}, {to}"))
    return found


def _constant(graph: ModelGraph, node: Node) -> object:
    value, classes = node.params["constant"], nodes.classes(graph)
    return classes[int(value)] if classes else value


def _stages(graph: ModelGraph) -> list[str]:
    """Return a section with a line for each stage of a cascade: what learned it, and from how many rows."""
    lines = []
    for name, told in graph.facts.get("stages", {}).items() if is_routed(graph) else ():
        instead = f", in the place of {name}: too few rows went there" if "stands_for" in told else ""
        lines.append(f"{name}: {told.get('type', '')}, learned from {told['rows']['train']:,} rows{instead}")
    return _section("stages", lines)


def _metrics(graph: ModelGraph) -> list[str]:
    facts = graph.facts
    alone = facts.get("baseline", {}) if is_routed(graph) else {}
    return [
        f"{name}: {_value(value)}{f' (one model of all rows: {_value(alone[name])})' if name in alone else ''}"
        for name, value in facts.get("evaluation", {}).items()
    ]


def _value(value: float | None) -> str:
    return "no value" if value is None else f"{value:.6g}"
