"""`penstock lineage`: where a thing comes from and what became of it, as a tree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import msgspec

import penstock
from penstock.artifacts import openlineage_events
from penstock.cli.group import Command
from penstock.cli.output import print_json, size
from penstock.cli.where import Where

if TYPE_CHECKING:  # it loads every library: not for --help
    from penstock.artifacts import Lineage, Node

_SHOWN_PARAMETERS = 6


@click.command(cls=Command)
@click.argument("what")
@click.option("--up", "direction", flag_value="up", help="Only what it comes from.")
@click.option("--down", "direction", flag_value="down", help="Only what came of it.")
@click.option("--json", "as_json", is_flag=True, help="Print nodes and edges as JSON.")
@click.option("--openlineage", metavar="NAMESPACE", help="Print OpenLineage run events of this namespace, one a line.")
@click.pass_obj
def lineage(root: Where, what: str, direction: str | None, as_json: bool, openlineage: str | None) -> None:
    """Show what WHAT comes from, and what came of it.

    WHAT is a model (bicycle, bicycle@champion, bicycle/3), an artifact (a name, prices@latest, RUN/STEP.OUTPUT, the
    beginning of a digest), RUN/STEP, or a RUN (its id, the beginning of it, or `latest`).
    """
    found = penstock.open(root).repository.lineage(what, up=direction != "down", down=direction != "up")
    if openlineage is not None:
        for event in openlineage_events(found, namespace=openlineage):
            print_json(event)
        return
    if as_json:
        plain = msgspec.to_builtins(found, enc_hook=repr)
        print_json({**plain, "nodes": list(plain["nodes"].values())})
        return
    if direction != "down":
        _print(found, "comes from", up=True)
    if direction != "up":
        _print(found, "became", up=False)


def _print(found: Lineage, heading: str, *, up: bool) -> None:
    seen: set[str] = set()
    for id in found.start:
        if id in seen:
            continue  # a step of a run that another one leads to
        lines = list(_branches(found, id, up=up, seen=seen))
        node = found.nodes[id]
        click.echo(f"{_said(node)}{f' {heading}' if lines else f': nothing {heading} it' if not up else ''}")
        for line in lines:
            click.echo(line)


def _branches(found: Lineage, id: str, *, up: bool, seen: set[str]) -> Iterator[str]:
    """Yield the lines below a node; what was shown before is only named. (No recursion: pipelines may be deep.)"""
    seen.add(id)
    stack = [(iter(_next(found, id, up=up)), "")]
    while stack:
        ways, indent = stack[-1]
        way = next(ways, None)
        if way is None:
            stack.pop()
            continue
        label, node, last = way
        again = node.id in seen
        note = " (see above)" if again and _next(found, node.id, up=up) else ""
        yield f"{indent}{'└─' if last else '├─'} {label}{_said(node)}{note}"
        if not again:
            seen.add(node.id)
            stack.append((iter(_next(found, node.id, up=up)), indent + ("   " if last else "│  ")))


def _next(found: Lineage, id: str, *, up: bool) -> list[tuple[str, Node, bool]]:
    of_bytes = not up and id in found.start and found.nodes[id].kind in ("model", "name")
    ways = found.above(id) if up or of_bytes else found.below(id)
    return [
        (f"{edge.label}: " if edge.label not in ("", "result", "version") else "", node, position == len(ways) - 1)
        for position, (edge, node) in enumerate(ways)
    ]


def _said(node: Node) -> str:
    """Return a node in one line."""
    facts = node.facts
    match node.kind:
        case "artifact" if facts.get("recorded"):
            rows = f", {facts['rows']:,} rows" if "rows" in facts else ""
            return f"{facts['kind']} {node.label} ({size(facts['size_bytes'])}{rows})"
        case "artifact":
            return f"artifact {node.label}, not recorded any more"
        case "step":
            given = list(facts["parameters"].items())
            shown = ", ".join(f"{name}={value}" for name, value in given[:_SHOWN_PARAMETERS])
            more = ", ..." if len(given) > _SHOWN_PARAMETERS else ""
            pipeline = facts["pipeline"] or "a run not recorded any more,"
            return f"step {node.label}({shown}{more}) of {pipeline} {facts['run']}"
        case "source":
            return f"source {node.label} ({facts['digest'][:12]})" if facts["digest"] else f"source {node.label}"
    return f"{node.kind} {node.label}"
