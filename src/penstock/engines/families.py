"""The processes that a task started, and their processes: who they are, and how much memory they use (Linux)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_KIB = 1024
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


def children(pid: int) -> list[int]:
    """Return the children of a process, those included that it adopted; none where the system does not tell."""
    found: list[int] = []
    with suppress(*_GONE):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(*_GONE):
                found += map(int, (thread / "children").read_text().split())
    return found


def descendants(pid: int) -> Iterator[int]:
    """Yield every process below a process, whatever session or group it has moved to."""
    for child in children(pid):
        yield child
        yield from descendants(child)


def memory_used(pids: Iterable[int], *, limit_bytes: int) -> int:
    """Return the memory that processes hold for themselves: not the files that they have mapped, which the kernel can
    drop at any moment. What forks share counts once; it is shared out only where `limit_bytes` seems to be passed,
    because that takes the kernel longer."""
    alive = list(pids)
    most = sum(_from(pid, "status", ("RssAnon:", "RssShmem:", "VmSwap:")) for pid in alive)
    if most <= limit_bytes:
        return most
    exact = sum(_from(pid, "smaps_rollup", ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")) for pid in alive)
    return exact or most  # kernels before 5.4 do not say


def _from(pid: int, file: str, names: tuple[str, ...]) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except _GONE:
        return 0
    return _KIB * sum(int(line.split()[1]) for line in lines if line.startswith(names))
