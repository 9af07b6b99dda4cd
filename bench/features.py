"""The feature store beside Feast, DuckDB and Polars: ingest, materialize, historical features; the answers compared.

`BENCH_SHAPES=1m` leaves the large shape out, `BENCH_FEAST=PATH` names an interpreter that has Feast (default: one is
installed at the first run), `BENCH_FEAST=` leaves it out.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import penstock as ps
from bench.feature_answers import NAME
from bench.feature_shapes import ASKED, FEATURES, SHAPES, TTL_DAYS, asked_file, deduplicated, rows_file
from bench.measure import Called, Figure, first_and_best, fresh_folder, per_call_microseconds
from bench.peers.__main__ import environment

PARTS = os.environ.get("BENCH_SHAPES", ",".join(SHAPES)).split(",")
REPOSITORY = Path(__file__).parent.parent
STREAMED = 10_000_000
_MATERIALIZE = """
import json, sys, time
import penstock as ps
features = ps.open(sys.argv[1]).features
began = time.perf_counter()
count = features.materialize(sys.argv[2])
print(json.dumps({"count": count, "seconds": time.perf_counter() - began}))
"""


def feast() -> Path | None:
    """Return the interpreter of Feast's environment."""
    if "BENCH_FEAST" in os.environ:
        return Path(os.environ["BENCH_FEAST"]) if os.environ["BENCH_FEAST"] else None
    return environment("feast", ("feast[duckdb,redis]==0.67.0",))


def said(command: list[str | Path]) -> dict[str, Any]:
    """Run a process of the repository and return the JSON in its last line."""
    variables = {**os.environ, "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'src'}"}
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=variables)
    found: dict[str, Any] = json.loads(done.stdout.decode().strip().rpartition("\n")[2])
    return found


def declared() -> ps.FeatureSet:
    """Return the feature set of the rows."""
    return ps.feature_set(
        NAME,
        entities={"driver_id": "int64"},
        timestamp="event_timestamp",
        created="created",
        ttl=f"{TTL_DAYS}d",
        features=list(FEATURES),
        columns=FEATURES,
    )


def _ingest(shape: str, rows: Path, root: Path) -> Iterator[Figure]:
    table = pq.read_table(rows)
    features = ps.open(root).features
    features.apply(declared())
    _, took = first_and_best(lambda: features.ingest(NAME, table), repeats=0)
    aim = 60 * table.num_rows / 1e7
    yield Figure(
        what=f"ingest of {table.num_rows / 1e6:g} M rows: history, index, online", value=took.first, unit="s",
        goal=f"< {aim:g} s", met=took.first < aim,
        beside=f"{took.processor:.1f} s of the processor; {took.megabytes:,.0f} MB beside the rows, which are "
        f"{table.nbytes / 1e6:,.0f} MB",
    )  # fmt: skip
    shutil.rmtree(root / ".penstock" / "online")
    found = said([Path(sys.executable), "-c", _MATERIALIZE, str(root), NAME])
    count, seconds = found["count"], found["seconds"]
    yield Figure(
        what=f"materialize {count:,} entities of {SHAPES[shape][0] / 1e6:g} M rows into LMDB", value=seconds, unit="s",
        goal="told, no aim", beside=f"{count / seconds:,.0f} entities/s",
    )  # fmt: skip


def answered(name: str, rows: Path, asked: Path, root: Path, python: Path | None = None) -> tuple[Called, Path]:
    """Let one contender answer in a process of its own; return what it took, and the file with its answer."""
    to = rows.parent / f"answer-{name.replace(' ', '-')}.parquet"
    if python is None:
        command = [Path(sys.executable), "-m", "bench.feature_answers", name, rows, asked, to, root]
    else:
        script = REPOSITORY / "bench" / "peers" / "feast_features.py"
        command = [python, script, "answers", rows, asked, to, rows.parent / "feast"]
    return Called(**said(list(command))), to


def differing(ours: Path, theirs: Path) -> int:
    """Return how many rows of two answers differ, or are in one only."""
    schema = pq.read_schema(ours).remove_metadata()
    tables = [pq.read_table(path).select(schema.names).cast(schema).sort_by("rowid") for path in (ours, theirs)]
    if tables[0].num_rows != tables[1].num_rows:
        return abs(tables[0].num_rows - tables[1].num_rows)
    if tables[0].equals(tables[1]):
        return 0
    rows = [table.to_pylist() for table in tables]
    return sum(mine != other for mine, other in zip(*rows, strict=True))


