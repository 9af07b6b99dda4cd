"""How long a user waits before anything happens: `import penstock`, `penstock --help`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

from bench.measure import Figure, median_seconds


def _milliseconds(*command: str) -> float:
    return 1000 * median_seconds(
        lambda: subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL), repeats=9, warm=2
    )


def figures() -> Iterator[Figure]:
    """Measure whole processes, and the bare interpreter beside them."""
    bare = _milliseconds("-c", "pass")
    imported = _milliseconds("-c", "import penstock")
    helped = _milliseconds("-m", "penstock", "--help")
    beside = f"bare interpreter {bare:.0f} ms"
    yield Figure(what="`import penstock` (whole process)", value=imported, unit="ms", goal="< 100", beside=beside,
                 met=imported < 100)  # fmt: skip
    yield Figure(what="`penstock --help` (whole process)", value=helped, unit="ms", goal="< 200", beside=beside,
                 met=helped < 200)  # fmt: skip
