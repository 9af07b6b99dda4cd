"""The engines by name."""

from __future__ import annotations

from importlib import import_module

from penstock.core.ports import Engine
from penstock.errors import UnknownNameError

ENGINES: dict[str, str] = {
    "inline": "penstock.engines.inline:InlineEngine",
    "local": "penstock.engines.local:LocalEngine",
}
"""Engine name -> "module:class"; the class takes `slots`, how many tasks may be under way at once."""


def open_engine(name: str, *, slots: int | None = None) -> Engine:
    """Return a new engine; `slots` says how many tasks it may run at once (None: what suits this machine)."""
    if name not in ENGINES:
        raise UnknownNameError("engine", name, ENGINES)
    module, _, cls = ENGINES[name].partition(":")
    engine: Engine = getattr(import_module(module), cls)(slots=slots)
    return engine
