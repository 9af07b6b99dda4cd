"""The whole of penstock in three minutes, on real flights: run by `make demo`, readable as a tour of the API."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from rich.console import Console

import penstock as ps
from penstock.cli.display import RunDisplay, print_table

HERE = Path(__file__).parent
CONSOLE = Console(highlight=False)
PENSTOCK = [sys.executable, "-m", "penstock"]

FIRST, TRAINED, NOW = "2013-01-01T00:00:00Z", "2013-03-01T00:00:00Z", "2013-07-09T18:00:00Z"
"""What the first model learns from, until when; and the summer afternoon on which it is asked."""

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
PREDICT = """
SELECT ROUND(predicted_arr_delay, 1) AS predicted, carrier, dep_delay, time_hour
FROM ML.PREDICT(MODEL delays, (
  SELECT dep_delay, carrier, origin, distance, time_hour
  FROM flights WHERE dest = 'HNL' ORDER BY time_hour LIMIT 3))
"""
SOON = f"""
SELECT carrier, tailnum, origin, distance, time_hour, arr_delay FROM flights
WHERE time_hour >= TIMESTAMP '{NOW}' AND time_hour < TIMESTAMP_ADD(TIMESTAMP '{NOW}', INTERVAL 3 HOUR)
  AND arr_delay IS NOT NULL
