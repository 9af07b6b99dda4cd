"""A project: its configuration, and the composition of everything below with the stores and the engine it names.

Names are loaded when they are first used: a worker needs `worker` and nothing else of this room.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.project.experiments import Experiment
    from penstock.project.project import Project, open
    from penstock.project.runs import Run
    from penstock.project.verification import Verification

__all__ = ["Experiment", "Project", "Run", "Verification", "open"]

_WHERE = {
    "Experiment": "experiments",
    "Project": "project",
    "Run": "runs",
    "Verification": "verification",
    "open": "project",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
