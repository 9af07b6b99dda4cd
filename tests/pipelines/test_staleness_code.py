"""Edits of code that a step reaches in every way that Python has, and edits that change nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutations import Mutation, check, harmless, reran

PACKAGE = {
    "kit/__init__.py": "from .inner.deep import low",
    "kit/inner/__init__.py": "",
    "kit/inner/deep.py": """
        from ..other import K

        def low(x):
            return x + K
    """,
    "kit/other.py": "K = 1",
}
HELPER = {"helper.py": "def g(x):\n    return x + 1\n\n\ndef unused(x):\n    return x\n"}

MUST_RERUN = {
    "a helper in a sub-package, by relative imports": Mutation(
        "import kit\n@ps.step\ndef f() -> int:\n    return kit.low(1)",
        "x + K", "x - K", file="kit/inner/deep.py", files=PACKAGE, reason="code of f changed: deep.py:3 low",
    ),
    "a global behind relative imports": Mutation(
        "import kit\n@ps.step\ndef f() -> int:\n    return kit.low(1)",
        "K = 1", "K = 2", file="kit/other.py", files=PACKAGE, reason="global K changed 1 -> 2",
    ),
    "from m import f as g": Mutation(
        "from helper import g as h\n@ps.step\ndef f() -> int:\n    return h(1)",
        "x + 1", "x + 2", file="helper.py", files=HELPER, reason="helper.py:1 g",
    ),
    "import a.b as c": Mutation(
        "import kit.inner.deep as d\n@ps.step\ndef f() -> int:\n    return d.low(1)",
        "x + K", "x - K", file="kit/inner/deep.py", files=PACKAGE, reason="low",
    ),
    "a star import": Mutation(
        "from helper import *\n@ps.step\ndef f() -> int:\n    return g(1)",
        "x + 1", "x + 2", file="helper.py", files=HELPER, reason="helper.py:1 g",
    ),
    "a dotted import inside the function": Mutation(
        "@ps.step\ndef f() -> int:\n    import kit.inner.deep\n    return kit.inner.deep.low(1)",
        "x + K", "x - K", file="kit/inner/deep.py", files=PACKAGE, reason="low",
    ),
    "a relative import inside a helper": Mutation(
        "from kit import go\n@ps.step\ndef f() -> int:\n    return go()",
        "x + 1", "x + 2", file="kit/low.py",
        files={"kit/__init__.py": "def go():\n    from .low import g\n    return g(1)\n",
               "kit/low.py": "def g(x):\n    return x + 1\n"}, reason="low.py:1 g",
    ),
    "a conditional import, the other branch": Mutation(
        "FAST = False\nif FAST:\n    from helper import unused as g\nelse:\n    from helper import g\n"
        "@ps.step\ndef f() -> int:\n    return g(1)",
        "FAST = False", "FAST = True", files=HELPER,
    ),
    "getattr(module, name) with a text": Mutation(
        "import helper\n@ps.step\ndef f(name: str = 'g') -> int:\n    return getattr(helper, name)(1)",
        "x + 1", "x + 2", file="helper.py", files=HELPER, reason="helper.py",
    ),
    "a base class of a base class": Mutation(
        """
        class A:
            def k(self): return 1
        class B(A): pass
        class C(B): pass
        @ps.step
        def f() -> int: return C().k()
        """, "return 1", "return 2", reason="k",
    ),
    "a metaclass": Mutation(
        """
        class M(type):
            def k(cls): return 1
        class A(metaclass=M): pass
        @ps.step
        def f() -> int: return A.k()
        """, "return 1", "return 2",
    ),
    "a class attribute": Mutation(
        "class A:\n    k = 1\n@ps.step\ndef f() -> int: return A.k", "k = 1", "k = 2", reason="A",
    ),
    "a dataclass's default factory": Mutation(
        """
        import dataclasses
        @dataclasses.dataclass
        class A:
            k: list = dataclasses.field(default_factory=lambda: [1])
        @ps.step
        def f() -> int: return A().k[0]
        """, "[1]", "[2]",
    ),
    "a NamedTuple's default": Mutation(
        "from typing import NamedTuple\nclass A(NamedTuple):\n    k: int = 1\n@ps.step\ndef f() -> int: return A().k",
        "int = 1", "int = 2",
    ),
    "a property": Mutation(
        "class A:\n    @property\n    def k(self): return 1\n@ps.step\ndef f() -> int: return A().k",
        "return 1", "return 2", reason="k",
    ),
    "a cached property": Mutation(
        "import functools\nclass A:\n    @functools.cached_property\n    def k(self): return 1\n"
        "@ps.step\ndef f() -> int: return A().k",
        "return 1", "return 2", reason="k",
    ),
    "a class method": Mutation(
        "class A:\n    @classmethod\n    def k(cls): return 1\n@ps.step\ndef f() -> int: return A.k()",
        "return 1", "return 2", reason="k",
    ),
    "a descriptor of the user's own": Mutation(
        "class D:\n    def __get__(self, a, b): return 1\nclass A:\n    k = D()\n"
        "@ps.step\ndef f() -> int: return A().k",
        "return 1", "return 2", reason="__get__",
    ),
    "what __init_subclass__ does": Mutation(
        "class A:\n    def __init_subclass__(cls): cls.k = 1\nclass B(A): pass\n@ps.step\ndef f() -> int: return B.k",
        "cls.k = 1", "cls.k = 2",
    ),
    "a decorator's argument": Mutation(
        """
        import functools
        def plus(n):
            def deco(g):
                @functools.wraps(g)
                def wrapper(*a): return g(*a) + n
                return wrapper
            return deco
        @ps.step
        @plus(1)
        def f() -> int: return 0
        """, "@plus(1)", "@plus(2)", reason="captured n changed 1 -> 2",
    ),
    "the inner of two stacked decorators": Mutation(
        """
        import functools
        def a(g):
            @functools.wraps(g)
            def wrapper(*x): return g(*x) + 1
            return wrapper
        def b(g):
            @functools.wraps(g)
            def wrapper(*x): return g(*x) * 2
            return wrapper
        @ps.step
        @b
        @a
        def f() -> int: return 0
        """, "+ 1", "+ 3", reason="wrapper",
    ),
    "a decorator that is an object": Mutation(
        """
        import functools
        class Scaled:
            def __init__(self, g, by):
                functools.update_wrapper(self, g)
                self.g, self.by = g, by
            def __call__(self, *a): return self.g(*a) * self.by
        h = Scaled(lambda: 1, 2)
        @ps.step
        def f() -> int: return h()
        """, "1, 2", "1, 3", reason="global h changed",
    ),
    "the call of a decorator that is an object": Mutation(
        """
        import functools
        class Scaled:
            def __init__(self, g):
                functools.update_wrapper(self, g)
                self.g = g
            def __call__(self, *a): return self.g(*a) * 2
        @Scaled
        def h(): return 1
        @ps.step
        def f() -> int: return h()
        """, "* 2", "* 3", reason="__call__",
    ),
    "a cached helper": Mutation(
        "import functools\n@functools.lru_cache(maxsize=8)\ndef h(): return 1\n@ps.step\ndef f() -> int: return h()",
        "return 1", "return 2", reason="h",
    ),
    "a library's decorator around the user's function": Mutation(
        "import contextlib\n@contextlib.contextmanager\ndef h():\n    yield 1\n"
        "@ps.step\ndef f() -> int:\n    with h() as x:\n        return x",
        "yield 1", "yield 2", reason="h",
    ),
    "a function that a library made vectorised": Mutation(
        "import numpy as np\n@np.vectorize\ndef h(x): return x + 1\n@ps.step\ndef f() -> int: return int(h(1))",
        "x + 1", "x + 2", reason="h",
    ),
    "an implementation of a single-dispatch function": Mutation(
        """
        import functools
        @functools.singledispatch
        def h(x): return 0
        @h.register
        def _(x: int): return 1
        @ps.step
        def f() -> int: return h(5)
        """, "return 1", "return 2", reason="_",
    ),
    "a new implementation of a single-dispatch function": Mutation(
        """
        import functools
        @functools.singledispatch
        def h(x): return 0
        # here
        @ps.step
        def f() -> int: return h(5)
        """, "# here", "@h.register(int)\ndef _(x): return 1",
    ),
    "a function attribute": Mutation(
        "def h(): return h.k\nh.k = 1\n@ps.step\ndef f() -> int: return h()", "h.k = 1", "h.k = 2",
    ),
    "a variable changed by nonlocal": Mutation(
        """
        def make():
            n = 0
            def bump():
                nonlocal n
                n += 1
            def get(): return n
            bump()
            return get
        get = make()
        @ps.step
        def f() -> int: return get()
        """, "n += 1", "n += 2", reason="captured n changed 1 -> 2",
    ),
    "a default argument of a helper": Mutation(
        "def h(x=1): return x\n@ps.step\ndef f() -> int: return h()", "x=1", "x=2", reason="h",
    ),
    "a keyword-only default of a helper": Mutation(
        "def h(*, x=1): return x\n@ps.step\ndef f() -> int: return h()", "x=1", "x=2", reason="h",
    ),
    "a lambda in a table": Mutation(
        "TABLE = {'a': lambda: 1}\n@ps.step\ndef f() -> int: return TABLE['a']()", "lambda: 1", "lambda: 2",
    ),
    "a partial of the user's own function": Mutation(
        "import functools\ndef h(x, y): return x + y\nadd = functools.partial(h, 1)\n"
        "@ps.step\ndef f() -> int: return add(1)",
        "x + y", "x - y", reason="h",
    ),
    "a partial of a library's function": Mutation(
        "import functools, math\np = functools.partial(math.pow, 2)\n@ps.step\ndef f() -> float: return p(3)",
        "math.pow, 2", "math.pow, 3", reason="global p changed",
    ),
    "a bound method": Mutation(
        "class A:\n    def __init__(self, k): self.k = k\n    def get(self): return self.k\n"
        "get = A(1).get\n@ps.step\ndef f() -> int: return get()",
        "A(1)", "A(2)", reason="global get changed",
    ),
    "a callable object": Mutation(
        "class A:\n    def __call__(self): return 1\na = A()\n@ps.step\ndef f() -> int: return a()",
        "return 1", "return 2", reason="__call__",
    ),
    "a generator helper": Mutation(
        "def h():\n    yield 1\n@ps.step\ndef f() -> int: return sum(h())", "yield 1", "yield 2", reason="h",
    ),
    "a comprehension's filter": Mutation(
        "@ps.step\ndef f() -> int: return sum([x for x in range(9) if x > 2])", "x > 2", "x > 3", reason="code of f",
    ),
    "what an f-string formats": Mutation(
        "@ps.step\ndef f() -> str:\n    x = 1.25\n    return f'{x:.1f}'", ":.1f", ":.2f", reason="code of f",
    ),
    "a walrus": Mutation(
        "@ps.step\ndef f() -> int:\n    return y if (y := 1) else 0", "y := 1", "y := 2", reason="code of f",
    ),
    "a class pattern of a match": Mutation(
        "class A:\n    __match_args__ = ('a', 'b')\n    def __init__(self): self.a, self.b = 1, 2\n"
        "@ps.step\ndef f() -> int:\n    match A():\n        case A(x):\n            return x\n    return 0",
        "('a', 'b')", "('b', 'a')",
    ),
    "an async helper": Mutation(
        "import asyncio\nasync def h(): return 1\n@ps.step\ndef f() -> int: return asyncio.run(h())",
        "return 1", "return 2", reason="h",
    ),
    "a class inside a generic alias": Mutation(
        "class A:\n    k = 1\nALIAS = list[A]\n@ps.step\ndef f() -> int: return ALIAS.__args__[0].k",
        "k = 1", "k = 2", reason="A",
    ),
    "an annotation that changes how the input travels": Mutation(
        "@ps.step\ndef g() -> bytes: return b'1'\n@ps.step\ndef f(x: bytes) -> int: return len(x)\n"
        "@ps.pipeline\ndef all_steps(): f(g())",
        "x: bytes", "x", reason="declared inputs and outputs",
    ),
    "the version": Mutation(
        "@ps.step(version='1')\ndef f() -> int: return 1", "'1'", "'2'", reason="version changed 1 -> 2",
    ),
    "a function in depends_on": Mutation(
        "import helper\n@ps.step(depends_on=[helper.g])\ndef f() -> int: return 1",
        "x + 1", "x + 2", file="helper.py", files=HELPER, reason="helper.py:1 g",
    ),
}  # fmt: skip

MUST_NOT_RERUN = {
    "another step of the same file": harmless(
        "@ps.step\ndef f() -> int: return 1\n\n@ps.step\ndef other() -> int: return 2\n"
        "@ps.pipeline\ndef all_steps(): f()",
        "return 2", "return 3",
    ),
    "a helper that nothing uses": harmless(
        "import helper\n@ps.step\ndef f() -> int: return helper.g(1)",
        "return x\n", "return -x\n", file="helper.py", files=HELPER,
    ),
    "functions in another order": harmless(
        "def a(): return 1\n\ndef b(): return 2\n\n@ps.step\ndef f() -> int: return a()",
        "def a(): return 1\n\ndef b(): return 2\n", "def b(): return 2\n\ndef a(): return 1\n",
    ),
    "a comment, a docstring and a line break in a class": harmless(
        "class A:\n    'One.'\n    def k(self):\n        return [1, 2]\n@ps.step\ndef f() -> int: return A().k()[0]",
        "    'One.'\n    def k(self):\n        return [1, 2]",
        "    'Two.'\n\n    def k(self):\n        'Doc.'\n        # why\n        return [\n"
        "            1,\n            2,\n        ]",
    ),
    "a type alias that only annotations use": harmless(
        "Rows = list[int]\ndef h(x: Rows): return x\n@ps.step\ndef f() -> int: return h([1])[0]",
        "list[int]", "list[float]",
    ),
    "an import under TYPE_CHECKING": harmless(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import decimal\n@ps.step\ndef f() -> int: return 1",
        "import decimal", "import fractions",
    ),
    "retries, timeout and other settings": harmless(
        "@ps.step(retries=1)\ndef f() -> int: return 1",
        "retries=1", "retries=3, retry_on=OSError, timeout='10m', cpus=1, memory='1GiB'",
    ),
    "the step's name": harmless(
        "@ps.step(name='f')\ndef h() -> int: return 1\n@ps.pipeline\ndef all_steps(): h()", "name='f'", "name='g'",
    ),
    "an import that the step does not use": harmless(
        "# here\n@ps.step\ndef f() -> int: return 1", "# here", "import helper, numpy", files=HELPER,
    ),
    "what ignore= names": harmless(
        "import threading\nLOCK, K = threading.Lock(), 1\n@ps.step(ignore=['LOCK', 'K'])\ndef f() -> int:\n"
        "    with LOCK:\n        return K",
        "Lock(), 1", "Lock(), 2",
    ),
    "a module of the library that is not used": harmless(
        "import math\n@ps.step\ndef f() -> float: return math.floor(1.5)", "import math", "import math, json, re",
    ),
    "a log line's logger": harmless(
        "import logging\nlog = logging.getLogger('a')\n@ps.step\ndef f() -> int:\n    log.info('x')\n    return 1",
        "'a'", "'b'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUST_RERUN)
def test_a_step_reruns_after_an_edit_of(name: str, tmp_path: Path) -> None:
    check(MUST_RERUN[name], tmp_path)


@pytest.mark.parametrize("name", MUST_NOT_RERUN)
def test_nothing_reruns_after_an_edit_of(name: str, tmp_path: Path) -> None:
    check(MUST_NOT_RERUN[name], tmp_path)


def test_a_renamed_module_changes_nothing(tmp_path: Path) -> None:
    renamed = harmless(
        "import helper\n@ps.step\ndef f() -> int: return helper.g(1)", "import helper", "import assistant as helper",
        files=HELPER,
    )  # fmt: skip
    renamed.write(tmp_path)
    assert reran(tmp_path)
    (tmp_path / "helper.py").rename(tmp_path / "assistant.py")
    renamed.edit(tmp_path)
    assert not reran(tmp_path)
