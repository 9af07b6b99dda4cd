"""`component`: one definition that learns in training and uses what was learned in both modes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Mapping
from typing import Any

from penstock.core.pipeline import Ref
from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines.declare import StepFunction, step
from penstock.pipelines.naming import checked_name

FIT_ON = "fit_on"
"""The parameter of every component's call: what it learns from, where that is not what it is applied to."""


class _Learning(StepFunction):
    """The `fit` of a component: in training, whatever else is configured."""

    def configured(self, **changes: Any) -> StepFunction:
        """Return a copy with other settings; raises `DeclarationError` for other modes."""
        if "modes" in changes:
            raise DeclarationError(f"'{self.settings.name}' learns, so it runs in mode train only; leave out modes=")
        return super().configured(**changes)


class Component:
    """Two steps declared as one: `fit` learns a State, in training only; `apply` uses it, in training and inference.

    A call makes both: `filled = fill(rows, column="km")`, or `fill(test, column="km", fit_on=train)`. One state may be
    applied several times: `state = fill.fit(train, column="km")`, then `fill.apply(state, test, column="km")`. In a run
    that infers, `fit` is left out and the state is that of the promoted run. Outside a pipeline they are functions.
    """

    def __init__(self, name: str, fit: StepFunction, apply: StepFunction, doc: str | None = None) -> None:
        self.name, self.fit, self.apply, self.__doc__ = name, fit, apply, doc
        self._state = _state(name, fit, apply)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Learn, then apply; each function gets those of the inputs that it has a parameter for."""
        fit, apply = (part.form.signature.parameters for part in (self.fit, self.apply))
        places, known = self._places, self.takes
        if len(args) > len(places):
            raise DeclarationError(f"component '{self.name}' takes {len(places)} inputs by position, not {len(args)}")
        given = dict(zip(places, args, strict=False))
        if twice := given.keys() & kwargs.keys():
            raise DeclarationError(f"component '{self.name}' gets '{min(twice)}' by position and by name")
        given |= kwargs
        learned_from = {_first(fit, self.fit.form.told): given.pop(FIT_ON)} if FIT_ON in given else {}
        for name in given:
            if name not in known and name != "when":
                raise UnknownNameError("parameter", name, known, within=f"component '{self.name}'")
        state = self.fit(**_those(fit, {**given, **learned_from}))
        if isinstance(state, tuple) and any(isinstance(part, Ref) for part in state):
            raise DeclarationError(
                f"component '{self.name}': fit gives several results, and a state is one: return a dict, or a value of "
                "a class of your own"
            )
        return self.apply(**{self._state: state}, **_those(apply, given))

    @property
    def takes(self) -> list[str]:
        """The names of the inputs of a call."""
        fit = [name for name in self.fit.form.signature.parameters if name not in self.fit.form.told]
        return list(dict.fromkeys([*self._places, *fit, FIT_ON]))

    @property
    def _places(self) -> list[str]:
        told = self.apply.form.told
        return [name for name in self.apply.form.signature.parameters if name != self._state and name not in told]

    def configured(self, **changes: Any) -> Component:
        """Return a copy whose two steps have other settings (`name`, `retries`, `memory`, ...: those of `@step`)."""
        _check_no_modes(self.name, changes)
        name = checked_name(changes.pop("name", self.name), "component")
        fit = self.fit.configured(name=f"{name}.fit", **changes)
        return Component(name, fit, self.apply.configured(name=f"{name}.apply", **changes), self.__doc__)

    def __repr__(self) -> str:
        return f"<component {self.name}>"


def component(
    cls: type | None = None,
    /,
    *,
    fit: Callable[..., Any] | None = None,
    apply: Callable[..., Any] | None = None,
    name: str = "",
    **settings: Any,
) -> Any:
    """Declare what is learned in training and used in both modes: a class with `fit` and `apply`, or two functions.

    `fit(rows, ...)` returns the State: plain values, a table, an array, a model graph, a value of a class of your own.
    `apply(state, rows, ...)` gets it as its first parameter. Both are functions without `self` (static methods);
    `settings` are those of `@step`, for both.

        @ps.component
        class fill:
            @staticmethod
            def fit(rows: ps.Table, column: str) -> float: ...
            @staticmethod
            def apply(state: float, rows: ps.Table, column: str) -> ps.Table: ...
    """

    def declare(cls: type) -> Component:
        parts = [_function(cls, role) for role in ("fit", "apply")]
        return _component(name or cls.__name__, *parts, doc=inspect.getdoc(cls), settings=settings)

    if cls is not None or (fit is None and apply is None):
        return declare(cls) if cls is not None else declare
    if fit is None or apply is None:
        raise DeclarationError("component(fit=..., apply=...) needs both: what learns, and what uses what was learned")
    called = name or apply.__name__.strip("<>")
    return _component(called, fit, apply, doc=inspect.getdoc(apply), settings=settings)


def _component(
    name: str, fit: Callable[..., Any], apply: Callable[..., Any], *, doc: str | None, settings: Mapping[str, Any]
) -> Component:
    name = checked_name(name, "component")
    _check_no_modes(name, settings)
    declared = step(name=f"{name}.fit", modes={"train"}, **settings)(fit)
    return Component(name, _Learning(fit, declared.settings), step(name=f"{name}.apply", **settings)(apply), doc)


def _check_no_modes(component: str, settings: Mapping[str, Any]) -> None:
    if "modes" in settings:
        raise DeclarationError(
            f"component '{component}': fit runs in training and apply in both modes; leave out modes="
        )


def _function(cls: type, role: str) -> Callable[..., Any]:
    if not isinstance(cls, type):
        raise DeclarationError(f"@component stands before a class, not before {cls!r}; of functions: fit=, apply=")
    found = inspect.getattr_static(cls, role, None)
    function = found.__func__ if isinstance(found, staticmethod | classmethod) else found
    if not inspect.isfunction(function):
        raise DeclarationError(f"component '{cls.__name__}' has no function '{role}'; it needs fit and apply")
    if (first := next(iter(inspect.signature(function).parameters), "")) in ("self", "cls"):
        raise DeclarationError(
            f"component '{cls.__name__}': {role} takes {first}, but what fit learns is what it returns; write "
            f"@staticmethod before it, and leave {first} out"
        )
    return function


def _first(parameters: Mapping[str, inspect.Parameter], told: Container[str]) -> str:
    """Return the parameter which `fit_on` is for: the first that the run does not fill."""
    return next(name for name in parameters if name not in told)


def _state(name: str, fit: StepFunction, apply: StepFunction) -> str:
    """Return the parameter of `apply` that gets the state."""
    state, *inputs = inspect.signature(apply.function).parameters
    learns_from = list(inspect.signature(fit.function).parameters)
    if not learns_from or FIT_ON in (*learns_from, *inputs):
        raise DeclarationError(f"component '{name}': fit learns from its first parameter, which is not '{FIT_ON}'")
    if state in learns_from:
        raise DeclarationError(
            f"component '{name}': the first parameter of apply, '{state}', is the state that fit returns, but fit has "
            "a parameter of that name"
        )
    return state


def _those(parameters: Mapping[str, inspect.Parameter], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in parameters or name == "when"}
