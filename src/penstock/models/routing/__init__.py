"""Cascades as model graphs: how rows are routed to stages, one row and many, and how such a graph is put together."""

from penstock.models.routing.assembly import routed_graph
from penstock.models.routing.calibrators import METHODS, calibrated, learn_calibration
from penstock.models.routing.many import (
    EstimateStage,
    Routed,
    Staged,
    aligned,
    by_branch,
    chosen,
    estimated,
    routed,
    router_values,
    with_columns,
)
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
from penstock.models.routing.stages import check_no_cascade, stage_of

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
    "check_no_cascade",
    "chosen",
    "classes_of",
    "confidence_column",
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
    "with_columns",
]
