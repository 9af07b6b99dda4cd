"""Models on their way to a server: a declaration as JSON, a reference as a path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from penstock.cascades import Cascade
from penstock.cascades.notation import cascade_to_json
from penstock.core.model import Model
from penstock.core.run import AliasChange
from penstock.errors import DeclarationError
from penstock.models import person
from penstock.models.notation import model_to_json
from penstock.project.given import as_of
from penstock.project.registered import Moving
from penstock.remote.connection import Server, segment


def fit_form(declared: Model | Cascade, timestamp: str | None = None) -> dict[str, Any]:
    """Return what is to be fitted as the server takes it: every feature as the JSON of its expression; with
    `timestamp`, the column as of which a model looks features up."""
    if not isinstance(declared, Model | Cascade):
        raise DeclarationError(
            f"{declared!r} is no declaration of a model; over REST fit takes what ps.model(...) and ps.cascade(...) "
            "give, and everything else is fitted where the project is"
        )
    found = as_of(declared, timestamp)
    return {"model": model_to_json(found)} if isinstance(found, Model) else {"cascade": cascade_to_json(found)}


def mover(server: Server) -> Moving:
    """Return what moves the aliases of a server's models, in the name of the user here if of nobody else."""

    def moved(name: str, verb: str, how: Mapping[str, Any]) -> AliasChange:
        asked = {**how, "by": how.get("by") or person()}
        return msgspec.convert(server.post(f"/v1/models/{segment(name)}:{verb}", asked), AliasChange)

    return moved


def model_path(reference: str) -> str:
    """Return the path of what a reference names: `bicycle`, `bicycle@champion`, `bicycle/3`."""
    name, slash, version = reference.partition("/")
    return f"/v1/models/{segment(name)}" + (f"/versions/{segment(version)}" if slash else "")
