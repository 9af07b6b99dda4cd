"""The body of the worker: open a task's arguments, call the function, publish what it returns."""

from __future__ import annotations

import inspect
import itertools
import os
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from time import time
from typing import Any

from penstock.core.artifact import Artifact, Source
from penstock.core.failure import names_of
from penstock.core.mapping import FrozenMap
from penstock.core.ports import ArtifactStore, Codec, Outcome, Task
from penstock.errors import CorruptArtifactError, PenstockError, StepError, UnknownNameError
from penstock.pipelines.declare import StepFunction
from penstock.pipelines.declining import EXPIRES, REQUEST, Unmade
from penstock.pipelines.kinds import base, fits, in_words, inner, is_optional, opened_as, takes
from penstock.pipelines.loaded import check_code
from penstock.pipelines.metrics import logging_metrics, metrics_file
from penstock.pipelines.modes import running_in
from penstock.pipelines.observed import observing, portable
from penstock.pipelines.retrying import is_final
from penstock.pipelines.secrecy import DiscreetStore
from penstock.pipelines.seeds import seeded
from penstock.pipelines.used_codecs import used_codecs
from penstock.secrets import MOUNTED, finding_secrets, masked
from penstock.values import COLLECTIONS, as_figure, is_whole, list_artifact, mapping_artifact, named_items

_HERE = os.path.dirname(__file__)
_PACKAGE = os.path.dirname(_HERE) + os.sep
_ALSO = {  # a step that declares a file may give a folder; one that declares a plain list, a list of tables
    "file": ("folder",),
    "json": COLLECTIONS,
}
_HELD_TO = frozenset({"table", "array", "model", "figure", "object", *COLLECTIONS})
_VALUE_TYPES = {"table": "a table", "json": "a plain value (JSON)", "text": "a text", "file": "the path of a file"}


def run_task(
    task: Task, store: ArtifactStore, codecs: Sequence[Codec], *, clock: Callable[[], float] = time
) -> Outcome:
    """Run one step and return how it ended; its outputs are in the store then.

    Whatever the step raises becomes a failed outcome here, the one place that catches user code. Ctrl-C goes through.
    """
    started = clock()
    try:
        check_code(task)
        by_kind = {codec.kind: codec for codec in codecs}
        arguments = opened_arguments(task, store, by_kind)
        metrics = logging_metrics(metrics_file(task.log))
        with finding_secrets(task.context.secrets), running_in(task.context.mode):
            with metrics, observing(ignored=_ignored(task)) as observed, seeded(task.seed):
                value = task.step.call(**arguments)
            outputs = _publish(task, value, DiscreetStore(store, task.step.name), codecs)
        observed |= used_codecs([*task.arguments.values(), *outputs.values()], store)
    except Unmade as made:
        return _unmade(task, made, store, by_kind, started=started, ended=clock())
    except (Exception, SystemExit) as error:
        said, ended = describe(error), clock()
        of = names_of(type(error))
        return Outcome(
            task=task.id,
            state="failed",
            error=said,
            final=is_final(error),
            failed_of=of,
            started=started,
            ended=ended,
        )
    return Outcome(
        task=task.id,
        state="succeeded",
        outputs=outputs,
        observed={portable(name, task.context.root): value for name, value in observed.items()},
        started=started,
        ended=clock(),
    )


def _unmade(
    task: Task, made: Unmade, store: ArtifactStore, codecs: Mapping[str, Codec], *, started: float, ended: float
) -> Outcome:
    asked = {REQUEST: codecs["json"].save(made.request, store)} if made.request else {}
    if made.expires is not None:
        asked = {name: replace(each, facts={**each.facts, EXPIRES: made.expires}) for name, each in asked.items()}
    said = masked(made.reason)
    return Outcome(task=task.id, state=made.state, outputs=asked, error=said, started=started, ended=ended)


