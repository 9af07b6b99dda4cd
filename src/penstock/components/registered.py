"""A model graph by the name under which it is registered, as a step finds it."""

from __future__ import annotations

from penstock import models
from penstock.core.artifact import Artifact
from penstock.core.ports import Context
from penstock.errors import CorruptArtifactError, DeclarationError, UnknownNameError
from penstock.models import ModelGraph
from penstock.models.keeping import ModelCodec
from penstock.pipelines import note
from penstock.stores import open_artifacts, open_metadata


def registered(name: str, context: Context | None, *, asked: str) -> ModelGraph | None:
    """Return the registered model graph of a name ("fares@champion"), or None where there is none yet; it is news to
    the step when that changes. `asked` is what names it, for the error: "bless: baseline".
    """
    if context is None:
        model = name.partition("@")[0]
        raise DeclarationError(
            f"{asked}='{name}' names a registered model, which only a step of a project finds; give the graph: "
            f"project.models['{model}'].load()"
        )
    metadata = open_metadata(context.metadata)
    try:
        version = models.resolve_version(metadata, name)
    except UnknownNameError:
        note(f"alias:{name}", "")
        return None
    note(f"alias:{name}", str(version.version))
    found = metadata.get(Artifact, version.digest)
    if found is None:
        raise CorruptArtifactError(
            f"the graph of '{name}', version {version.version}, is not recorded any more; promote another version",
            digest=version.digest,
        )
    return ModelCodec().load(found, open_artifacts(context.artifacts))
