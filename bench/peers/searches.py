"""`python -m bench.peers.searches [TOOL ...]`: one search of thirty trials by each tool that can share a preparation.

Each tool runs it twice, as a process in the same folder, in an environment of its own (as `python -m bench.peers`
does). Steps count themselves. Processor time is that of the process and its children; a server that a tool starts apart
is not in it.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from bench.peers.__main__ import HERE, WORK, environment, settings, version
from bench.searches.work import TRIALS
from bench.tuning import Took, by_hand, run

TOOLS = ("penstock", "metaflow", "zenml", "dagster")
ROOT = HERE.parent.parent


def search(tool: str, python: Path, folder: Path) -> tuple[Took | None, str]:
    """Run the search once; return what it took (None: it failed) and how many preparations and fits that were."""
    before = _counts(folder)
    variables = settings(folder, python) | {"SEARCH_MARKS": str(folder), "SEARCH_TRIALS": str(TRIALS)}
    variables["PYTHONPATH"] = f"{ROOT}:{ROOT / 'src'}" if tool == "penstock" else str(ROOT)
    try:
        took = run([str(python), str(HERE / "dags" / f"search_{tool}_.py")], folder, variables, folder)
    except RuntimeError as error:
        return None, str(error)
    made = [now - then for now, then in zip(_counts(folder), before, strict=True)]
    return took, f"{made[0]} + {made[1]}"


def _counts(folder: Path) -> tuple[int, ...]:
    files = [folder / name for name in ("prepare", "fit")]
    return tuple(len(file.read_text()) if file.exists() else 0 for file in files)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers.searches", description=__doc__)
    parser.add_argument("tools", nargs="*", help=f"any of: {', '.join(TOOLS)} (default: all)")
    least = by_hand("shared", TRIALS)
    print(f"the least: {least.processor:.1f} s of processor time, {least.wall:.1f} s\n")
    print("| tool | cold | prepared + fitted | again | prepared + fitted |\n|---|---|---|---|---|")
    for tool in parser.parse_args().tools or TOOLS:
        python = Path(sys.executable) if tool == "penstock" else environment(tool)
        WORK.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f"search-{tool}-", dir=WORK))
        (folder / "home").mkdir()
        cells = []
        for _ in range(2):
            took, made = search(tool, python, folder)
            if took is None:
                cells += ["failed", made]
                continue
            ratio = took.processor / least.processor
            cells += [f"{took.processor:.1f} s ({ratio:.2f} x the least; {took.wall:.1f} s by the clock)", made]
        named = "penstock" if tool == "penstock" else f"{tool} {version(tool, python)}"
        print(f"| {named} | {' | '.join(cells)} |", flush=True)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
