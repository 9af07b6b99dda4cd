"""Imports all our modules, and those of other projects that they import late; no user's."""

from __future__ import annotations

import gc
import importlib
import pkgutil

import penstock

OTHERS = ("lightgbm", "sklearn.linear_model", "pandas", "uvicorn", "uvloop", "httptools")

APART = (
    "penstock.__main__", "penstock.testing", "penstock.features.beam", "penstock.models.keras.conversion",
    "penstock.models.keras.hashes", "penstock.models.keras.lookups", "penstock.models.keras.operators",
)  # fmt: skip
"""What no command loads: tests of stores and engines, and what runs in processes of Beam and of Keras."""

for _, name, _ in pkgutil.walk_packages(penstock.__path__, "penstock."):
    if not name.startswith(APART):
        importlib.import_module(name)
for name in OTHERS:
    importlib.import_module(name)
gc.freeze()  # what is there stays shared with the processes that are forked
