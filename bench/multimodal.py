"""A network of a picture, a text and columns: its training, its predictions and its size, beside the same by hand.

From raw rows (PNG files, texts, columns) to a model that predicts raw rows; one thread everywhere. The rows are those
of `tests/multimodal/three_bits.py`: any two of the three modalities are right about every second row.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import penstock as ps
from bench import network_by_hand as by_hand
from bench.measure import Figure, fresh_folder, paired, per_call_microseconds
from penstock import models

LEARNED, ASKED, _LEAST = 3_500, 1_000, 0.97


def declared(iterations: int = by_hand.ITERATIONS) -> Any:
    """Return the network of `network_by_hand` as a model."""
    features = {
        "photo": ps.col("photo").image(by_hand.SIDE).conv(),
        "text": ps.col("review").embedding(by_hand.DIM, unit="words"),
        **{name: ps.col(name) for name in (*by_hand.CATEGORIES, *by_hand.NUMBERS)},
    }
    options = {
        "hidden_units": [by_hand.HIDDEN], "batch_size": by_hand.STEP, "learn_rate": by_hand.RATE, "early_stop": False,
        "max_iterations": iterations, "data_split_method": "NO_SPLIT", "device": "CPU",
    }  # fmt: skip
    return ps.model("bits", type="dnn_classifier", label="label", features=features, options=options)


def learned_and_asked() -> tuple[pa.Table, pa.Table]:
    """Return rows to learn from, and others."""
    sys.path.append(str(Path(__file__).parent.parent / "tests" / "multimodal"))
    import three_bits  # type: ignore[import-not-found]

    return three_bits.rows(LEARNED), three_bits.rows(ASKED, seed=1)


def _once(train: Callable[[pa.Table], Any], rows: pa.Table) -> tuple[float, Any]:
    """Return the processor's seconds, which are those of one thread, and what was made."""
    started = time.process_time()
    made = train(rows)
    return time.process_time() - started, made


def figures() -> Iterator[Figure]:
    """Yield the figures; trainings are taken in turn, the best of two each."""
    os.environ |= {"KERAS_BACKEND": "torch", "PENSTOCK_CPUS": "1"}
    import torch

    torch.set_num_threads(1)
    rows, others = learned_and_asked()
    ways: dict[str, Callable[[pa.Table], Any]] = {
        "penstock": lambda given: models.fit(declared(), given, judged=False),
        "PyTorch by hand": by_hand.trained_by_torch,
        "Keras over PyTorch": by_hand.trained_by_keras,
    }
    for train in ways.values():
        train(rows.slice(0, 200))  # what is loaded once
    taken = [{name: _once(train, rows) for name, train in ways.items()} for _ in range(2)]
    seconds = {name: min(each[name][0] for each in taken) for name in ways}
    made = {name: found for name, (_, found) in taken[-1].items()}
    graph, (prepared, network) = made["penstock"], made["PyTorch by hand"]
    right = {
        "penstock": graph.evaluate(others)["accuracy"],
        "PyTorch by hand": float((by_hand.torch_classes(prepared, network, others) == prepared.labels(others)).mean()),
        "Keras over PyTorch": keras_accuracy(*made["Keras over PyTorch"], others),
    }
    ratio = seconds["penstock"] / seconds["PyTorch by hand"]
    beside = "; ".join(f"{name} {seconds[name]:.1f} s, accuracy {right[name]:.3f}" for name in ways)
    yield Figure(
        what=f"{by_hand.ITERATIONS} iterations over {LEARNED:,} raw rows, as a share of PyTorch by hand", value=ratio,
        unit="x", goal=f"< 1.1, accuracy > {_LEAST}", beside=beside, met=ratio < 1.1 and right["penstock"] > _LEAST,
    )  # fmt: skip
    yield from _predictions(graph, prepared, network, others)
    size = sum(each.stat().st_size for each in graph.save(fresh_folder() / "model").rglob("*") if each.is_file())
    yield Figure(what="the saved model, transforms in it", value=size / 1e6, unit="MB", goal="< 1", met=size < 1e6)


def _predictions(graph: Any, prepared: Any, network: Any, others: pa.Table) -> Iterator[Figure]:
    ours, theirs, ratio = paired(
        lambda: models.predict(graph, others), lambda: by_hand.torch_classes(prepared, network, others)
    )
    yield Figure(
        what=f"a batch of {ASKED:,} raw rows, PNG files in it", value=1000 * ours, unit="ms", goal="< 1.0 x by hand",
        beside=f"PyTorch by hand {1000 * theirs:.0f} ms: {ratio:.2f} x", met=ratio < 1.0,
    )  # fmt: skip
    predictor = models.row_predictor(graph)
    row = {name: others[name][0].as_py() for name in graph.signature.inputs.names}
    one = others.slice(0, 1)
    raw = {**row, "photo": _uncompressed(row["photo"])}
    half, most = per_call_microseconds(lambda: predictor.predict(with_copy(row)))
    pixels, _ = per_call_microseconds(lambda: predictor.predict(raw))
    hand, _ = per_call_microseconds(lambda: by_hand.torch_classes(prepared, network, one))
    bare, _ = per_call_microseconds(_bare(graph, raw))
    yield Figure(
        what="one raw row, its image as pixels, p50", value=pixels / 1000, unit="ms", goal="< 0.15",
        beside=f"ready tensors through ONNX Runtime {bare / 1000:.3f} ms: {pixels / bare:.2f} x; PyTorch by hand "
        f"{hand / 1000:.2f} ms", met=pixels < 150,
    )  # fmt: skip
    yield Figure(
        what="the same, its image as a PNG file", value=half / 1000, unit="ms", goal="< 0.25",
        beside=f"p99 {most / 1000:.2f} ms", met=half < 250,
    )  # fmt: skip


def _bare(graph: Any, row: dict[str, Any]) -> Callable[[], object]:
    """Return the call of ONNX Runtime that predicting the row comes to, on tensors that are ready."""
    from penstock.models.learning.inputs import columns_of
    from penstock.models.predicting.estimators import estimator_of
    from penstock.models.predicting.predict import entering_features
    from penstock.multimodal.running import network_of
    from penstock.multimodal.tensors import batch

    estimator = estimator_of(graph)
    running = network_of(estimator.files)
    table = pa.Table.from_pylist([row])
    columns = columns_of(running.spec, estimator.kinds, estimator.widths, entering_features(graph, table))
    given = batch(running.spec, columns, np.arange(1))
    tensors = {name: given[name] for name in running.reads}
    return lambda: running.session.run(None, tensors)


def with_copy(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with an image of its own: one that is the very same bytes is not decoded again."""
    return {**row, "photo": bytes(memoryview(row["photo"]))}


def _uncompressed(png: bytes) -> bytes:
    from penstock.operations.pictures import image

    return image(png, by_hand.SIDE, by_hand.SIDE, "RGB", "contain")


def keras_accuracy(prepared: Any, model: Any, rows: pa.Table) -> float:
    """Return the share of rows whose class Keras's network predicts."""
    totals = model.predict(prepared.arrays(rows), verbose=0)
    return float((totals.argmax(1) == prepared.labels(rows)).mean())
