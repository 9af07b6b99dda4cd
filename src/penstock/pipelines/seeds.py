"""Random numbers that nobody seeded: the same whenever the same step runs again, others for another parameter.

A step's seed is derived from its key. `random`, NumPy's legacy state and torch's, where they are loaded, are set to it
before the step and given back as they were: the inline engine runs in the user's own process. Generators that take
their seed from the system (`numpy.random.default_rng()`) are not reached: give them `context.seed`.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


def seed_of(key: str) -> int:
    """Return the seed that a key stands for: 32 bits, the most that NumPy's legacy generator takes."""
    return int(key[:8], 16)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators for the block; afterwards they go on as if it had not been there."""
    before = random.getstate()
    random.seed(seed)
    numpy, torch = _numpy_random(), sys.modules.get("torch")
    if numpy is not None:
        numpy_before = numpy.get_state()
        numpy.seed(seed)
    if torch is not None:
        torch_before = torch.get_rng_state()
        torch.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
        if numpy is not None:
            numpy.set_state(numpy_before)
        if torch is not None:
            torch.set_rng_state(torch_before)


def _numpy_random() -> ModuleType | None:
    """`import numpy` alone does not load its generators; a step that then uses them would start from the system's."""
    if "numpy" not in sys.modules:
        return None
    import numpy.random  # 20 ms, once, in a process that has NumPy already

    return numpy.random
