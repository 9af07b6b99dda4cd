"""From what a person writes to what is recorded: artifacts by digest, step or name; runs by how their id begins."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice

from penstock.artifacts import versions
from penstock.artifacts.names import find_named
from penstock.artifacts.versions import NAMES
from penstock.core.artifact import Artifact
from penstock.core.ports import MetadataStore
from penstock.core.run import Run, StepRun
from penstock.errors import DeclarationError, RunError, UnknownNameError

_DIGEST = re.compile(r"[0-9a-f]{6,64}")
_DIGEST_LENGTH = 64
_SHOWN = 5
_PAGE = 500


def find_artifact(metadata: MetadataStore, reference: str) -> Artifact:
    """Return the artifact that a text means: `prices`, `prices@latest`, `prices/3`, `<run>/<step>`,
    `<run>/<step>.<output>`, or the beginning of a digest (six letters of it or more).

    A run is given by its id, the beginning of it, or `latest`. A name comes before a digest that is written alike.
    """
    name, separator, rest = versions.parted(reference)
    if separator == "@" or (name in versions.names(metadata, NAMES) and (not separator or rest.isdigit())):
        return find_named(metadata, reference)
    if separator == "/":
        step, output = find_step(metadata, name, rest)
        return _output(metadata, step, output)
    if _DIGEST.fullmatch(reference):
        return _by_digest(metadata, reference)
    raise UnknownNameError("artifact", reference, versions.names(metadata, NAMES))


def find_artifacts(
    metadata: MetadataStore,
    *,
    kind: str | None = None,
    made_by: str | None = None,
    min_bytes: int = 0,
    limit: int | None = None,
) -> list[Artifact]:
    """Return artifacts, newest first: of one kind, made by a run, a step of any run, or `<run>/<step>`, of a size."""
    fitting = (
        artifact
        for artifact in _newest_first(metadata, {} if kind is None else {"kind": kind})
        if (made_by is None or _made_by(artifact, made_by)) and size_of(artifact) >= min_bytes
    )
    return list(islice(fitting, limit))


def _newest_first(metadata: MetadataStore, equal: dict[str, str]) -> Iterator[Artifact]:
    """Yield artifacts page by page, so that the newest few are found without reading all."""
    after: Artifact | None = None
    while True:
        found = metadata.find(Artifact, newest_first=True, limit=_PAGE, after=after, **equal)
        yield from found
        if len(found) < _PAGE:
            return
        after = found[-1]


def find_run(metadata: MetadataStore, text: str) -> Run:
    """Return the one run that a text means: its id, the beginning of it, or `latest`."""
    if (exact := metadata.get(Run, text)) is not None:
        return exact
    if text == "latest" and (newest := metadata.find(Run, newest_first=True, limit=1)):
        return newest[0]
    runs = metadata.find(Run, newest_first=True)
    found = [run for run in runs if text and run.id.startswith(text)]
    if len(found) > 1:
        raise DeclarationError(f"'{text}' begins {len(found)} runs: {_some([run.id for run in found])}; give more")
    if not found:
        raise UnknownNameError("run", text, [run.id for run in runs[:_SHOWN]])
    return found[0]


def find_step(metadata: MetadataStore, run: str, text: str) -> tuple[StepRun, str]:
    """Return the step run, and the output, that `<step>` or `<step>.<output>` of a run means; no output is ""."""
    found = find_run(metadata, run)
    if (whole := metadata.get(StepRun, found.id, text)) is not None:
        return whole, ""
    step, _, output = text.rpartition(".")
    if step and (record := metadata.get(StepRun, found.id, step)) is not None:
        return record, output
    known = [record.step for record in metadata.find(StepRun, run=found.id)]
    raise UnknownNameError("step", text, known, within=f"run {found.id}")


def size_of(artifact: Artifact) -> int:
    """Return how many bytes an artifact's record says that it has."""
    size = artifact.facts.get("size_bytes", 0)
    return size if isinstance(size, int) else 0


def _output(metadata: MetadataStore, step: StepRun, output: str) -> Artifact:
    only = next(iter(step.artifacts)) if len(step.artifacts) == 1 else "result"
    wanted = output or only
    where = f"step '{step.step}' of run {step.run}"
    if wanted not in step.artifacts:
        if not step.artifacts:
            raise RunError(f"{where} gave nothing: it {_how(step)}", run_id=step.run)
        raise UnknownNameError("output", wanted, step.artifacts, within=where)
    digest = step.artifacts[wanted]
    found = metadata.get(Artifact, digest)
    if found is None:
        raise RunError(
            f"artifact {digest[:12]}, which {where} gave, is not recorded any more (penstock gc collects what no kept "
            "run, name or model needs); run the pipeline again",
            run_id=step.run,
        )
    return found


def _how(step: StepRun) -> str:
    return f"was {step.state}: {step.reason}" if step.state in ("skipped", "cancelled") else f"is {step.state}"


def _by_digest(metadata: MetadataStore, beginning: str) -> Artifact:
    if len(beginning) == _DIGEST_LENGTH:
        exact = metadata.get(Artifact, beginning)
        found = [] if exact is None else [exact]
    else:
        found = [artifact for artifact in metadata.find(Artifact) if artifact.digest.startswith(beginning)]
    if len(found) > 1:
        shown = _some([artifact.digest[:16] for artifact in found])
        raise DeclarationError(f"'{beginning}' begins {len(found)} digests: {shown}; give more")
    if not found:
        recent = metadata.find(Artifact, newest_first=True, limit=_SHOWN)
        raise UnknownNameError("artifact", beginning, [artifact.digest[:12] for artifact in recent])
    return found[0]


def _made_by(artifact: Artifact, wanted: str) -> bool:
    run, _, step = artifact.made_by.partition("/")
    return wanted in (artifact.made_by, step) or run.startswith(wanted)


def _some(items: Sequence[str]) -> str:
    return ", ".join(items[:_SHOWN])
