"""What is recorded with a result so that a later hit can be trusted: what the step looked at, and the files that
texts in its code or parameters name.

A C++ library that is told "data/rides.parquet" opens it without Python's knowing. So each text that names a file counts
as if the step had read it, unless the step wrote it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from penstock.pipelines.fingerprint_paths import files_named
from penstock.pipelines.keys import Key
from penstock.pipelines.observed import CODE, located, observe, portable

_WROTE = "wrote:"


def evidence(key: Key, observed: Mapping[str, str], root: str) -> dict[str, str]:
    """Return the observed names and values that a hit of this key needs unchanged."""
    wrote = {name for name in observed if name.startswith(_WROTE)}
    written = {located(name, root).removeprefix(_WROTE) for name in wrote}
    state = os.path.join(root, ".penstock", "")
    named: dict[str, str] = {}
    for text, files in files_named(key.texts, root):
        data = [path for path in map(os.path.realpath, files) if not path.endswith(CODE) and not path.startswith(state)]
        looked = [f"file:{path}" for path in data if path not in written]
        looked += [f"matches:{text}"] if looked and "*" in text else []
        named |= {portable(name, root): observe(name) for name in looked}
    return {**named, **dict(_kept(key, observed, root))}


def _kept(key: Key, observed: Mapping[str, str], root: str) -> Iterator[tuple[str, str]]:
    """Yield what was observed, as the process that drives the run will see it."""
    for name, value in observed.items():
        kind, _, path = name.partition(":")
        match kind:
            case "wrote":
                continue
            case "env":  # an engine may add to what its workers get
                yield name, observe(name)
            case "file" | "names" | "code" if "image" in key.parts and os.path.isabs(path) and observe(name) != value:
                continue  # the image's own, which its digest stands for
            case _:
                yield name, value
