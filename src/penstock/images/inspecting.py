"""What an image is: its digest, and the labels by which it says what it was made of."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from penstock.errors import ContainerError
from penstock.images.runtimes import Runtime

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
"""The Python that makes keys and sends functions, and that an image must have too."""
PACKAGE = Path(__file__).resolve().parent.parent
"""Where this penstock is."""
INPUTS, PYTHON, OWN = "penstock.inputs", "penstock.python", "penstock.digest"
"""Labels of an image: the digest of all that it was made of, its Python, the digest of the penstock in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that a runtime has: the name it was asked for by, and its digest (`id`), by which it is run."""

    name: str
    id: str
    labels: Mapping[str, str]
    size_bytes: int


def describe_image(runtime: Runtime, name: str) -> Image:
    """Return what an image is now; raises `ContainerError` where there is none of that name or digest."""
    command = runtime.command("image", "inspect", name)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise ContainerError(
            f"{runtime.program} has no image '{name}'; build the project's with `penstock image build`, or fetch it "
            f"with `{runtime.program} pull {name}`"
        )
    (found,) = json.loads(done.stdout)
    labels = (found.get("Config") or {}).get("Labels") or {}
    return Image(name=name, id=found["Id"].removeprefix("sha256:"), labels=labels, size_bytes=found["Size"])


def own_version() -> str:
    """Return the version of this penstock."""
    version: str = sys.modules["penstock"].__version__  # this room imports nothing above it
    return version


def own_digest() -> str:
    """Return the digest of the penstock that runs here: of its version and, since a checkout changes under the same
    version, of its modules."""
    content = blake3(own_version().encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        content.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return content.hexdigest()[:32]
