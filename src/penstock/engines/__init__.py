"""Where steps run: in this process, in worker processes of this machine, or in containers."""

from penstock.engines.exchange import EXCHANGE
from penstock.engines.inline import InlineEngine
from penstock.engines.local import LocalEngine
from penstock.engines.registry import ENGINES, open_engine

__all__ = ["ENGINES", "EXCHANGE", "InlineEngine", "LocalEngine", "open_engine"]
