"""A step that does nothing, in a module that imports nothing: whatever it takes is the engine's."""

from __future__ import annotations

import penstock as ps


@ps.step
def nothing(n: int) -> int:
    """Give back what it got."""
    return n
