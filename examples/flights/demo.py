"""The whole of penstock in two minutes, on 336,776 real flights: run by `make demo`, readable as a tour of the API."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

import penstock as ps
from penstock.cli.display import RunDisplay, print_table

HERE = Path(__file__).parent
CONSOLE = Console(highlight=False)
PENSTOCK = [sys.executable, "-m", "penstock"]

CREATE = """
CREATE OR REPLACE MODEL delays
TRANSFORM(
  arr_delay, dep_delay, carrier, origin,
  ML.STANDARD_SCALER(LN(distance)) OVER() AS distance,
  CAST(EXTRACT(DAYOFWEEK FROM time_hour) AS STRING) AS weekday,
  CAST(EXTRACT(HOUR FROM time_hour AT TIME ZONE 'America/New_York') AS STRING) AS hour)
OPTIONS(model_type = 'linear_reg', input_label_cols = ['arr_delay'])
AS SELECT arr_delay, dep_delay, carrier, origin, distance, time_hour FROM flights WHERE arr_delay IS NOT NULL
"""
EVALUATE = "SELECT mean_absolute_error, r2_score FROM ML.EVALUATE(MODEL delays)"
PREDICT = """
SELECT ROUND(predicted_arr_delay, 1) AS predicted_arr_delay, carrier, dep_delay, time_hour
FROM ML.PREDICT(MODEL delays, (
  SELECT dep_delay, carrier, origin, distance, time_hour FROM flights WHERE dest = 'HNL' ORDER BY time_hour LIMIT 3))
"""
FLIGHT = {
    "carrier": "UA", "origin": "EWR", "dest": "SFO", "dep_delay": 25, "distance": 2565, "wind_speed": 12.7,
    "humid": 71.0, "precip": 0.0, "visib": 10.0, "time_hour": "2013-12-20T17:00:00Z",
}  # fmt: skip


def chapter(title: str) -> None:
    """Print a heading."""
    CONSOLE.rule(f"[bold]{title}", align="left")


def show_run(project: ps.Project, title: str, **params: int) -> None:
    """Run the pipeline with a live display, and say how long it took."""
    CONSOLE.print(f"[dim]$ penstock run flights {' '.join(f'-p {k}={v}' for k, v in params.items())}[/dim]  {title}")
    with RunDisplay() as display:
        run = project.run("flights", on_event=display, **params)
    if run.state != "succeeded":
        sys.exit(f"the run {run.state}; see: penstock show {run.id}")


def show_sql(project: ps.Project, text: str) -> None:
    """Run one SQL text and print what it gives."""
    CONSOLE.print(f"[dim]{text.strip()}[/dim]")
    started = time.perf_counter()
    print_table(project.sql(text))
    CONSOLE.print(f"{time.perf_counter() - started:.2f} s\n")


@contextmanager
def server() -> Iterator[str]:
    """Start `penstock serve` on a free port; yield its URL; stop it."""
    process = subprocess.Popen([*PENSTOCK, "serve", "--port", "0"], cwd=HERE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = next((line for line in process.stdout if "http://" in line), None)
        if line is None:
            sys.exit(f"the server did not start (exit code {process.wait()})")
        CONSOLE.print(line.strip())
        yield "http://" + line.partition("http://")[2].split()[0].rstrip("/")
    finally:
        process.terminate()
        process.wait(timeout=20)


def post(url: str, body: object) -> dict[str, object]:
    """Send JSON, return JSON."""
    CONSOLE.print(f"[dim]POST {url}\n{json.dumps(body)}[/dim]")
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        answer: dict[str, object] = json.load(response)
    CONSOLE.print(f"{response.status} {json.dumps(answer)}\n")
    return answer


def follow(url: str) -> None:
    """Print a step's log as it is written, until the step ends."""
    CONSOLE.print(f"[dim]GET {url}[/dim]")
    with urllib.request.urlopen(url) as stream:
        for line in stream:
            if line.startswith(b"data: "):
                CONSOLE.print(f"  {line[6:].decode().rstrip()}")


def main() -> None:
    """Tell the whole story."""
    project = ps.open(HERE)
    chapter("1  A pipeline: read, test the data, split by time, fit, evaluate, push")
    show_run(project, "")
    report = project.runs(pipeline="flights")[0].artifact("evaluate").load()
    print_table([report])
    champion = project.models["flights"].alias("champion")
    CONSOLE.print(f"champion: flights version {champion.version}, graph {champion.digest[:12]}\n")

    chapter("2  Nothing runs again whose output is up to date")
    show_run(project, "the same again")
    show_run(project, "another depth: only fit and what follows", depth=8)

    chapter("3  The same job in SQL: the transformations are part of the model, so callers send raw inputs")
    for text in (CREATE, EVALUATE, PREDICT):
        show_sql(project, text)

    chapter("4  Served: one raw flight, a run by one REST call, and the proof that serving equals batch")
    with server() as url:
        post(f"{url}/v1/models/flights:predict", {"instances": [FLIGHT]})
        run_id = post(f"{url}/v1/pipelines/flights/runs", {"params": {"depth": 4}, "experiment": "demo"})["id"]
        follow(f"{url}/v1/runs/{run_id}/steps/fit/log?follow=1")
        project.get_run(str(run_id)).wait(timeout_seconds=120)
        CONSOLE.print(f"[dim]$ penstock verify flights --url {url}[/dim]")
        if subprocess.run([*PENSTOCK, "verify", "flights", "--url", url], cwd=HERE).returncode:
            sys.exit("serving and batch prediction differ")

    chapter("5  What was made")
    state = project.config.state
    size = sum(file.stat().st_size for file in state.rglob("*") if file.is_file()) / 2**20
    CONSOLE.print(
        f"{len(project.runs())} runs, the models {', '.join(sorted(project.models))}, and every table between them: "
        f"{size:,.0f} MiB in {state.relative_to(Path.cwd()) if state.is_relative_to(Path.cwd()) else state}\n"
        "Delete that folder to start again. Next, in examples/flights:\n"
        "  ../../.venv/bin/penstock why latest fit      why a step ran, or did not\n"
        '  ../../.venv/bin/penstock sql "SELECT carrier, AVG(arr_delay) AS late FROM flights GROUP BY 1 ORDER BY 2"\n'
        "  ../../.venv/bin/penstock serve               then open the address it prints, /docs"
    )


if __name__ == "__main__":
    main()
