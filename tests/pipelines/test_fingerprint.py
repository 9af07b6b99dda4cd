"""The fingerprint of values and of code: what must tell apart, what must not, and what is refused."""

from __future__ import annotations

import cmath
import collections
import datetime
import decimal
import enum
import functools
import importlib.util
import itertools
import math
import operator
import os
import re
import subprocess
import sys
import textwrap
import threading
import uuid
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from worlds import World

from penstock.core.expression import Expr, literal
from penstock.core.mapping import FrozenMap
from penstock.core.model import Model
from penstock.errors import FingerprintError
from penstock.pipelines import pipeline, step
from penstock.pipelines.fingerprint import digest_of, fingerprint


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


LOCK = threading.Lock()


def uses_lock() -> int:
    with LOCK:
        return 1


def test_a_captured_value_without_fingerprint_is_an_error_that_names_it_and_the_ways_out() -> None:
    with pytest.raises(FingerprintError) as caught:
        fingerprint(uses_lock)
    for word in (f"{__name__}.LOCK", "_thread.lock", "as an input", "ignore=['LOCK']", "depends_on=", "version="):
        assert word in str(caught.value)


def test_ignore_and_version_are_ways_out() -> None:
    by_name = fingerprint(uses_lock, ignore=[f"{__name__}.LOCK"])
    assert by_name.digest == fingerprint(uses_lock, ignore=["LOCK"]).digest
    assert fingerprint(uses_lock, version="1").digest != fingerprint(uses_lock, version="2").digest


def test_an_open_file_a_generator_and_a_foreign_object_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    with (tmp_path / "a").open() as file:
        for value in (file, (x for x in [1]), np.array([threading.Lock()], dtype=object), np.random.default_rng()):
            with pytest.raises(FingerprintError):
                digest_of(value)


def load(tmp_path: Path, text: str, name: str = "written") -> ModuleType:
    """A fresh module object of this text, as after a restart."""
    path = tmp_path / f"{name}.py"
    path.write_text(textwrap.dedent(text))
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        importlib.invalidate_caches()
        exec(compile(path.read_text(), str(path), "exec"), vars(module))  # never a stale .pyc
    finally:
        sys.dont_write_bytecode = before
    return module


def digest_in(tmp_path: Path, text: str) -> str:
    return fingerprint(load(tmp_path, text).f).digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(x):\n    return x+1", "def f(x):\n    # why\n\n    return (\n        x + 1\n    )"),
        ("def f(x):\n    return x", 'def f(x):\n    """Words."""\n    return x'),
        ("def f(x):\n    if x: pass\n    return x", "def f(x):\n    if x:\n        pass\n    return x"),
        ("def f(x):\n  class A: pass\n  return A", 'def f(x):\n  class A:\n    "Doc."\n  return A'),
        ("def f(x): return 60 * 60", "def f(x): return 3600"),
        ("K = 1\ndef g(): return K\ndef f(x): return x", "K = 2\ndef g(): return K + 1\ndef f(x): return x"),
        ("def f(x):\n    return x in {1, 2, 3}", "def f(x):\n    return x in {3, 2, 1}"),
    ],
)  # fmt: skip
def test_what_does_not_change_the_result_does_not_change_the_digest(one: str, other: str, tmp_path: Path) -> None:
    assert digest_in(tmp_path, one) == digest_in(tmp_path, other)


CHANGES = [
    # a program with a hole, and two fillings that must differ
    ("def f(x): return x + {}", "1", "1.0"),
    ("def f({0}): return {0} + 1", "x", "y"),
    ("def f(x): return x in {}", "(1, True)", "(True, 1)"),
    ("def f(x, y={}): return x", "1", "2"),
    ("def f(x, *, y={}): return x", "1", "True"),
    ("def f(x):\n  try:\n    a(){}", "\n    b()\n  except E: pass", "\n  except E: pass\n  else: b()"),
    ("def f(x): return x {} 1", "<", "<="),
    ("def f(x): return [{} for y in x]", "y", "-y"),
    ("def f(x): return g()\ndef g(): return h()\ndef h(): return {}", "1", "2"),
    ("def f(x): return f(x - 1) if x else g()\ndef g(): return f({})", "0", "1"),
    ("class A:\n  k = {}\ndef f(x): return A.k", "1", "2"),
    ("class A:\n  @property\n  def k(self): return {}\ndef f(x): return A().k", "1", "2"),
    ("class A:\n  @staticmethod\n  def k(): return {}\ndef f(x): return A.k()", "1", "2"),
    ("class A:\n  @classmethod\n  def k(cls): return {}\ndef f(x): return A.k()", "1", "2"),
    ("class B:\n  def k(self): return {}\nclass A(B): pass\ndef f(x): return A().k()", "1", "2"),
    ("from functools import cache\n@cache\ndef g(): return {}\ndef f(x): return g()", "1", "2"),
    ("from typing import NamedTuple\nclass A(NamedTuple):\n  a: int = {}\ndef f(x): return A()", "1", "2"),
    ("import dataclasses as d\n@d.dataclass\nclass A:\n  a: list = d.field(default_factory={})\ndef f(x): return A()",
     "list", "dict"),
    ("{}\ndef f(x): return os.sep", "import os", "import posixpath as os"),
    ("{}def f(x): return 1", "", "async "),
    ("K = {}\ndef f(x):\n  def g(): return K\n  return g", "1", "2"),
    ("def make(k):\n  def f(x): return k\n  return f\nf = make({})", "1", "2"),
    ("class A:\n  def __init__(self): self.k = {}\na = A()\ndef f(x): return a.k", "1", "2"),
]  # fmt: skip


