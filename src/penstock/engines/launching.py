"""The command line that starts the container of a task: what it may see, use and do."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from penstock.core.artifact import Source
from penstock.core.pipeline import Needs
from penstock.core.ports import Task
from penstock.engines.exchange import EXCHANGE, Exchange
from penstock.errors import DeclarationError
from penstock.images import VERSION, Runtime
from penstock.secrets import Secret

NOBODY = 65534
_WATCHERS_BYTES = 64 << 20  # what the processes that watch a step take of its container's memory
_MOST_PROCESSES = 1024
_STATE = ".penstock"
_TEMPORARY = "/tmp"  # noqa: S108  # the container's own, in memory


@dataclass(frozen=True, slots=True)
class Mount:
    """A file or folder of this machine that a container sees, at its own path."""

    path: Path
    writable: bool = False


def parse_mounts(texts: Iterable[str]) -> tuple[Mount, ...]:
    """Return what configuration says is to be seen: absolute paths, with ":rw" where it may be written to."""
    mounts = []
    for text in texts:
        path = text.removesuffix(":ro").removesuffix(":rw")
        if not Path(path).is_absolute():
            raise DeclarationError(f'mount {text!r} is no absolute path; write "/data", or "/data:rw" to write there')
        mounts.append(Mount(Path(path), writable=text.endswith(":rw")))
    return tuple(mounts)


def user() -> tuple[int, int]:
    """Return the user and group of steps in containers: never root."""
    return (os.getuid(), os.getgid()) if os.getuid() else (NOBODY, NOBODY)


def command_inside(exchange: Exchange, grace_seconds: float) -> list[str]:
    """Return the command that runs the task of an exchange."""
    call = f"inside.main({str(exchange.folder)!r}, {VERSION!r}, {grace_seconds!r})"
    return ["-P", "-c", f"from penstock.engines import inside; {call}"]


def command(
    runtime: Runtime, image: str, task: Task, exchange: Exchange, mounts: Sequence[Mount], *, grace_seconds: float
) -> list[str]:
    """Return the command line of a task's container, in which `mounts` are seen."""
    options = [
        "--rm", "--interactive", "--pull", "never", "--name", exchange.name, "--log-driver", "none",
        "--label", f"penstock.run={task.run}", "--label", f"penstock.step={task.step.name}",
        "--read-only", "--tmpfs", f"{_TEMPORARY}:rw,exec,nosuid,nodev,mode=1777",
        "--cap-drop", "all", "--security-opt", "no-new-privileges",
        "--env", f"{EXCHANGE}={exchange.folder}", "--env", f"HOME={_TEMPORARY}", "--workdir", "/",
        *_identity(runtime), *_limits(task.step.needs),
    ]  # fmt: skip
    for mount in mounts:
        options += ["--mount", _mount(mount)]
    for file in map(Path, task.context.secrets.values()):
        if file.is_file() and _is_seen(file, {mount.path for mount in mounts}, hidden=exchange.folder):
            options += ["--mount", f"type=bind,source={os.devnull},{_field('target', file)},readonly=true"]
    state = Path(task.context.root, _STATE)
    if state.is_dir():  # other runs, their logs and records are none of a step's business
        empty = "rw,noexec,nosuid,nodev,size=1m,mode=0755"
        # podman would fill it with what it hides; docker does not, and knows no word for that
        options += ["--tmpfs", f"{state}:{empty}{',notmpcopyup' if runtime.program == 'podman' else ''}"]
    return runtime.command("run", *options, image, "python3", *command_inside(exchange, grace_seconds))


