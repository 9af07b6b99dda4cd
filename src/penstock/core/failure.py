"""What a step failed of, as names: of the classes of what it raised, or of the way in which its process ended."""

from __future__ import annotations

from typing import Literal, TypeAlias

Ending: TypeAlias = Literal["killed", "timeout", "hung", "memory"]
"""`killed` is also a crash, or a process or container that could not be started."""


def names_of(error: type[BaseException]) -> tuple[str, ...]:
    """Return the names of an exception's class, bare and with its module, and of those that it derives from."""
    return tuple(dict.fromkeys(name for each in error.__mro__[:-1] for name in (each.__name__, qualified(each))))


def qualified(error: type[BaseException]) -> str:
    """Return the one name that tells an exception's class from all others."""
    return error.__name__ if error.__module__ == "builtins" else f"{error.__module__}.{error.__qualname__}"


ENDINGS: dict[Ending, tuple[str, ...]] = {
    "killed": ("killed",),
    "timeout": ("timeout", *names_of(TimeoutError)),
    "hung": ("hung",),
    "memory": ("memory", *names_of(MemoryError)),
}
"""The names of each: where Python has an exception for it, that one's too."""