def describe(error: BaseException) -> str:
    """Return an error for a person: what it says first, then where in the user's code it came from."""
    trace = error.__traceback__
    while trace is not None and os.path.dirname(trace.tb_frame.f_code.co_filename) == _HERE:
        trace = trace.tb_next
    if isinstance(error, PenstockError):
        frames = traceback.extract_tb(trace)
        theirs = list(itertools.takewhile(lambda frame: not frame.filename.startswith(_PACKAGE), frames))
        said, where = str(error), traceback.format_list(theirs)
        whole = len(frames) == len(theirs) > 0 and error.__cause__ is not None  # raised in their code: tell of what
    else:
        said, where = "".join(traceback.format_exception_only(error)).strip(), []
        whole = trace is not None
    if whole:
        where = traceback.format_exception(type(error), error, trace)
    text = f"{said}\n\n{''.join(where)}".rstrip()
    text = masked(text)
    return text.encode(errors="backslashreplace").decode()  # a record is UTF-8, what an error says may not be


def opened_arguments(task: Task, store: ArtifactStore, codecs: Mapping[str, Codec]) -> dict[str, Any]:
    """Return what the step's function is called with: artifacts opened as its annotations ask."""
    opened: dict[str, Any] = {}
    for name, value in task.arguments.items():
        try:
            opened[name] = _open(value, task.step.kinds.get(name, "any"), store, codecs)
        except _OtherKindError as error:
            raise _error(task, f"takes {error.wanted} as '{name}', but was given {error.given}") from None
    if os.getcwd() != task.context.root:  # a path is one of the project's
        paths = [
            name for name, value in opened.items() if isinstance(value, Path) and task.step.kinds.get(name) == "file"
        ]
        opened |= {name: Path(task.context.root, opened[name]) for name in paths}
    told = replace(task.context, seed=task.seed)
    context = {name: told for name, kind in task.step.kinds.items() if kind == "context"}
    return opened | context


def _open(value: Any, kind: str, store: ArtifactStore, codecs: Mapping[str, Codec]) -> Any:
    within = inner(kind) if base(kind) in COLLECTIONS else "any" if kind == "json" else kind
    match value:
        case Artifact():
            return _opened(value, kind, store, codecs)
        case list():
            return [_open(item, within, store, codecs) for item in value]
        case tuple() if type(value) is tuple:
            return tuple(_open(item, within, store, codecs) for item in value)
        case dict() | FrozenMap():
            return type(value)({key: _open(item, within, store, codecs) for key, item in value.items()})
    return value


class _OtherKindError(Exception):
    """An artifact of another kind than a parameter takes: what it is, is only known now."""

    def __init__(self, given: str, wanted: str) -> None:
        super().__init__(given, wanted)
        self.given, self.wanted = in_words(given), in_words(wanted)


def _opened(artifact: Artifact, kind: str, store: ArtifactStore, codecs: Mapping[str, Codec]) -> Any:
    if kind == "artifact":
        return artifact
    if artifact.kind in COLLECTIONS and (base(kind) in COLLECTIONS or kind == "json"):
        found = {key: _open(item, inner(kind), store, codecs) for key, item in named_items(artifact, store).items()}
        return list(found.values()) if artifact.kind == "list" else found
    if kind == "file" and artifact.kind not in ("folder", *COLLECTIONS):
        return store.path(artifact.digest)
    form = opened_as(artifact.kind, kind)
    if form not in codecs:
        raise UnknownNameError("kind of artifact", form, codecs)
    value = codecs[form].load(artifact, store)
    if base(kind) in _HELD_TO and not fits(artifact.kind, base(kind)) and value is not None:
        raise _OtherKindError(artifact.kind, kind)
    return value


def _ignored(task: Task) -> tuple[str, ...]:
    """What the step may read without that being news: the store, and the files of its sources."""
    sources = [value for value in task.arguments.values() if isinstance(value, Source)]
    uris = [uri.removeprefix("file://") for source in sources for uri in source.uris]
    state = (Path(task.context.root) / ".penstock", task.context.artifacts.removeprefix("file://"), task.log.parent)
    return (*map(str, (*state, MOUNTED)), *task.context.secrets.values(), *uris)


