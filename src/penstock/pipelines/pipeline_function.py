"""`@pipeline`: a function that declares a pipeline by calling steps; tracing it makes the `Pipeline` value."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, overload

from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Pipeline, Step, references
from penstock.errors import DeclarationError, PenstockError, UnknownNameError, raised
from penstock.pipelines.choosing import narrowed
from penstock.pipelines.naming import checked_name
from penstock.pipelines.tracing import current_trace, tracing
from penstock.pipelines.validation import checked
from penstock.secrets import Secret

REQUIRED: Any = inspect.Parameter.empty
RUN_OPTIONS = (
    "pipeline", "only", "since", "until", "mode", "resume", "override", "states_from", "engine", "max_parallel",
    "experiment", "tags", "notes", "cause", "run_id", "on_event", "wait",
)  # fmt: skip
"""What a run is asked beside the pipeline's parameters; those share one call, so they share no name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineParameter:
    """A parameter of a pipeline: its name, annotation (a type, or Any) and default (`REQUIRED`: it has none)."""

    name: str
    annotation: Any
    default: Any = REQUIRED


class PipelineFunction:
    """A function declared as a pipeline; `trace` makes of it the `Pipeline` that can be planned and run."""

    __wrapped__: Callable[..., Any]

    def __init__(self, function: Callable[..., Any], name: str, image: str | None = None) -> None:
        functools.update_wrapper(self, function)
        self.function, self.name, self.image = function, name, image

    @functools.cached_property
    def parameters(self) -> Mapping[str, PipelineParameter]:
        """The parameters by name, in order."""
        hints = get_type_hints(self.function)
        found: dict[str, PipelineParameter] = {}
        for name, parameter in inspect.signature(self.function).parameters.items():
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                raise DeclarationError(
                    f"pipeline '{self.name}' takes {parameter}; the parameters of a pipeline have names"
                )
            if name in RUN_OPTIONS:
                raise DeclarationError(
                    f"pipeline '{self.name}' has a parameter '{name}', an option of every run; call it otherwise"
                )
            annotation = hints.get(name, Any)
            found[name] = PipelineParameter(
                name=name, annotation=annotation, default=_default(parameter.default, annotation)
            )
        return found

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the body: in another pipeline its steps become that one's, named after this one (`prepare.clean`)."""
        trace = current_trace()
        if trace is None:
            return self.function(*args, **kwargs)
        try:
            given = inspect.signature(self.function).bind(*args, **kwargs).arguments
        except TypeError as error:
            raise DeclarationError(
                f"pipeline '{self.name}' is called with other parameters than it has: {error}"
            ) from error
        deferred = {name: value for name, value in given.items() if next(references(value), None) is not None}
        plain = {name: value for name, value in given.items() if name not in deferred}
        values = _params(self, plain, given=deferred)
        with trace.nested(self.name):
            return self.function(**values)

    def __repr__(self) -> str:
        return f"<pipeline {self.name}>"


@overload
def pipeline(function: Callable[..., Any], /) -> PipelineFunction: ...
@overload
def pipeline(*, name: str = ..., image: str | None = ...) -> Callable[[Callable[..., Any]], PipelineFunction]: ...
def pipeline(function: Callable[..., Any] | None = None, /, *, name: str = "", image: str | None = None) -> Any:
    """Declare a function as a pipeline: its parameters are the pipeline's, the steps it calls are its steps; `image` is
    that of its steps that name none, for engines with containers."""

    def declare(function: Callable[..., Any]) -> PipelineFunction:
        if not callable(function):
            raise DeclarationError(f"@pipeline stands before a function, not before {function!r}")
        return PipelineFunction(function, checked_name(name or function.__name__.strip("<>"), "pipeline"), image)

    return declare(function) if function is not None else declare


