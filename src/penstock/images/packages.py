"""What is installed in an image: the packages of the project's lock, as this environment has them or fetched by pip."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path

from packaging.pylock import Pylock, PylockValidationError
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from penstock.errors import ContainerError, DeclarationError

NAMES = ("requirements.lock", "pylock.toml", "requirements.txt")
"""Files that may say what a project needs, in the order in which they are looked for."""

_OWN = "penstock"
_COMMENT = re.compile(r"(^|\s)#.*$", re.MULTILINE)
_OPTION = re.compile(r"\s--hash[= ]\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What an image is to have: requirements, and the file that they stand in (None: there is none)."""

    requirements: tuple[Requirement, ...]
    file: Path | None = None


def wanted(root: Path, name: str = "") -> Wanted:
    """Return what a project needs: by the file of that name, else the first of `NAMES` that it has.

    A project without any needs penstock, with those of its extras that are installed here.
    """
    if name and not (root / name).is_file():
        raise DeclarationError(
            f"there is no file {root / name} of requirements; see [engine] requirements, --requirements"
        )
    file = next((root / each for each in ((name,) if name else NAMES) if (root / each).is_file()), None)
    if file is None:
        return Wanted(requirements=(_own_requirement(),))
    found = _locked(file) if file.suffix == ".toml" else _listed(file)
    return Wanted(requirements=(Requirement(_OWN), *found), file=file)


def installed(wanted: Wanted) -> dict[str, Distribution]:
    """Return the distributions of this environment that fulfil what is wanted, with all that those need, by name.

    Raises `ContainerError` that says what this environment lacks.
    """
    found: dict[str, Distribution] = {}
    done: set[tuple[str, str]] = set()
    waiting = [(requirement, "") for requirement in wanted.requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if name not in found:
            found[name] = _distribution(requirement)
        version = found[name].version
        if not requirement.specifier.contains(version, prereleases=True):
            raise ContainerError(f"{requirement.name} is {version} in this environment, but {requirement} is wanted")
        for each in {"", *requirement.extras} - {extra for known, extra in done if known == name}:
            done.add((name, each))
            waiting += [(Requirement(text), each) for text in found[name].requires or ()]
    return found


def files_of(distribution: Distribution) -> Iterator[tuple[str, Path]]:
    """Yield the files of an installed distribution below site-packages: their places there, and where they are."""
    if distribution.files is None:
        raise ContainerError(f"{distribution.name} does not say which files it has (it has no RECORD); install it anew")
    for file in distribution.files:
        path = Path(str(distribution.locate_file(file)))
        if ".." in file.parts or "__pycache__" in file.parts or file.suffix == ".pyc" or file.is_absolute():
            continue  # scripts of the environment; bytecode is made for the image
        if file.suffix == ".pth":
            raise ContainerError(
                f"{distribution.name} is installed here as editable or by a .pth file ({file}), so its files cannot be "
                "copied into an image; install it as it is (pip install .), or name a lock that pip can fetch"
            )
        if path.is_file():
            yield file.as_posix(), path


def fetch(wanted: Wanted, target: Path) -> None:
    """Install what is wanted into a folder by pip: the one thing here that may ask the network."""
    if wanted.file is None:
        installed(wanted)  # says what this environment lacks: there is nothing that pip could be told
        return
    if importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    elif (uv := shutil.which("uv")) is not None:
        command = [uv, "pip", "install", "--quiet", "--python", sys.executable]
    else:
        raise ContainerError(
            f"the packages of {wanted.file} have to be fetched, but this environment has neither pip nor uv"
        )
    text = _without_own(_as_requirements(wanted.file))
    if "--hash=" not in text:  # what is locked says all; what is not says nothing of what penstock needs
        text = "\n".join([text, *_own_needs(wanted)])
    listed = target / "requirements.txt"
    target.mkdir(parents=True, exist_ok=True)
    listed.write_text(text)
    locked = ["--no-deps", "--require-hashes"] if "--hash=" in text else []
    done = subprocess.run([*command, *locked, "--target", target, "-r", listed], capture_output=True, text=True)
    listed.unlink()
    if done.returncode:
        raise ContainerError(f"the packages of {wanted.file} cannot be installed: {done.stderr.strip()[-2000:]}")


def _without_own(text: str) -> str:
    """Return requirements without penstock: the one that runs here goes into the image, and no index need have it."""
    lines = text.replace("\\\n", " ").splitlines()
    return "\n".join(line for line in lines if not re.match(rf"{_OWN}\b(?!-)", line))


def _own_needs(wanted: Wanted) -> Iterator[str]:
    """Yield what penstock needs, with the extras that are wanted of it."""
    extras = {"", *(extra for each in wanted.requirements if each.name == _OWN for extra in each.extras)}
    for needed in map(Requirement, importlib.metadata.distribution(_OWN).requires or ()):
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
            yield f"{needed.name}{needed.specifier}"


def _distribution(requirement: Requirement) -> Distribution:
    try:
        return importlib.metadata.distribution(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        raise ContainerError(f"{requirement} is wanted, but not installed in this environment") from None


def _own_requirement() -> Requirement:
    """Return penstock with those of its extras of which everything is installed."""
    own = importlib.metadata.distribution(_OWN)
    extras = [extra for extra in own.metadata.get_all("Provides-Extra") or () if _is_installed(extra)]
    return Requirement(f"{_OWN}[{','.join(extras)}]" if extras else _OWN)


def _is_installed(extra: str) -> bool:
    try:
        installed(Wanted(requirements=(Requirement(f"{_OWN}[{extra}]"),)))
    except ContainerError:
        return False
    return True


def _as_requirements(file: Path) -> str:
    """Return a lock file as pip reads it: a requirements.txt."""
    if file.suffix != ".toml":
        return file.read_text()
    lines = []
    for package in _pylock(file).packages:
        hashes = [f"--hash={name}:{value}" for wheel in package.wheels or () for name, value in wheel.hashes.items()]
        hashes += [f"--hash={name}:{value}" for name, value in (package.sdist.hashes if package.sdist else {}).items()]
        marker = f" ; {package.marker}" if package.marker is not None else ""
        lines.append(" ".join([f"{package.name}=={package.version}{marker}", *hashes]))
    return "\n".join(lines)


def _listed(file: Path) -> Iterator[Requirement]:
    """Yield the requirements of a requirements.txt, whose lines may go on after a backslash."""
    text = _COMMENT.sub("", file.read_text().replace("\\\n", " "))
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("-"):
            raise DeclarationError(
                f"{file} has the line '{line}'; for an image every requirement stands there itself: name==version"
            )
        try:
            yield Requirement(_OPTION.sub("", line).strip())
        except InvalidRequirement as error:
            raise DeclarationError(f"{file} has the line '{line}', which is no requirement: {error}") from error


def _locked(file: Path) -> Iterator[Requirement]:
    """Yield the pinned packages of a pylock.toml."""
    for package in _pylock(file).packages:
        if package.version is None:
            raise DeclarationError(f"{file} has the package {package.name} without a version; an image needs one")
        marker = f"; {package.marker}" if package.marker is not None else ""
        yield Requirement(f"{package.name}=={package.version}{marker}")


def _pylock(file: Path) -> Pylock:
    try:
        return Pylock.from_dict(tomllib.loads(file.read_text()))
    except (tomllib.TOMLDecodeError, PylockValidationError) as error:
        raise DeclarationError(f"{file} is no pylock file: {error}") from error
