"""Training on more images than memory is given to: pixels in a mapped file, and what a second thread gains in decoding.

Each fit is a process of its own: with all pixels in memory, or with the limit so low that they lie in a file that is
mapped into memory, of which the system keeps what it can. A peak is the process's own memory without mapped files
(RssAnon): what cannot be given back.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from bench.measure import Figure, fresh_folder

SIDE, ROWS, PHOTO_SIDE, PHOTOS, REPEATS = 96, 2_000, 800, 512, 3
PIXELS_MB = SIDE * SIDE * 3 * ROWS / 1e6
_FIT = f"""
import json, sys
import pyarrow.parquet as pq
import penstock as ps
from bench.measure import first_and_best
from penstock import models
from penstock.models.learning import stored

rows = pq.read_table(sys.argv[1])
stored.MOST_IN_MEMORY = int(sys.argv[2])
features = {{"photo": ps.col("photo").image({SIDE}).conv(filters=4, layers=2, dim=8)}}
options = {{"max_iterations": 1, "device": "CPU"}}
declared = ps.model("beyond", type="dnn_regressor", label="y", features=features, options=options)
models.fit(declared, rows.slice(0, 64), judged=False)  # what is loaded once
graph, took = first_and_best(lambda: models.fit(declared, rows, judged=False), repeats=0)
print(json.dumps([took.first, took.megabytes, graph.facts["learner"]["training"][0]["loss"]]))
"""
_DECODE = """
import json, sys, time
import pyarrow.parquet as pq
import penstock as ps
from penstock.transforms import apply

rows = pq.read_table(sys.argv[1])
features = {"photo": ps.col("photo").image(64)}
apply(features, rows.slice(0, 8))
began, used = time.perf_counter(), time.process_time()
apply(features, rows)
print(json.dumps([time.perf_counter() - began, time.process_time() - used]))
"""


def figures() -> Iterator[Figure]:
    """Yield the peak of memory with a mapped file, what it costs in time, and the gain of two threads."""
    folder = fresh_folder()
    rows = _written(folder / "rows.parquet", ROWS, SIDE, "PNG")
    photos = _written(folder / "photos.parquet", PHOTOS, PHOTO_SIDE, "JPEG")
    fits = [[_said(_FIT, rows, limit) for limit in (1, 1 << 40)] for _ in range(REPEATS)]
    mapped, whole = (median(pair[at][1] for pair in fits) for at in (0, 1))
    slower = median(pair[0][0] / pair[1][0] for pair in fits)
    same = all(pair[0][2] == pair[1][2] for pair in fits)
    yield Figure(
        what=f"training on {ROWS:,} images of {SIDE} x {SIDE}, {PIXELS_MB:.0f} MB of pixels in a mapped file: memory "
        "that the fit adds at its peak",
        value=mapped, unit="MB", goal="less by the pixels", met=whole - mapped > 0.8 * PIXELS_MB and same,
        beside=f"pixels in memory {whole:.0f} MB; the loss is the same number: {'yes' if same else 'no'}",
    )  # fmt: skip
    yield Figure(
        what="the same, its time", value=slower, unit="x all in memory", goal="< 1.2", met=slower < 1.2,
        beside=f"each pair: {', '.join(f'{pair[0][0]:.1f} and {pair[1][0]:.1f} s' for pair in fits)}",
    )  # fmt: skip
    pairs = [[_said(_DECODE, photos, threads=threads) for threads in (1, 2)] for _ in range(REPEATS)]
    gain = median(one[0] / two[0] for one, two in pairs)
    processor = median(two[1] / one[1] for one, two in pairs)
    yield Figure(
        what=f"decoding {PHOTOS:,} JPEG photographs of {PHOTO_SIDE} x {PHOTO_SIDE} in two threads",
        value=gain, unit="x as fast as in one", goal="> 1.5", met=gain > 1.5,
        beside=f"{processor:.2f} x the processor's time; each pair: "
        f"{', '.join(f'{one[0]:.1f} and {two[0]:.1f} s' for one, two in pairs)}; at a load of {os.getloadavg()[0]:.1f}",
    )  # fmt: skip


def _written(path: Path, count: int, side: int, format: str) -> Path:
    """Write a file of so many pictures, gently curved with a little noise, and a number that is their brightness."""
    chance, rows = np.random.default_rng(0), []
    slope = np.linspace(0, 100, side)
    for _ in range(count):
        light = chance.uniform(0, 100)
        pixels = np.add.outer(np.add.outer(slope, slope) / 2 + light, chance.uniform(0, 40, 3))
        file = io.BytesIO()
        Image.fromarray((pixels + chance.integers(0, 8, (side, side, 1))).astype(np.uint8)).save(file, format)
        rows.append({"photo": file.getvalue(), "y": light})
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def _said(code: str, *arguments: object, threads: int = 1) -> list[float]:
    """Return the numbers that a fresh process says, which has so many threads."""
    variables = {**os.environ, "PENSTOCK_CPUS": str(threads)}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=variables)
    found: list[float] = json.loads(done.stdout)
    return found
