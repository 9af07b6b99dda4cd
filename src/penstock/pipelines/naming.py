"""What a step or a pipeline may be called: its name stands in paths of logs and in addresses of the server."""

from __future__ import annotations

import re

from penstock.errors import DeclarationError

_NAME = re.compile(r"\w[^/\\:\x00-\x1f]*")


def checked_name(name: object, what: str) -> str:
    """Return the name; raises `DeclarationError` where it cannot be one of a `what` (a step, a pipeline)."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise DeclarationError(
            f"{name!r} cannot be the name of a {what}; a name starts with a letter or digit and has no slash or colon"
        )
    return name
