"""A pipeline as a value: steps and the references between them. Tracing a pipeline function makes one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from penstock.core.mapping import FrozenMap
from penstock.errors import DeclarationError, UnknownNameError


class Deferred:
    """A value that exists only when the run gets there; comparisons of it are conditions that the run will decide."""

    __slots__ = ()

    def __bool__(self) -> NoReturn:
        raise DeclarationError(
            f"{self!r} has no value while the pipeline is declared; give it to a step, or write when=<condition>"
        )

    def __iter__(self) -> Iterator[Any]:
        raise DeclarationError(f"{self!r} is known only when the run gets there, so it cannot be looped over here")

    def __lt__(self, other: Any) -> Condition:
        return Condition("lt", self, other)

    def __le__(self, other: Any) -> Condition:
        return Condition("le", self, other)

    def __gt__(self, other: Any) -> Condition:
        return Condition("gt", self, other)

    def __ge__(self, other: Any) -> Condition:
        return Condition("ge", self, other)

    def eq(self, other: Any) -> Condition:
        """Hold where the value equals `other` (`==` compares references, as for any value)."""
        return Condition("eq", self, other)

    def __and__(self, other: Any) -> Condition:
        return Condition("and", self, other)

    def __or__(self, other: Any) -> Condition:
        return Condition("or", self, other)

    def __invert__(self) -> Condition:
        return Condition("not", self, None)


@dataclass(frozen=True, slots=True)
class Ref(Deferred):
    """What a step will give: its output, or with `path` something inside it: `report["mean_absolute_error"]`."""

    step: str
    output: str = "result"
    path: tuple[str | int, ...] = ()
    type: str = "any"

    def __getitem__(self, key: str | int) -> Ref:
        return Ref(self.step, self.output, (*self.path, key))

    def __repr__(self) -> str:
        output = "" if self.output == "result" else f".{self.output}"
        return f"<{self.step}{output}{''.join(f'[{key!r}]' for key in self.path)}>"


@dataclass(frozen=True, slots=True)
class Condition(Deferred):
    """A comparison (or a conjunction of them) that is decided when the run gets there."""

    op: str
    left: Any
    right: Any

    def __repr__(self) -> str:
        symbols = {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "and": "&", "or": "|"}
        return f"~{self.left!r}" if self.op == "not" else f"({self.left!r} {symbols[self.op]} {self.right!r})"


@dataclass(frozen=True, slots=True)
class Maybe(Deferred):
    """What a step gave, or `default` where that step was skipped: an input that a step can do without."""

    ref: Ref
    default: Any = None

    def __repr__(self) -> str:
        return f"<{self.ref!r} or {self.default!r}>"


@dataclass(frozen=True, slots=True)
class Each:
    """What a mapped step runs for: the items of the parameters `over`, taken in step (`zip`: lists of one length) or
    in every combination (`product`, the last one changing fastest)."""

    over: tuple[str, ...]
    kind: Literal["zip", "product"] = "zip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a step asks of whoever runs it; None: nothing. After a failure it is tried again up to `retries` times, at
    first after `retry_delay_seconds`, then after twice as long, and so on, where it failed of what `retry_on` names
    (patterns; None: of anything). It is stopped when it runs for longer than
    `timeout_seconds`, shows no sign of life for `heartbeat_seconds`, or uses more than `memory_bytes`. In a
    container it runs in `image`, and has a `network` only if it asks."""

    retries: int = 0
    retry_delay_seconds: float = 0.5
    retry_on: tuple[str, ...] | None = None
    timeout_seconds: float | None = None
    heartbeat_seconds: float | None = None
    cpus: float | None = None
    memory_bytes: int | None = None
    image: str | None = None
    network: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call of a plain function in a pipeline.

    `inputs` maps parameter names to values, `Ref`s, `Condition`s, or lists and dicts of them. `outputs` maps output
    names to kinds (`table`, `json`, `model`, `text`, `bytes`, `file`; `any`: the codecs decide when the value is
    there); `kinds` does so for the parameters (and has `source` and `context`, which are handed in). A step whose
    `when` turns out false is skipped, and so is everything that needs it. `depends_on`, `version` and `ignore` change
    what its key is made of. With `each`, the run makes a step of every item (`clean[0]`, `clean[1]`, ...), and the
    outputs are lists of theirs. A step that `chooses` calls nothing: its output is that of its input `then` where its
    input `condition` holds, else that of `otherwise`.
    """

    name: str
    call: Callable[..., Any]
    inputs: FrozenMap[Any]
    outputs: FrozenMap[str]
    kinds: FrozenMap[str] = field(default_factory=FrozenMap)
    when: Condition | Ref | None = None
    modes: frozenset[str] = frozenset({"train", "infer"})
    needs: Needs = Needs()
    cache: bool | float = True  # False: always runs; seconds: a hit is good for so long
    version: str = ""
    depends_on: tuple[Any, ...] = ()
    ignore: tuple[str, ...] = ()
    each: Each | None = None
    chooses: bool = False

    _upstream: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _required: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Asked many times of every step of a large pipeline, so found once.
        inputs = [self.inputs["condition"]] if self.chooses else [*self.inputs.values()]
        refs = [ref for value in (self.when, *self.inputs.values()) for ref in references(value)]
        required = [ref for value in (self.when, *inputs) for ref in references(value, optional=False)]
        object.__setattr__(self, "_upstream", tuple(dict.fromkeys(ref.step for ref in refs)))
        object.__setattr__(self, "_required", tuple(dict.fromkeys(ref.step for ref in required)))

    def upstream(self) -> tuple[str, ...]:
        """Return the names of the steps that must have ended before this one, each once, in order of first use."""
        return self._upstream

    def required(self) -> tuple[str, ...]:
        """Return those of the upstream steps that must not have been skipped."""
        return self._required


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A traced pipeline: its steps in an order in which each comes after what it needs; there are no cycles."""

    name: str
    params: FrozenMap[Any]
    steps: tuple[Step, ...] = ()

    def step(self, name: str) -> Step:
        """Return the step of that name; raises `UnknownNameError`."""
        for step in self.steps:
            if step.name == name:
                return step
        raise UnknownNameError("step", name, [step.name for step in self.steps], within=f"pipeline '{self.name}'")


def references(value: Any, *, optional: bool = True) -> Iterator[Ref]:
    """Yield every `Ref` inside a value: in conditions, lists, tuples and dicts, and unless told not to in `Maybe`s."""
    match value:
        case Ref():
            yield value
        case Maybe(ref=ref):
            if optional:
                yield ref
        case Condition(left=left, right=right):
            yield from references(left, optional=optional)
            yield from references(right, optional=optional)
        case list() | tuple():
            for item in value:
                yield from references(item, optional=optional)
        case dict() | FrozenMap():
            for item in value.values():
                yield from references(item, optional=optional)
