"""`@step`: a plain function that, called while a pipeline is traced, records a step instead of running."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, overload

from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Condition, Needs, Ref, Step, references
from penstock.core.units import memory_bytes, seconds
from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines.kinds import (
    base,
    fits,
    global_names,
    in_words,
    inner,
    kind_of,
    named_outputs,
    output_kinds,
    takes,
)
from penstock.pipelines.mapping import called_each, mapped_over, whole
from penstock.pipelines.modes import MODES, check_allowed, current_mode
from penstock.pipelines.naming import checked_name
from penstock.pipelines.retrying import retried_on
from penstock.pipelines.tracing import current_trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What `@step(...)` says of a step, checked."""

    name: str
    needs: Needs = field(default_factory=Needs)
    modes: frozenset[str] = frozenset(MODES)
    cache: bool | float = True
    version: str = ""
    depends_on: tuple[Any, ...] = ()
    ignore: tuple[str, ...] = ()
    outputs: FrozenMap[str] | None = None  # None: as the function's return annotation says


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A step function's signature, as far as steps need it."""

    signature: inspect.Signature
    kinds: FrozenMap[str]  # of every parameter
    outputs: FrozenMap[str]
    named: type[tuple[Any, ...]] | None = None  # the NamedTuple that it returns
    told: tuple[str, ...] = field(default=())  # parameters that the run fills: the `Context`, the `Mode`
    names: dict[str, Any] = field(default_factory=dict)  # the globals that the annotations are written in


