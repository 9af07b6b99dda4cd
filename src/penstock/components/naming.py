"""Components that give artifacts names, and take artifacts by their names: name, named."""

from __future__ import annotations

from typing import Any

from penstock.artifacts import name_artifact
from penstock.core.artifact import Artifact, Named
from penstock.core.ports import Context
from penstock.errors import DeclarationError
from penstock.pipelines import note, step
from penstock.stores import open_artifacts, open_metadata


@step
def name(
    artifact: Artifact, name: str, *, alias: str = "latest", expires: float | str | None = None, context: Context
) -> dict[str, Any]:
    """Make what a step gave the next version of `name`, and point `alias` at it: `ps.name(rows, "prices")`.

    The same artifact again is the same version. A name keeps its artifact from being collected, with `expires` ("30d")
    for so long. It is up to date while the alias stays there.
    """
    metadata = open_metadata(context.metadata)
    version = name_artifact(
        metadata,
        open_artifacts(context.artifacts),
        artifact,
        name,
        alias=alias,
        expires=expires,
        reason=f"named by run {context.run}",
        lineage={"run": context.run, "step": context.step, "artifact": artifact.made_by},
    )
    note(f"name:{name}@{alias}", str(version.version))
    return {"name": name, "version": version.version, "alias": alias, "digest": artifact.digest}


@step
def named(artifact: Named) -> Artifact:
    """Take an artifact by its name, whoever made it: `ps.named("prices@latest")`, `"prices/3"`, or `"prices"`.

    What the name stands for is part of the step's key: when it moves, what reads it runs again.
    """
    if isinstance(artifact, str):  # called as a plain function, outside a pipeline
        raise DeclarationError(
            f"ps.named({artifact!r}) is an input of a pipeline; outside one: project.repository[{artifact!r}].load()"
        )
    return artifact.artifact
