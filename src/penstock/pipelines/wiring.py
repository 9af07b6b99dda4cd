"""`Pipeline(components=[...])`: a pipeline as a list of declared components whose outputs are wired by name, as TFX has
it; it is the same value as one that a function declares."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Condition, Deferred, Maybe
from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines.choosing import optional
from penstock.pipelines.component import Component
from penstock.pipelines.declare import StepFunction
from penstock.pipelines.naming import checked_name
from penstock.pipelines.pipeline_function import PipelineFunction
from penstock.pipelines.tracing import current_trace


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a `Pipeline`: a value that each run may give, `default` where it gives none."""

    name: str
    default: Any = inspect.Parameter.empty


def parameter(name: str, default: Any = inspect.Parameter.empty) -> Any:
    """Declare a parameter of a `Pipeline` of components; without a default each run has to give it."""
    return Parameter(name, default)


@dataclass(frozen=True, slots=True, eq=False)
class Output(Deferred):
    """What a node will give; `output["mean_absolute_error"]` is something inside it."""

    node: Node
    name: str = ""  # "": the only one
    path: tuple[str | int, ...] = ()

    def __getitem__(self, key: str | int) -> Output:
        return Output(self.node, self.name, (*self.path, key))

    def __repr__(self) -> str:
        return f"<{self.node.name}{f'.{self.name}' if self.name else ''}{''.join(f'[{key!r}]' for key in self.path)}>"


class Outputs(Mapping[str, Output]):
    """The outputs of a node by name."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def __getitem__(self, name: str) -> Output:
        known = list(self)
        if name not in known:
            raise UnknownNameError("output", name, known, within=f"component '{self._node.name}'")
        return Output(self._node, name)

    def __iter__(self) -> Iterator[str]:
        match self._node.call:
            case Component(apply=step) | (StepFunction() as step):
                return iter(step.form.outputs)
        return iter(("result",))

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Node(Deferred):
    """A component with its inputs, before it stands in a pipeline: what `node` returns. It stands for what it will
    give, where that is one thing: `report["mean_absolute_error"] < 5`."""

    name: str
    call: Callable[..., Any]
    args: tuple[Any, ...] = ()
    inputs: FrozenMap[Any] = field(default_factory=FrozenMap)

    @property
    def outputs(self) -> Outputs:
        """What it will give, by name: `split.outputs["train"]`."""
        return Outputs(self)

    def __getitem__(self, key: str | int) -> Output:
        if len(self.outputs) > 1:
            raise _several(self)
        return Output(self)[key]

    def __repr__(self) -> str:
        return f"<node {self.name}>"


def node(call: Any, /, *args: Any, name: str = "", **inputs: Any) -> Node:
    """Declare a component with its inputs, for `Pipeline(components=[...])`: `node(ps.statistics, rows=read)`.

    `call` is a step, a component of any kind, a pipeline, or a function that calls steps. An input is a value, a
    `Parameter`, what another node gives (`split.outputs["train"]`), or a node that gives one thing. `name` is what the
    step is called, if not as its function; of a component that has a parameter `name` itself (`node(ps.push, graph,
    name="rides")`) it is that.
    """
    match call:
        case StepFunction():
            own, known = call.settings.name, [*call.shaped(inputs).form.signature.parameters, *_beside(call)]
            known = [each for each in known if each not in call.form.told]
        case Component():
            own, known = call.name, call.takes
        case PipelineFunction():
            own, known = call.name, list(call.parameters)
        case _ if inspect.isfunction(call):
            parameters = inspect.signature(call).parameters
            own, known = call.__name__, [*parameters]
            known += [name for name in inputs if any(each.kind is each.VAR_KEYWORD for each in parameters.values())]
        case _:
            raise DeclarationError(f"node() takes a step or a component, such as ps.read, not {call!r}")
    given = {"name": name, **inputs} if name and "name" in known else inputs
    for each in given:
        if each not in known and not (each == "when" and isinstance(call, StepFunction | Component)):
            raise UnknownNameError("parameter", each, known, within=f"component '{own}'")
    if name and given is inputs:
        if not isinstance(call, StepFunction | Component):
            raise DeclarationError(f"node(): what '{own}' calls has names of its own, so leave out name={name!r}")
        own, call = name, call.configured(name=checked_name(name, "component"))
    if isinstance(call, StepFunction):
        call = call.shaped(inputs)
    return Node(own, call, args, FrozenMap(given))


def _beside(call: StepFunction) -> list[str]:
    """Return what a step takes beside the parameters of its function, such as the `span` of `read`."""
    parameters = inspect.signature(type(call).__call__).parameters.values()
    return [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]


class Pipeline(PipelineFunction):
    """A pipeline of nodes, wired by what they name of each other; the order in which they are listed does not matter.

        read = ps.node(ps.read, ps.parameter("source", "storms.parquet"))
        split = ps.node(ps.split, rows=read, by="year")
        graph = ps.node(ps.fit, strength, split.outputs["train"])
        storms = ps.Pipeline(name="storms", components=[read, split, graph])

    Raises `DeclarationError` for nodes that need each other, that have one name, or one that is needed and not listed.
    """

    def __init__(self, *, name: str, components: Sequence[Node], image: str | None = None) -> None:
        if isinstance(components, Node):
            raise DeclarationError(f"pipeline '{name}': components= takes a list: [{components.name}]")
        for item in components:
            if not isinstance(item, Node):
                raise DeclarationError(
                    f"pipeline '{name}': {item!r} in components= is no node; write ps.node(ps.read, 'rows.parquet')"
                )
        self.components = tuple(dict.fromkeys(components))
        _check_names(name, self.components)
        ordered = _ordered(name, self.components)
        super().__init__(_calling(name, ordered), checked_name(name, "pipeline"), image)


def _check_names(pipeline: str, nodes: Sequence[Node]) -> None:
    """Raise `DeclarationError` where two nodes have one name: which of their steps had it would hang on their order."""
    seen: set[str] = set()
    for one in nodes:
        if one.name in seen:
            own = isinstance(one.call, StepFunction) and "name" in one.call.form.signature.parameters
            other = f"{one.name}_2"
            how = f"ps.node(<step>.configured(name='{other}'), ...)" if own else f"ps.node(..., name='{other}')"
            raise DeclarationError(
                f"pipeline '{pipeline}': two components are called '{one.name}'; give one of them another name: {how}"
            )
        seen.add(one.name)


def _ordered(pipeline: str, nodes: Sequence[Node]) -> list[Node]:
    """Return the nodes so that each comes after what it needs."""
    found: list[Node] = []
    under_way: list[Node] = []

    def place(one: Node, by: Node | None) -> None:
        if one in found:
            return
        if one not in nodes:
            assert by is not None  # noqa: S101  # the listed ones are in the list
            raise DeclarationError(
                f"pipeline '{pipeline}': '{by.name}' needs '{one.name}', which is not in components=; list it too"
            )
        if one in under_way:
            circle = " -> ".join(each.name for each in [*under_way[under_way.index(one) :], one])
            raise DeclarationError(f"pipeline '{pipeline}': components need each other: {circle}")
        under_way.append(one)
        for needed in _needed(one):
            place(needed, one)
        under_way.pop()
        found.append(one)

    for one in nodes:
        place(one, None)
    return found


def _calling(name: str, nodes: Sequence[Node]) -> Callable[..., None]:
    """Return the function that calls the nodes' steps, with the parameters that they name."""
    parameters: dict[str, inspect.Parameter] = {}
    for one in nodes:
        for asked in _leaves((one.args, one.inputs), Parameter):
            note = _type_of(asked.default)
            made = inspect.Parameter(asked.name, inspect.Parameter.KEYWORD_ONLY, default=asked.default, annotation=note)
            if parameters.setdefault(asked.name, made) != made:
                raise DeclarationError(f"pipeline '{name}': parameter '{asked.name}' is declared in two ways")

    def call(**values: Any) -> None:
        given: dict[Node, Any] = {}
        for one in nodes:
            args, inputs = (_filled(each, given, values) for each in (one.args, one.inputs))
            before = _steps()
            given[one] = one.call(*args, **inputs)
            if before is not None and before == _steps():
                raise DeclarationError(
                    f"pipeline '{name}': component '{one.name}' makes no step; put @ps.step before its function"
                )

    call.__name__ = call.__qualname__ = name
    call.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    call.__annotations__ = {each.name: each.annotation for each in parameters.values()}
    return call


