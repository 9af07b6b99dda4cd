"""Cascades as model graphs: how rows are routed to stages, one row and many, and how such a graph is put together.

What routes many rows is loaded when it is first used: whoever routes one needs no library of tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.models.routing.assembly import routed_graph
from penstock.models.routing.calibrators import METHODS, calibrated, learn_calibration
from penstock.models.routing.one import routed_row
from penstock.models.routing.routes import (
    ROUTE,
    STAGES,
    Branch,
    Router,
    Routing,
    classes_of,
    confidence_column,
    is_routed,
    kind_of,
    label_text,
    probability_column,
    router_columns,
    router_parts,
    routing_of,
)
from penstock.models.routing.stages import check_generation, check_no_cascade, check_stages, stage_of, stages_within

if TYPE_CHECKING:
    from penstock.models.routing.many import (
        EstimateStage,
        Routed,
        Staged,
        aligned,
        by_branch,
        chosen,
        combined,
        constant_estimates,
        estimated,
        routed,
        router_values,
        with_columns,
    )

__all__ = [
    "METHODS",
    "ROUTE",
    "STAGES",
    "Branch",
    "EstimateStage",
    "Routed",
    "Router",
    "Routing",
    "Staged",
    "aligned",
    "by_branch",
    "calibrated",
    "check_generation",
    "check_no_cascade",
    "check_stages",
    "chosen",
    "classes_of",
    "combined",
    "confidence_column",
    "constant_estimates",
    "estimated",
    "is_routed",
    "kind_of",
    "label_text",
    "learn_calibration",
    "probability_column",
    "routed",
    "routed_graph",
    "routed_row",
    "router_columns",
    "router_parts",
    "router_values",
    "routing_of",
    "stage_of",
    "stages_within",
    "with_columns",
]

_OF_MANY = (
    "EstimateStage",
    "Routed",
    "Staged",
    "aligned",
    "by_branch",
    "chosen",
    "combined",
    "constant_estimates",
    "estimated",
    "routed",
    "router_values",
    "with_columns",
)


def __getattr__(name: str) -> Any:
    if name not in _OF_MANY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from penstock.models.routing import many

    return getattr(many, name)