def trace(function: PipelineFunction, params: Mapping[str, Any] | None = None) -> Pipeline:
    """Call a pipeline function with these parameters and return what it declares.

    Values that are texts are brought to the annotated type, as from a command line: `depth="8"` is 8 for an int.
    """
    values = _params(function, params or {})
    with tracing() as recorded:
        try:
            function.function(**values)
        except PenstockError:
            raise
        except Exception as error:
            raise DeclarationError(f"pipeline '{function.name}' cannot be declared: {raised(error)}") from error
    if not recorded.steps:
        raise DeclarationError(f"pipeline '{function.name}' calls no step; call functions declared with @step in it")
    steps = tuple(_in_image(step, function.image) for step in narrowed(recorded.steps))
    return checked(Pipeline(name=function.name, params=FrozenMap(values), steps=steps))


def _in_image(step: Step, image: str | None) -> Step:
    return replace(step, needs=replace(step.needs, image=step.needs.image or image)) if image is not None else step


def check_params(function: PipelineFunction, given: Mapping[str, Any], *, later: Collection[str] = ()) -> None:
    """Raise what `trace` would for these parameters; the values of those named in `later` are still to come."""
    _params(function, given, dict.fromkeys(later))


def _params(
    function: PipelineFunction, plain: Mapping[str, Any], given: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the parameters: `plain` ones checked, `given` ones (what steps give) as they are, defaults."""
    where = f"pipeline '{function.name}'"
    for name in (*plain, *(given or ())):
        if name not in function.parameters:
            raise UnknownNameError("parameter", name, function.parameters, within=where)
    values = dict(given or {})
    for name, parameter in function.parameters.items():
        if name in values:
            continue
        if name in plain:
            values[name] = coerce(plain[name], parameter.annotation, f"parameter '{name}' of {where}")
        elif parameter.default is REQUIRED:
            raise DeclarationError(f"{where} needs the parameter '{name}'; give {name}=...")
        else:
            values[name] = parameter.default
    return values


def _default(value: Any, annotation: Any) -> Any:
    """Return a default as it would be if it were given: for a float, 50 is 50.0, and neither makes a step stale."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    found = _as(value, annotation) if whole and annotation is float else value
    return value if found is _NOT else found


_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_NOT = object()


def coerce(value: Any, annotation: Any, what: str) -> Any:
    """Return `value` as the annotated type, from its text where it is one; `what` names it in the error."""
    alternatives = get_args(annotation) if _is_union(annotation) else (annotation,)
    # A text is tried as the narrowest type first, so that "8" for `str | int` is 8 and "none" for `int | None` is None.
    order = sorted(alternatives, key=lambda one: _NARROW.index(one) if one in _NARROW else len(_NARROW))
    for alternative in order:
        if (result := _as(value, alternative)) is not _NOT:
            return result
    wanted = " or ".join("None" if one is type(None) else getattr(one, "__name__", str(one)) for one in alternatives)
    raise DeclarationError(f"{what} is {value!r}, a {type(value).__name__}; it takes {wanted}")


_NARROW = (type(None), bool, int, float, str)


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType)


def _as(value: Any, annotation: Any) -> Any:
    if annotation is type(None):
        return None if value is None or (isinstance(value, str) and value.lower() in ("none", "null", "")) else _NOT
    if annotation is bool:
        return value if isinstance(value, bool) else _TRUTH.get(value.lower(), _NOT) if isinstance(value, str) else _NOT
    if annotation is int and isinstance(value, str):
        return _number(value, int)
    if annotation is float and isinstance(value, str | int) and not isinstance(value, bool):
        return _number(value, float)
    if annotation is Secret:  # over REST and on the command line it is given by its name
        return value if isinstance(value, Secret) else Secret(value) if isinstance(value, str) else _NOT
    if get_origin(annotation) is Literal:
        return next((one for one in get_args(annotation) if one == value or str(one) == value), _NOT)
    if annotation is Path and isinstance(value, str):
        return Path(value)
    wanted = get_origin(annotation) or annotation
    if wanted in (int, float, str, list, dict, tuple, set):
        return value if isinstance(value, wanted) and not isinstance(value, bool) else _NOT
    return value


def _number(value: Any, cls: Callable[[Any], Any]) -> Any:
    try:
        return cls(value)
    except ValueError:
        return _NOT
