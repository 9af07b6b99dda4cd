"""The component that puts what a run made on one page: report."""

from __future__ import annotations

from typing import Any

from penstock.components.page import page
from penstock.core.ports import Context
from penstock.pipelines import step
from penstock.values import Figure, html


@step
def report(sections: dict[str, Any], *, title: str = "", context: Context | None = None) -> Figure:
    """Put what steps gave on one page of HTML, each under a name, in the form that is made for what it is.

        ps.report({"Data": stats, "Model": graph, "Quality": blessing, "Calibration": ps.plot_calibration(graph, test)})

    Statistics come with histograms, what a validation found with what to do, a blessing with every check and its
    slices, a model graph as a card, figures as they are, tables with their first rows; anything else as JSON. The page
    is one file: it needs nothing else, and runs no script. Of a whole run: `penstock show RUN --page FILE`.
    """
    said = [] if context is None else [f"made by run {context.run}, step {context.step}"]
    return html(page(title or "Report", sections, said=said))
