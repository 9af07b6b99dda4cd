"""A project that is served elsewhere, with the surface of one that is here; `open` opens either."""

from penstock.remote.opening import is_address, open
from penstock.remote.project import RemoteProject

__all__ = ["RemoteProject", "is_address", "open"]
