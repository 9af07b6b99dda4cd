"""What DESCRIBE answers: the columns of a table; what a model takes, computes and gives."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from penstock.models import ModelGraph
from penstock.models.predicting.describe import routes_told, shortened
from penstock.models.routing import is_routed
from penstock.operations import text
from penstock.sql.altering import SAID


def described_table(columns: Sequence[tuple[str, str]]) -> pa.Table:
    """Return a row for each column: its name and type, in order."""
    return pa.table({"column": [name for name, _ in columns], "type": [type.upper() for _, type in columns]})


def described_model(graph: ModelGraph) -> pa.Table:
    """Return a row for each thing that a model has: its declaration, inputs, features, outputs and metrics."""
    facts = graph.facts
    rows = [
        ("model", "type", "", facts["type"]),
        *([] if graph.label is None else [("model", "label", "", graph.label)]),
        *(("said", name, "", str(facts[name])) for name in SAID if facts.get(name) is not None),
        *(("option", name, "", str(value)) for name, value in facts["options"].items()),
        *(("input", field.name, field.type.upper(), "") for field in graph.signature.inputs),
        *(
            ("lookup", node.name, str(node.params["type"]).upper(), ", ".join(node.inputs))
            for node in graph.of("feature")
        ),
        *(("feature", name, "", expression) for name, expression in facts["features"].items()),
        *(
            ("computed", node.name, str(node.params["type"]).upper(), shortened(text(node.params["expr"])))
            for node in graph.of("expression")
            if node.name not in facts["features"]
        ),
        *(("route", name, "", told) for name, told in (routes_told(graph) if is_routed(graph) else ())),
        *(("stage", name, "", told["type"]) for name, told in facts.get("stages", {}).items()),
        *(("output", field.name, field.type.upper(), "") for field in graph.signature.outputs),
        *(("metric", name, "", str(value)) for name, value in facts["evaluation"].items()),
        *(("baseline", name, "", str(value)) for name, value in facts.get("baseline", {}).items()),
    ]
    names = ("part", "name", "type", "value")
    return pa.table({name: [row[place] for row in rows] for place, name in enumerate(names)})
