"""`python -m bench.peers [TOOL ...] [--steps 1000] [--limit 120] [--write]`: install each tool, run each shape twice.

Each tool has an environment of its own below `bench/.work/peers`, made from the package index at the first run. A
figure is the wall time of a whole process, because that is what a person waits for: `cold` in an empty folder, `again`
the same command in the same folder. How many steps really ran is counted by the steps themselves.
"""

from __future__ import annotations

import argparse
import datetime
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
WORK = HERE.parent / ".work" / "peers"
DOCUMENT = HERE.parent.parent / "docs" / "benchmarks-peers.md"
SHAPES = ("wide", "deep")
TOOLS: dict[str, tuple[str, ...]] = {
    "penstock inline": (),
    "penstock local": (),
    "joblib": ("joblib",),
    "hamilton": ("sf-hamilton",),
    "redun": ("redun",),
    "snakemake": ("snakemake",),
    "dagster": ("dagster",),
    "prefect": ("prefect", "fastapi<0.150"),  # a newer one breaks its ephemeral server
    "zenml": ("zenml[local]",),
    "metaflow": ("metaflow",),
}
"""Tool -> what is installed for it; ours runs in the environment that runs this."""


@dataclass(frozen=True, slots=True)
class Timed:
    """One process: its wall time, how many steps ran in it, and what went wrong."""

    seconds: float
    steps: int
    problem: str = ""


def environment(tool: str, packages: tuple[str, ...] | None = None) -> Path:
    """Return the interpreter of a tool's environment, made if it is not there."""
    packages = TOOLS[tool] if packages is None else packages
    if not packages:
        return Path(sys.executable)
    folder = WORK / "environments" / tool
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        print(f"... installing {tool}", file=sys.stderr, flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *packages]
        subprocess.run(install, check=True)
        (folder / "installed").touch()
    return python


def version(tool: str, python: Path) -> str:
    """Return the version of a tool that is installed."""
    package = (TOOLS[tool] or ("penstock",))[0].partition("[")[0]
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def settings(folder: Path, python: Path) -> dict[str, str]:
    """Return the process's environment: a home of its own, no telemetry."""
    own = {
        "HOME": str(folder / "home"), "TICKS": str(folder / "ticks"), "PATH": f"{python.parent}:{os.environ['PATH']}",
        "PYTHONPATH": f"{HERE / 'dags'}:{os.environ.get('PYTHONPATH', '')}",
        "DAGSTER_HOME": str(folder / "dagster"), "DAGSTER_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1",
        "PREFECT_HOME": str(folder / "prefect"), "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "ZENML_CONFIG_PATH": str(folder / "zenml"),
        "ZENML_ANALYTICS_OPT_IN": "false", "ZENML_LOGGING_VERBOSITY": "ERROR", "AUTO_OPEN_DASHBOARD": "false",
        "METAFLOW_HOME": str(folder / "metaflow"), "METAFLOW_DATASTORE_SYSROOT_LOCAL": str(folder / "metaflow"),
        "METAFLOW_USER": "bench", "USERNAME": "bench", "USER": "bench", "HAMILTON_TELEMETRY_ENABLED": "false",
    }  # fmt: skip
    return {**os.environ, **own}


def timed(command: list[str], folder: Path, variables: dict[str, str], limit_seconds: float) -> Timed:
    """Run one process and count the steps that ran in it."""
    ticks = folder / "ticks"
    ticks.write_bytes(b"")
    started = time.perf_counter()
    try:
        with (folder / "said").open("wb") as said:
            ended = subprocess.run(command, cwd=folder, env=variables, stdout=said, stderr=said, timeout=limit_seconds)
    except subprocess.TimeoutExpired:
        return Timed(limit_seconds, ticks.stat().st_size, "over the limit")
    seconds = time.perf_counter() - started
    last = (folder / "said").read_text(errors="replace").strip().rpartition("\n")[2][:160]
    return Timed(seconds, ticks.stat().st_size, "" if ended.returncode == 0 else f"failed: {last}")


def measure(tool: str, shape: str, steps: int, limit_seconds: float) -> tuple[Timed, Timed]:
    """Return the cold run and the same again."""
    python = environment(tool)
    name, _, engine = tool.partition(" ")
    command = [str(python), str(HERE / "dags" / f"{name}_.py"), shape, str(steps), *([engine] if engine else [])]
    WORK.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-{shape}-", dir=WORK))
    (folder / "home").mkdir()
    try:
        variables = settings(folder, python)
        cold = timed(command, folder, variables, limit_seconds)
        again = cold if cold.problem else timed(command, folder, variables, limit_seconds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return cold, again


def cell(found: Timed, ours: Timed) -> str:
    """Return a figure as the table shows it: seconds, the ratio to ours, the steps that ran."""
    if found.problem:
        return f"{'> ' if found.problem == 'over the limit' else ''}{found.seconds:.0f} s ({found.problem})"
    return f"{found.seconds:.2f} s ({found.seconds / ours.seconds:.1f} x, {found.steps} ran)"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("tools", nargs="*", help=f"any of: {', '.join(TOOLS)} (default: all)")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--limit", type=float, default=120.0, help="seconds that one process may take")
    parser.add_argument("--write", action="store_true", help="write the table into docs/benchmarks-peers.md")
    given = parser.parse_args()
    tools = list(dict.fromkeys(["penstock inline", *(given.tools or TOOLS)]))
    rows = ["| tool | wide, cold | wide, again | deep, cold | deep, again |", "|---|---|---|---|---|"]
    ours: dict[str, tuple[Timed, Timed]] = {}
    for tool in tools:
        cells = []
        for shape in SHAPES:
            found = measure(tool, shape, given.steps, given.limit)
            ours.setdefault(shape, found)
            cells += [cell(mine, reference) for mine, reference in zip(found, ours[shape], strict=True)]
            print(f"    {tool} {shape}: {cells[-2]}; again {cells[-1]}", file=sys.stderr, flush=True)
        rows.append(f"| {tool} {version(tool, environment(tool))} | {' | '.join(cells)} |")
    table = "\n".join(rows)
    print(table)
    if given.write:
        before, _, _ = DOCUMENT.read_text().partition("<!-- measured -->")
        command = f"python -m bench.peers --steps {given.steps} --limit {given.limit:g}"
        measured = f"Measured with `{command}` on {os.cpu_count()} cores, {datetime.date.today()}."
        DOCUMENT.write_text(f"{before}<!-- measured -->\n{measured}\n\n{table}\n")


if __name__ == "__main__":
    main()
