"""What a step failed of, as names: of the classes of what it raised, or of the way in which its process ended."""

from __future__ import annotations

from typing import Literal, TypeAlias

Ending: TypeAlias = Literal["killed", "timeout", "hung", "memory"]

ENDINGS: dict[Ending, tuple[str, ...]] = {
    "killed": ("killed",),  # by somebody, by a crash, by os._exit(); with its container; or it could not be started
    "timeout": ("timeout", *(each.__name__ for each in TimeoutError.__mro__[:-1])),
    "hung": ("hung",),
    "memory": (
        "memory",
        *(each.__name__ for each in MemoryError.__mro__[:-1]),
    ),  # its limit, or the machine's
}
"""The names of each: where Python has an exception for it, that one's too."""


def names_of(error: type[BaseException]) -> tuple[str, ...]:
    """Return the names of an exception's class and of those that it derives from: `ConnectionResetError`, and with the
    module too where it is no built-in one: `HTTPError`, `requests.exceptions.HTTPError`."""
    names: list[str] = []
    for each in error.__mro__[:-1]:
        names += [each.__name__] if each.__module__ == "builtins" else [each.__name__, qualified(each)]
    return tuple(dict.fromkeys(names))


def qualified(error: type[BaseException]) -> str:
    """Return the one name that tells an exception's class from all others."""
    return error.__name__ if error.__module__ == "builtins" else f"{error.__module__}.{error.__qualname__}"
