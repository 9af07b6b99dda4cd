"""References -> what they stand for: artifacts, or the plain value inside one; conditions -> true or false."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from penstock.core.artifact import Artifact, Named, Source
from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Condition, Maybe, Ref, Step, references
from penstock.errors import StepError, UnknownNameError

Outputs = Mapping[str, Mapping[str, Artifact]]
"""Step name -> output name -> artifact."""


def resolve(value: Any, outputs: Outputs, load: Callable[[Artifact], Any]) -> Any:
    """Return `value` with every `Ref` replaced by its artifact (with a path: by the value there), every
    `Maybe` by what is there of it, and every `Condition` by its truth.

    `load` opens an artifact; of a list or mapping of artifacts it gives the artifacts in it. So `tables[0]` is that one
    artifact, and no other is opened.
    """
    match value:
        case Ref(path=()):
            return outputs[value.step][value.output]
        case Ref():
            return _inside(value, outputs[value.step][value.output], load)
        case Maybe(ref=ref, default=default):
            return resolve(ref, outputs, load) if ref.step in outputs else default
        case Condition():
            return _truth(value, outputs, load)
        case list():
            return [resolve(item, outputs, load) for item in value]
        case tuple() if type(value) is tuple:
            return tuple(resolve(item, outputs, load) for item in value)
        case dict() | FrozenMap():
            return type(value)({key: resolve(item, outputs, load) for key, item in value.items()})
    return value


def given(step: Step, name: str, value: Any) -> Any:
    """Return a plain value as the step gets it: a text where a path is declared is a path."""
    return Path(value) if step.kinds.get(name) == "file" and isinstance(value, str) else value


def decide(condition: Condition | Ref | bool | None, outputs: Outputs, load: Callable[[Artifact], Any]) -> bool:
    """Tell whether a step's `when` holds; raises `StepError` naming what it could not compare."""
    return True if condition is None else bool(_operand(condition, outputs, load))


def read_by(step: Step, arguments: Mapping[str, Any], outputs: Outputs) -> dict[str, str]:
    """Return the digest of all that a step reads, by where it goes: `rows`, `parts[0]`, `parts['a']`. What is read only
    for a value inside, or to decide whether the step runs, comes as `good from ['mae']`, `when from ['mae']`."""
    found: dict[str, str] = {}
    for name, value in arguments.items():
        found.update(_digests(name, value))
    seen = set(found.values())
    for name, declared in (*step.inputs.items(), ("when", step.when)):
        for ref in references(declared) if name not in found else ():
            artifact = outputs.get(ref.step, {}).get(ref.output)
            if artifact is not None and artifact.digest not in seen:
                seen.add(artifact.digest)
                inside = "".join(f"[{key!r}]" for key in ref.path)
                found[f"{name} from {inside}" if inside else name] = artifact.digest
    return found


def _digests(place: str, value: Any) -> Iterator[tuple[str, str]]:
    match value:
        case Artifact() | Source():
            yield place, value.digest
        case Named():
            yield place, value.artifact.digest
        case list() | tuple():
            for position, item in enumerate(value):
                yield from _digests(f"{place}[{position}]", item)
        case dict() | FrozenMap():
            for key, item in value.items():
                yield from _digests(f"{place}[{key!r}]", item)


def _truth(condition: Condition, outputs: Outputs, load: Callable[[Artifact], Any]) -> bool:
    left = _operand(condition.left, outputs, load)
    match condition.op:
        case "not":
            return not left
        case "and":
            return bool(left and _operand(condition.right, outputs, load))
        case "or":
            return bool(left or _operand(condition.right, outputs, load))
    right = _operand(condition.right, outputs, load)
    try:
        match condition.op:
            case "eq":
                return bool(left == right)
            case "lt":
                return bool(left < right)
            case "le":
                return bool(left <= right)
            case "gt":
                return bool(left > right)
            case _:
                return bool(left >= right)
    except TypeError as error:
        raise StepError(f"when={condition!r} compares {left!r} with {right!r}: {error}") from error


def _operand(value: Any, outputs: Outputs, load: Callable[[Artifact], Any]) -> Any:
    found = resolve(value, outputs, load)
    return load(found) if isinstance(found, Artifact) else found


def _inside(ref: Ref, value: Any, load: Callable[[Artifact], Any]) -> Any:
    for key in ref.path:
        value = load(value) if isinstance(value, Artifact) else value
        try:
            value = value[key]
        except (KeyError, IndexError, TypeError) as error:
            if isinstance(value, Mapping):
                raise UnknownNameError(
                    "key", str(key), map(str, value), within=f"what step '{ref.step}' gave"
                ) from error
            length = f" of {len(value)}" if isinstance(value, list) else ""
            raise StepError(
                f"{ref!r}: step '{ref.step}' gave a {type(value).__name__}{length} without {key!r}"
            ) from error
    return value
