"""Two sets of key parts -> the change between them, in words."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.pipelines.places import place_of

NEVER_RAN = "never ran"
"""The reason to run of a step that no run has run."""

_ORDER = (
    "parameter", "source", "input", "code", "file", "global", "captured", "version", "library", "outputs", "image",
    "python", "platform",
)  # fmt: skip


def change(step: str, new: Mapping[str, str], old: Mapping[str, str], *, only_known: bool = False) -> str:
    """Return what changed for a step from `old` to `new` parts, the most telling first, or "" where nothing did.

    With `only_known`, parts that `new` lacks are not known yet and do not count.
    """
    names = [name for name in changed(new, old) if not (only_known and name not in new)]
    names.sort(
        key=lambda name: _ORDER.index(name.partition(" ")[0]) if name.partition(" ")[0] in _ORDER else len(_ORDER)
    )
    telling = [name for name in names if name in new and name in old] or names
    if not telling:
        return ""
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return _words(step, telling[0], new, old) + more


def changed(new: Mapping[str, str], old: Mapping[str, str]) -> list[str]:
    """Return the names of the parts that differ."""
    return [name for name in {**new, **old} if _value(new, name) != _value(old, name)]


def observed_change(name: str, before: str, now: str) -> str:
    """Return in words that something which a step looked at, outside its arguments, is not as it was."""
    kind, _, what = name.partition(":")
    match kind:
        case "file":
            return f"file {what}, which it reads, {_happened(before, now)}"
        case "code":
            return f"code of {what}, which it imports, {_happened(before, now)}"
        case "names":
            return f"the files in folder {what}, which it lists, {'changed' if now else 'are gone'}"
        case "matches":
            return f"the files that match {what}, which it names, changed"
        case "env":
            return f"environment variable {what}, which it reads, {_happened(before, now, 'is set')}"
    if kind == "codec":
        return f"code of the codec {what}, which keeps what it takes or gives, {_happened(before, now)}"
    return f"{kind} {what}, which it reads, {_happened(before, now)}"


def _happened(before: str, now: str, appeared: str = "is there now") -> str:
    return appeared if not before else "changed" if now else "is gone"


def _value(parts: Mapping[str, str], name: str) -> str:
    return parts.get(name, "").partition(" ")[0]


def _words(step: str, part: str, new: Mapping[str, str], old: Mapping[str, str]) -> str:
    kind, _, name = part.partition(" ")
    after = new.get(part, "").partition(" ")[2]
    before = old.get(part, "").partition(" ")[2]
    short = name.rpartition(".")[2]
    match kind:
        case "parameter" if part in new and part in old:
            return f"parameter {name} changed{_from_to(before, after)}"
        case "source":
            return f"source {after or before} changed"
        case "input":
            return f"what {after or before} gives ({name}) changed"
        case "global" | "captured" if part in new and part in old:
            place = place_of(name) if kind == "global" else _written(name.rpartition(".")[0], new)
            return f"{kind} {short} changed{_from_to(before, after)}" + (f" ({place})" if place else "")
        case "code" if part in new and part in old:
            place = after if ":" in after else place_of(name) or after
            return f"code of {step} changed: {place}" + (f" {short}" if short != step else "")
        case "file" if part in new and part in old:
            return f"file {name} changed"
        case "library" if part in new and part in old:
            return f"{name} changed{_from_to(old[part], new[part])}"
        case "version" | "python" | "platform":
            return f"{kind} changed{_from_to(old.get(part, 'none'), new.get(part, 'none'))}"
        case "image" if part in new and part in old:
            return f"image {after} changed" if after == before else f"image changed {before} -> {after}"
        case "image":
            return f"{step} now runs in the image {after}" if part in new else f"{step} no longer runs in an image"
        case "outputs":
            return f"the declared inputs and outputs of {step} changed"
    if kind == "file":
        return f"file {name} is {'there now' if part in new else 'gone, or is not named any more'}"
    if part in new:
        return (
            f"{step} now has the {kind} {name}" if kind == "parameter" else f"{step} now uses {short} ({after or kind})"
        )
    return (
        f"{step} no longer has the {kind} {name}"
        if kind == "parameter"
        else f"{step} no longer uses {short} ({before or kind})"
    )


def _written(function: str, parts: Mapping[str, str]) -> str:
    return parts.get(f"code {function}", "").partition(" ")[2]


def _from_to(before: str, after: str) -> str:
    return f" {before} -> {after}" if before and after and before != after else ""
