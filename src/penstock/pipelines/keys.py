"""The key of a step: a digest of all that decides what it gives, and its parts, by which changes are explained."""

from __future__ import annotations

import functools
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
from penstock.pipelines.arguments import given
from penstock.pipelines.fingerprint import Fingerprint, digest_of, fingerprint, shown
from penstock.pipelines.fingerprint_paths import shown_path
from penstock.pipelines.fingerprint_values import hashed
from penstock.pipelines.observed import observe
from penstock.pipelines.services import ImageRef, no_image

SCHEME = "penstock step 3"
"""Changes when the rules of this file do, so that older entries are never mistaken for hits."""
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_PLATFORM = f"{sys.platform}-{platform.machine()}"


@dataclass(frozen=True, slots=True)
class Key:
    """A key, and what it is made of: part name -> "<digest> <what a person sees of it>". `texts` are those in the code
    and the parameters that may name files."""

    digest: str
    parts: dict[str, str]
    texts: frozenset[str] = frozenset()


class Keys:
    """Makes the keys of one plan or run; what does not depend on upstream outputs is found once."""

    def __init__(
        self, *, root: Path, sources: Callable[[str], Source], images: Callable[[Step], ImageRef | None] = no_image
    ) -> None:
        self._root, self._sources, self._images = root, sources, images
        self._root_text = str(root)
        self._settled: dict[tuple[Any, ...], Key] = {}

    def source(self, text: str) -> Source:
        """Return the rows that a text stands for."""
        return self._sources(text)

    def settled(self, step: Step) -> Key:
        """Return what is known of a step's key before anything upstream has run: its code and what it declares."""
        # Calls of one function differ in their inputs only. (The function is kept alive by its step: ids stay its own.)
        same = (
            id(step.call), step.outputs, step.kinds, step.ignore, step.version, tuple(map(id, step.depends_on)),
            step.needs.image,
        )  # fmt: skip
        if same not in self._settled:
            self._settled[same] = self._settle(step)
        return self._settled[same]

    def declared(self, step: Step) -> dict[str, str]:
        """Return the parts that a person writes: code, and plain parameters."""
        return {**self._fingerprint(step, step.call).parts, **self.parameters(step)}

    def parameters(self, step: Step) -> dict[str, str]:
        """Return the parts of plain parameters, which do not wait for anything."""
        parts: dict[str, str] = {}
        for name, value in step.inputs.items():
            if (
                name not in step.ignore
                and not tuple(references(value))
                and step.kinds.get(name) not in ("source", "named")
            ):
                self._argument(step, name, given(step, name, value), parts, set())
        return parts

    def key(self, step: Step, arguments: Mapping[str, Any]) -> Key:
        """Return the key of a step whose arguments are known: references replaced by artifacts, texts by sources."""
        settled = self.settled(step)
        parts, texts = dict(settled.parts), set(settled.texts)
        words = [
            (name, self._argument(step, name, value, parts, texts))
            for name, value in arguments.items()
            if name not in step.ignore
        ]
        pairs = (text.encode() for pair in words for text in pair)
        return Key(hashed((SCHEME.encode(), settled.digest.encode(), *pairs)), parts, frozenset(texts))

    def _settle(self, step: Step) -> Key:
        code = self._fingerprint(step, step.call)
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
        if (image := self._images(step)) is not None:
            parts["image"] = f"{image.digest[:16]} {image.name}"
            words.append(f"image {image.digest}")
        name = getattr(step.call, "__qualname__", step.name)
        digest = digest_of((name, code.digest, outputs, kinds, _PYTHON, _PLATFORM, step.version, words))
        return Key(digest, parts, code.texts)

    def _dependency(self, step: Step, item: Any, parts: dict[str, str]) -> str:
        """A text or a path in `depends_on` names files; anything else is a value, or code, by its fingerprint."""
        if not isinstance(item, str | Path):
            found = self._fingerprint(step, item)
            parts.update(found.parts)
            return found.digest
        files = [file for file in _matching(self._root / item) if file.is_file()]
        if not files:
            raise DeclarationError(
                f"step '{step.name}' depends on {str(item)!r}, but there is no such file in {self._root}"
            )
        contents = {shown_path(str(file), self._root_text): observe(f"file:{file}") for file in files}
        parts |= {f"file {name}": digest[:16] for name, digest in contents.items()}
        return digest_of([*contents.items()])

    def _argument(self, step: Step, name: str, value: Any, parts: dict[str, str], texts: set[str]) -> str:
        declared = step.inputs.get(name)
        if isinstance(value, Source):
            digest = digest_of(("source", value.format, value.digest))
            parts[f"source {name}"] = f"{digest[:16]} {value.name}"
            return digest
        if isinstance(value, Named):
            digest = digest_of(_identity(value.artifact))
            parts[f"source {name}"] = f"{digest[:16]} {value.name}"
            return digest
        if isinstance(value, Artifact) and isinstance(declared, Ref):
            found = _artifact(value.kind, value.digest)
            parts[f"input {name}"] = f"{found.own[:16]} {declared.step}"
            return found.digest
        if isinstance(value, dict):
            parts |= {
                f"source {name}[{key!r}]": f"{digest_of(('source', item.format, item.digest))[:16]} {item.name}"
                for key, item in value.items()
                if isinstance(item, Source)
            }
        refs = tuple(references(declared))
        found = self._fingerprint(step, _identity(value) if refs else value, name)
        parts.update(found.parts)
        texts |= found.texts
        inside = isinstance(declared, Ref) and bool(declared.path) and not isinstance(value, Artifact)
        if not refs or inside:
            parts[f"parameter {name}"] = f"{found.own[:16]} {shown(value)}"
        else:
            parts[f"input {name}"] = f"{found.own[:16]} {', '.join(dict.fromkeys(ref.step for ref in refs))}"
        return found.digest

    def _fingerprint(self, step: Step, value: Any, parameter: str = "") -> Fingerprint:
        try:
            return fingerprint(value, ignore=step.ignore, version=step.version, root=self._root_text)
        except FingerprintError as error:
            where = f"the parameter '{parameter}' of step '{step.name}'" if parameter else f"step '{step.name}'"
            raise FingerprintError(f"{where}: {error}") from error


@functools.lru_cache(maxsize=4096)
def _artifact(kind: str, digest: str) -> Fingerprint:
    """Return the fingerprint of an artifact: of a wide pipeline's steps many have the same input."""
    return fingerprint(_identity(Artifact(digest=digest, kind=kind, uri="")))


def _matching(path: Path) -> list[Path]:
    """Return what a path or a pattern stands for, in the order of names; a folder for all files in it."""
    if path.is_dir():
        return sorted(path.rglob("*"))
    anchor = Path(path.anchor)
    return sorted(anchor.glob(str(path.relative_to(anchor))))


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
