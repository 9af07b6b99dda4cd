"""What a process costs that predicts with a network of a picture, a text and columns: its start, its memory, a row."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import msgspec

import penstock as ps
from bench.measure import Figure, fresh_folder
from penstock import models

SIDE, ROWS, REPEATS = 32, 200, 7
_START = """
import sys, time
started = time.perf_counter()
import penstock as ps
from penstock.models import row_predictor
predictor = row_predictor(ps.load_model(sys.argv[1]))
body = open(sys.argv[2], "rb").read()
predictor.answer(body)
taken = time.perf_counter() - started
print(taken, most_memory())
"""
_ROWS = """
import sys, time
import penstock as ps
from penstock.models import row_predictor
predictor = row_predictor(ps.load_model(sys.argv[1]))
body = open(sys.argv[2], "rb").read()
taken = []
for _ in range(3000):
    [row] = predictor.decode(body)  # each time: an image that is the very same bytes is not decoded again
    started = time.perf_counter_ns()
    predictor.predict_decoded(row)
    taken.append(time.perf_counter_ns() - started)
taken = sorted(taken[500:])
print(taken[len(taken) // 2] / 1e6, taken[len(taken) * 99 // 100] / 1e6)
"""
_BARE = """
import time
started = time.perf_counter()
import numpy, onnxruntime
print(time.perf_counter() - started, most_memory())
"""
_MEMORY = """
def most_memory():  # not ru_maxrss, which begins with that of the process that has started this one
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM"))
"""


def _graph() -> models.ModelGraph:
    sys.path.append(str(Path(__file__).parent.parent / "tests" / "multimodal"))
    import three_bits  # type: ignore[import-not-found]

    features = {**three_bits.IMAGE, **three_bits.TEXT, **three_bits.COLUMNS}
    declared = ps.model("bits", type="dnn_classifier", label="label", features=features, options={"max_iterations": 1})
    made: models.ModelGraph = ps.fit(declared, three_bits.rows(ROWS))
    return made


def _row(graph: models.ModelGraph, *, decoded: bool) -> bytes:
    import three_bits  # type: ignore[import-not-found]

    from penstock.operations.pictures import image

    row = three_bits.rows(1, seed=5).to_pylist()[0]
    if decoded:
        row["photo"] = image(row["photo"], SIDE, SIDE, "RGB", "contain")
    return msgspec.json.encode({"instances": [{name: row[name] for name in graph.signature.inputs.names}]})


def _said(code: str, *arguments: object) -> list[tuple[float, float]]:
    """Return the two numbers that each of some fresh processes says."""
    found = []
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    for _ in range(REPEATS):
        command = [sys.executable, "-c", _MEMORY + code, *map(str, arguments)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
        first, second = map(float, done.stdout.split())
        found.append((first, second))
    return found


def figures() -> Iterator[Figure]:
    """Measure whole processes, NumPy and ONNX Runtime alone beside them, and single rows in one."""
    folder = fresh_folder()
    graph = _graph()
    saved = graph.save(folder / "model")
    for name, decoded in (("png", False), ("pnm", True)):
        (folder / name).write_bytes(_row(graph, decoded=decoded))
    starts, bare = _said(_START, saved, folder / "png"), _said(_BARE)
    seconds, memory = (median(each[at] for each in starts) for at in (0, 1))
    bare_seconds, bare_memory = (median(each[at] for each in bare) for at in (0, 1))
    yield Figure(
        what="a process that imports, loads a network of image, text and columns, and predicts a row",
        value=1000 * seconds, unit="ms", goal="< 300", met=seconds < 0.3,
        beside=f"`import numpy, onnxruntime` alone {1000 * bare_seconds:.0f} ms",
    )  # fmt: skip
    yield Figure(
        what="its memory, at most", value=memory, unit="MB", goal="< 120", met=memory < 120,
        beside=f"NumPy and ONNX Runtime alone {bare_memory:.0f} MB",
    )  # fmt: skip
    for name, what, aim in (("pnm", "pixels", 0.15), ("png", "a PNG file", 0.25)):
        rows = _said(_ROWS, saved, folder / name)
        half, most = (median(each[at] for each in rows) for at in (0, 1))
        yield Figure(
            what=f"one row in it, the image as {what}, p50", value=half, unit="ms", goal=f"< {aim}", met=half < aim,
            beside=f"p99 {most:.3f} ms",
        )  # fmt: skip
