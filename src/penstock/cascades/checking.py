"""A cascade held against itself when it is declared: numbers, names, labels, conditions."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.cascades import conditions, thresholds
from penstock.cascades.scores import METRICS_OF, task_of_metric
from penstock.cascades.value import POLICIES, Cascade, Constant, models_of, stages_of, target_of, task_of, uses_of
from penstock.core.expression import columns_of
from penstock.core.model import Model
from penstock.errors import DeclarationError, UnknownNameError
from penstock.models import LEARNERS, SUPERVISED
from penstock.models.routing import METHODS


def check(declared: Cascade) -> None:
    """Raise `DeclarationError` for what cannot be trained, or cannot be what was meant."""
    where = f"cascade '{declared.name}'"
    if not declared.name or any(character in declared.name for character in "@/\\:"):
        raise DeclarationError(f"cascade name {declared.name!r}: a name is not empty and has no '@', '/', '\\' or ':'")
    if not isinstance(declared.router, Model):
        raise DeclarationError(f"{where}: the router is {declared.router!r}, not a model; write router=ps.model(...)")
    if LEARNERS[declared.router.type].task not in SUPERVISED:
        raise DeclarationError(f"{where}: the router '{declared.router.name}' learns without labels; it cannot route")
    _check_numbers(declared, where)
    _check_names(declared, where)
    _check_labels(declared, where)
    _check_leaks(declared, where)
    if not declared.routes:
        raise DeclarationError(f"{where} has no routes; write routes=[ps.route(when=..., use=...)]")
    thresholds.check(declared.routes, declared.router.name, where)
    conditions.check(declared.router, [(each.name, each.when) for each in declared.routes], where, declared.blend)


def _check_numbers(declared: Cascade, where: str) -> None:
    if declared.policy not in POLICIES:
        raise UnknownNameError("policy", declared.policy, POLICIES, within=where)
    if declared.calibrate is not None and declared.calibrate not in METHODS:
        raise UnknownNameError("calibration", declared.calibrate, METHODS, within=where)
    if declared.calibrate is not None and LEARNERS[declared.router.type].task != "classification":
        raise DeclarationError(f"{where}: calibrate='{declared.calibrate}' is for a router that gives probabilities")
    if declared.folds < 2:
        raise DeclarationError(f"{where}: folds={declared.folds}; a row is judged by others' routers, give 2 or more")
    if declared.min_rows < 1:
        raise DeclarationError(f"{where}: min_rows={declared.min_rows}; give 1 or more")
    if not 0 < declared.holdout < 1:
        raise DeclarationError(f"{where}: holdout={declared.holdout} is not a fraction between 0 and 1")


def _check_names(declared: Cascade, where: str) -> None:
    seen: dict[str, Model | Cascade] = {declared.router.name: declared.router}
    for use in uses_of(declared):
        if isinstance(use, Model | Cascade) and seen.setdefault(use.name, use) != use:
            raise DeclarationError(f"{where}: two different stages are named '{use.name}'; rename one")
        if use is None or not isinstance(use, Model | Cascade | Constant):
            raise DeclarationError(f"{where}: a route uses {use!r}; give a model, a cascade or a constant")
    if declared.name in seen:
        raise DeclarationError(f"{where}: a stage has the cascade's own name; rename one of them")
    if any(declared.name == inner.name for inner in _cascades(declared)):
        raise DeclarationError(f"{where} would be a stage of itself")


def _cascades(declared: Cascade) -> Iterator[Cascade]:
    for stage in stages_of(declared).values():
        if isinstance(stage, Cascade):
            yield stage
            yield from _cascades(stage)


def _check_labels(declared: Cascade, where: str) -> None:
    if declared.metric not in METRICS_OF:
        raise UnknownNameError("metric", declared.metric, METRICS_OF, within=where)
    task = task_of_metric(declared.metric)
    used = (*uses_of(declared), declared.baseline)
    for use in (use for use in used if isinstance(use, Model | Cascade)):
        if use.label != declared.label:
            raise DeclarationError(
                f"{where} predicts '{declared.label}', and its stage '{use.name}' predicts '{use.label}'; all stages "
                "predict the one label"
            )
        if task_of(use) != task:
            raise DeclarationError(
                f"{where} is judged by {declared.metric}, which is of a {task}, and its stage '{use.name}' is a "
                f"{task_of(use)}"
            )
        if isinstance(use, Model) and use.target != target_of(declared):
            raise DeclarationError(f"{where}: '{use.name}' and another stage have different targets of one label")
    for constant in (use for use in used if isinstance(use, Constant)):
        if (task_of(constant) == "classification") != (task == "classification") and task_of(constant) != "constant":
            raise DeclarationError(f"{where}: a route gives {constant!r}, which a {task} cannot predict")
    if declared.router.label == declared.label and declared.router.name not in stages_of(declared):
        raise DeclarationError(
            f"{where}: the router predicts '{declared.label}' too; then it is a stage, name it in a route or otherwise"
        )


def _check_leaks(declared: Cascade, where: str) -> None:
    """Refuse features that are what is to be predicted: rows to learn from have them, and rows to predict do not."""
    own = () if declared.router.label in (declared.router.name, declared.label) else (declared.router.label,)
    for model in (declared.router, *_models(declared)):
        for column in columns_of(*(model.features or {}).values()):
            if column == declared.label or (column in own and model != declared.router):
                raise DeclarationError(
                    f"{where}: '{model.name}' reads the column '{column}', which the "
                    f"{'cascade' if column == declared.label else 'router'} is to predict; leave it out of the features"
                )


def _models(declared: Cascade) -> Iterator[Model]:
    for use in uses_of(declared):
        if isinstance(use, Model | Cascade):
            yield from models_of(use)


def default_baseline(declared: Cascade) -> Model:
    """Return the model that is fitted on all rows where none is named: it reads nothing of the router."""
    for use in (declared.otherwise, *uses_of(declared)):
        model = use.baseline if isinstance(use, Cascade) else use
        if isinstance(model, Model) and not conditions.reads_router(model, declared.router.name):
            return model
    raise DeclarationError(
        f"cascade '{declared.name}' has no model to compare with that could learn from all rows (its stages are "
        "constants, or read the router); name one: baseline=ps.model(...)"
    )
