"""The bodies that the endpoints take."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from penstock.models.notation import ModelForm

Names = str | list[str]
RunId = Annotated[str, msgspec.Meta(pattern="^([A-Za-z0-9][A-Za-z0-9._-]{0,99})?$")]
Plain = str | Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float | bool | None
"""What a field of a record may be found by."""


class PlanForm(msgspec.Struct, forbid_unknown_fields=True):
    """Which part of a pipeline, with which parameters: what `project.plan` takes."""

    params: dict[str, Any] = {}
    only: Names = []
    since: Names = []
    until: Names = []
    mode: Literal["train", "infer"] | None = None
    resume: str = ""
    override: dict[str, str] = {}
    states_from: str = ""
    engine: str = ""


class RunForm(PlanForm, forbid_unknown_fields=True):
    """How a pipeline is to be run: what `project.run` takes."""

    experiment: str = ""
    max_parallel: Annotated[int, msgspec.Meta(ge=1)] | None = None
    tags: dict[str, str | int | float] = {}
    notes: str = ""
    run_id: RunId = ""


class TuneForm(msgspec.Struct, forbid_unknown_fields=True):
    """What to search of a pipeline, and how: what `project.tune` takes. A search space is a text ("int(2..12)", "a,b")
    or `{"hparam_range": [2, 12], "log": false}`, `{"hparam_candidates": [...]}`."""

    search: dict[str, Any]
    metric: str
    trials: Annotated[int, msgspec.Meta(ge=1)] = 20
    direction: Literal["minimize", "maximize"] | None = None
    params: dict[str, Any] = {}
    parallel: Annotated[int, msgspec.Meta(ge=1)] = 1
    sampler: str = "tpe"
    pruner: str = "none"
    prune_by: str = ""
    until: Names = []
    experiment: str = ""
    tags: dict[str, str | int | float] = {}
    timeout: str | float | None = None
    seed: int = 0
    engine: str = ""
    max_parallel: Annotated[int, msgspec.Meta(ge=1)] | None = None
    figures: bool = True
    run_id: RunId = ""


class PromoteForm(msgspec.Struct, forbid_unknown_fields=True):
    """Which version an alias is to point at, why, and who says so."""

    version: Annotated[int, msgspec.Meta(ge=1)]
    alias: str = "champion"
    reason: str = ""
    by: str = ""


class RollbackForm(msgspec.Struct, forbid_unknown_fields=True):
    """Which alias is to point back where it pointed before, why, and who says so."""

    alias: str = "champion"
    reason: str = ""
    by: str = ""


class CancelForm(msgspec.Struct, forbid_unknown_fields=True):
    """Why a run is to be cancelled."""

    reason: str = ""


class DecisionForm(msgspec.Struct, forbid_unknown_fields=True):
    """Why a person decides so about a step that waits, and who it is."""

    reason: str = ""
    by: str = ""


class VerifyForm(msgspec.Struct, forbid_unknown_fields=True):
    """How often a step is to be run again, and how long that may take."""

    times: Annotated[int, msgspec.Meta(ge=1, le=100)] = 1
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0)] = 600.0


class SqlForm(msgspec.Struct, forbid_unknown_fields=True):
    """A query, and the most rows that are returned of its result."""

    query: str
    limit: Annotated[int, msgspec.Meta(ge=0)] = 10_000


class RunChange(msgspec.Struct, forbid_unknown_fields=True):
    """What may be changed of a run: tags (null removes one), and the note."""

    tags: dict[str, str | int | float | None] = {}
    notes: str | None = None


class FindForm(msgspec.Struct, forbid_unknown_fields=True):
    """Which records: fields that equal a value, or any of a list; `after`: only those behind that record."""

    equal: dict[str, Plain | list[Plain]] = {}
    limit: Annotated[int, msgspec.Meta(ge=0)] | None = None
    newest_first: bool = False
    after: dict[str, Any] | None = None


class InsertForm(msgspec.Struct, forbid_unknown_fields=True):
    """Records to be inserted, all or none."""

    records: list[dict[str, Any]]


class GcForm(msgspec.Struct, forbid_unknown_fields=True):
    """What a garbage collection keeps, as `penstock gc` takes it; it takes nothing away unless `dry_run` is false."""

    dry_run: bool = True
    keep_runs: int | None = None
    older_than: str | float | None = None
    runs_older_than: str | float | None = None
    firings_older_than: str | float | None = None
    keep_firings: int | None = None
    grace: str | float | None = None


class TriggerForm(msgspec.Struct, forbid_unknown_fields=True):
    """When a pipeline is to run: `kind` and the arguments of its function, {"kind": "cron", "expression": "0 3 * * *"};
    in `params`, {"$event": ["key"], "default": []} stands for a value of the event's data."""

    when: dict[str, Any]
    pipeline: str
    params: dict[str, Any] = {}
    experiment: str = ""
    mode: str = "train"
    max_parallel: int = 1
    when_full: str = "queue"


class LabelForm(msgspec.Struct, forbid_unknown_fields=True):
    """What was true of a row: its id in the log of requests, its label (null takes back what was said before), and when
    that was found to be so."""

    id: str
    label: Any
    time: str | None = None


class LabelsForm(msgspec.Struct, forbid_unknown_fields=True):
    """Labels of rows that a model has predicted."""

    labels: list[LabelForm]


class RowsForm(msgspec.Struct, forbid_unknown_fields=True):
    """Rows by name: a declared table, a query, or `artifact:<digest>`."""

    rows: str


class ExportForm(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """In which form a model is wanted (onnx, sql, mlflow), and what that form takes.

    `sql` takes the `dialect`, the table `rows` and the columns to `keep`; `onnx` the `rows` to compare on: a declared
    table, a query, or `artifact:<digest>`; null: on none. Without it, on those that the model learned from.
    """

    format: str
    dialect: str | msgspec.UnsetType = msgspec.UNSET
    rows: str | msgspec.UnsetType | None = msgspec.UNSET
    keep: list[str] | msgspec.UnsetType = msgspec.UNSET


class FitForm(msgspec.Struct, forbid_unknown_fields=True):
    """What to fit on which rows: a declared table, a query, or `artifact:<digest>`. It is a model, or a cascade:
    `{"name", "label", "metric", "router", "routes": [{"when", "use"}], "otherwise", ...}`, in which the router is a
    model, and a stage is `{"model": ...}`, `{"cascade": ...}` or `{"constant": ...}`."""

    rows: str
    model: ModelForm | None = None
    cascade: dict[str, Any] | None = None


class PauseForm(msgspec.Struct, forbid_unknown_fields=True):
    """Why a trigger is paused."""

    reason: str = ""


class FireForm(msgspec.Struct, forbid_unknown_fields=True):
    """The data of the event that a trigger is fired with."""

    data: dict[str, Any] = {}
