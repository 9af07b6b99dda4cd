"""Install the programs of other projects that `make test-all` starts, where they are missing and apt can."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
import sys

SERVERS = {
    "podman": ("podman", "runc", "netavark", "iptables"),  # runc: where cgroup versions are mixed; the rest: networks
    "redis-server": ("redis-server",),
    "pg_ctl": ("postgresql",),
}
"""Program -> the packages of Debian and Ubuntu that bring it, and what it needs on all the hosts that we know."""


def missing() -> list[str]:
    """Return the programs that are not there. Docker does for podman."""
    path = ":".join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", *glob.glob("/usr/lib/postgresql/*/bin")])
    there = {program for program in SERVERS if shutil.which(program, path=path)}
    if shutil.which("docker") and "podman" not in there and not _can_install():
        there.add("podman")
    return [program for program in SERVERS if program not in there]


def main() -> int:
    """Install what is missing, or say what to do."""
    programs = missing()
    packages = [package for program in programs for package in SERVERS[program]]
    if not programs:
        return 0
    if not _can_install():
        print(
            f"make test-all needs {', '.join(programs)}, which cannot be installed from here "
            f"({'apt-get needs root' if shutil.which('apt-get') else 'there is no apt-get'}). Install by hand "
            f"(Debian, Ubuntu: sudo apt-get install --no-install-recommends {' '.join(packages)}; macOS: brew install "
            "podman, then podman machine init and start), or run `make test`, which leaves these tests out",
            file=sys.stderr,
        )
        return 1
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
        done = subprocess.run(["apt-get", *arguments], env=environment, stdout=subprocess.DEVNULL, check=False)
        if done.returncode:
            print(f"apt-get {' '.join(arguments)} failed (exit code {done.returncode})", file=sys.stderr)
            return 1
    return 0


def _can_install() -> bool:
    return shutil.which("apt-get") is not None and os.geteuid() == 0


if __name__ == "__main__":
    sys.exit(main())
