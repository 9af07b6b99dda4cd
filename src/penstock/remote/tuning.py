"""A search over a pipeline that a server's project makes: begun there, followed from here, cancelled if it is left."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from penstock.errors import DeclarationError, RunError, describe
from penstock.models.learning.search import plain
from penstock.pipelines import Names, PipelineFunction
from penstock.remote.connection import Server, segment
from penstock.remote.failures import from_description
from penstock.remote.pipelines import RemotePipeline, pipeline_name
from penstock.studies import SEARCH, OnStudyEvent, Study, StudyEnded, events_of

_END = "end"


class RemoteTunings:
    """What `project.tune` does over REST."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def tune(
        self,
        pipeline: PipelineFunction | RemotePipeline | str,
        search: Mapping[str, Any],
        *,
        metric: str,
        trials: int = 20,
        direction: str | None = None,
        params: Mapping[str, Any] | None = None,
        parallel: int = 1,
        sampler: str = "tpe",
        pruner: str = "none",
        prune_by: str | None = None,
        until: Names = None,
        experiment: str = "",
        tags: Mapping[str, Any] | None = None,
        timeout: float | str | None = None,
        seed: int = 0,
        engine: str | None = None,
        max_parallel: int | None = None,
        figures: bool = True,
        cause: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        on_event: OnStudyEvent | None = None,
    ) -> Study:
        """Search the parameters of a pipeline of the server's project, as `Project.tune`; wait for the end.

        An interrupt while it is waited for cancels the search, as it does where the search is driven.
        """
        if cause is not None:
            raise DeclarationError("the cause of a search over REST is the request; say more by tags=")
        form = {
            "search": {name: plain(space) for name, space in search.items()}, "metric": metric, "trials": trials,
            "direction": direction, "params": params, "parallel": parallel, "sampler": sampler, "pruner": pruner,
            "prune_by": prune_by, "until": until, "experiment": experiment, "tags": tags, "timeout": timeout,
            "seed": seed, "engine": engine, "max_parallel": max_parallel, "figures": figures, "run_id": run_id,
        }  # fmt: skip
        given = {name: value for name, value in form.items() if value is not None}
        # A key of its own lets a request that broke off be sent again: there is one search.
        key = {"idempotency-key": str(uuid.uuid4())}
        path = f"/v1/pipelines/{segment(pipeline_name(pipeline))}:tune"
        run: str = self._server.post(path, given, headers=key)["id"]
        try:
            return self._followed(run, on_event)
        except KeyboardInterrupt:
            self._server.post(f"/v1/runs/{segment(run)}:cancel", {"reason": "interrupted by who waited for it"})
            raise

    def _followed(self, run: str, on_event: OnStudyEvent | None) -> Study:
        ended: Study | None = None
        for event in events_of(self._lines(run)):
            if isinstance(event, dict):
                raise from_description(event["error"])
            if on_event is not None:
                on_event(event)
            if isinstance(event, StudyEnded):
                ended = event.study
        if ended is None:
            raise RunError(f"the search {run} has ended without saying what it came to", run_id=run)
        return ended

    def _lines(self, run: str) -> Iterator[str]:
        path = f"/v1/runs/{segment(run)}/steps/{SEARCH}/log"
        for event in self._server.events(path, final=_END):
            if event.name != _END:
                yield event.data
            elif (told := msgspec.json.decode(event.data))["state"] != "succeeded":
                error = RunError(f"the search {run} is {told['state']}: {told['error']}", run_id=run)
                yield msgspec.json.encode({"error": describe(error)}).decode()
