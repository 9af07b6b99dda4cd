"""Run the benchmarks: `python -m bench [NAME ...] [--write]`; with --write the table goes into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import msgspec

from bench.measure import Figure

NAMES = (
    "start", "steps", "workers", "containers", "one_row", "http_predict", "http_features", "many_rows", "transforms",
    "create_model", "serving_process",
    "slide", "export", "repository", "windows", "online", "features", "cascades", "policies",
    "multimodal", "multimodal_peers", "images_beyond_memory", "representations", "tuning",
    "validation",
)  # fmt: skip
DOCUMENT = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def run(name: str) -> list[Figure]:
    """Run one benchmark in a fresh process, so that none warms or loads another."""
    print(f"... {name}", file=sys.stderr, flush=True)
    code = (
        f"import sys, msgspec, bench.{name} as measured; "
        "sys.stdout.buffer.write(b'\\n@@' + msgspec.json.encode(list(measured.figures())))"
    )
    done = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, check=True)
    found = msgspec.json.decode(done.stdout.rpartition(b"\n@@")[2], type=list[Figure])
    for figure in found:
        print(f"    {figure.what}: {figure.value:,.4g} {figure.unit} (aim {figure.goal})", file=sys.stderr, flush=True)
    return found


def table(figures: list[Figure]) -> str:
    """Return the figures as a Markdown table."""
    lines = ["| what | measured | aimed at | beside it, in the same run |", "|---|---|---|---|"]
    for f in figures:
        lines.append(
            f"| {f.what} | **{f.value:,.4g} {f.unit}**{'' if f.met else ' (missed)'} | {f.goal} | {f.beside} |"
        )
    return "\n".join(lines)


def write(text: str) -> None:
    """Replace the measured part of docs/benchmarks.md."""
    machine = (
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()}, {datetime.date.today()}"
    )
    block = f"<!-- measured -->\nMeasured with `make bench` on {machine}.\n\n{text}\n<!-- /measured -->"
    document = DOCUMENT.read_text()
    DOCUMENT.write_text(re.sub(r"<!-- measured -->.*<!-- /measured -->", lambda _: block, document, flags=re.DOTALL))


def main() -> None:
    """Run what was asked for and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(NAMES)} (default: all)")
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks.md")
    given = parser.parse_args()
    unknown = set(given.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark named {', '.join(unknown)}; there are: {', '.join(NAMES)}")
    figures = [figure for name in given.names or NAMES for figure in run(name)]
    text = table(figures)
    print(text)
    if given.write:
        write(text)


if __name__ == "__main__":
    main()
