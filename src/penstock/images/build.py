"""`build_image`: the image in which a project's steps run, made from its lock file and this environment."""

from __future__ import annotations

import importlib.metadata
import platform
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from blake3 import blake3

from penstock.errors import ContainerError
from penstock.images.archive import Base, read_base, write_image
from penstock.images.bytecode import compile_into
from penstock.images.inspecting import (
    INPUTS,
    OWN,
    PACKAGE,
    PYTHON,
    VERSION,
    Image,
    describe_image,
    own_digest,
    own_version,
)
from penstock.images.interpreter import interpreter_layer
from penstock.images.layers import Layer, folder_files
from penstock.images.packages import Wanted, fetch, files_of, installed
from penstock.images.runtimes import Runtime

SITE = "opt/penstock/site-packages"
_ENVIRONMENT = {"PYTHONPATH": f"/{SITE}", "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}
_PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """An image that is ready. `packages` are the distributions in it besides penstock, as "name==version", where they
    were copied; `new` is False where an equal image was there already."""

    image: Image
    packages: tuple[str, ...]
    new: bool


def build_image(wanted: Wanted, *, name: str, runtime: Runtime, scratch: Path, base: str = "") -> BuiltImage:
    """Build the image `name` with what is wanted and the penstock that runs here, on the image `base` or, without one,
    on the running interpreter.

    Nothing runs in a container meanwhile; the network is asked only where a lock wants what is not installed here.
    """
    with _folder(scratch) as folder:
        packages, names = _packages(wanted, folder / "fetched")
        layers = [packages, _own()]
        if not base:
            paths = [path for path in packages.files.values() if isinstance(path, Path)]
            layers.insert(0, interpreter_layer(paths))
        labels = {
            PYTHON: VERSION,
            OWN: own_digest(),
            INPUTS: _digest(layers, base and describe_image(runtime, base).id),
        }
        if (there := _found(runtime, name, labels[INPUTS])) is not None:
            return BuiltImage(image=there, packages=names, new=False)
        compile_into(layers, scratch / "bytecode")
        below = _saved(runtime, base, folder) if base else None
        archive = folder / "image.tar"
        write_image(
            archive, layers, name=name, labels=labels, environment=_ENVIRONMENT | ({} if base else _PATH), base=below
        )
        runtime.call("load", "--quiet", "--input", str(archive))
    image = describe_image(runtime, name)
    _check_python(runtime, image.id, base)
    return BuiltImage(image=image, packages=names, new=True)


def _packages(wanted: Wanted, folder: Path) -> tuple[Layer, tuple[str, ...]]:
    try:
        found = installed(wanted)
    except ContainerError:
        fetch(wanted, folder)
        layer = Layer(made_by=f"packages of {wanted.file}")
        layer.files |= dict(folder_files(folder, SITE))
        return layer, ()
    found.pop("penstock", None)
    layer = Layer(made_by=f"packages of {wanted.file.name if wanted.file else 'the building environment'}")
    for distribution in found.values():
        layer.files |= {f"{SITE}/{place}": path for place, path in files_of(distribution)}
    return layer, tuple(sorted(f"{each.name}=={each.version}" for each in found.values()))


def _own() -> Layer:
    layer = Layer(made_by=f"penstock {own_version()}")
    layer.files |= dict(folder_files(PACKAGE, f"{SITE}/penstock"))
    about = importlib.metadata.distribution("penstock").read_text("METADATA") or ""
    layer.files[f"{SITE}/penstock-{own_version()}.dist-info/METADATA"] = about.encode()
    return layer


def _digest(layers: Sequence[Layer], base: str) -> str:
    """Return a digest of all that an image is made of, from the sizes and dates of files, so that it costs little."""
    content = blake3(f"{base}\0{platform.machine()}\0".encode())
    for layer in layers:
        for place, file in sorted(layer.files.items()):
            status = file.stat() if isinstance(file, Path) else None
            facts = (status.st_size, status.st_mtime_ns) if status is not None else file
            content.update(repr((place, facts)).encode())
        content.update(repr((sorted(layer.links.items()), sorted(layer.folders.items()))).encode())
    return content.hexdigest()[:32]


def _found(runtime: Runtime, name: str, inputs: str) -> Image | None:
    try:
        image = describe_image(runtime, name)
    except ContainerError:
        return None
    return image if image.labels.get(INPUTS) == inputs else None


def _saved(runtime: Runtime, name: str, folder: Path) -> Base:
    archive = folder / "base.tar"
    form = ("--format", "docker-archive") if runtime.program == "podman" else ()
    runtime.call("save", *form, "--output", str(archive), name)
    return read_base(archive)


def _check_python(runtime: Runtime, id: str, base: str) -> None:
    """Raise where the Python of a base is another than the one that makes keys and sends functions."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        version = runtime.call("run", "--rm", "--network", "none", id, "python3", "-c", code)
    except ContainerError as error:
        if not base:
            raise
        raise ContainerError(f"the base image '{base}' does not run python3: {error}") from error
    if version != VERSION:
        raise ContainerError(
            f"the base image '{base}' has Python {version}, the project runs on {VERSION}; steps and their keys need "
            f"the same: choose a base with Python {VERSION} (python:{VERSION}-slim)"
        )


@contextmanager
def _folder(scratch: Path) -> Iterator[Path]:
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="image-", dir=scratch))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
