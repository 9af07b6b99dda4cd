"""Models on their way to a server: a declaration as JSON, a reference as a path."""

from __future__ import annotations

from typing import Any

from penstock.core.model import Model
from penstock.errors import DeclarationError
from penstock.models import as_of_column
from penstock.models.notation import model_to_json
from penstock.remote.connection import segment


def model_form(declared: Model, timestamp: str | None = None) -> dict[str, Any]:
    """Return a declaration as the server takes it: every feature as the JSON of its expression; with `timestamp`, the
    column as of which it looks features up."""
    if not isinstance(declared, Model):
        raise DeclarationError(
            f"{declared!r} is no declaration of a model; over REST fit takes what ps.model(...) gives, "
            "and everything else is fitted where the project is"
        )
    return model_to_json(as_of_column(declared, timestamp))


def model_path(reference: str) -> str:
    """Return the path of what a reference names: `bicycle`, `bicycle@champion`, `bicycle/3`."""
    name, slash, version = reference.partition("/")
    return f"/v1/models/{segment(name)}" + (f"/versions/{segment(version)}" if slash else "")