def _publish(task: Task, value: Any, store: ArtifactStore, codecs: Sequence[Codec]) -> dict[str, Artifact]:
    step = task.step
    if value is None and len(step.outputs) == 1 and _may_be_none(task):
        return {name: _save(task, name, "any", None, store, codecs) for name in step.outputs}
    values = _split(task, value)
    return {name: _save(task, name, step.outputs[name], one, store, codecs) for name, one in values.items()}


def _split(task: Task, value: Any) -> dict[str, Any]:
    names = tuple(task.step.outputs)
    if len(names) == 1:
        _check_returned(task, value)
        return {names[0]: value}
    given = f"returned {_described(value)}"
    if isinstance(value, Mapping):
        if set(value) != set(names):
            raise _error(
                task, f"declares the outputs {', '.join(names)}, but {given} with {', '.join(map(str, value))}"
            )
        return {name: value[name] for name in names}
    if not isinstance(value, tuple | list) or len(value) != len(names):
        count = f" of {len(value)}" if isinstance(value, tuple | list) else ""
        raise _error(task, f"declares the outputs {', '.join(names)}, but {given}{count}")
    return dict(zip(names, value, strict=True))


def _may_be_none(task: Task) -> bool:
    form = task.step.call.form if isinstance(task.step.call, StepFunction) else None
    return form is not None and is_optional(form.signature.return_annotation, form.names)


def _check_returned(task: Task, value: Any) -> None:
    form = task.step.call.form if isinstance(task.step.call, StepFunction) else None
    if form is not None and not takes(form.signature.return_annotation, form.names, value):
        declared = inspect.formatannotation(form.signature.return_annotation)
        raise _error(task, f"declares that it returns {declared}, but returned {_described(value)}")


def _save(task: Task, name: str, kind: str, value: Any, store: ArtifactStore, codecs: Sequence[Codec]) -> Artifact:
    if isinstance(value, Artifact):
        return _passed_on(task, value, store)
    if base(kind) == "list" and isinstance(value, list | tuple):
        saved = [_save(task, f"{name}[{at}]", inner(kind), item, store, codecs) for at, item in enumerate(value)]
        return list_artifact(saved, store)
    if base(kind) == "mapping" and isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        named = {key: _save(task, f"{name}[{key!r}]", inner(kind), item, store, codecs) for key, item in value.items()}
        return mapping_artifact(named, store)
    value = as_figure(value) if kind == "figure" else value
    for codec in codecs:
        if (base(kind) in ("any", codec.kind) or codec.kind in _ALSO.get(kind, ())) and codec.accepts(value):
            return codec.save(value, store)
    if kind == "any":
        raise _error(
            task,
            f"gave {_described(value)} as '{name}', which no codec can keep; return a table, plain values, bytes, a "
            f"figure or the path of a file, or declare how it is kept: ps.codec({type(value).__name__}, save=..., "
            "load=...) beside the type",
        )
    said = _VALUE_TYPES.get(base(kind)) or in_words(kind)
    raise _error(task, f"declares that '{name}' is {said}, but gave {_described(value)}")


def _passed_on(task: Task, artifact: Artifact, store: ArtifactStore) -> Artifact:
    """A step that returns an artifact gives what is in the store already, without reading it."""
    if not is_whole(artifact, store):
        raise CorruptArtifactError(
            f"step '{task.step.name}' gave the artifact {artifact.digest[:12]}, but its bytes are not in the store; "
            f"run what made it again ({artifact.made_by or 'unknown'})",
            digest=artifact.digest,
        )
    return artifact


def _described(value: Any) -> str:
    if isinstance(value, Path) and not value.exists():
        return f"the path '{value}' (there is nothing)"
    cls = type(value)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    return "None" if value is None else f"{'an' if name[0] in 'aeio' else 'a'} {name}"


def _error(task: Task, text: str) -> StepError:
    return StepError(f"step '{task.step.name}' {text}", step=task.step.name)
