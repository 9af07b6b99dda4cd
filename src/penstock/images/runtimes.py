"""The program that runs containers, podman or docker, by its command line; and what some hosts make it need."""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from penstock.errors import ContainerError, UnknownNameError

Program: TypeAlias = Literal["podman", "docker"]
PROGRAMS: tuple[Program, ...] = ("podman", "docker")

_INSTALL = "install podman (Debian, Ubuntu: apt-get install podman) or docker"
_MOST_FILES, _MOST_PROCESSES = 8192, 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """A program that runs containers. `before` are options that stand before the subcommand, `run_options` follow
    `run`: what this host needs. `notes` is the file in which that is remembered."""

    program: Program
    path: str
    before: tuple[str, ...] = ()
    run_options: tuple[str, ...] = ()
    notes: Path | None = None

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a subcommand."""
        options = self.run_options if arguments[:1] == ("run",) else ()
        return [self.path, *self.before, *arguments[:1], *options, *arguments[1:]]

    def call(self, *arguments: str) -> str:
        """Run a subcommand to its end and return what it printed; raises `ContainerError` with what it complained of.

        Where the host turns out to need more options, it is tried again with them: see `remedied`.
        """
        done = subprocess.run(self.command(*arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode == 0:
            return done.stdout.strip()
        if (better := remedied(self, done.stderr)) is not None:
            return better.call(*arguments)
        raise ContainerError(f"`{self.program} {' '.join(arguments[:2])}` failed: {complaint(done.stderr)}")


def find_runtime(wanted: str = "", *, state: Path) -> Runtime:
    """Return podman, else docker, or the one that is `wanted`, with what it was found to need on this host.

    `state` is the folder in which that is remembered.
    """
    if wanted and wanted not in PROGRAMS:
        raise UnknownNameError("container runtime", wanted, PROGRAMS)
    for program in PROGRAMS:
        path = shutil.which(program) if wanted in ("", program) else None
        if path is not None:
            notes = state / f"{program}-on-{platform.node() or 'this-host'}.json"
            return Runtime(program=program, path=path, notes=notes, **_remembered(notes))
    missing = f"'{wanted}' is not on the PATH" if wanted else "neither podman nor docker is on the PATH"
    raise ContainerError(f"steps cannot run in containers: {missing}; {_INSTALL}, or run with --engine local")


def remedied(runtime: Runtime, stderr: str) -> Runtime | None:
    """Return the runtime with the options that cure what it complained of, and remember them; None: no cure is known.

    Rootful podman in a machine without CAP_SYS_RESOURCE may not raise limits, and crun runs on no hybrid of cgroup
    versions 1 and 2, where runc does.
    """
    if runtime.program != "podman":
        return None
    better = runtime
    if "cgroups in hybrid mode not supported" in stderr and "--runtime" not in runtime.before:
        if shutil.which("runc", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            raise ContainerError(
                "this host mixes cgroup versions 1 and 2, which podman's crun does not support; "
                "install runc (Debian, Ubuntu: apt-get install runc)"
            )
        better = replace(runtime, before=(*runtime.before, "--runtime", "runc"))
    elif _is_about_limits(stderr) and "--ulimit" not in runtime.run_options:
        better = replace(runtime, run_options=(*runtime.run_options, *_permitted_limits()))
    if better is runtime:
        return None
    if better.notes is not None:
        better.notes.parent.mkdir(parents=True, exist_ok=True)
        partial = better.notes.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps({"before": better.before, "run_options": better.run_options}))
        partial.replace(better.notes)
    return better


def complaint(stderr: str) -> str:
    """Return what a runtime complained of, without its warnings and its own prefix."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip() and "level=warning" not in line]
    return " ".join(lines).removeprefix("Error: ") or "it said nothing"


def _is_about_limits(stderr: str) -> bool:
    return "rlimit" in stderr.lower() and "operation not permitted" in stderr.lower()


def _permitted_limits() -> Sequence[str]:
    """Return limits that this process may set: soft and hard the same, for podman 4's API swaps them."""
    kinds = {"nofile": (resource.RLIMIT_NOFILE, _MOST_FILES), "nproc": (resource.RLIMIT_NPROC, _MOST_PROCESSES)}
    options: list[str] = []
    for name, (kind, most) in kinds.items():
        hard = resource.getrlimit(kind)[1]
        value = most if hard == resource.RLIM_INFINITY else min(hard, most)
        options += ["--ulimit", f"{name}={value}:{value}"]
    return options


def _remembered(notes: Path) -> dict[str, tuple[str, ...]]:
    try:
        found = json.loads(notes.read_text())
    except FileNotFoundError:
        return {}
    return {name: tuple(found[name]) for name in ("before", "run_options")}
