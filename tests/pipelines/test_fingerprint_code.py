"""The fingerprint of code: all that a function reaches counts, and nothing else."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from penstock.errors import FingerprintError
from penstock.pipelines import step
from penstock.pipelines.fingerprint import fingerprint

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


def test_a_step_of_the_user_s_does_not_depend_on_our_version() -> None:
    @step
    def helper(x: int) -> int:
        return x

    @step
    def uses(x: int) -> int:
        return int(helper(x))

    assert [name for name in fingerprint(uses).parts if name.startswith("library")] == []
