"""Processes for functions of our tests: forked, as `warm.python()` is, from a server that has seen no user's code."""

from __future__ import annotations

import functools
import multiprocessing
import os
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path


@functools.cache
def forks() -> ForkServerContext:
    """Return what starts them; the first call starts the server, one for the whole process of the tests."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["warm.loaded"])
    before = os.environ.get("PYTHONPATH")
    # The server of Python 3.11 does not get our sys.path, and says nothing of a module that it does not find.
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [before, str(Path(__file__).parents[1])]))
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    return context
