"""Hamilton with its cache: a module of functions, one for each step, written for the size asked for."""

import importlib
import sys
from pathlib import Path

from hamilton import driver

sys.setrecursionlimit(100_000)  # it walks a graph by recursion

shape, count = sys.argv[1], int(sys.argv[2])
lines = ["from tick import tick", "def s0() -> int:\n    tick()\n    return 0"]
if shape == "wide":
    names = [f"s{number}" for number in range(1, count - 1)]
    lines += [f"def {name}(s0: int) -> int:\n    tick()\n    return s0 + {number}" for number, name in enumerate(names)]
    joined = ", ".join(f"{name}: int" for name in names)
    lines.append(f"def last({joined}) -> int:\n    tick()\n    return sum(({', '.join(names)}))")
else:
    lines += [
        f"def s{number}(s{number - 1}: int) -> int:\n    tick()\n    return s{number - 1} + 1"
        for number in range(1, count - 1)
    ]
    lines.append(f"def last(s{count - 2}: int) -> int:\n    tick()\n    return s{count - 2} + 1")
Path("generated.py").write_text("\n\n".join(lines))
sys.path.insert(0, ".")

built = driver.Builder().with_modules(importlib.import_module("generated")).with_cache(path="store").build()
built.execute(["last"])
