"""Work over many rows in slices, which the threads that arrow may use take one after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

SIZE = 1 << 15
"""So many rows are a slice, a multiple of eight: what is worked out on the way stays in the processor's cache."""


def in_slices(count: int, work: Callable[[slice], None]) -> None:
    """Call `work` with slices that together are all of `count` rows, in no order, several at a time.

    NumPy and Arrow let go of the interpreter while they work on a slice. Threads last as long as the call: none is
    left to be lost in a fork.
    """
    parts = [slice(first, min(first + SIZE, count)) for first in range(0, count, SIZE)]
    left = iter(parts)
    others = min(pa.cpu_count(), len(parts)) - 1
    if others < 1:
        return _each(left, work)
    with ThreadPoolExecutor(others, thread_name_prefix="penstock-slices") as pool:
        beside = [pool.submit(_each, left, work) for _ in range(others)]
        _each(left, work)
    for done in beside:
        done.result()


def _each(left: Iterator[slice], work: Callable[[slice], None]) -> None:
    for part in left:
        work(part)
