"""Validation beside its peers: `python -m bench.peers.validation` installs each into an environment of its own, and
lets each hold the same Parquet file against the same checks, in turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bench.peers.__main__ import environment
from bench.validation import checked_file, described_file

TOOLS = {
    "penstock": (),
    "pandera": ("pandera[polars]", "polars", "pyarrow"),
    "dataframely": ("dataframely", "pyarrow"),
    "pointblank": ("pointblank", "polars", "pyarrow"),
}
DESCRIBING = {
    "penstock_statistics": (),
    "pointblank_statistics": ("pointblank", "polars", "pyarrow"),
    "evidently_statistics": ("evidently", "pandas<3", "pyarrow"),
    "ydata_statistics": ("ydata-profiling", "pyarrow", "setuptools<80"),
}
HERE = Path(__file__).parent


def measured(tool: str, python: Path, file: Path, repeats: int = 3) -> dict[str, float]:
    """Return seconds and megabytes of one tool."""
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)} if python == Path(sys.executable) else None
    command = [python, HERE / "validating.py", tool, file, str(repeats)]
    done = subprocess.run(command, env=paths, stdout=subprocess.PIPE, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def table(tools: dict[str, tuple[str, ...]], file: Path) -> None:
    """Print seconds and the processor's, their ratio to ours, and the most memory of each process."""
    print("| library | seconds | of the processor | x penstock | MB |\n|---|---|---|---|---|")
    ours = 0.0
    for tool, packages in tools.items():
        found = measured(tool, environment(tool, packages), file)
        ours = ours or found["processor"]
        cells = (f"{found['seconds']:.2f}", f"{found['processor']:.2f}", f"{found['processor'] / ours:.2f}")
        print(f"| {tool} | {' | '.join(cells)} | {found['megabytes']:,.0f} |", flush=True)


def main() -> None:
    """Print a table of checks, and one of statistics."""
    table(TOOLS, checked_file())
    table(DESCRIBING, described_file(1_000_000))


if __name__ == "__main__":
    main()
