"""The endpoints of studies: searches over pipelines' parameters, as the records of their trials tell of them."""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from penstock.errors import UnknownNameError
from penstock.pipelines import find_runs, reap
from penstock.project.codecs import load_artifact
from penstock.serving.parameters import parameters
from penstock.serving.service import Service
from penstock.serving.state import json_answer, serving
from penstock.studies import Study, recorded_studies, summary


def list_studies(request: Request) -> Response:
    """GET /v1/studies: the studies, of an `experiment` or of all, without their trials; the one with the newest trial
    first."""
    given, project = parameters(request, "experiment"), serving(request).project
    found = _studies(project, **given)
    told = [{name: value for name, value in summary(study).items() if name != "trials"} for study in found]
    return json_answer({"studies": told})


def show_study(request: Request) -> Response:
    """GET /v1/studies/{name}: a study with its trials, the best of them, and the run with the best parameters."""
    parameters(request)
    project, name = serving(request).project, request.path_params["name"]
    found = _studies(project, tags={"study": name})
    if not found:
        raise UnknownNameError("study", name, [study.name for study in _studies(project)])
    return json_answer(summary(found[0]))


def _studies(project: Service, **which: Any) -> tuple[Study, ...]:
    reap(project.metadata)
    runs = find_runs(project.metadata, **which)
    return recorded_studies(project.metadata, runs, partial(load_artifact, store=project.artifacts))
