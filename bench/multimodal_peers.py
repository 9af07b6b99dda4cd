"""The network of `bench.multimodal` in PyTorch-widedeep and Ludwig, beside ours, PyTorch by hand and Keras: in one run.

How long from raw rows until a network is right about 97 of 100 others, then one raw row and a thousand. Ours,
PyTorch's, Keras's and Ludwig's take the shortest of three schedules that gets there; widedeep goes through the rows
until it does.
A row is asked for as each is asked: ours by a dictionary, the others by a table of one row.
The peers have environments of their own, made from the package index at the first run; `BENCH_WIDEDEEP=PATH` and
`BENCH_LUDWIG=PATH` name interpreters that have them, empty for none. One thread everywhere; times are the processor's,
so that they hold on a machine that has other work.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bench import network_by_hand as by_hand
from bench.measure import Figure, fresh_folder
from bench.multimodal import declared, keras_accuracy, learned_and_asked, with_copy
from bench.peers.__main__ import environment
from penstock import models

_PEERS = Path(__file__).parent / "peers"
_SCHEDULES, _RIGHT = (3, 6, 12), 0.97
PEERS = {"widedeep": "pytorch-widedeep==1.7.0", "ludwig": "ludwig==0.17.10"}
"""What is installed for each; a Ludwig of that version asks for Python 3.12 or newer."""
Measured = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trained:
    """A network: its `accuracy` on raw rows, and the call that asks it for one raw row."""

    accuracy: Callable[[pa.Table], float]
    asked: Callable[[pa.Table], Callable[[], object]]


def figures() -> Iterator[Figure]:
    """Yield how many times longer each takes than ours; what cannot be installed or run says why."""
    os.environ |= {"KERAS_BACKEND": "torch", "PENSTOCK_CPUS": "1"}
    import torch

    torch.set_num_threads(1)
    folder = fresh_folder()
    rows, others = learned_and_asked()
    for name, table in (("learned", rows), ("asked", others)):
        pq.write_table(table, folder / f"{name}.parquet")
    with ThreadPoolExecutor(1) as beside_us:  # in processes of their own: times are the processor's
        peers = {name: beside_us.submit(_of_peer, name, folder) for name in PEERS}
        ours = _until_right(_penstock, rows, others)
        found = {
            "PyTorch by hand": _until_right(_torch, rows, others),
            "Keras over PyTorch": _until_right(_keras, rows, others),
        }
        found |= {name: each.result() for name, each in peers.items()}
    for name, measured in found.items():
        if "error" in measured:
            why = measured["error"]
            yield Figure(what=name, value=0, unit="figures: it did not end", goal="", beside=why, met=False)
            continue
        rights = f"accuracy {ours['accuracy']:.3f} after {ours['iterations']} iterations, {name} "
        rights += f"{measured['accuracy']:.3f} after {measured['iterations']}"
        for key, what, unit in (("seconds", f"from raw rows to {_RIGHT:.0%}", "s"), ("row", "one raw row", "ms"),
                                ("batch", f"a batch of {others.num_rows:,} raw rows", "ms")):  # fmt: skip
            beside = f"penstock {ours[key]:.3g} {unit}, {name} {measured[key]:.3g} {unit}"
            yield Figure(
                what=f"{name}: {what}", value=measured[key] / ours[key], unit="x penstock", goal="told, no aim",
                beside=f"{beside}; {rights}" if key == "seconds" else beside,
            )  # fmt: skip


def _until_right(train: Callable[[pa.Table, int], Trained], rows: pa.Table, others: pa.Table) -> Measured:
    """Train by the shortest schedule that gets it right; then ask."""
    train(rows.slice(0, 200), 1)  # what is loaded once
    for iterations in _SCHEDULES:
        began = time.process_time()
        network = train(rows, iterations)
        seconds = time.process_time() - began
        accuracy = network.accuracy(others)
        if accuracy >= _RIGHT:
            break
    return {
        "seconds": seconds,
        "iterations": iterations,
        "accuracy": accuracy,
        "row": _milliseconds(network.asked(others.slice(0, 1)), 200),
        "batch": _milliseconds(lambda: network.accuracy(others), 3),
    }


def _milliseconds(call: Callable[[], object], repeats: int) -> float:
    for _ in range(max(1, repeats // 4)):
        call()
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        taken.append(time.process_time() - began)
    return 1000 * median(taken)


def _penstock(rows: pa.Table, iterations: int) -> Trained:
    graph = models.fit(declared(iterations), rows, judged=False)
    predictor = models.row_predictor(graph)

    def accuracy(others: pa.Table) -> float:
        found = models.predict(graph, others)["predicted_label"].to_pylist()
        return sum(a == b for a, b in zip(found, others["label"].to_pylist(), strict=True)) / len(found)

    def asked(one: pa.Table) -> Callable[[], object]:
        [row] = one.to_pylist()
        return lambda: predictor.predict(with_copy(row))

    return Trained(accuracy, asked)


def _by_tables(accuracy: Callable[[pa.Table], float]) -> Trained:
    return Trained(accuracy, lambda one: lambda: accuracy(one))


def _torch(rows: pa.Table, iterations: int) -> Trained:
    prepared, network = by_hand.trained_by_torch(rows, iterations)
    return _by_tables(
        lambda others: float((by_hand.torch_classes(prepared, network, others) == prepared.labels(others)).mean())
    )


def _keras(rows: pa.Table, iterations: int) -> Trained:
    prepared, network = by_hand.trained_by_keras(rows, iterations)
    return _by_tables(lambda others: keras_accuracy(prepared, network, others))


def _of_peer(name: str, folder: Path) -> Measured:
    """Return what a peer's script measures in its own environment, or the last line of its error."""
    given = os.environ.get(f"BENCH_{name.upper()}")
    if given == "":
        return {"error": "left out, as asked"}
    try:
        python = Path(given) if given else environment(name, (PEERS[name],))
        command = [python, _PEERS / f"{name}_network.py", folder / "learned.parquet", folder / "asked.parquet"]
        variables = {**os.environ, "PYTHONPATH": str(_PEERS.parent.parent), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [*command, folder / name], check=True, capture_output=True, text=True, env=variables, cwd=folder
        )
    except subprocess.CalledProcessError as error:
        said = str(error.stderr or error).strip().rpartition("\n")[2]
        return {"error": said[:300].replace("|", "/")}
    found: Measured = json.loads(done.stdout.strip().rpartition("\n")[2])
    return found
