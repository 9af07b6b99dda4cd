"""The component that reads what a served model was asked, with the labels that came later."""

from __future__ import annotations

from typing import Any

from penstock.core.artifact import Source
from penstock.core.model import Model
from penstock.errors import StepError
from penstock.pipelines import step
from penstock.production.labelled import LABELLED, read_labelled
from penstock.tables import Table


@step(name="labelled_rows")
def logged_rows(rows: Source, since: str | None = None, until: str | None = None) -> Table:
    """Return the logged rows of a source whose labels are there."""
    return read_labelled(rows, since=since, until=until)


def labelled_rows(model: Model | str, *, since: str | None = None, until: str | None = None, when: Any = True) -> Any:
    """Read what a served model was asked and whose labels have come since: in a pipeline, a step that runs again when
    the log of requests or the labels have changed.

    The rows, in the order of their times from `since` to before `until` (ISO texts; event data of `ps.drift` has such),
    have the raw inputs, the label as the model calls it, what was predicted, and `id`, `time`, `version`: a model can
    be judged on them, and learn from them.
    """
    name = model if isinstance(model, str) else model.name
    if not name:
        raise StepError("ps.labelled_rows('') names no model; give a model, or its name")
    text: Any = f"{LABELLED}{name}"  # the run finds what it stands for
    return logged_rows(text, since=since, until=until, when=when)
