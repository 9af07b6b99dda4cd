"""What a lineage may be asked for: a run, a step of one, an artifact, a version of a model or of a name."""

from __future__ import annotations

from penstock.artifacts import versions
from penstock.artifacts.finding import find_artifact, find_run, find_step
from penstock.artifacts.lineage import Start
from penstock.artifacts.versions import MODELS, NAMES
from penstock.core.ports import MetadataStore
from penstock.core.run import StepRun
from penstock.errors import DeclarationError, UnknownNameError


def find_start(metadata: MetadataStore, what: str) -> list[Start]:
    """Return what a text means: a run (`latest`, or the beginning of its id), `<run>/<step>`, `<run>/<step>.<output>`,
    a model (`bicycle`, `bicycle@champion`, `bicycle/3`), a name (`prices@latest`), the beginning of a digest.

    Where a model and an artifact have one name, `model:bicycle` or `name:bicycle` says which.
    """
    sort, colon, rest = what.partition(":")
    if colon and sort in ("model", "name"):
        return [
            versions.resolve(metadata, MODELS, rest) if sort == "model" else versions.resolve(metadata, NAMES, rest)
        ]
    name, separator, after = versions.parted(what)
    is_model, is_name = name in versions.names(metadata, MODELS), name in versions.names(metadata, NAMES)
    if is_model and is_name:
        raise DeclarationError(f"'{name}' is a model and an artifact; write model:{what} or name:{what}")
    if is_model:
        return [versions.resolve(metadata, MODELS, what)]
    if is_name:
        return [versions.resolve(metadata, NAMES, what)]
    if separator == "/":
        step, output = find_step(metadata, name, after)
        return [find_artifact(metadata, what)] if output else [step]
    return _artifact_or_run(metadata, what)


def _artifact_or_run(metadata: MetadataStore, what: str) -> list[Start]:
    try:
        return [find_artifact(metadata, what)]
    except UnknownNameError:
        pass
    try:
        run = find_run(metadata, what)
    except UnknownNameError as error:
        known = [*versions.names(metadata, MODELS), *versions.names(metadata, NAMES), *error.known]
        raise UnknownNameError("artifact, model or run", what, known) from None
    return [*sorted(metadata.find(StepRun, run=run.id), key=lambda step: step.position)]
