"""The lowest layer of an image that is put on nothing: the running interpreter, the libraries it needs, a few tools."""

from __future__ import annotations

import os
import platform
import re
import ssl
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from penstock.errors import ContainerError
from penstock.images.elf import read_needs
from penstock.images.inspecting import VERSION
from penstock.images.layers import Layer, folder_files

PYTHON = f"usr/local/bin/python{VERSION}"
STANDARD_LIBRARY = f"usr/local/lib/python{VERSION}"

_LEFT_OUT = (
    "__pycache__", "site-packages", "dist-packages", "test", "tests", "idlelib", "turtledemo", "lib2to3", "tkinter",
    "ensurepip", "pydoc_data",
)  # fmt: skip
_TOOLS = (
    "sh", "env", "cat", "chmod", "cp", "cut", "date", "dirname", "basename", "echo", "false", "find", "grep", "head",
    "id", "ln", "ls", "mkdir", "mktemp", "mv", "ps", "pwd", "rm", "rmdir", "sed", "sleep", "sort", "setsid", "tail",
    "tar", "test", "touch", "tr", "true", "uname", "wc", "which", "xargs", "gzip",
)  # fmt: skip
_OPENED_BY_NAME = ("libgcc_s.so.1", "libresolv.so.2", "libnss_dns.so.2", "libnss_files.so.2")  # glibc does, at run time
_PLACES = ("/usr/bin", "/bin", "/usr/sbin", "/sbin")


def interpreter_layer(packages: Iterable[Path]) -> Layer:
    """Return a layer with this interpreter, its standard library, what of this system's libraries it and `packages`
    (files that other layers bring) load, and a shell with the tools that subprocesses call."""
    if platform.system() != "Linux" or not _known_libraries():
        raise ContainerError(
            f"an image can be made of the running interpreter on Linux with glibc, not on {platform.system()} "
            f"({platform.libc_ver()[0] or 'no glibc'}); name an image to start from: --base python:{VERSION}-slim"
        )
    layer = Layer(made_by=f"Python {platform.python_version()} of the building host")
    program = Path(sys.executable).resolve()
    layer.files[PYTHON] = program
    layer.links |= {f"usr/local/bin/{name}": f"python{VERSION}" for name in ("python3", "python")}
    for name in ("stdlib", "platstdlib"):
        found = folder_files(Path(sysconfig.get_path(name)), STANDARD_LIBRARY, without=_LEFT_OUT)
        layer.files |= {place: path for place, path in found if "/config-3" not in place}
    tools = {name: path for name in _TOOLS if (path := _tool(name)) is not None}
    layer.files |= {f"usr/bin/{name}": path for name, path in tools.items()}
    _add_libraries(layer, [program, *layer.files.values(), *packages])
    _add_system(layer)
    return layer


def _add_libraries(layer: Layer, files: Iterable[Path | bytes]) -> None:
    """Add the system's libraries that the files load, in the one folder that its loader always looks in."""
    paths = [file for file in files if isinstance(file, Path)]
    brought = {path.name for path in paths}
    known, folder = _known_libraries(), _known_libraries()["libc.so.6"].parent.as_posix().lstrip("/")
    waiting, seen = list(paths), set(paths)
    waiting += [known[name] for name in _OPENED_BY_NAME if name in known]
    seen |= set(waiting)
    for path in waiting[len(paths) :]:
        layer.files[f"{folder}/{path.name}"] = path
    while waiting:
        needs = read_needs(waiting.pop()) if waiting else None
        if needs is None:
            continue
        if needs.loader:
            layer.files[_merged(needs.loader)] = Path(needs.loader).resolve()
        for name in needs.libraries:
            found = known.get(name)
            if found is None or name in brought or found in seen:
                continue
            seen.add(found)
            waiting.append(found)
            layer.files.setdefault(_merged(f"{folder}/{name}"), found)


def _add_system(layer: Layer) -> None:
    layer.files = {_merged(place): content for place, content in layer.files.items()}
    layer.links |= {name: f"usr/{name}" for name in ("bin", "lib", "lib64", "sbin")}
    layer.folders |= {"tmp": 0o1777, "var/tmp": 0o1777, "root": 0o700, "proc": 0o755, "sys": 0o755, "dev": 0o755}
    layer.folders |= {f"usr/{name}": 0o755 for name in ("bin", "lib", "lib64", "sbin")}
    layer.files |= {
        "etc/passwd": b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/tmp:/bin/sh\n",
        "etc/group": b"root:x:0:\nnogroup:x:65534:\n",
        "etc/nsswitch.conf": b"hosts: files dns\n",
    }
    certificates = ssl.get_default_verify_paths().openssl_cafile
    for path in (Path(certificates), Path("/etc/ssl/certs/ca-certificates.crt")):
        if path.is_file():
            layer.files[certificates.lstrip("/")] = path.resolve()
            break


def _merged(place: str) -> str:
    """Return a place with the system's folders where they are: /bin, /lib, /lib64 and /sbin are links into /usr."""
    return re.sub(r"^/?(bin|lib|lib64|sbin)/", r"usr/\1/", place).lstrip("/")


def _tool(name: str) -> Path | None:
    found = (Path(place, name) for place in _PLACES)
    return next((path.resolve() for path in found if path.exists() and read_needs(path.resolve())), None)


@cache
def _known_libraries() -> dict[str, Path]:
    """Return the libraries that this system's loader finds, by name, and the interpreter's own."""
    known: dict[str, Path] = {}
    own = Path(sysconfig.get_config_var("LIBDIR") or "", sysconfig.get_config_var("INSTSONAME") or "")
    if own.is_file():
        known[own.name] = own
    for name, path in _cached_libraries():
        if name not in known and path.exists() and read_needs(path) is not None:
            known[name] = path
    return known if "libc.so.6" in known else {}


def _cached_libraries() -> Iterator[tuple[str, Path]]:
    program = next((place for place in ("/sbin/ldconfig", "/usr/sbin/ldconfig") if os.path.exists(place)), None)
    if program is None:
        return
    listed = subprocess.run([program, "-p"], capture_output=True, text=True, check=True).stdout
    for match in re.finditer(r"^\s+(\S+) \(.*\) => (\S+)$", listed, re.MULTILINE):
        yield match[1], Path(match[2])
