"""What this machine lets us have: processors and memory, as it and its control groups (version 1 and 2) limit them."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PROC = Path("/proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """How much there is to be given to tasks: at most so many of them at once, so many processors, so much memory."""

    tasks: int
    cpus: float
    memory_bytes: float = math.inf

    def room_for(self, wanted: Share, taken: list[Share]) -> bool:
        """Tell whether a task can begin beside those that run."""
        return (
            len(taken) < self.tasks
            and wanted.cpus + sum(share.cpus for share in taken) <= self.cpus
            and wanted.memory_bytes + sum(share.memory_bytes for share in taken) <= self.memory_bytes
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one task takes of the capacity; a task that says nothing of memory takes none of it."""

    cpus: float = 1.0
    memory_bytes: int = 0


def capacity(slots: int | None = None, *, proc: Path = PROC) -> Capacity:
    """Return what this process may use; `slots` says how many tasks may run at once, by default one a processor.

    More slots than processors is the user's word that tasks may share a processor, so there are as many as slots then.
    """
    cpus = _cpus(proc)
    tasks = slots or max(1, int(cpus))
    return Capacity(tasks=tasks, cpus=max(float(tasks), cpus), memory_bytes=_memory_bytes(proc))


def oom_kills(*, proc: Path = PROC) -> int:
    """Return how often the kernel has killed a process of our control group because memory ran out (where the group
    does not count: a process of this machine); 0 where nobody counts."""
    for controller, name in (("memory", "memory.oom_control"), ("", "memory.events")):
        for folder in _groups(controller, proc):
            with suppress(OSError, KeyError):
                return int(_pairs(folder / name)["oom_kill"])
    with suppress(OSError, KeyError):
        return int(_pairs(proc / "vmstat")["oom_kill"])
    return 0


def _cpus(proc: Path) -> float:
    found = [float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)]
    for folder in _groups("", proc):
        with suppress(OSError, ValueError):  # "max": no limit
            quota, period = (folder / "cpu.max").read_text().split()
            found.append(int(quota) / int(period))
    for folder in _groups("cpu", proc):
        with suppress(OSError):
            quota, period = ((folder / f"cpu.cfs_{what}_us").read_text() for what in ("quota", "period"))
            if int(quota) > 0:
                found.append(int(quota) / int(period))
    return min(found)


def _memory_bytes(proc: Path) -> float:
    found: list[float] = []
    with suppress(OSError, KeyError):
        found.append(1024.0 * int(_pairs(proc / "meminfo")["MemTotal:"]))
    for controller, name in (("", "memory.max"), ("memory", "memory.limit_in_bytes")):
        for folder in _groups(controller, proc):
            with suppress(OSError, ValueError):  # "max": no limit
                found.append(float(int((folder / name).read_text())))
    return min(found, default=math.inf)


def _groups(controller: str, proc: Path) -> Iterator[Path]:
    """Yield the folders of our control group and of those above it; `controller` is "" for version 2."""
    with suppress(OSError):
        lines = (proc / "self/cgroup").read_text().splitlines()
        ours = {name: path for _, names, path in (line.split(":", 2) for line in lines) for name in names.split(",")}
        for root, mounted in _mounts(controller, proc) if controller in ours else ():
            group = PurePosixPath(ours[controller])
            # A container may see a path that is the host's: then its own group is what is mounted.
            inside = group.relative_to(root) if group.is_relative_to(root) else PurePosixPath()
            folder = mounted / inside if (mounted / inside).is_dir() else mounted
            yield from (folder, *(above for above in folder.parents if above.is_relative_to(mounted)))


def _mounts(controller: str, proc: Path) -> Iterator[tuple[str, Path]]:
    """Yield (path of the group that is mounted, where) of the mounts of a controller."""
    for line in (proc / "self/mountinfo").read_text().splitlines():
        fields, _, kind = line.partition(" - ")
        filesystem, _, options = kind.split(" ", 2)
        if filesystem == ("cgroup" if controller else "cgroup2") and (
            not controller or controller in options.split(",")
        ):
            root, mounted = fields.split(" ")[3:5]
            yield root, Path(mounted)


def _pairs(file: Path) -> dict[str, str]:
    return {words[0]: words[1] for words in map(str.split, file.read_text().splitlines()) if len(words) > 1}
