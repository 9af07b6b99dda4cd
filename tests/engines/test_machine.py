"""How much a machine lets us have, by what its files say: both versions of control groups, alone and together."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from penstock.engines.machine import Capacity, Share, capacity, oom_kills

GIB = 2**30
CORES = len(os.sched_getaffinity(0))


class Machine:
    """A made-up /proc, and the control groups that it leads to."""

    def __init__(self, root: Path) -> None:
        self.proc, self.groups = root / "proc", root / "groups"
        (self.proc / "self").mkdir(parents=True)
        self.write(self.proc / "meminfo", f"MemTotal:  {64 * GIB // 1024} kB\nMemFree:  1 kB\n")
        self.own: list[str] = []
        self.mounts: list[str] = ["22 27 0:21 / /proc rw,relatime - proc proc rw"]

    def group(self, controllers: str, path: str, *, root: str = "/") -> Path:
        """Put us into a group of these controllers ("" is version 2) and return the mount's folder."""
        mounted = self.groups / (controllers or "unified")
        mounted.mkdir(parents=True)
        kind, options = ("cgroup", f"rw,{controllers}") if controllers else ("cgroup2", "rw")
        self.own.append(f"{len(self.own)}:{controllers}:{path}")
        self.mounts.append(f"30 23 0:28 {root} {mounted} rw,relatime shared:9 - {kind} cgroup {options}")
        self.write(self.proc / "self/cgroup", "".join(f"{line}\n" for line in self.own))
        self.write(self.proc / "self/mountinfo", "".join(f"{line}\n" for line in self.mounts))
        return mounted

    @staticmethod
    def write(path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_without_control_groups_it_is_the_machine(machine: Machine) -> None:
    assert capacity(proc=machine.proc) == Capacity(tasks=CORES, cpus=CORES, memory_bytes=64 * GIB)


def test_version_2_limits_at_any_level_count(machine: Machine) -> None:
    root = machine.group("", "/pod/container")
    machine.write(root / "pod/cpu.max", "50000 100000\n")
    machine.write(root / "pod/container/cpu.max", "max 100000\n")
    machine.write(root / "pod/container/memory.max", f"{8 * GIB}\n")
    machine.write(root / "pod/memory.max", "max\n")
    assert capacity(proc=machine.proc) == Capacity(tasks=1, cpus=1.0, memory_bytes=8 * GIB)


def test_version_1_has_a_folder_for_each_controller(machine: Machine) -> None:
    memory, cpu = machine.group("memory", "/job"), machine.group("cpu,cpuacct", "/job")
    machine.write(memory / "job/memory.limit_in_bytes", f"{2 * GIB}\n")
    machine.write(memory / "memory.limit_in_bytes", "9223372036854771712\n")
    machine.write(cpu / "job/cpu.cfs_quota_us", "-1\n")
    machine.write(cpu / "job/cpu.cfs_period_us", "100000\n")
    assert capacity(proc=machine.proc) == Capacity(tasks=CORES, cpus=CORES, memory_bytes=2 * GIB)


def test_both_versions_on_one_machine_the_smaller_limit_holds(machine: Machine) -> None:
    machine.group("", "/")
    memory = machine.group("memory", "/process_api/f94d")
    machine.write(memory / "process_api/f94d/memory.limit_in_bytes", f"{GIB}\n")
    assert capacity(proc=machine.proc).memory_bytes == GIB


@pytest.mark.parametrize("root", ["/", "/docker/abc"])
def test_in_a_container_its_own_group_is_what_is_mounted(machine: Machine, root: str) -> None:
    machine.write(machine.group("", "/docker/abc", root=root) / "memory.max", f"{3 * GIB}\n")
    assert capacity(proc=machine.proc).memory_bytes == 3 * GIB


def test_more_slots_than_processors_are_the_user_s_word(machine: Machine) -> None:
    assert capacity(CORES + 5, proc=machine.proc).cpus == CORES + 5
    few = capacity(1, proc=machine.proc)
    assert (few.tasks, few.cpus) == (1, CORES)


def test_the_kernel_s_count_of_kills_is_the_group_s_else_the_machine_s(machine: Machine) -> None:
    assert oom_kills(proc=machine.proc) == 0
    machine.write(machine.proc / "vmstat", "nr_free_pages 1\noom_kill 9\n")
    assert oom_kills(proc=machine.proc) == 9
    machine.write(machine.group("", "/a") / "a/memory.events", "low 0\noom 2\noom_kill 3\n")
    assert oom_kills(proc=machine.proc) == 3
    machine.write(machine.group("memory", "/") / "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n")
    assert oom_kills(proc=machine.proc) == 4


def test_this_machine_has_something() -> None:
    there = capacity()
    assert 1 <= there.cpus < 10_000
    assert 2**28 < there.memory_bytes < math.inf
    assert oom_kills() >= 0


def test_room_is_counted_in_tasks_processors_and_memory() -> None:
    there = Capacity(tasks=3, cpus=2, memory_bytes=10)
    one = Share()
    assert there.room_for(one, [one])
    assert not there.room_for(one, [one, one])
    assert not there.room_for(Share(cpus=2), [Share(cpus=0.5)])
    assert there.room_for(Share(cpus=1.5), [Share(cpus=0.5)])
    assert not there.room_for(Share(cpus=0.1), [Share(cpus=0.1)] * 3)
    assert there.room_for(Share(memory_bytes=4), [Share(memory_bytes=6)])
    assert not there.room_for(Share(memory_bytes=5), [Share(memory_bytes=6)])
