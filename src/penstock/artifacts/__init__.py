"""The artifact repository: what is kept, under which names, where it came from, and what may go."""

from penstock.artifacts.collecting import Collection, Garbage, OnProgress, Place, collect
from penstock.artifacts.finding import find_artifact, find_artifacts, find_run, find_step, size_of
from penstock.artifacts.keeping import Policy
from penstock.artifacts.lineage import Edge, Lineage, Node, trace_lineage
from penstock.artifacts.names import expired, find_named, name_artifact
from penstock.artifacts.openlineage import openlineage_events
from penstock.artifacts.starting import find_start
from penstock.artifacts.usage import Share, Usage, usage
from penstock.artifacts.versions import MODELS, NAMES, Register, names, resolve

__all__ = [
    "MODELS",
    "NAMES",
    "Collection",
    "Edge",
    "Garbage",
    "Lineage",
    "Node",
    "OnProgress",
    "Place",
    "Policy",
    "Register",
    "Share",
    "Usage",
    "collect",
    "expired",
    "find_artifact",
    "find_artifacts",
    "find_named",
    "find_run",
    "find_start",
    "find_step",
    "name_artifact",
    "names",
    "openlineage_events",
    "resolve",
    "size_of",
    "trace_lineage",
    "usage",
]
