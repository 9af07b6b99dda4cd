"""A model graph as a text for people."""

from __future__ import annotations

from penstock.core.graph import ModelGraph, Node
from penstock.models import nodes
from penstock.operations import text

_WIDEST = 100


def describe(graph: ModelGraph) -> str:
    """Return what the graph takes, does and gives, a line for each node."""
    facts = graph.facts
    rows = facts.get("rows", {})
    found = graph.of("feature")
    of = "" if graph.label is None else f" of {graph.label}"
    estimates = [_estimator(graph)] if graph.of("estimator") else [node.params["file"] for node in graph.of("onnx")]
    lines = [
        f"model {graph.name}: {facts.get('type', '')}{of}, learned from {rows.get('train', 0):,} rows",
        "",
        *_section("takes", [f"{field.name}: {field.type}" for field in graph.signature.inputs]),
        *_section("looks up", [f"{node.name}: {node.params['type']}, by {', '.join(node.inputs)}" for node in found]),
        *_section("computes", [_node(node) for node in graph.of("expression")]),
        *_section("estimates", estimates),
        *_section("gives", [f"{field.name}: {field.type}" for field in graph.signature.outputs]),
        *_section(f"judged on {facts.get('evaluated_on', '')} rows", _metrics(graph)),
        *_section("rows and batches differ in", [str(item) for item in facts.get("disagreements", ())]),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _section(title: str, lines: list[str]) -> list[str]:
    return [title, *(f"  {line}" for line in lines), ""] if lines else []


def _node(node: Node) -> str:
    return f"{node.name}: {node.params['type']} = {shortened(text(node.params['expr']))}"


def shortened(expression: str) -> str:
    """Return the text of an expression as far as a line holds it: a vocabulary may have thousands of words."""
    return expression if len(expression) <= _WIDEST else f"{expression[: _WIDEST - 1]}…"


def _estimator(graph: ModelGraph) -> str:
    params = nodes.concat(graph).params
    entering = [
        name if width == 1 else f"{name} ({width})"
        for name, width in zip(nodes.concat(graph).inputs, params["widths"], strict=True)
    ]
    return f"{nodes.estimator(graph).params['learner']} of {', '.join(entering)}"


def _metrics(graph: ModelGraph) -> list[str]:
    found = graph.facts.get("evaluation", {})
    return [f"{name}: {'no value' if value is None else f'{value:.6g}'}" for name, value in found.items()]
