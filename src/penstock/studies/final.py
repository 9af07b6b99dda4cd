"""The run of the whole pipeline with the best parameters; and how runs are stopped that a search has begun."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from penstock.core.ports import MetadataStore
from penstock.core.run import Run
from penstock.errors import ConflictError
from penstock.pipelines import cancel_run, new_run_id
from penstock.studies.asking import Asked
from penstock.studies.judging import STOPPED
from penstock.studies.means import How, Means
from penstock.studies.recording import SearchRecord
from penstock.studies.study import TUNE, Study

WATCH_SECONDS = 0.25
"""Between two looks at what runs."""


def with_final(study: Study, asked: Asked, how: How, means: Means, record: SearchRecord) -> Study:
    """Return the study with the run of the whole pipeline; where trials were whole it is that of the best one."""
    best = study.best
    if best is None:
        return study
    whole = asked.traced(best.params)
    if asked.is_whole(whole):
        return replace(study, final=best.run)
    run_id = new_run_id(time.time())
    cause = {"kind": TUNE, "study": study.name, "trial": best.number}
    tags = {**how.tags, "study": study.name, "trial": f"{best.number} (best)"}
    failed: list[BaseException] = []

    def work() -> None:
        try:
            means.start(whole, run_id=run_id, until=None, experiment=study.experiment, tags=tags, cause=cause)
        except BaseException as error:
            failed.append(error)  # raised below

    thread = threading.Thread(target=work, name=f"penstock-final-{run_id}", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            record.heed()
            thread.join(WATCH_SECONDS)
    except BaseException:
        stop_runs(means.metadata, {run_id: thread})
        raise
    if failed:
        raise failed[0]
    return replace(study, final=run_id)


def stop_runs(metadata: MetadataStore, threads: Mapping[str, threading.Thread]) -> None:
    """Have runs stopped that are driven by these threads, and wait for them to end."""
    told: set[str] = set()
    while left := {run_id: thread for run_id, thread in threads.items() if thread.is_alive()}:
        for run_id in left.keys() - told:
            if (run := metadata.get(Run, run_id)) is not None:
                told.add(run_id)
                with suppress(ConflictError):  # it has ended meanwhile
                    cancel_run(metadata, run, reason=STOPPED)
        next(iter(left.values())).join(WATCH_SECONDS)
