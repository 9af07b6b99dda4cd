"""The engines by name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from penstock.core.ports import Engine
from penstock.errors import UnknownNameError

ENGINES: dict[str, str] = {
    "inline": "penstock.engines.inline:InlineEngine",
    "local": "penstock.engines.local:LocalEngine",
    "container": "penstock.engines.container:ContainerEngine",
}
"""Engine name -> "module:class"; the class takes `slots`, how many tasks may be under way at once."""


def open_engine(name: str, *, slots: int | None = None, **given: Any) -> Engine:
    """Return a new engine; `slots` says how many tasks it may run at once (None: what suits this machine), `given` what
    this engine needs besides (engine "container": `containers`)."""
    if name not in ENGINES:
        raise UnknownNameError("engine", name, ENGINES)
    module, _, cls = ENGINES[name].partition(":")
    engine: Engine = getattr(import_module(module), cls)(slots=slots, **given)
    return engine
