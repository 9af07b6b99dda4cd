"""Where steps run: in this process, or in worker processes of this machine."""

from penstock.engines.inline import InlineEngine
from penstock.engines.local import LocalEngine
from penstock.engines.registry import ENGINES, open_engine

__all__ = ["ENGINES", "InlineEngine", "LocalEngine", "open_engine"]
