"""What every endpoint works with, and how it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from penstock.monitor import Monitor
from penstock.serving.gauges import Gauges
from penstock.serving.metrics import Metrics
from penstock.serving.predictors import Predictors
from penstock.serving.request_notes import RequestNotes
from penstock.serving.service import Service

SCOPE_KEY = "penstock.serving"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What this server allows. `sql_writes`: statements other than queries may come over REST. `image_pixels` are those
    of all images of one request."""

    body_bytes: int = 16 * 1024 * 1024
    image_pixels: int = 64_000_000
    upload_bytes: int = 4 * 1024**3
    sql_writes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """One project being served."""

    project: Service
    predictors: Predictors
    metrics: Metrics
    limits: Limits
    monitor: Monitor
    notes: RequestNotes
    gauges: Gauges


def serving(request: Request) -> Serving:
    """Return what the application that got this request serves."""
    found: Serving = request.scope[SCOPE_KEY]
    return found


def json_answer(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON answer; values that JSON has no form for (a model in a run's parameters) appear as their text."""
    body = msgspec.json.encode(value, enc_hook=repr)
    return Response(body, status_code=status, headers=headers, media_type="application/json")
