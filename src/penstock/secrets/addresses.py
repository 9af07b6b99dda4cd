"""Addresses of databases and servers without the secrets in them: fit to be recorded, and to be shown."""

from __future__ import annotations

import re

REDIS_PASSWORD = "REDISCLI_AUTH"  # noqa: S105  # the variable's name, which redis-cli knows too

_PASSWORD = re.compile(r"(?<=://)([^/?#\s]*?):[^/?#\s]*(?=@)|(?<=://)([^/?#\s:]*):(?!\d+/)\S*(?=@)")
"""user:password before the last @ of an authority; a password that should have been quoted and was not, too."""
_SECRET = re.compile(
    r"(?i)([?&])((?:[\w.-]*(?:pass(?:word|wd|phrase)?|pwd|token|secret|credential|sslkey|key)[\w.-]*)=[^&#\s]*)"
)


def without_password(address: str) -> str:
    """Return an address without the password in it: of the user, or among the parameters.

    >>> without_password("postgresql://ann:hush@db:5432/runs?sslmode=require&sslpassword=hush")
    'postgresql://ann@db:5432/runs?sslmode=require'
    """
    open_ = _PASSWORD.sub(lambda found: found.group(1) or found.group(2) or "", address)
    path, question, rest = open_.partition("?")
    if not question:
        return open_
    kept = [each for each in rest.split("&") if not _SECRET.match(f"?{each}")]
    return path + (f"?{'&'.join(kept)}" if kept else "")
