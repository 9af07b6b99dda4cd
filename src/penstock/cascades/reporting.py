"""The steps that show how good a cascade is: its report, and that as a page."""

from __future__ import annotations

from typing import Any, NamedTuple

from penstock.cascades.page import page
from penstock.models import ModelGraph
from penstock.pipelines import step
from penstock.values import Figure, html


class Reported(NamedTuple):
    """The report on a cascade as JSON, and as one page of HTML."""

    report: dict[str, Any]
    page: Figure


@step(modes={"train"})
def report(graph: ModelGraph) -> Reported:
    """Return what was found of the rows held out when the cascade was learned, and say what to look at."""
    found = graph.report()
    print(found["verdict"])
    for warning in found["warnings"]:
        print(f"warning: {warning}")
    return Reported(found, html(page(found)))


@step(modes={"train"})
def plot_cascade(report: dict[str, Any]) -> Figure:
    """Show the report on a cascade, `graph.report()`, as one page: a drawing with the share of each route, and tables.

    The page has nothing from elsewhere in it, and no script.
    """
    return html(page(report))