class StepFunction:
    """A function declared as a step. Outside a pipeline a call is a call of the function; inside it returns a `Ref`
    (several outputs: a tuple of them), and `when=<condition>` decides in the run whether the step runs."""

    __wrapped__: Callable[..., Any]
    __qualname__: str

    def __init__(self, function: Callable[..., Any], settings: Settings, declared: StepFunction | None = None) -> None:
        functools.update_wrapper(self, function)
        self.function, self.settings = function, settings
        self.declared = declared or self  # the one that stands in the module, of which others are configured copies

    @functools.cached_property
    def form(self) -> Form:
        """The signature and its kinds; read at the first use, so that declaring costs nothing."""
        return _form(self.function, self.settings)

    def configured(self, **changes: Any) -> StepFunction:
        """Return a copy with other settings (`name`, `retries`, `timeout`, ...: those of `@step`)."""
        return type(self)(self.function, _settings(self.settings, **changes), self.declared)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function; in a trace, record a step and return references to what it will give."""
        when = kwargs.pop("when", True)
        if current_trace() is None:
            check_allowed(self.settings.name, self.settings.modes)
            return self.shaped(kwargs)._call(args, kwargs) if when else None
        return _record(self.shaped(kwargs), args, kwargs, None if when is True else when)

    def _call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Call the function as one: it is told the mode of the step that calls it."""
        asking = [name for name in self.form.told if self.form.kinds[name] == "mode"]
        if asking and (lacking := set(asking) - self.form.signature.bind_partial(*args, **kwargs).arguments.keys()):
            kwargs = {**kwargs, **dict.fromkeys(lacking, current_mode())}
        return self.function(*args, **kwargs)

    def shaped(self, inputs: Mapping[str, Any]) -> StepFunction:
        """Return the step as a call with these inputs has it: of some, what they give depends on what is asked."""
        return self

    def map(self, *args: Any, **kwargs: Any) -> Any:
        """Run the step once for each item of the lists given, taken in step, and return references to the lists of
        what it gives. What is no list (a table, a model, a number, `ps.unmapped(list)`) is the same each time."""
        return self._each("zip", args, kwargs)

    def product(self, *args: Any, **kwargs: Any) -> Any:
        """Run the step once for every combination of the items of the lists given: as `map`, which takes them in
        step."""
        return self._each("product", args, kwargs)

    def _each(self, kind: Literal["zip", "product"], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        when = kwargs.pop("when", True)
        if current_trace() is None:
            check_allowed(self.settings.name, self.settings.modes)
            return called_each(self, kind, args, kwargs) if when else None
        return _record(self.shaped(kwargs), args, kwargs, None if when is True else when, each=kind)

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Travel by name where the module can be imported, so that a worker sees the code as it is in the file."""
        holder: Any = None if self.__module__ == "__main__" else sys.modules.get(self.__module__)
        for name in self.__qualname__.split("."):
            holder = getattr(holder, name, None)
        return self.__qualname__ if holder is self else (type(self), (self.function, self.settings))

    def __repr__(self) -> str:
        return f"<step {self.settings.name}>"


@overload
def step(function: Callable[..., Any], /) -> StepFunction: ...
@overload
def step(
    *,
    name: str = ...,
    retries: int = ...,
    retry_delay: float | str = ...,
    retry_on: type[BaseException] | str | Iterable[type[BaseException] | str] | None = ...,
    timeout: float | str | None = ...,
    heartbeat: float | str | None = ...,
    cpus: float | None = ...,
    memory: int | str | None = ...,
    image: str | None = ...,
    network: bool = ...,
    modes: Sequence[str] | set[str] | frozenset[str] = ...,
    version: str = ...,
    depends_on: Sequence[Any] = ...,
    ignore: Sequence[str] = ...,
    cache: bool | float | str = ...,
    outputs: Sequence[str] | Mapping[str, str] | None = ...,
) -> Callable[[Callable[..., Any]], StepFunction]: ...
def step(function: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Declare a function as a step of pipelines.

    `retries` after a failure, first after `retry_delay` ("0.5s"), then after twice as long, and so on; `retry_on`: only
    where it failed of that (exceptions, their names, "killed", "timeout", "hung", "memory"); `timeout` as "10m";
    `heartbeat`: stopped without a sign of life for so long; `cpus` (1) and `memory` ("2GiB") that it needs: it
    waits until they are free, and is stopped if it uses more memory; in engines with containers, it
    runs in `image`, without a network unless `network`;
    `modes` in which it runs; `cache`: False always runs, "1h" trusts a result for an hour; `version`, `depends_on`
    (functions, values, paths of files) and `ignore` (parameters, captured names) change what its key is made of;
    `outputs` names several results where no NamedTuple is returned.
    """

    def declare(function: Callable[..., Any]) -> StepFunction:
        if not callable(function):
            raise DeclarationError(f"@step stands before a function, not before {function!r}")
        name = getattr(function, "__name__", "step").strip("<>")
        return StepFunction(function, _settings(Settings(name=name), **settings))

    return declare(function) if function is not None else declare


_NEEDS = {
    "retries": "retries",
    "retry_delay": "retry_delay_seconds",
    "retry_on": "retry_on",
    "timeout": "timeout_seconds",
    "heartbeat": "heartbeat_seconds",
    "cpus": "cpus",
    "memory": "memory_bytes",
    "image": "image",
    "network": "network",
}
_SETTINGS = ("name", *_NEEDS, "modes", "version", "depends_on", "ignore", "cache", "outputs")


def _settings(settings: Settings, **changes: Any) -> Settings:
    where = f"of step '{settings.name}'"
    plain: dict[str, Any] = {}
    needs: dict[str, Any] = {}
    for key, value in changes.items():
        match key:
            case "timeout" | "heartbeat" if value is not None:
                needs[_NEEDS[key]] = seconds(value, f"{key} {where}")
            case "retry_delay":
                needs[_NEEDS[key]] = seconds(value, f"{key} {where}")
            case "retry_on":
                needs[_NEEDS[key]] = retried_on(value, where)
            case "memory" if value is not None:
                needs["memory_bytes"] = memory_bytes(value, f"memory {where}")
            case "retries" if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise DeclarationError(f"retries {where} is {value!r}; write how often to try again: 0, 1, 2, ...")
            case "cpus" if value is not None and (not isinstance(value, int | float) or not value > 0):
                raise DeclarationError(f"cpus {where} is {value!r}; write a positive number")
            case _ if key in _NEEDS:
                needs[_NEEDS[key]] = value
            case "name":
                plain[key] = checked_name(value, "step")
            case "modes":
                plain[key] = _modes(value, where)
            case "cache" if not isinstance(value, bool):
                plain[key] = seconds(value, f"cache {where}")
            case "outputs":
                plain[key] = _declared_outputs(value, where)
            case "depends_on" | "ignore":
                plain[key] = (value,) if isinstance(value, str) else tuple(value)
            case _ if key in _SETTINGS:
                plain[key] = value
            case _:
                raise UnknownNameError("setting", key, _SETTINGS, within="@step")
    return replace(settings, needs=replace(settings.needs, **needs), **plain)


def _modes(value: Any, where: str) -> frozenset[str]:
    modes = {value} if isinstance(value, str) else set(value)
    for mode in modes - set(MODES):
        raise UnknownNameError("mode", str(mode), MODES, within=f"modes {where}")
    return frozenset(modes)


def _declared_outputs(value: Any, where: str) -> FrozenMap[str] | None:
    if value is None:
        return None
    outputs = dict(value) if isinstance(value, Mapping) else dict.fromkeys(value, "any")
    if not outputs or isinstance(value, str):
        raise DeclarationError(f'outputs {where} is {value!r}; name them: outputs=("train", "test")')
    return FrozenMap(outputs)


def _form(function: Callable[..., Any], settings: Settings) -> Form:
    signature, names = inspect.signature(function), global_names(function)
    kinds: dict[str, str] = {}
    for parameter in signature.parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise DeclarationError(
                f"step '{settings.name}' takes {parameter}, but inputs of steps have names: write a plain parameter "
                "(a list of tables is one parameter)"
            )
        if parameter.name == "when":
            raise DeclarationError(f"step '{settings.name}' has a parameter 'when', which every step call has already")
        note = parameter.annotation
        kinds[parameter.name] = "any" if note is parameter.empty else kind_of(note, names)
    note, named = signature.return_annotation, None
    if settings.outputs is not None:
        outputs = settings.outputs
    elif note is signature.empty:
        outputs = FrozenMap({"result": "any"})
    elif (named := named_outputs(note, names)) is not None:
        outputs = FrozenMap(output_kinds(named))
    else:
        outputs = FrozenMap({"result": kind_of(note, names)})
    told = tuple(name for name, kind in kinds.items() if kind in ("context", "mode"))
    return Form(signature=signature, kinds=FrozenMap(kinds), outputs=outputs, named=named, told=told, names=names)


def _record(
    function: StepFunction,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    when: Any,
    each: Literal["zip", "product"] | None = None,
) -> Any:
    form, settings = function.form, function.settings
    trace = current_trace()
    assert trace is not None  # noqa: S101  # the caller has asked
    name = trace.free_name(settings.name)
    if when is False:
        when = Condition("eq", True, False)  # declared, so that the pipeline has the same steps either way
    if when is not None and not isinstance(when, Condition | Ref):
        raise DeclarationError(
            f"step '{name}': when={when!r} is no condition; compare a result: when=report['mae'] < 5"
        )
    inputs, given = _bind(form, name, args, kwargs)
    over = mapped_over(name, {item: inputs[item] for item in given}, each) if each is not None else None
    inputs = {item: whole(value) for item, value in inputs.items()}
    _check_kinds(form, name, inputs, trace.steps, over.over if over is not None else ())
    trace.add(
        Step(
            name=name,
            call=function.declared,
            inputs=FrozenMap(inputs),
            outputs=form.outputs,
            kinds=form.kinds,
            when=trace.condition(when),
            each=over,
            modes=settings.modes,
            needs=settings.needs,
            cache=settings.cache,
            version=settings.version,
            depends_on=settings.depends_on,
            ignore=settings.ignore,
        )
    )
    refs = [Ref(name, output, (), kind if over is None else "list") for output, kind in form.outputs.items()]
    if form.named is not None:
        return form.named(*refs)
    return refs[0] if len(refs) == 1 else tuple(refs)


def _bind(
    form: Form, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return every input by its parameter, and which of them were given, not left to their defaults."""
    known = [parameter for parameter in form.signature.parameters if parameter not in form.told]
    for given in kwargs:
        if given not in known:
            raise UnknownNameError("parameter", given, known, within=f"step '{name}'")
    placed = [item for item in known if form.signature.parameters[item].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    if len(args) > len(placed):
        raise DeclarationError(
            f"step '{name}' takes {len(placed)} inputs by position, {len(args)} were given: {form.signature}"
        )
    bound = dict(zip(placed, args, strict=False))
    for twice in bound.keys() & kwargs.keys():
        raise DeclarationError(f"step '{name}' gets '{twice}' by position and by name")
    bound |= kwargs
    missing = [
        item
        for item in known
        if item not in bound and form.signature.parameters[item].default is inspect.Parameter.empty
    ]
    if missing:
        raise DeclarationError(f"step '{name}' needs {', '.join(missing)}; its inputs are {form.signature}")
    inputs = {item: bound[item] if item in bound else form.signature.parameters[item].default for item in known}
    return inputs, tuple(item for item in known if item in bound)


def _check_kinds(
    form: Form,
    name: str,
    inputs: Mapping[str, Any],
    steps: Container[str],
    over: Sequence[str],
) -> None:
    each = [(item, one) for item, value in inputs.items() if item in over for one in _items(value)]
    for parameter, value in [*((item, value) for item, value in inputs.items() if item not in over), *each]:
        wanted = form.kinds[parameter]
        for ref in references(value):
            if ref.step not in steps:
                raise DeclarationError(f"step '{name}' gets {ref!r} of another pipeline; call that step here too")
        for ref, kind in _placed(value, wanted):
            if not fits(ref.type, kind):
                known = " (a path or the name of a table, known when the pipeline is declared)"
                raise DeclarationError(
                    f"step '{name}' takes {in_words(wanted)} as '{parameter}', but {ref!r} is {in_words(ref.type)}"
                    + (known if wanted == "source" else "")
                )
        if base(wanted) in ("table", "model") and isinstance(value, str):
            hint = f"; write {name}(ps.read({value!r}))" if base(wanted) == "table" else ""
            raise DeclarationError(
                f"step '{name}' takes {in_words(wanted)} as '{parameter}', but {value!r} is a text{hint}"
            )
        declared = form.signature.parameters[parameter]
        if not (_deferred(value) or value is declared.default or takes(declared.annotation, form.names, value)):
            raise DeclarationError(f"step '{name}' takes {declared}, but got {value!r} ({type(value).__name__})")


def _placed(value: Any, wanted: str) -> Iterator[tuple[Ref, str]]:
    """Yield the references of an input, each with the kind that is expected where it stands."""
    match value:
        case Ref():
            yield value, wanted
        case list() | tuple() if base(wanted) == "list":
            for item in value:
                yield from _placed(item, inner(wanted))
        case dict() if base(wanted) == "mapping":
            for item in value.values():
                yield from _placed(item, inner(wanted))


def _items(value: Any) -> Sequence[Any]:
    """Return the items of a list that is mapped over, as far as they are known: none of what a step gives."""
    return value if isinstance(value, list | tuple) else ()


def _deferred(value: Any) -> bool:
    return isinstance(value, Condition) or next(references(value), None) is not None
