"""Distributions count by name and version, and only those that a step reaches; what they are handed of the user's
counts as the user's."""

from __future__ import annotations

from pathlib import Path

import pytest
from mutations import Mutation, check, harmless

METADATA = "Metadata-Version: 2.1\nName: weighing\nVersion: {}\n"
LIBRARY = {
    "site-packages/weighing/__init__.py": """
        def weigh(x):
            return x

        def times(n):
            def deco(g):
                def wrapper(*a):
                    return sum(g(*a) for _ in range(n))
                return wrapper
            return deco

        def register(table, g):
            table.append(g)
            return lambda: [h() for h in table]
    """,
    "site-packages/weighing-1.0.dist-info/METADATA": METADATA.format("1.0"),
    "site-packages/weighing-1.0.dist-info/top_level.txt": "weighing\n",
    "helper.py": "import weighing\n\n\ndef g(x):\n    return weighing.weigh(x)\n",
}
VERSION = {"old": "1.0", "new": "2.0", "file": "site-packages/weighing-1.0.dist-info/METADATA", "files": LIBRARY}
PATH = "import sys, pathlib\nsys.path.append(str(pathlib.Path(__file__).parent / 'site-packages'))\n"

MUST_RERUN = {
    "a version that the step reaches": Mutation(
        PATH + "import weighing\n@ps.step\ndef f() -> int: return weighing.weigh(1)",
        **VERSION, reason="weighing changed 1.0 -> 2.0",
    ),
    "a version that a helper reaches": Mutation(
        PATH + "import helper\n@ps.step\ndef f() -> int: return helper.g(1)",
        **VERSION, reason="weighing changed 1.0 -> 2.0",
    ),
    "a version that is imported inside the step": Mutation(
        PATH + "@ps.step\ndef f() -> int:\n    from weighing import weigh\n    return weigh(1)",
        **VERSION, reason="weighing changed 1.0 -> 2.0",
    ),
    "a version behind a base class": Mutation(
        PATH + "import weighing\nclass A:\n    weigh = staticmethod(weighing.weigh)\nclass B(A): pass\n"
        "@ps.step\ndef f() -> int: return B.weigh(1)",
        **VERSION, reason="weighing changed 1.0 -> 2.0",
    ),
    "the user's function under a library's decorator": Mutation(
        PATH + "import weighing\n@weighing.times(2)\ndef h(): return 1\n@ps.step\ndef f() -> int: return h()",
        "return 1", "return 3", files=LIBRARY, reason="h",
    ),
    "the argument of a library's decorator": Mutation(
        PATH + "import weighing\n@weighing.times(2)\ndef h(): return 1\n@ps.step\ndef f() -> int: return h()",
        "times(2)", "times(3)", files=LIBRARY,
    ),
    "the user's function in a library's list": Mutation(
        PATH + "import weighing\nh = weighing.register([], lambda: 1)\n@ps.step\ndef f() -> int: return h()[0]",
        "lambda: 1", "lambda: 2", files=LIBRARY, reason="code of f changed",
    ),
}  # fmt: skip

MUST_NOT_RERUN = {
    "a version that the module imports but the step does not reach": harmless(
        PATH + "import weighing\n@ps.step\ndef f() -> int: return 1", **VERSION,
    ),
    "a library's code under the same version": harmless(
        PATH + "import weighing\n@ps.step\ndef f() -> int: return weighing.weigh(1)",
        "return x", "return x + 0", file="site-packages/weighing/__init__.py", files=LIBRARY,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MUST_RERUN)
def test_a_step_reruns_after_a_change_of(name: str, tmp_path: Path) -> None:
    check(MUST_RERUN[name], tmp_path)


@pytest.mark.parametrize("name", MUST_NOT_RERUN)
def test_nothing_reruns_after_a_change_of(name: str, tmp_path: Path) -> None:
    check(MUST_NOT_RERUN[name], tmp_path)
