"""Flags of rows: tensors that say where something holds; None stands for one that holds nowhere."""

from __future__ import annotations

from penstock.operations.tensors.recording import Recorder


def either(t: Recorder, *flags: str | None) -> str | None:
    """Return where any of the flags is set."""
    known = list(dict.fromkeys(flag for flag in flags if flag is not None))
    if not known:
        return None
    found = known[0]
    for flag in known[1:]:
        found = t.node("Or", found, flag)
    return found


def both(t: Recorder, one: str | None, other: str | None) -> str | None:
    """Return where both flags are set."""
    return None if one is None or other is None else one if one == other else t.node("And", one, other)


def unless(t: Recorder, flag: str | None, other: str | None) -> str | None:
    """Return where the flag is set and the other is not."""
    return flag if flag is None or other is None else t.node("And", flag, t.node("Not", other))


def chosen(t: Recorder, condition: str, one: str | None, other: str | None) -> str | None:
    """Return the one flag where the condition holds, else the other."""
    if one == other:
        return one
    return either(t, both(t, condition, one), unless(t, other, condition))
