"""SQL in notebooks: `%load_ext penstock` brings the magics `%%penstock` and `%penstock`."""

from penstock.notebooks.magic import load, unload
from penstock.notebooks.shown import Shown

__all__ = ["Shown", "load", "unload"]
