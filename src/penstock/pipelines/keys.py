"""The key of a step: a digest of all that decides what it gives, and its parts, by which changes are explained."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.core.artifact import Artifact, Named, Source
from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Ref, Step, references
from penstock.errors import DeclarationError, FingerprintError
from penstock.pipelines.fingerprint import Fingerprint, digest_of, fingerprint, shown
from penstock.pipelines.observed import observe_file

SCHEME = "penstock step 1"
"""Changes when the rules of this file do, so that older entries are never mistaken for hits."""
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_PLATFORM = f"{sys.platform}-{platform.machine()}"


@dataclass(frozen=True, slots=True)
class Key:
    """A key, and what it is made of: part name -> "<digest> <what a person sees of it>"."""

    digest: str
    parts: dict[str, str]


class Keys:
    """Makes the keys of one plan or run; what does not depend on upstream outputs is found once."""

    def __init__(self, *, root: Path, sources: Callable[[str], Source]) -> None:
        self._root, self._sources = root, sources
        self._settled: dict[tuple[Any, ...], Key] = {}

    def source(self, text: str) -> Source:
        """Return the rows that a text stands for."""
        return self._sources(text)

    def settled(self, step: Step) -> Key:
        """Return what is known of a step's key before anything upstream has run: its code and what it declares."""
        # Calls of one function differ in their inputs only. (The function is kept alive by its step: ids stay its own.)
        same = (id(step.call), step.outputs, step.kinds, step.ignore, step.version, tuple(map(id, step.depends_on)))
        if same not in self._settled:
            self._settled[same] = self._settle(step)
        return self._settled[same]

    def parameters(self, step: Step) -> dict[str, str]:
        """Return the parts of plain parameters, which do not wait for anything."""
        parts: dict[str, str] = {}
        for name, value in step.inputs.items():
            if (
                name not in step.ignore
                and not tuple(references(value))
                and step.kinds.get(name) not in ("source", "named")
            ):
                self._argument(step, name, value, parts)
        return parts

    def key(self, step: Step, arguments: Mapping[str, Any]) -> Key:
        """Return the key of a step whose arguments are known: references replaced by artifacts, texts by sources."""
        settled = self.settled(step)
        parts = dict(settled.parts)
        words = [
            (name, self._argument(step, name, value, parts))
            for name, value in arguments.items()
            if name not in step.ignore
        ]
        return Key(digest_of((SCHEME, settled.digest, words)), parts)

    def _settle(self, step: Step) -> Key:
        code = _named_error(step, lambda: fingerprint(step.call, ignore=step.ignore, version=step.version))
        parts = dict(code.parts)
        outputs, kinds = tuple(step.outputs.items()), tuple(step.kinds.items())
        parts |= {
            "outputs": f"{digest_of((outputs, kinds))[:16]} {', '.join(step.outputs)}",
            "python": _PYTHON,
            "platform": _PLATFORM,
        }
        if step.version:
            parts["version"] = step.version
        words = [self._dependency(step, item, parts) for item in step.depends_on]
        name = getattr(step.call, "__qualname__", step.name)
        return Key(digest_of((name, code.digest, outputs, kinds, _PYTHON, _PLATFORM, step.version, words)), parts)

    def _dependency(self, step: Step, item: Any, parts: dict[str, str]) -> str:
        """A text or a path in `depends_on` names files; anything else is a value, or code, by its fingerprint."""
        if not isinstance(item, str | Path):
            found = _named_error(step, lambda: fingerprint(item, ignore=step.ignore, version=step.version))
            parts.update(found.parts)
            return found.digest
        path = self._root / item
        anchor = Path(path.anchor)
        files = sorted(file for file in anchor.glob(str(path.relative_to(anchor))) if file.is_file())
        if not files:
            raise DeclarationError(
                f"step '{step.name}' depends on {str(item)!r}, but there is no such file in {self._root}"
            )
        contents = [(str(file.relative_to(anchor)), observe_file(f"file:{file}")) for file in files]
        for file, (_, digest) in zip(files, contents, strict=True):
            parts[f"file {file.name}"] = f"{digest[:16]} {item}"
        return digest_of([digest for _, digest in contents])

    def _argument(self, step: Step, name: str, value: Any, parts: dict[str, str]) -> str:
        declared = step.inputs.get(name)
        if isinstance(value, Source):
            digest = digest_of(("source", value.format, value.digest))
            parts[f"source {name}"] = f"{digest[:16]} {value.name}"
        elif isinstance(value, Named):
            digest = digest_of(_identity(value.artifact))
            parts[f"source {name}"] = f"{digest[:16]} {value.name}"
        elif refs := tuple(references(declared)):
            digest = digest_of(_identity(value))
            plain = isinstance(declared, Ref) and bool(declared.path) and not isinstance(value, Artifact)
            seen = shown(value) if plain else ", ".join(dict.fromkeys(ref.step for ref in refs))
            parts[f"{'parameter' if plain else 'input'} {name}"] = f"{digest[:16]} {seen}"
        else:
            found = _named_error(step, lambda: fingerprint(value, ignore=step.ignore, version=step.version), name)
            digest = found.digest
            parts.update(found.parts)
            parts[f"parameter {name}"] = f"{digest[:16]} {shown(value)}"
        return digest


def _identity(value: Any) -> Any:
    """What tells inputs apart: an artifact's content, wherever it lies and whoever made it."""
    match value:
        case Artifact():
            return ("artifact", value.kind, value.digest)
        case list():
            return [_identity(item) for item in value]
        case tuple() if type(value) is tuple:
            return tuple(_identity(item) for item in value)
        case dict() | FrozenMap():
            return {key: _identity(item) for key, item in value.items()}
    return value


def _named_error(step: Step, make: Callable[[], Fingerprint], parameter: str = "") -> Fingerprint:
    try:
        return make()
    except FingerprintError as error:
        where = f"the parameter '{parameter}' of step '{step.name}'" if parameter else f"step '{step.name}'"
        raise FingerprintError(f"{where}: {error}") from error
