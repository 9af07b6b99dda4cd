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
  CAST(EXTRACT(HOUR FROM time_hour AT TIME ZONE 'America/New_York')
       AS STRING) AS hour)
OPTIONS(model_type = 'linear_reg', input_label_cols = ['arr_delay'])
AS SELECT arr_delay, dep_delay, carrier, origin, distance, time_hour
FROM flights WHERE arr_delay IS NOT NULL
"""
EVALUATE = "SELECT mean_absolute_error, r2_score FROM ML.EVALUATE(MODEL delays)"
PREDICT = """
SELECT ROUND(predicted_arr_delay, 1) AS predicted, carrier, dep_delay, time_hour
FROM ML.PREDICT(MODEL delays, (
  SELECT dep_delay, carrier, origin, distance, time_hour
  FROM flights WHERE dest = 'HNL' ORDER BY time_hour LIMIT 3))
"""
FLIGHT = {
    "carrier": "UA", "origin": "EWR", "dest": "SFO", "dep_delay": 25, "distance": 2565, "wind_speed": 12.7,
    "humid": 71.0, "precip": 0.0, "visib": 10.0, "time_hour": "2013-12-20T17:00:00Z",
}  # fmt: skip


def say(text: str, style: str = "") -> None:
    """Print a text as it is written: never wrapped, no markup read in it."""
    CONSOLE.print(text, style=style, soft_wrap=True, markup=False)


def chapter(number: int, title: str, about: str) -> None:
    """Print a heading and what it is about."""
    say(f"\n{number}  {title}", "bold cyan")
    say(f"   {about}\n")


def show_run(project: ps.Project, **params: int) -> None:
    """Run the pipeline with a live display."""
    say(" ".join(["$ penstock run flights", *(f"-p {name}={value}" for name, value in params.items())]), "dim")
    with RunDisplay() as display:
        run = project.run("flights", on_event=display, **params)
    if run.state != "succeeded":
        sys.exit(f"the run {run.state}; see: penstock show {run.id}")
    print()


def show_sql(project: ps.Project, text: str) -> None:
    """Run one SQL text and print what it gives."""
    say(text.strip(), "dim")
    started = time.perf_counter()
    rows = project.sql(text)
    took = time.perf_counter() - started
    print_table(rows)
    say(f"in {took:.2f} s\n")


@contextmanager
def server() -> Iterator[str]:
    """Start `penstock serve` on a free port; yield its URL; stop it."""
    say("$ penstock serve --port 0", "dim")
    process = subprocess.Popen([*PENSTOCK, "serve", "--port", "0"], cwd=HERE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = next((line for line in process.stdout if "http://" in line), None)
        if line is None:
            sys.exit(f"the server did not start (exit code {process.wait()})")
        say(f"{line.strip()}\n")
        yield "http://" + line.partition("http://")[2].split()[0].rstrip("/")
    finally:
        process.terminate()
        process.wait(timeout=20)


def post(url: str, body: object) -> dict[str, object]:
    """Send JSON, return JSON."""
    say(f"$ curl {url} -d '{json.dumps(body)}'", "dim")
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        answer: dict[str, object] = json.load(response)
    say(f"{json.dumps(answer)}\n")
    return answer


def follow(url: str) -> None:
    """Print a step's log as it is written, until the step ends."""
    say(f"$ curl '{url}'", "dim")
    with urllib.request.urlopen(url) as stream:
        for line in stream:
            if line.startswith(b"data: "):
                say(f"  {line[6:].decode().rstrip()}")
    print()


def main() -> None:
    """Tell the whole story."""
    project = ps.open(HERE)
    chapter(1, "A pipeline", "Read, test the data, split by time, fit, evaluate, push: see flights.py.")
    show_run(project)
    print_table([project.runs(pipeline="flights")[0].artifact("evaluate").load()])
    champion = project.models["flights"].alias("champion")
    say(f"champion: version {champion.version} of flights, graph {champion.digest[:12]}")

    chapter(2, "Nothing runs again whose output is up to date", "The same once more; then another depth.")
    show_run(project)
    show_run(project, depth=8)

    chapter(3, "The same job in SQL", "The transformations are part of the model, so callers send raw inputs.")
    for text in (CREATE, EVALUATE, PREDICT):
        show_sql(project, text)

    chapter(4, "Served", "A raw flight, a run by one REST call, the proof that serving equals batch.")
    with server() as url:
        post(f"{url}/v1/models/flights:predict", {"instances": [FLIGHT]})
        run_id = post(f"{url}/v1/pipelines/flights/runs", {"params": {"depth": 4}, "experiment": "demo"})["id"]
        follow(f"{url}/v1/runs/{run_id}/steps/fit/log?follow=1")
        project.get_run(str(run_id)).wait(timeout_seconds=120)
        say(f"$ penstock verify flights --url {url}", "dim")
        if subprocess.run([*PENSTOCK, "verify", "flights", "--url", url], cwd=HERE).returncode:
            sys.exit("serving and batch prediction differ")

    chapter(5, "What was made", f"{len(project.runs())} runs and the models {', '.join(sorted(project.models))}.")
    state = project.config.state
    size = sum(file.stat().st_size for file in state.rglob("*") if file.is_file()) / 2**20
    say(f"They and all tables are in {shortest(state)}, {size:,.0f} MiB; delete it to start again. Next:\n")
    command = f"{shortest(Path(sys.executable).parent)}/penstock -C {shortest(HERE)}"
    say(f"{command} why latest fit")
    say(f'{command} sql "SELECT carrier, AVG(arr_delay) AS late FROM flights GROUP BY carrier ORDER BY late"')
    say(f"{command} serve    # then open the address that it prints")


def shortest(path: Path) -> Path:
    """Return a path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    main()