def _historical(shape: str, count: int, rows: Path, root: Path, python: Path | None) -> Figure:
    asked = asked_file(rows.parent, shape, count)
    ours, answer = answered("ours", rows, asked, root)
    others: dict[str, Called] = {}
    for name in ("by hand", "prepared", "polars", *(["Feast"] if python else [])):
        others[name], path = answered(name, rows, asked, root, python if name == "Feast" else None)
        wrong = differing(answer, path)
        if wrong:
            raise AssertionError(f"{wrong} of {count} answers of ours and of '{name}' differ")
    told = [
        f"{name} {other.best:.2f} s, {other.best / ours.best:.1f} x ({other.best / ours.first:.1f} x our first call, "
        f"processor {other.processor / ours.processor:.1f} x, {other.megabytes:,.0f} MB)"
        for name, other in others.items()
    ]
    aim = 10 if count > 100_000 else 20
    slower = min(other.best for name, other in others.items() if name != "polars") < ours.first
    met = not slower and (python is None or others["Feast"].best >= aim * ours.first)
    return Figure(
        what=f"features of {count:,} entity rows as of their times, {SHAPES[shape][0] / 1e6:g} M rows of "
        f"{SHAPES[shape][1]:,} entities",
        value=ours.best * 1000, unit="ms", goal=f"{aim} x Feast, DuckDB by hand", met=met,
        beside=f"first call {ours.first * 1000:.0f} ms, processor {ours.processor * 1000:.0f} ms, "
        f"{ours.megabytes:,.0f} MB; "
        f"{'; '.join(told)}; all answers equal",
    )  # fmt: skip


def _streamed(shape: str, folder: Path, root: Path) -> Figure:
    asked = asked_file(folder, shape, STREAMED)
    features = ps.open(root).features
    features.get_historical_features(pq.read_table(asked).slice(0, 1), [f"{NAME}:*"])
    to, took = first_and_best(
        lambda: features.write_historical_features(folder / "out.parquet", asked, [f"{NAME}:*"]), repeats=0
    )
    assert pq.ParquetFile(to).metadata.num_rows == STREAMED
    return Figure(
        what=f"features of {STREAMED:,} entity rows from a Parquet file into one, {SHAPES[shape][0] / 1e6:g} M rows",
        value=STREAMED / took.first / 1e6, unit="M rows/s", goal="< 1,000 MB", met=took.megabytes < 1000,
        beside=f"{took.first:.1f} s, {took.megabytes:,.0f} MB; the answers are {to.stat().st_size / 1e6:,.0f} MB",
    )  # fmt: skip


def figures() -> Iterator[Figure]:
    """Ingest, materialize and answer in each shape; each answer beside, and compared with, the contenders'."""
    folder, python = fresh_folder(), feast()
    for shape in PARTS:
        rows, root = rows_file(folder, shape), folder / f"project-{shape}"
        root.mkdir()
        yield from _ingest(shape, rows, root)
        deduplicated(rows)
        for count in ASKED:
            yield _historical(shape, count, rows, root, python)
        if shape == PARTS[-1]:
            yield _streamed(shape, folder, root)
        if python is not None:
            yield from _online(shape, rows, root, python)


def _online(shape: str, rows: Path, root: Path, python: Path) -> Iterator[Figure]:
    """Measure what Feast takes to materialize and to read online, by its SDK and its server."""
    script = REPOSITORY / "bench" / "peers" / "feast_features.py"
    found = said([python, script, "online", "sqlite", rows, rows.parent / f"feast-online-{shape}"])
    yield Figure(
        what=f"Feast: materialize {SHAPES[shape][1]:,} entities of {SHAPES[shape][0] / 1e6:g} M rows into sqlite",
        value=found["materialize"], unit="s", goal="told, no aim",
    )  # fmt: skip
    features, chosen = ps.open(root).features, random.Random(1)
    keys = range(SHAPES[shape][1] // 2)

    def ask(count: int) -> None:
        features.get_online_features([f"{NAME}:*"], {"driver_id": chosen.sample(keys, count)})

    reader = features.reader([f"{NAME}:*"])
    row, _ = per_call_microseconds(lambda: reader.row({"driver_id": chosen.choice(keys)}))
    for count in (1, 10, 100):
        table, _ = per_call_microseconds(partial(ask, count), seconds=2)
        (sdk, slow_sdk), (rest, slow_rest) = found[f"sdk {count}"], found[f"rest {count}"]
        yield Figure(
            what=f"Feast: {len(FEATURES)} features of {count} entities online, SDK over sqlite", value=sdk / 1000,
            unit="ms (median)", goal="told, no aim",
            beside=f"p99 {slow_sdk / 1000:.2f} ms; its server {rest / 1000:.2f} ms (p99 {slow_rest / 1000:.2f}); "
            f"ours in LMDB: as a table {table / 1000:.2f} ms{f', a row {row:.1f} us' if count == 1 else ''}",
        )  # fmt: skip
