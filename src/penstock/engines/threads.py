"""How many threads the libraries of a worker use: as many as its task asked for processors."""

from __future__ import annotations

import math
import os
import sys
from contextlib import suppress

_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "POLARS_MAX_THREADS",
    "RAYON_NUM_THREADS",
)
CPUS = "PENSTOCK_CPUS"
"""The variable by which our own code in a worker, and the processes it starts, know how many processors are theirs."""


def use_processors(cpus: float) -> None:
    """Give libraries `cpus` threads: those loaded later by their variables, those that the template loaded by a call.

    What the user has set in the environment stays.
    """
    count = max(1, math.ceil(cpus))
    os.environ[CPUS] = str(count)
    for variable in _VARIABLES:
        os.environ.setdefault(variable, str(count))
    if (arrow := sys.modules.get("pyarrow")) is not None:
        arrow.set_cpu_count(count)
    if "numpy" in sys.modules:
        with suppress(ImportError):  # without it, NumPy's matrix products use every processor
            import threadpoolctl

            threadpoolctl.threadpool_limits(count)