def seen(task: Task, exchange: Exchange, mounts: Sequence[Mount]) -> list[Mount]:
    """Return what a task's container sees of this machine: its project, the artifacts, the files of its sources, what
    configuration adds, to be read; the exchange, to be written to."""
    root = Path(task.context.root)
    chosen = {mount.path: mount for mount in mounts} | {exchange.folder: Mount(exchange.folder, writable=True)}
    wanted = [root, *map(Path, task.paths), *_store(task.context.artifacts), *_files(task.arguments.values())]
    found = dict(chosen)
    for path in sorted(path for path in set(wanted) if path.exists()):
        if path not in found and not _is_seen(path, found, hidden=root / _STATE):
            found[path] = Mount(path)
    return [found[path] for path in sorted(found)]


def secrets_of(task: Task) -> dict[str, str]:
    """Return the secrets among a task's arguments by name: its container gets these, and no others."""
    found = {each.name: each.find(task.context.secrets) for each in _secrets(task.arguments.values())}
    return {name: value for name, value in found.items() if value is not None}


def unreadable(mounts: Iterable[Mount]) -> Path | None:
    """Return the first of the mounts that the user of steps may not read."""
    uid, gid = user()
    for mount in mounts:
        status = mount.path.stat()
        shift = 6 if status.st_uid == uid else 3 if status.st_gid == gid else 0
        wanted = 0o5 if mount.path.is_dir() else 0o4
        if (status.st_mode >> shift) & wanted != wanted:
            return mount.path
    return None


def of_this_machine(observed: Mapping[str, str], mounts: Iterable[Mount]) -> dict[str, str]:
    """Return what a step looked at outside its image: of what is in the image, the image's digest says enough."""
    folders = tuple(f"{mount.path}/" for mount in mounts)
    places = {name: name.partition(":")[2] for name in observed}
    return {
        name: value
        for name, value in observed.items()
        if not places[name].startswith("/") or f"{places[name]}/".startswith(folders)
    }


def _identity(runtime: Runtime) -> list[str]:
    uid, gid = user()
    rootless = runtime.program == "podman" and os.getuid() != 0
    return ["--user", f"{uid}:{gid}", *(["--userns", "keep-id"] if rootless else [])]


def _limits(needs: Needs) -> list[str]:
    options = ["--pids-limit", str(_MOST_PROCESSES)]
    if not needs.network:
        options += ["--network", "none"]
    if needs.cpus is not None:
        options += ["--cpus", f"{needs.cpus:g}"]
    if needs.memory_bytes is not None:
        limit = str(needs.memory_bytes + _WATCHERS_BYTES)
        options += ["--memory", limit, "--memory-swap", limit]
    return options


def _mount(mount: Mount) -> str:
    fields = ["type=bind", _field("source", mount.path), _field("target", mount.path)]
    return ",".join(fields if mount.writable else [*fields, "readonly=true"])


def _field(name: str, path: Path) -> str:
    """Return a field of the option of a mount, which is a line of CSV."""
    text = f"{name}={path}"
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"') else text


def _is_seen(path: Path, found: Container[Path], *, hidden: Path) -> bool:
    """Tell whether a path is in a folder that is seen already, and not in the one that is hidden within that."""
    for above in path.parents:
        if above in found:
            return True
        if above == hidden:
            return False
    return False


def _secrets(values: Iterable[Any]) -> Iterator[Secret]:
    for value in values:
        match value:
            case Secret():
                yield value
            case list() | tuple() | set() | frozenset():
                yield from _secrets(value)
            case Mapping():
                yield from _secrets(value.values())


def _store(uri: str) -> Iterator[Path]:
    path = unquote(uri.removeprefix("file://")) if uri.startswith("file://") else uri
    if path and "://" not in path:
        yield Path(path).absolute()


def _files(values: Iterable[Any]) -> Iterator[Path]:
    for value in values:
        match value:
            case Source(uris=uris):
                local = (uri.removeprefix("file://") for uri in uris)
                yield from (Path(unquote(uri)) for uri in local if "://" not in uri)
            case Path():
                yield value.absolute()
            case list() | tuple():
                yield from _files(value)
            case Mapping():
                yield from _files(value.values())
