"""`secret`: the name of something that is known only where it is used."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.errors import DeclarationError
from penstock.secrets.guarding import reveal

MOUNTED = Path("/run/secrets")
"""Where Docker, podman and Kubernetes put secrets: a file each, named as the secret."""

FILE = ""
"""Among the places of secrets, the file that holds several."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SHORTEST = 4  # characters: what is shorter stands in every log by chance


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A secret by its name, which is all that is kept of it: in keys, records and logs. `get` reads it."""

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise DeclarationError(f"{self.name!r} is no name of a secret; give letters, digits, '_', '.' and '-'")

    def get(self) -> str:
        """Return the secret: from the environment variable of its name, else from the files that `[secrets]` of
        penstock.toml names, else from `/run/secrets/NAME`. From now on it is masked in what the step prints."""
        value = self.find(_places)
        if value is None:
            raise DeclarationError(self.missing(_places))
        if len(value) < _SHORTEST:
            raise DeclarationError(
                f"the secret '{self.name}' has less than {_SHORTEST} characters, so it cannot be kept out of logs, "
                "where it stands by chance; use a longer one, or a plain parameter if it is none"
            )
        reveal(self.name, value)
        return value

    def find(self, places: Mapping[str, str]) -> str | None:
        """Return the secret without revealing it, or None; `places` are files by name, `FILE` holds several."""
        if (value := os.environ.get(self.name)) is not None:
            return value
        for path in (places.get(self.name), MOUNTED / self.name):
            if path is not None and os.path.isfile(path):
                return _text(Path(path)).removesuffix("\n").removesuffix("\r")
        return _entries(places[FILE]).get(self.name) if os.path.isfile(places.get(FILE, "")) else None

    def missing(self, places: Mapping[str, str]) -> str:
        """Return the message that it is nowhere to be found, and what to do."""
        looked = [
            f"the environment variable {self.name}",
            *(path for name, path in places.items() if name == self.name),
        ]
        looked += [f"{path} (as {self.name} = ...)" for name, path in places.items() if name == FILE]
        looked.append(str(MOUNTED / self.name))
        return f"the secret '{self.name}' is not there; looked for {', '.join(looked)}. Set one of them"

    def __repr__(self) -> str:
        return f"ps.secret({self.name!r})"


def secret(name: str) -> Secret:
    """Name a secret: pass it to a step whose parameter is annotated `ps.Secret`, which reads it with `.get()`."""
    return Secret(name)


@contextmanager
def finding_secrets(places: Mapping[str, str]) -> Iterator[None]:
    """Look for secrets in these files too while the block lasts."""
    global _places
    before, _places = _places, places
    try:
        yield
    finally:
        _places = before


_places: Mapping[str, str] = {}


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise DeclarationError(f"the secret in {path} cannot be read: {type(error).__name__}") from None


def _entries(path: str) -> dict[str, str]:
    """Return the secrets of a TOML file. What is wrong in it is said without quoting it."""
    try:
        content: dict[str, Any] = tomllib.loads(_text(Path(path)))
    except tomllib.TOMLDecodeError as error:
        place = str(error).rpartition("(")[2].rstrip(")")
        raise DeclarationError(f'{path} is not valid TOML ({place}); write lines like NAME = "..."') from None
    if wrong := [name for name, value in content.items() if not isinstance(value, str)]:
        raise DeclarationError(f'{path}: {", ".join(wrong)} must be texts: NAME = "..."')
    return content
