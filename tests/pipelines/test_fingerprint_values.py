"""The fingerprint of values: what must tell apart, what must not, and what is refused."""

from __future__ import annotations

import cmath
import collections
import datetime
import decimal
import enum
import functools
import itertools
import math
import operator
import os
import re
import subprocess
import sys
import threading
import uuid
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from worlds import World

from penstock.core.expression import Expr, literal
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.errors import FingerprintError
from penstock.pipelines import pipeline, step
from penstock.pipelines.fingerprint import digest_of


class Color(enum.Enum):
    RED = 1
    BLUE = 2


@dataclass(frozen=True)
class Point:
    x: float
    y: float = 0.0
    seen: list[int] = field(default_factory=list)


class Plain:
    def __init__(self, value: Any) -> None:
        self.value = value


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def km() -> Expr:
    return Expr("column", ("km",))


def model(**options: Any) -> Model:
    return Model(
        name="m", type="linear_reg", label="y", target=km(), features=FrozenMap({"a": km()}), options=FrozenMap(options)
    )


DIFFERENT: list[Callable[[], Any]] = [
    lambda: None,
    lambda: True,
    lambda: False,
    lambda: 1,
    lambda: 0,
    lambda: 1.0,
    lambda: 0.0,
    lambda: -0.0,
    lambda: 1 + 0j,
    lambda: float("nan"),
    lambda: "1",
    lambda: "",
    lambda: "True",
    lambda: b"1",
    lambda: bytearray(b"1"),
    lambda: (),
    list,
    dict,
    lambda: set(),
    lambda: frozenset(),
    lambda: [1],
    lambda: (1,),
    lambda: {1},
    lambda: [[1], 2],
    lambda: [[1, 2]],
    lambda: [1, [2]],
    lambda: ["ab", "c"],
    lambda: ["a", "bc"],
    lambda: {"a": 1},
    lambda: {"a": "1"},
    lambda: {"a": 1, "b": 2},
    lambda: {"b": 2, "a": 1},
    lambda: collections.OrderedDict(a=1),
    lambda: collections.defaultdict(int, a=1),
    lambda: collections.defaultdict(list, a=1),
    lambda: collections.Counter("a"),
    lambda: collections.deque([1]),
    lambda: FrozenMap({"a": 1}),
    lambda: range(3),
    lambda: slice(1, 2),
    lambda: ...,
    lambda: Path("a"),
    lambda: "a",
    lambda: datetime.date(2024, 1, 1),
    lambda: datetime.datetime(2024, 1, 1),
    lambda: datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
    lambda: datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
    lambda: datetime.timedelta(1),
    lambda: decimal.Decimal("1"),
    lambda: decimal.Decimal("1.0"),
    lambda: uuid.UUID(int=1),
    lambda: re.compile("a"),
    lambda: re.compile("a", re.I),
    lambda: Color.RED,
    lambda: Color.BLUE,
    lambda: Point(1.0),
    lambda: Point(1),
    lambda: Point(1.0, seen=[1]),
    lambda: Plain(1),
    lambda: Plain(2),
    lambda: Plain(Plain(1)),
    lambda: Slotted(1),
    lambda: Slotted("1"),
    lambda: functools.partial(pow, 2),
    lambda: functools.partial(pow, 3),
    lambda: functools.partial(divmod, 2),
    lambda: operator.itemgetter(1),
    lambda: operator.itemgetter(2),
    lambda: str.upper,
    lambda: str.lower,
    lambda: len,
    lambda: np.log,
    lambda: math.log,
    lambda: cmath.log,
    lambda: np.log1p,
    lambda: np.zeros(4, "f4"),
    lambda: np.zeros(4, "i4"),
    lambda: np.zeros((2, 2), "f4"),
    lambda: np.float64(1),
    lambda: np.float32(1),
    lambda: int,
    lambda: list[int],
    lambda: list[str],
    lambda: int | None,
    km,
    lambda: literal(1),
    lambda: literal(1.0),
    lambda: literal("1"),
    lambda: km() + 1,
    lambda: 1 + km(),
    model,
    lambda: model(depth=6),
    lambda: model(depth=6.0),
    lambda: lambda x: x + 1,
    lambda: lambda x: x + 2,
    lambda: lambda y: y + 1,
    lambda: Plain(1).__init__,
]


def test_different_values_differ_and_equal_values_made_twice_are_equal() -> None:
    first = [digest_of(make()) for make in DIFFERENT]
    assert first == [digest_of(make()) for make in DIFFERENT]
    same = [
        (left, right) for left, right in itertools.combinations(range(len(first)), 2) if first[left] == first[right]
    ]
    assert same == []


def test_sets_do_not_depend_on_the_order_of_hashing() -> None:
    assert digest_of({"a", "b", "c"}) == digest_of({"c", "b", "a"})


def test_a_value_that_contains_itself_is_refused() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(FingerprintError, match="contains itself"):
        digest_of(loop)


def test_an_open_file_a_generator_and_a_foreign_object_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    with (tmp_path / "a").open() as file:
        for value in (file, (x for x in [1]), np.array([threading.Lock()], dtype=object), np.random.default_rng()):
            with pytest.raises(FingerprintError):
                digest_of(value)


def test_sets_and_dicts_do_not_depend_on_the_seed_of_hashing() -> None:
    program = (
        "from penstock.pipelines.fingerprint import digest_of, fingerprint\n"
        "names = {'a', 'b', 'c', ('d', 1), frozenset({'e', 'f'})}\n"
        "def f(x): return x in {'a', 'b', 'c'} or x in names or {name: 1 for name in ('x', 'y')}\n"
        "print(digest_of(names), digest_of({'b': names, 'a': 1}), fingerprint(f).digest)\n"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "77")
    }
    assert len(said) == 1


@pytest.mark.parametrize("value", [threading.Lock(), (x for x in [1]), threading.local()])
def test_an_input_without_fingerprint_is_an_error_that_names_step_and_parameter(value: Any, world: World) -> None:
    takes = step(lambda x: 1).configured(name="takes")
    run = world.run(pipeline(name="p")(lambda: takes(value)))
    error = world.steps(run)["takes"].error
    assert error.startswith("the parameter 'x' of step 'takes': ")
    assert "which has no fingerprint" in error


def test_objects_that_know_each_other_are_hashed_once_each() -> None:
    def family(children: int) -> Plain:
        parent = Plain([])
        parent.value = [Plain(parent) for _ in range(children)]
        return parent

    assert digest_of(family(2)) == digest_of(family(2))
    assert digest_of(family(2)) != digest_of(family(3))


def test_what_is_shared_many_times_takes_no_time() -> None:
    value: Any = Plain(1)
    for _ in range(20):
        value = Plain([value, value])  # a million paths to one number
    other: Any = Plain(2)
    for _ in range(20):
        other = Plain([other, other])
    assert digest_of(value) == digest_of(value) != digest_of(other)
