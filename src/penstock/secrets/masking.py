"""Which secrets this process has revealed, in all forms in which they turn up, and texts without them."""

from __future__ import annotations

import base64
import json
import mmap
import urllib.parse
from pathlib import Path

MASK = "***"
_SHORTEST_LINE = 8  # characters of a line of a secret (a key in PEM form) that is masked by itself

_revealed: dict[str, tuple[str, ...]] = {}  # by name, the forms


def remember(name: str, value: str) -> bool:
    """Take a secret as revealed; tell whether it was not before."""
    forms = _forms(value)
    known = _revealed.get(name, ())  # also of a value that it had before
    _revealed[name] = tuple(dict.fromkeys((*known, *forms)))
    return _revealed[name] != known


def forms() -> tuple[bytes, ...]:
    """Return what must not appear, the longest first, so that no shorter one leaves the rest of a longer one."""
    every = {form.encode() for found in _revealed.values() for form in found}
    return tuple(sorted(every, key=lambda form: (-len(form), form)))


def masked(text: str) -> str:
    """Return a text with every revealed secret as `***`."""
    for form in forms():
        text = text.replace(form.decode(), MASK)
    return text


def leaked_in(content: str | bytes | Path) -> str | None:
    """Return the name of a revealed secret that stands in a text, in bytes or in a file; None where none does."""
    if not _revealed:
        return None
    if isinstance(content, Path):
        if content.stat().st_size == 0:
            return None
        with content.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
            return _leaked(view)
    return _leaked(content.encode() if isinstance(content, str) else content)


def _leaked(content: bytes | mmap.mmap) -> str | None:
    for name, found in _revealed.items():
        if any(content.find(form.encode()) >= 0 for form in found):
            return name
    return None


def _forms(value: str) -> tuple[str, ...]:
    """Return how a secret is written: as it is, line by line, in JSON and `repr`, in addresses, in base64."""
    escaped = json.dumps(value)[1:-1]
    written = [value, escaped, json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]]
    written += [urllib.parse.quote(value, safe=""), urllib.parse.quote(value), urllib.parse.quote_plus(value)]
    written += [base64.b64encode(value.encode()).decode(), base64.urlsafe_b64encode(value.encode()).decode()]
    written += [line for line in value.splitlines() if len(line) >= _SHORTEST_LINE]
    return tuple(dict.fromkeys(form for form in written if form))
