"""Imports all our modules, and those of other projects that they import late; no user's."""

from __future__ import annotations

import gc
import importlib
import pkgutil

import penstock

OTHERS = ("lightgbm", "sklearn.linear_model", "pandas", "uvicorn", "uvloop", "httptools")

for _, name, _ in pkgutil.walk_packages(penstock.__path__, "penstock."):
    if name != "penstock.__main__" and not name.startswith("penstock.testing"):
        importlib.import_module(name)
for name in OTHERS:
    importlib.import_module(name)
gc.freeze()  # what is there stays shared with the processes that are forked
