"""Lengths of time and sizes of memory as people write them: "10m", "2GiB"."""

from __future__ import annotations

import re

from penstock.errors import DeclarationError

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_FORM = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]+)\s*")


def seconds(value: float | str, what: str) -> float:
    """Return seconds of a number of seconds, or a text such as "90s", "10m", "1h", "1d"; `what` is for the error."""
    return _measure(value, _SECONDS, what, "10m")


def memory_bytes(value: int | str, what: str) -> int:
    """Return bytes of a number of bytes, or a text such as "512MiB", "2GB"."""
    return int(_measure(value, _BYTES, what, "2GiB"))


def _measure(value: float | str, units: dict[str, float] | dict[str, int], what: str, example: str) -> float:
    if isinstance(value, str):
        match = _FORM.fullmatch(value)
        number, unit = match.groups() if match else ("", "")
        result = float(number) * units[unit] if unit in units else -1.0
    else:
        result = -1.0 if isinstance(value, bool) else float(value)
    if result <= 0:
        raise DeclarationError(
            f'{what} is {value!r}; write a positive number and a unit ({", ".join(units)}): "{example}"'
        )
    return result
