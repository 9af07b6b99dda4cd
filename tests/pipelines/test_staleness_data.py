"""Changes of what a step reads: globals of every kind, files however they are named, folders, environment variables."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from mutations import Mutation, check, harmless, reran

READ = "@ps.step\ndef f() -> str:\n    return {}\n"
GLOBAL = "{}\n@ps.step\ndef f() -> str:\n    return str(K)\n"

GLOBALS = {
    # name: the global, what of it changes, into what
    "a scalar": ("K = 1", "1", "2"),
    "the type of a scalar": ("K = 1", "1", "True"),
    "a list": ("K = [1, [2, 3]]", "3", "4"),
    "the order of a dict": ("K = {'a': 1, 'b': 2}", "'a': 1, 'b': 2", "'b': 2, 'a': 1"),
    "a nested dict": ("K = {'a': {'b': [1]}}", "[1]", "[2]"),
    "a set": ("K = {'a', 'b'}", "'b'", "'c'"),
    "a NumPy array": ("import numpy as np\nK = np.arange(4)", "arange(4)", "arange(4).reshape(2, 2)"),
    "an Arrow table": ("import pyarrow as pa\nK = pa.table({'a': [1, 2]})", "2]", "3]"),
    "an Arrow schema": ("import pyarrow as pa\nK = pa.schema([('a', pa.int64())])", "int64", "int32"),
    "a frozen dataclass": (
        "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass A:\n    x: int\nK = A(1)", "A(1)", "A(2)"),
    "an object's attribute": ("class A:\n    def __init__(self, x): self.x = x\nK = A(1)", "A(1)", "A(2)"),
    "a regular expression": ("import re\nK = re.compile('a')", "'a'", "'a', re.I"),
    "a date": ("import datetime\nK = datetime.date(2024, 1, 1)", "1, 1", "1, 2"),
    "a path of nothing": ("from pathlib import Path\nK = Path('a')", "'a'", "'b'"),
    "a decimal": ("from decimal import Decimal\nK = Decimal('1.0')", "1.0", "1.00"),
    "an object of a library": ("import zoneinfo, collections\nK = collections.Counter('ab')", "'ab'", "'abb'"),
}  # fmt: skip

FILES = {
    "a file opened by its name": Mutation(
        READ.format("open('a.txt').read()"), "one", "two", file="a.txt", files={"a.txt": "one"}, reason="file a.txt"),
    "a file in another folder": Mutation(
        READ.format("open('in/a.txt').read()"), "one", "two", file="in/a.txt", files={"in/a.txt": "one"},
        reason="file in/a.txt, which it reads, changed"),
    "a file that is gone": Mutation(
        "import os\n" + READ.format("open('a.txt').read() if os.listdir('in') else ''"), "", None, file="in/a.txt",
        files={"a.txt": "one", "in/a.txt": "one"}, reason="folder in, which it lists, changed"),
    "a file that appears, after it was looked for": Mutation(
        """
        @ps.step
        def f() -> str:
            try:
                return open('a.txt').read()
            except FileNotFoundError:
                return ''
        """, "", "one", file="a.txt", reason="file a.txt, which it reads, is there now"),
    "a file that appears in a folder that is listed": Mutation(
        "import pathlib\n" + READ.format("str(len(list(pathlib.Path('in').glob('*.csv'))))"), "", "b", file="in/b.csv",
        files={"in/a.csv": "a"}, reason="the files in folder in, which it lists, changed"),
    "a path as a parameter": Mutation(
        "from pathlib import Path\n@ps.step\ndef f(p: Path) -> str: return p.read_text()\n"
        "@ps.pipeline\ndef all_steps(): f(Path('in/a.txt'))",
        "one", "two", file="in/a.txt", files={"in/a.txt": "one"}, reason="file in/a.txt changed"),
    "a text where a path is declared": Mutation(
        "from pathlib import Path\n@ps.step\ndef f(p: Path) -> str: return p.read_text()\n"
        "@ps.pipeline\ndef all_steps(): f('a.txt')",
        "one", "two", file="a.txt", files={"a.txt": "one"}, reason="file a.txt changed"),
    "a path as a default": Mutation(
        "from pathlib import Path\n@ps.step\ndef f(p: Path = Path('a.txt')) -> str: return p.read_text()",
        "one", "two", file="a.txt", files={"a.txt": "one"}, reason="file a.txt changed"),
    "a path in a list": Mutation(
        "from pathlib import Path\n@ps.step\ndef f(p: list) -> str: return p[0].read_text()\n"
        "@ps.pipeline\ndef all_steps(): f([Path('a.txt')])",
        "one", "two", file="a.txt", files={"a.txt": "one"}, reason="file a.txt changed"),
    "a path in the module": Mutation(
        "from pathlib import Path\nP = Path(__file__).parent / 'a.txt'\n" + READ.format("P.read_text()"),
        "one", "two", file="a.txt", files={"a.txt": "one"}, reason="file a.txt changed"),
    "a path of a file that comes to be": Mutation(
        "from pathlib import Path\nP = Path('a.txt')\n" + READ.format("P.read_text() if P.exists() else ''"),
        "", "one", file="a.txt", reason="file a.txt is there now"),
    "a file in a folder given as a path": Mutation(
        "from pathlib import Path\n@ps.step\ndef f(p: Path) -> int: return len(list(p.iterdir()))\n"
        "@ps.pipeline\ndef all_steps(): f(Path('in'))",
        "", "two", file="in/b.txt", files={"in/a.txt": "one"}, reason="file in changed"),
    "a file below the folder of the code": Mutation(
        "from pathlib import Path\nHERE = Path(__file__).parent\n" + READ.format("(HERE / 'a.txt').read_text()"),
        "one", "two", file="a.txt", files={"a.txt": "one"}, reason="file a.txt, which it reads, changed"),
    "a resource of a package": Mutation(
        "import importlib.resources as r\n" + READ.format("r.files('kit').joinpath('a.txt').read_text()"),
        "one", "two", file="kit/a.txt", files={"kit/__init__.py": "", "kit/a.txt": "one"}, reason="file kit/a.txt"),
    "a CSV that a C++ library reads": Mutation(
        "import pyarrow.csv\n@ps.step\ndef f() -> int: return pyarrow.csv.read_csv('a.csv').num_rows",
        "2\n", "2\n3\n", file="a.csv", files={"a.csv": "x\n1\n2\n"}, reason="file a.csv"),
    "a CSV that SQL names": Mutation(
        "import duckdb\n@ps.step\ndef f() -> int:\n"
        "    return int(duckdb.sql(\"select sum(x) from 'in/*.csv'\").fetchall()[0][0])",
        "2\n", "3\n", file="in/a.csv", files={"in/a.csv": "x\n1\n2\n"}, reason="file in/a.csv"),
    "a new CSV that SQL names": Mutation(
        "import duckdb\n@ps.step\ndef f() -> int:\n"
        "    return int(duckdb.sql(\"select sum(x) from 'in/*.csv'\").fetchall()[0][0])",
        "", "x\n5\n", file="in/b.csv", files={"in/a.csv": "x\n1\n2\n"}, reason="the files that match in/*.csv"),
    "a plug-in that another module has loaded": Mutation(
        "import importlib, plug\n" + READ.format("str(importlib.import_module('plug').K)"),
        "K = 1", "K = 2", file="plug.py", files={"plug.py": "K = 1\n"}, reason="code of plug.py"),
    "what a plug-in imports": Mutation(
        "from importlib import import_module\n" + READ.format("str(import_module('plug').k())"),
        "return 1", "return 2", file="deep.py",
        files={"plug.py": "from deep import k\n", "deep.py": "def k(): return 1\n"}, reason="code of deep.py"),
    "an environment variable": Mutation(
        "import os\n" + READ.format("os.environ['HOME_OF_' + 'TESTS']"), "one", "two", file="env.txt",
        files={"env.txt": "HOME_OF_TESTS=one"}, reason="environment variable HOME_OF_TESTS, which it reads, changed"),
    "an environment variable that is set": Mutation(
        "import os\n" + READ.format("os.getenv('HOME_OF_TESTS', '')"), "OTHER=1", "HOME_OF_TESTS=1", file="env.txt",
        files={"env.txt": "OTHER=1"}, reason="environment variable HOME_OF_TESTS, which it reads, is set"),
    "a file, a pattern and a folder in depends_on": Mutation(
        "@ps.step(depends_on=['a.txt', 'in/*.txt', 'deep'])\ndef f() -> int: return 1",
        "one", "two", file="deep/er/a.txt",
        files={"a.txt": "one", "in/a.txt": "one", "deep/er/a.txt": "one"}, reason="file deep/er/a.txt changed"),
}  # fmt: skip

UNCHANGED = {
    "a file that the step wrote itself": harmless(
        READ.format("str(open('out.txt', 'w').write('x'))"), "x", "y", file="out.txt", files={"out.txt": "xx"}),
    "a file that only a text names, and the step wrote": harmless(
        """
        from pathlib import Path
        @ps.step
        def f() -> str:
            Path("log.txt").write_text("x")
            return ""
        """, "", "y", file="log.txt"),
    "a file beside the one that is read": harmless(
        READ.format("open('in/a.txt').read()"), "", "two", file="in/b.txt", files={"in/a.txt": "one"}),
    "a file beside the code, where a library looks for the version of another": harmless(
        "import importlib.metadata as m\n" + READ.format("str(m.FastPath.__new__.cache_clear()) + m.version('numpy')"),
        "", "two", file="run.html"),
    "an environment variable that nothing reads": harmless(
        "import os\n" + READ.format("str(len(dict(os.environ)) > 0) + str(len({**os.environ}) > 0)"),
        "OTHER=1", "OTHER=2", file="env.txt", files={"env.txt": "OTHER=1"}),
    "an edit of another step beside the folder of the code": harmless(
        "from pathlib import Path\nHERE = Path(__file__).parent\n" + READ.format("str(HERE.name != '')"),
        "", "def other(): pass\n", file="more.py"),
    "a path as a parameter that is ignored": harmless(
        "from pathlib import Path\n@ps.step(ignore=['p'])\ndef f(p: Path) -> str: return ''\n"
        "@ps.pipeline\ndef all_steps(): f(Path('a.txt'))",
        "one", "two", file="a.txt", files={"a.txt": "one"}),
    "the time of a file, not its content": harmless(
        READ.format("open('a.txt').read()"), "one", "one", file="a.txt", files={"a.txt": "one"}),
    "upstream code with the same result": Mutation(
        "@ps.step\ndef g() -> int: return 4\n@ps.step\ndef f(x: int) -> int: return x\n"
        "@ps.pipeline\ndef all_steps(): f(g())",
        "return 4", "return int('4')", reruns=("g",), reason="code of g changed: steps.py:"),
}  # fmt: skip


@pytest.mark.parametrize("name", GLOBALS)
def test_a_step_reruns_after_a_change_of_a_global_that_is(name: str, tmp_path: Path) -> None:
    text, old, new = GLOBALS[name]
    check(Mutation(GLOBAL.format(text), old, new, reason="global K changed"), tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_a_step_reruns_after_a_change_of(name: str, tmp_path: Path) -> None:
    check(FILES[name], tmp_path)


@pytest.mark.parametrize("name", UNCHANGED)
def test_nothing_more_reruns_after_a_change_of(name: str, tmp_path: Path) -> None:
    check(UNCHANGED[name], tmp_path)


def test_a_step_reruns_after_a_change_of_a_sqlite_database(tmp_path: Path) -> None:
    project = harmless(
        "import sqlite3\n@ps.step\ndef f() -> int:\n    name = 'rows.' + 'db'\n"
        "    return sqlite3.connect(name).execute('select count(*) from t').fetchone()[0]",
        "", "",
    )  # fmt: skip
    project.write(tmp_path)
    with sqlite3.connect(tmp_path / "rows.db") as database:
        database.execute("create table t (x int)")
    assert reran(tmp_path)
    assert not reran(tmp_path)
    with sqlite3.connect(tmp_path / "rows.db") as database:
        database.execute("insert into t values (1)")
    assert "file rows.db, which it reads, changed" in reran(tmp_path)["f"].reason


def test_a_project_that_moves_reruns_nothing(tmp_path: Path) -> None:
    project = Mutation(
        "from pathlib import Path\nP = Path(__file__).resolve().parent / 'in' / 'a.txt'\n"
        "@ps.step\ndef g() -> str: return P.read_text()\n"
        "@ps.step\ndef f(p: Path, x: str) -> str: return (p / 'a.txt').read_text() + open('b.txt').read()\n"
        "@ps.pipeline\ndef all_steps(): f(Path(__file__).resolve().parent / 'in', g())",
        "", "", files={"in/a.txt": "one", "b.txt": "two"},
    )  # fmt: skip
    (tmp_path / "here").mkdir()
    project.write(tmp_path / "here")
    assert set(reran(tmp_path / "here")) == {"f", "g"}
    (tmp_path / "here").rename(tmp_path / "there")
    assert not reran(tmp_path / "there")
