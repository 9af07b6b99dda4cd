"""`execute`: run what is stale, in dependency order, and record everything."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from typing import Any

from penstock.core.pipeline import Pipeline
from penstock.core.ports import Engine
from penstock.core.run import Run, StepRun
from penstock.pipelines.deciding import decided_meanwhile, gone_on
from penstock.pipelines.events import OnEvent
from penstock.pipelines.execution import Execution
from penstock.pipelines.liveness import HOST, driving
from penstock.pipelines.modes import check_run_allowed, in_mode
from penstock.pipelines.planning import Planner, new_judge
from penstock.pipelines.record import unplain
from penstock.pipelines.resuming import UNPLAIN, goes_on
from penstock.pipelines.secrecy import check_secrets
from penstock.pipelines.selection import Names, select
from penstock.pipelines.services import Services
from penstock.pipelines.tagging import checked_tags
from penstock.pipelines.validation import checked
from penstock.pipelines.verdicts import Judge, Override


def execute(
    pipeline: Pipeline,
    services: Services,
    *,
    engine: Engine,
    engine_name: str = "local",
    only: Names = None,
    since: Names = None,
    until: Names = None,
    mode: str = "train",
    override: Override | None = None,
    resume: str = "",
    states_from: Mapping[str, str] | None = None,
    experiment: str = "",
    tags: Mapping[str, Any] | None = None,
    notes: str = "",
    cause: Mapping[str, Any] | None = None,
    run_id: str | None = None,
    on_event: OnEvent | None = None,
) -> Run:
    """Run a pipeline and return how the run ended; a step that fails makes a failed run, not an exception.

    What is up to date does not run. A failed step leaves branches that do not need it alone. `override` holds outputs
    of steps that do not run because of it; `resume` is the run that this one goes on from: what it made counts, also
    where it is never cached. `states_from` says of steps that are left out which run's outputs stand for theirs; of the
    others it is the newest successful run that has them. Ctrl-C cancels what is under way, records that, and goes on as
    `KeyboardInterrupt`; a `Cancellation` that somebody recorded does the same, and the run is returned.
    """
    pipeline = in_mode(checked(pipeline), mode)
    check_run_allowed(pipeline, mode)
    left_out = select(pipeline, only=only, since=since, until=until, mode=mode, override=override or ())
    check_secrets(pipeline, left_out, services.context.secrets)
    judge = new_judge(pipeline, services, override=override, resume=resume, states_from=states_from)
    _settle_lenders(pipeline, left_out, judge)
    options: dict[str, Any] = {"only": only, "since": since, "until": until, "resume": resume}
    options |= {"override": _digests(judge.override), "states_from": judge.states_from}
    options[UNPLAIN] = unplain(pipeline.params)
    run = Run(
        id=run_id or new_run_id(services.clock()),
        pipeline=pipeline.name,
        state="running",
        params=dict(pipeline.params),
        experiment=experiment,
        tags=checked_tags(tags or {}),
        notes=notes,
        mode=mode,
        engine=engine_name,
        cause=dict(cause or {"kind": "manual"}),
        created=services.clock(),
        pid=os.getpid(),
        host=HOST,
        options={name: value for name, value in options.items() if value},
    )
    as_itself = run_id == resume != ""  # it waited for a person, and goes on
    with driving(run.id):
        run, asking = _driven(pipeline, services, left_out, judge, run, engine, on_event, as_itself=as_itself)
        while run.state == "waiting" and decided_meanwhile(services.metadata, run.id, asking, clock=services.clock):
            judge = new_judge(pipeline, services, override=override, resume=run.id, states_from=states_from)
            run, asking = _driven(pipeline, services, left_out, judge, run, engine, on_event, as_itself=True)
    return services.metadata.get(Run, run.id) or run  # somebody may have rejected it just now


def _driven(
    pipeline: Pipeline,
    services: Services,
    left_out: Mapping[str, str],
    judge: Judge,
    run: Run,
    engine: Engine,
    on_event: OnEvent | None,
    *,
    as_itself: bool,
) -> tuple[Run, list[str]]:
    """Drive a run until it ends, or waits; return it, and the steps that ask a person."""
    earlier: dict[str, StepRun] | None = None
    if as_itself:
        run, earlier = goes_on(services.metadata, run, now=services.clock())
    try:
        tell = on_event or (lambda event: None)
        execution = Execution(pipeline, left_out, judge, run, services, engine, tell, earlier)
        return execution.run(), list(execution.asking)
    finally:
        if as_itself:
            gone_on(services.metadata, run.id)


def _settle_lenders(pipeline: Pipeline, left_out: Mapping[str, str], judge: Judge) -> None:
    """Find out what the steps left out give before anything runs; raises what a plan would."""
    if any(left_out.values()):
        planner = Planner(pipeline, left_out, judge)
        planner.plan()
        judge.states_from |= planner.learned  # this run, and one that resumes it, has no other


def _digests(override: Override) -> dict[str, dict[str, str]]:
    return {step: {name: made.digest for name, made in outputs.items()} for step, outputs in override.items()}


def new_run_id(now: float) -> str:
    """Return an id that sorts by time and that a person can read out."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{secrets.token_hex(3)}"
