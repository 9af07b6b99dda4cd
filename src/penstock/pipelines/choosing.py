"""`ps.when`: one of two branches of a pipeline, by a condition that the run decides; and inputs that may be missing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Condition, Deferred, Maybe, Ref, Step, references
from penstock.errors import DeclarationError
from penstock.pipelines.tracing import Trace, conjunction, current_trace

_NOTHING: Any = object()


def when(condition: Any, then: Any, otherwise: Any = _NOTHING) -> Any:
    """Return what `then` gives where a condition holds, else what `otherwise` gives; a later step can use either.

    A branch is a function (a lambda, a pipeline) whose steps run only if it is taken, or a value: what a step gives, or
    a plain one. Steps that only a branch which is not taken would have used do not run. Without `otherwise`, what needs
    the result is skipped where the condition does not hold.

        model = ps.when(report["mae"] < 300, lambda: ps.push(graph, name="m"), lambda: retrain(rows))
    """
    trace = current_trace()
    if not isinstance(condition, Condition | Ref):
        return _plainly(condition, then, otherwise)
    if trace is None:
        raise DeclarationError(f"when({condition!r}, ...) stands in a pipeline; {condition!r} has no value outside one")
    branches = {"then": _branch(trace, condition, then)}
    if otherwise is not _NOTHING:
        branches["otherwise"] = _branch(trace, Condition("not", condition, None), otherwise)
    types = {value.type if isinstance(value, Ref) and not value.path else "any" for value in branches.values()}
    kind = types.pop() if len(types) == 1 else "any"
    name = trace.free_name("when")
    trace.add(
        Step(
            name=name,
            call=when,
            inputs=FrozenMap({"condition": condition, **branches}),
            outputs=FrozenMap({"result": kind}),
            when=trace.condition(None),
            chooses=True,
        )
    )
    return Ref(name, "result", (), kind)


def optional(value: Any, default: Any = None) -> Any:
    """Let a step do without an input: where the step that gives it is skipped, it gets `default` and runs all the same.

    report(ps.optional(chart))
    """
    if isinstance(value, Condition | Maybe):
        raise DeclarationError(f"optional({value!r}) makes no sense; give it what a step gives")
    given: Any = value  # a Ref, or a node of a Pipeline, in whose place one stands later
    return Maybe(given, default) if isinstance(value, Deferred) else value


def narrowed(steps: Mapping[str, Step]) -> tuple[Step, ...]:
    """Return the steps of a trace, those that only one branch uses with that branch's condition."""
    narrow = dict(steps)
    users: dict[str, set[str]] = {name: set() for name in steps}
    for step in steps.values():
        for name in step.upstream():
            users[name].add(step.name)
    for step in reversed([step for step in steps.values() if step.chooses]):
        condition: Condition | Ref = step.inputs["condition"]
        shared = {ref.step for ref in references(condition)}
        for branch, holds in (("then", condition), ("otherwise", Condition("not", condition, None))):
            others = {ref.step for name in ("then", "otherwise") if name != branch
                      for ref in references(step.inputs.get(name))}  # fmt: skip
            for name in _only_for(step, branch, users, steps, shared | others):
                narrow[name] = replace(narrow[name], when=_narrower(narrow[name].when, holds))
    return tuple(narrow.values())


def _only_for(
    step: Step, branch: str, users: Mapping[str, set[str]], steps: Mapping[str, Step], shared: set[str]
) -> set[str]:
    """Return the steps whose every use leads to this branch and nowhere else."""
    found: set[str] = set()
    todo = [ref.step for ref in references(step.inputs.get(branch))]
    while todo:
        name = todo.pop()
        if name not in found and name not in shared and users[name] <= found | {step.name}:
            found.add(name)
            todo.extend(steps[name].upstream())
    return found


def _narrower(own: Condition | Ref | None, holds: Condition | Ref) -> Condition | Ref | None:
    around = [own]
    while around:  # called inside the branch, it has the condition already
        one = around.pop()
        if one == holds:
            return own
        if isinstance(one, Condition) and one.op == "and":
            around += [one.left, one.right]
    return conjunction(own, holds)


def _branch(trace: Trace, condition: Condition | Ref, given: Any) -> Any:
    if isinstance(given, Deferred) or not callable(given):
        return given
    with trace.branch(condition):
        made = given()
    if isinstance(made, tuple) and any(isinstance(item, Ref) for item in made):
        raise DeclarationError(
            f"a branch of when({condition!r}, ...) gives {len(made)} results; give one: choose among several one by one"
        )
    return made


def _plainly(condition: Any, then: Any, otherwise: Any) -> Any:
    """Choose at once: the condition is known (a parameter of the pipeline, or no pipeline is traced)."""
    if isinstance(condition, Deferred):
        raise DeclarationError(f"when({condition!r}, ...) takes a comparison or what a step gives")
    taken: Callable[[], Any] | Any = then if condition else otherwise
    if taken is _NOTHING:
        return None
    return taken() if callable(taken) and not isinstance(taken, Deferred) else taken
