"""Validation beside its peers: `python -m bench.peers.validation` installs each into an environment of its own, and
lets each hold the same Parquet file against the same checks, in turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bench.peers.__main__ import environment
from bench.validation import checked_file

TOOLS = {
    "penstock": (),
    "pandera": ("pandera[polars]", "polars", "pyarrow"),
    "dataframely": ("dataframely", "pyarrow"),
    "pointblank": ("pointblank", "polars", "pyarrow"),
}
HERE = Path(__file__).parent


def measured(tool: str, python: Path, file: Path, repeats: int = 3) -> dict[str, float]:
    """Return seconds and megabytes of one tool."""
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)} if python == Path(sys.executable) else None
    command = [python, HERE / "validating.py", tool, file, str(repeats)]
    done = subprocess.run(command, env=paths, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Print a table: seconds, their ratio to ours of the same turn, and the most memory of the process."""
    file = checked_file()
    print("| library | seconds | x penstock | MB |\n|---|---|---|---|")
    ours = 0.0
    for tool, packages in TOOLS.items():
        found = measured(tool, environment(tool, packages), file)
        ours = ours or found["seconds"]
        print(
            f"| {tool} | {found['seconds']:.2f} | {found['seconds'] / ours:.2f} | {found['megabytes']:,.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
