"""An image as the archive that `podman load` and `docker load` read: layers, configuration, and the name it gets.

Written by us and not by a build: nothing runs, nothing asks the network, and equal layers give an equal image.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from penstock.errors import ContainerError
from penstock.images.layers import Layer, write_layer

_CREATED = "1970-01-01T00:00:00Z"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What an image is put on: an archive of another image, as `save` writes it, or nothing."""

    archive: Path | None = None
    configuration: Mapping[str, Any] = field(default_factory=dict)
    layers: Sequence[str] = ()  # their places in the archive


def write_image(
    target: Path,
    layers: Sequence[Layer],
    *,
    name: str,
    labels: Mapping[str, str],
    environment: Mapping[str, str],
    base: Base | None = None,
) -> str:
    """Write an image to the archive `target`; return its id, the digest by which a runtime knows it once loaded."""
    base = base or Base()
    with target.open("w+b") as file:
        added = [f"layer-{len(base.layers) + number}.tar" for number in range(len(layers))]
        places = [*(_copied(file, base, place) for place in base.layers), *added]
        digests = [_written(file, layer, place) for layer, place in zip(layers, added, strict=True)]
        configuration = _configuration(base, digests, [layer.made_by for layer in layers], labels, environment)
        content = json.dumps(configuration, sort_keys=True).encode()
        id = hashlib.sha256(content).hexdigest()
        manifest = [{"Config": f"{id}.json", "RepoTags": [name], "Layers": places}]
        with tarfile.open(fileobj=file, mode="w") as tar:
            for place, text in ((f"{id}.json", content), ("manifest.json", json.dumps(manifest).encode())):
                entry = tarfile.TarInfo(place)
                entry.size = len(text)
                tar.addfile(entry, io.BytesIO(text))
    return id


def read_base(archive: Path) -> Base:
    """Return the image in an archive that `save` wrote."""
    with tarfile.open(archive) as tar:
        (manifest,) = json.loads(_content(tar, "manifest.json"))
        return Base(
            archive=archive, configuration=json.loads(_content(tar, manifest["Config"])), layers=manifest["Layers"]
        )


def _content(tar: tarfile.TarFile, place: str) -> bytes:
    file = tar.extractfile(place)
    if file is None:
        raise ContainerError(f"the archive of the base image has no file {place}; is it of another format?")
    return file.read()


def _written(file: BinaryIO, layer: Layer, place: str) -> str:
    """Append a layer to the archive; its length is known, and its header written, when it is there."""
    header = file.tell()
    file.write(bytes(_BLOCK))
    digest = write_layer(layer, file)
    end = file.tell()
    entry = tarfile.TarInfo(place)
    entry.size = end - header - _BLOCK
    file.seek(header)
    file.write(entry.tobuf(tarfile.GNU_FORMAT))  # a length beyond 8 GB has a form of its own there, in one block
    file.seek(end)
    return digest


def _copied(file: BinaryIO, base: Base, place: str) -> str:
    assert base.archive is not None  # noqa: S101  # it has layers
    with tarfile.open(base.archive) as tar:
        member = tar.getmember(place)
        while member.issym() or member.islnk():  # docker saves equal layers once
            target = Path(place).parent / member.linkname if member.issym() else Path(member.linkname)
            member = tar.getmember(_normal(target))
        content = tar.extractfile(member)
        if content is None:
            raise ContainerError(f"the archive of the base image has no layer {place}; is it of another format?")
        entry = tarfile.TarInfo(place)
        entry.size = member.size
        file.write(entry.tobuf(tarfile.GNU_FORMAT))
        while chunk := content.read(1 << 20):
            file.write(chunk)
        file.write(bytes(-member.size % _BLOCK))
    return place


def _normal(path: Path) -> str:
    parts: list[str] = []
    for part in path.parts:
        parts = parts[:-1] if part == ".." else [*parts, part]
    return "/".join(parts)


def _configuration(
    base: Base,
    digests: Sequence[str],
    made_by: Sequence[str],
    labels: Mapping[str, str],
    environment: Mapping[str, str],
) -> dict[str, Any]:
    given = base.configuration
    inherited = given.get("config") or {}
    variables = dict(each.split("=", 1) for each in inherited.get("Env") or ()) | dict(environment)
    machine = platform.machine()
    return {
        "architecture": given.get("architecture", _ARCHITECTURES.get(machine, machine)),
        "os": "linux",
        "created": _CREATED,
        "config": {
            "Env": [f"{name}={value}" for name, value in variables.items()],
            "Labels": {**(inherited.get("Labels") or {}), **labels},
            "WorkingDir": "/",
        },
        "rootfs": {
            "type": "layers",
            "diff_ids": [*given.get("rootfs", {}).get("diff_ids", ()), *(f"sha256:{digest}" for digest in digests)],
        },
        "history": [
            *given.get("history", ()),
            *({"created": _CREATED, "created_by": f"penstock image build: {text}"} for text in made_by),
        ],
    }