ORDER BY time_hour, carrier, flight
"""
DAY_SECONDS = 86400


def say(text: str, style: str = "") -> None:
    """Print a text as it is written: never wrapped, no markup read in it."""
    CONSOLE.print(text, style=style, soft_wrap=True, markup=False)


def chapter(number: int, title: str, about: str) -> None:
    """Print a heading and what it is about."""
    say(f"\n{number}  {title}", "bold cyan")
    say(f"   {about}\n")


def command(*words: str) -> None:
    """Run a command of penstock as one would type it."""
    say(f"$ penstock {shlex.join(words)}", "dim")
    if subprocess.run([*PENSTOCK, *words], cwd=HERE).returncode:
        sys.exit(f"penstock {words[0]} failed")
    print()


def show_run(project: ps.Project, pipeline: str = "flights", mode: str = "train", **params: str) -> ps.Run:
    """Run a pipeline with a live display."""
    words = [*(f"-p {name}={value}" for name, value in params.items()), *(["--mode infer"] if mode == "infer" else [])]
    say(" ".join(["$ penstock run", pipeline, *words]), "dim")
    with RunDisplay() as display:
        run = project.run(pipeline, mode=mode, on_event=display, **params)
    if run.state != "succeeded":
        sys.exit(f"the run {run.state}; see: penstock show {run.id}")
    print()
    return run


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
    """Start `penstock serve` on a free port, in the past; yield its URL; stop it."""
    say(f"$ PENSTOCK_SERVER_FEATURES_AS_OF={NOW} penstock serve --port 0", "dim")
    past = {**os.environ, "PENSTOCK_SERVER_FEATURES_AS_OF": NOW}
    serve = [*PENSTOCK, "serve", "--port", "0"]
    process = subprocess.Popen(serve, cwd=HERE, stdout=subprocess.PIPE, text=True, env=past)
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
    request = urllib.request.Request(url, json.dumps(body, default=str).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as response:
        answer: dict[str, object] = json.load(response)
    return answer


def ask(project: ps.Project, url: str) -> None:
    """Ask about every flight of the next hours, by keys and what the timetable says; tell later how late they were."""
    soon = project.sql(SOON)
    instances = soon.drop_columns(["arr_delay"]).to_pylist()
    ids = [f"flight-{number}" for number in range(len(instances))]
    say(f"$ curl {url}/v1/models/flights:predict -d '{json.dumps({'instances': instances[:1]}, default=str)}'", "dim")
    answer = post(f"{url}/v1/models/flights:predict", {"instances": instances, "ids": ids})
    say(f"{json.dumps(answer)[:150]} ... for {len(instances)} flights\n")
    say("$ penstock verify flights: serving against batch, and then what became of these flights", "dim")
    verified = project.verify("flights")
    say(f"{verified.rows:,} rows replayed, equal: {verified.equal}")
    labels = pa.table({"id": ids, "arr_delay": soon["arr_delay"]})
    say(f"{project.add_labels('flights', labels)} of them have arrived\n")


def tomorrow(project: ps.Project, trigger: str) -> ps.Run:
    """Let the triggers be watched as they will be a day from now, and return the run that one has started."""
    project.triggers.clock = lambda: time.time() + DAY_SECONDS
    with project.triggers.watch() as monitor:
        monitor.tick()
        deadline = time.monotonic() + 180
        while not (fired := project.triggers[trigger].history) or fired[0].state not in ("succeeded", "failed"):
            if time.monotonic() > deadline:
                sys.exit(f"the trigger {trigger} has started nothing; see: penstock trigger history {trigger}")
            time.sleep(0.2)
    say(f"{fired[0].state}: {fired[0].event['data']}")
    return project.get_run(fired[0].run)


def main() -> None:
    """Tell the whole story."""
    project = ps.open(HERE)
    chapter(1, "A feature store", "Feature sets with their windows: see flight_features.py.")
    command("features", "apply")
    show_run(project, "facts")

    chapter(
        2, "A pipeline", "Ingest, join as of each flight, test the data, train a cascade, judge, promote: flights.py."
    )
    show_run(project, first=FIRST, last=TRAINED)
    champion = project.models["flights"].alias("champion")
    say(f"champion: version {champion.version} of flights, graph {champion.digest[:12]}")

    chapter(3, "Nothing runs again whose output is up to date", "The same once more.")
    show_run(project, first=FIRST, last=TRAINED)

    chapter(
        4, "Inference is the same pipeline", "A day of July, with what the promoted run had learned; nothing can learn."
    )
    show_run(project, mode="infer", first="2013-07-08T00:00:00Z", last=NOW)

    chapter(5, "The same in SQL", "The transformations are part of the model, so callers send raw inputs.")
    for text in (CREATE, PREDICT):
        show_sql(project, text)

    chapter(6, "Served", "Requests bring keys and the timetable; windows, weather and plane come from the store.")
    with server() as url:
        ask(project, url)

    chapter(
        7,
        "Watched, and trained again",
        "A model of winter, asked in July: its error starts a run that judges a challenger.",
    )
    degraded = ps.degraded("flights", metric="mean_absolute_error", over=25, window="1d", minimum=50)
    params = {"first": "2013-05-01T00:00:00Z", "last": NOW}
    project.on(degraded, "flights", params=params, name="retrain")
    command("monitor", "flights", "--by", "origin", "--minimum", "100")
    say("a day later the trigger looks at the window that has ended:")
    run = tomorrow(project, "retrain")
    command("logs", run.id, "bless")
    command("why", run.id, "push")
    say(f"champion: version {project.models['flights'].alias('champion').version} of flights\n")

    chapter(8, "What was made", f"{len(project.runs())} runs and the models {', '.join(sorted(project.models))}.")
    state = project.config.state
    size = sum(file.stat().st_size for file in state.rglob("*") if file.is_file()) / 2**20
    say(f"They and all tables are in {shortest(state)}, {size:,.0f} MiB; delete it to start again. Next:\n")
    start = f"{shortest(Path(sys.executable).parent)}/penstock -C {shortest(HERE)}"
    say(f"{start} report flights    # what the cascade is worth")
    say(f"{start} plan flights --mode infer --draw flights.svg")
    say(f'{start} sql "SELECT carrier, AVG(arr_delay) AS late FROM flights GROUP BY carrier ORDER BY late"')
    say(f"{start} serve    # then open the address that it prints")


def shortest(path: Path) -> Path:
    """Return a path as one would type it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


if __name__ == "__main__":
    main()
