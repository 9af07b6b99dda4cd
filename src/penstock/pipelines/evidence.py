"""What is recorded with a result so that a later hit can be trusted: what the step looked at, and the files that
texts in its code or parameters name.

A C++ library that is told "data/rides.parquet" opens it without Python's knowing. So each text that names a file counts
as if the step had read it, unless the step wrote it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from penstock.pipelines.fingerprint_paths import files_named
from penstock.pipelines.keys import Key
from penstock.pipelines.observed import CODE, located, observe, portable

_WROTE = "wrote:"


def evidence(key: Key, observed: Mapping[str, str], root: str) -> dict[str, str]:
    """Return the observed names and values that a hit of this key needs unchanged."""
    wrote = {name for name in observed if name.startswith(_WROTE)}
    written = {located(name, root).removeprefix(_WROTE) for name in wrote}
    state = os.path.join(root, ".penstock", "")
    named = {
        portable(f"file:{path}", root): observe(f"file:{path}")
        for path in files_named(key.texts, root)
        if path not in written and not path.endswith(CODE) and not path.startswith(state)
    }
    return {**named, **{name: value for name, value in observed.items() if name not in wrote}}