def _steps() -> int | None:
    """Return how many steps are recorded so far; None where the steps run as plain functions."""
    trace = current_trace()
    return None if trace is None else len(trace.steps)


def _type_of(default: Any) -> Any:
    """Return the type that texts of a command line are brought to."""
    return type(default) if type(default) in (bool, int, float, str) else Any


def _needed(one: Node) -> Iterator[Node]:
    for leaf in _leaves((one.args, one.inputs), (Output, Node)):
        yield leaf.node if isinstance(leaf, Output) else leaf


def _leaves(value: Any, kinds: type | tuple[type, ...]) -> Iterator[Any]:
    """Yield what of these kinds stands inside a value."""
    match value:
        case _ if isinstance(value, kinds):
            yield value
        case Condition(left=left, right=right):
            yield from _leaves((left, right), kinds)
        case Maybe(ref=ref):
            yield from _leaves(ref, kinds)
        case list() | tuple():
            for item in value:
                yield from _leaves(item, kinds)
        case Mapping():
            for item in value.values():
                yield from _leaves(item, kinds)


def _filled(value: Any, given: Mapping[Node, Any], values: Mapping[str, Any]) -> Any:
    """Return a value with what nodes gave, and what parameters are, in the place of their names."""
    match value:
        case Parameter(name=name):
            return values[name]
        case Node():
            return _output(value, "", given)
        case Output(node=maker, name=name, path=path):
            found = _output(maker, name, given)
            for key in path:
                found = found[key]
            return found
        case Condition(op=op, left=left, right=right):
            return Condition(op, _filled(left, given, values), _filled(right, given, values))
        case Maybe(ref=ref, default=default):
            return optional(_filled(ref, given, values), default)
        case list() | tuple():
            return type(value)(_filled(item, given, values) for item in value)
        case Mapping():
            return {name: _filled(item, given, values) for name, item in value.items()}
    return value


def _output(maker: Node, name: str, given: Mapping[Node, Any]) -> Any:
    found, names = given[maker], list(maker.outputs)
    if found is None and _steps() is not None:
        raise DeclarationError(f"component '{maker.name}' gives nothing; have its function return what a step gives")
    if len(names) == 1:
        return found
    if not name:
        raise _several(maker)
    return found[names.index(name)]


def _several(maker: Node) -> DeclarationError:
    several = ", ".join(f"outputs['{each}']" for each in maker.outputs)
    return DeclarationError(f"component '{maker.name}' gives several things; say which: {several}")