@pytest.mark.parametrize(("program", "one", "other"), CHANGES)
def test_what_may_change_the_result_changes_the_digest(program: str, one: str, other: str, tmp_path: Path) -> None:
    first = digest_in(tmp_path, program.format(one))
    assert digest_in(tmp_path, program.format(one)) == first
    assert digest_in(tmp_path, program.format(other)) != first


def test_only_what_is_reached_of_a_module_counts(tmp_path: Path) -> None:
    load(tmp_path, "def used(x): return x\ndef unused(x): return x", "tools_of_mine")
    user = "import tools_of_mine\ndef f(x): return tools_of_mine.used(x)"
    before = digest_in(tmp_path, user)
    load(tmp_path, "def used(x): return x\ndef unused(x): return x + 1", "tools_of_mine")
    assert digest_in(tmp_path, user) == before
    load(tmp_path, "def used(x): return x + 1\ndef unused(x): return x", "tools_of_mine")
    assert digest_in(tmp_path, user) != before


@pytest.mark.parametrize(
    "body",
    [
        "    import tools_inside\n    return tools_inside.used(x)",
        "    import tools_inside as t\n    return t.used(x)",
        "    from tools_inside import used\n    return used(x)",
        "    from tools_inside import used as u\n    return [u(y) for y in x]",
        "    import tools_inside\n    return [tools_inside.used(y) for y in x]",
        "    import tools_inside\n    return call(tools_inside)",
    ],
)
def test_imports_inside_a_function_are_followed(body: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    load(tmp_path, "def used(x): return x", "tools_inside")
    user = f"def call(m): return m\ndef f(x):\n{body}"
    before = digest_in(tmp_path, user)
    changed = load(tmp_path, "def used(x): return x + 1", "tools_inside")
    changed.__loader__ = importlib.util.spec_from_file_location("tools_inside", tmp_path / "tools_inside.py").loader  # type: ignore[union-attr]
    assert digest_in(tmp_path, user) != before


def test_a_missing_optional_import_is_no_error(tmp_path: Path) -> None:
    text = "def f(x):\n  try:\n    import not_installed_anywhere\n  except ImportError:\n    pass\n  return x"
    assert digest_in(tmp_path, text) == digest_in(tmp_path, text)


def test_distributions_count_by_version_and_only_those_reached(tmp_path: Path) -> None:
    parts = fingerprint(load(tmp_path, "import numpy as np\nimport blake3\ndef f(x): return np.log(x)").f).parts
    assert parts["library numpy"] == np.__version__
    assert "library blake3" not in parts


def test_the_standard_library_is_not_followed(tmp_path: Path) -> None:
    text = "import json\nfrom dataclasses import replace\ndef f(x): return replace(json.loads(x), a=x)"
    assert list(fingerprint(load(tmp_path, text).f).parts) == ["code written.f"]


def test_a_library_s_decorator_does_not_hide_the_function(tmp_path: Path) -> None:
    text = "import contextlib\n@contextlib.contextmanager\ndef g():\n    yield {}\ndef f(x):\n  with g() as y: return y"
    assert digest_in(tmp_path, text.format(1)) == digest_in(tmp_path, text.format(1))
    assert digest_in(tmp_path, text.format(1)) != digest_in(tmp_path, text.format(2))


def test_parts_say_where_code_stands_and_what_values_are(tmp_path: Path) -> None:
    parts = fingerprint(load(tmp_path, "K = 3\ndef g(): return K\ndef f(x): return g()").f).parts
    assert parts["code written.g"].endswith(" written.py:2")
    assert parts["global written.K"].endswith(" 3")


def test_a_changed_global_is_seen_in_the_same_process(tmp_path: Path) -> None:
    module = load(tmp_path, "K = [1]\ndef f(x): return K")
    before = fingerprint(module.f).digest
    module.K.append(2)  # type: ignore[attr-defined]
    assert fingerprint(module.f).digest != before


def test_functions_typed_at_a_prompt_have_a_fingerprint() -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec("K = 1\ndef g(): return K\ndef f(): return g()", names)
    before = fingerprint(names["f"]).digest
    names["K"] = 2
    assert fingerprint(names["f"]).digest != before


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


def test_a_step_of_the_user_s_does_not_depend_on_our_version() -> None:
    @step
    def helper(x: int) -> int:
        return x

    @step
    def uses(x: int) -> int:
        return int(helper(x))

    assert [name for name in fingerprint(uses).parts if name.startswith("library")] == []
