"""What the server has done by processes of their own: they see the user's code as it is now, and outlive the server."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from penstock import pipelines
from penstock.errors import RunError
from penstock.serving.forms import PlanForm, RunForm, TuneForm, VerifyForm

_PLAN_SECONDS = 60.0


def start_run(root: Path, pipeline: str, form: RunForm, *, run_id: str = "") -> dict[str, Any]:
    """Start a run as a process of its own and return what it says first: `{"id": ...}`, or `{"error": {...}}`."""
    return pipelines.start_run(
        root, pipeline, cause={"kind": "rest"}, params=form.params, run_id=run_id, options=_options(form)
    )


def start_search(root: Path, pipeline: str, form: TuneForm, *, run_id: str = "") -> dict[str, Any]:
    """Start a search as a process of its own and return what it says first, as `start_run` does."""
    options = _search_options(form)
    return pipelines.start_run(
        root, pipeline, cause={"kind": "rest"}, params=form.params, run_id=run_id, options=options, command="tune"
    )


def plan_run(root: Path, pipeline: str, form: PlanForm) -> dict[str, Any]:
    """Return what `penstock plan` prints: the plan, or `{"error": {...}}`."""
    options = ["plan", "--json", "--params=-", *_options(form), "--", pipeline]
    return _asked(root, options, "the plan", seconds=_PLAN_SECONDS, given=msgspec.json.encode(form.params))


def verify_step(root: Path, run: str, step: str, form: VerifyForm) -> dict[str, Any]:
    """Return what `penstock verify-step` prints: what came of it, or `{"error": {...}}`."""
    options = ["verify-step", "--json", f"--times={form.times}", "--", run, step]
    return _asked(root, options, "the step", seconds=form.timeout_seconds)


def _asked(root: Path, options: list[str], what: str, *, seconds: float, given: bytes = b"") -> dict[str, Any]:
    command = [sys.executable, "-m", "penstock", "--project", str(root), *options]
    try:
        ended = subprocess.run(command, cwd=root, input=given, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise RunError(f"{what} was not ready within {seconds:.0f} s") from error
    try:
        said: dict[str, Any] = msgspec.json.decode(ended.stdout)
    except msgspec.DecodeError as error:
        wrong = ended.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise RunError(f"{what}: its process ended with code {ended.returncode}: {wrong}") from error
    return said


def _options(form: PlanForm) -> list[str]:
    """Return what a form asks for as options of the command line; they have one name each."""
    options = [f"--mode={form.mode}"] if form.mode else []
    options += [f"--states-from={form.states_from}"] if form.states_from else []
    options += [f"--resume={form.resume}"] if form.resume else []
    options += [f"--override={step}={artifact}" for step, artifact in form.override.items()]
    for name in ("only", "since", "until"):
        given = getattr(form, name)
        options += [f"--{name}={each}" for each in ([given] if isinstance(given, str) else given)]
    options += [f"--engine={form.engine}"] if form.engine else []
    if isinstance(form, RunForm):
        options += [f"--tag={name}={value}" for name, value in form.tags.items()]
        options += [f"--note={form.notes}"] if form.notes else []
        options += [f"--experiment={form.experiment}"] if form.experiment else []
        options += [f"--max-parallel={form.max_parallel}"] if form.max_parallel else []
    return options


_SEARCH_OPTIONS = (
    "metric", "trials", "direction", "parallel", "sampler", "pruner", "prune_by", "experiment", "timeout", "seed",
    "engine", "max_parallel",
)  # fmt: skip


def _search_options(form: TuneForm) -> list[str]:
    spaces = {
        name: space if isinstance(space, str) else msgspec.json.encode(space).decode()
        for name, space in form.search.items()
    }
    options = [f"--search={name}={space}" for name, space in spaces.items()]
    given = {name: getattr(form, name) for name in _SEARCH_OPTIONS}
    options += [f"--{name.replace('_', '-')}={value}" for name, value in given.items() if value not in ("", None)]
    options += [f"--until={each}" for each in ([form.until] if isinstance(form.until, str) else form.until)]
    options += [f"--tag={name}={value}" for name, value in form.tags.items()]
    return options if form.figures else [*options, "--no-figures"]
