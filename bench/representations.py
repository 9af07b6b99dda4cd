"""What several representations are worth on real rows: each alone and all together, in the mean of some divisions.

Women's clothing reviews (is the article recommended?) and emoji (of which group is it?); where the folder with the data
is absent there are no figures. Emoji that differ by the tone of a skin stand on one side of a division. What enters
trees and linear models too is tried alone in a logistic regression as well: the best alone may be no network.

Options were chosen once, by a quarter of the training rows of the first division; no row that judges has chosen any.
"""

from __future__ import annotations

import functools
import hashlib
import multiprocessing
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import penstock as ps
from bench.measure import Figure
from penstock import models
from penstock.transforms import apply

_DATA = Path(__file__).parents[2] / "shared" / "data"
_SHARE = 0.25
_HELD = {"data_split_method": "RANDOM", "data_split_eval_fraction": 0.15}
LINEAR = {"l2_reg": 0.3}
FACTS = {"facts": ps.col("Review Text").text_stats(), "feeling": ps.col("Review Text").sentiment()}
"""Nothing is learned for them: they are computed once for all rows and divisions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """Rows of a file, what is predicted of them, the representations alone, and those that a linear model takes."""

    what: str
    file: str
    label: str
    metric: str
    ways: Mapping[str, Mapping[str, Any]]
    linear: tuple[str, ...]
    options: Mapping[str, Any]
    side: Callable[[pa.Table, int], Any]
    most_rows: int
    divisions: int


def _by_row(rows: pa.Table, seed: int) -> Any:
    return np.random.default_rng(seed).random(rows.num_rows) < _SHARE


def _by_hexcode(rows: pa.Table, seed: int) -> Any:
    own, base = rows["hexcode"].to_pylist(), rows["skintone_base_hexcode"].to_pylist()
    keys = [f"{seed} {tone or code}" for code, tone in zip(own, base, strict=True)]
    return np.array([hashlib.sha256(key.encode()).digest()[0] / 256 < _SHARE for key in keys])


REVIEWS = Task(
    what="recommended? of reviews",
    file="womens_clothing_reviews.parquet",
    label="Recommended IND",
    metric="roc_auc",
    ways={
        "title": {"title": ps.col("Title").embedding(32)},
        "review": {"review": ps.col("Review Text").embedding(32)},
        "words": {"words": ps.col("Review Text").tf_idf(2000)},
        "facts": {name: ps.col(name) for name in FACTS},
        "columns": {"age": ps.col("Age"), "department": ps.col("Department Name")},
    },
    linear=("words", "facts", "columns"),
    options=_HELD,
    side=_by_row,
    most_rows=6_000,
    divisions=5,
)
EMOJI = Task(
    what="the group of emoji",
    file="openmoji_images.parquet",
    label="group",
    metric="accuracy",
    ways={
        "image": {
            "image": ps.col("image").image(16).conv(filters=8, layers=2, dim=32),
            "colors": ps.col("image").color_histogram(4),
        },
        "annotation": {"annotation": ps.col("annotation").embedding(32)},
    },
    linear=(),
    options={"learn_rate": 0.01},
    side=_by_hexcode,
    most_rows=6_000,
    divisions=3,
)


def figures() -> Iterator[Figure]:
    """Yield for each table by how much all representations together beat the best of them alone."""
    for task in (REVIEWS, EMOJI):
        if (_DATA / task.file).exists():
            yield _figure(task)


def _figure(task: Task) -> Figure:
    rows = pq.read_table(_DATA / task.file)
    rows = rows.take(np.random.default_rng(0).permutation(rows.num_rows)[: task.most_rows])
    if task is REVIEWS:
        for name, values in zip(FACTS, apply(FACTS, rows).columns, strict=True):
            rows = rows.append_column(name, values)
    each = functools.partial(_division, task.file, rows)
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as processes:
        found = list(processes.map(each, range(task.divisions)))
    means = {name: statistics.mean(division[name] for division in found) for name in found[0]}
    best = max((name for name in means if name != "all"), key=lambda name: means[name])
    apart = [division["all"] - division[best] for division in found]
    mean, spread = statistics.mean(apart), statistics.stdev(apart)
    listed = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
    return Figure(
        what=f"{task.what}: {task.metric} of all representations above the best alone ({best}), "
        f"{task.divisions} divisions",
        value=mean, unit=task.metric, goal="> 2 standard errors", met=mean > 2 * spread / task.divisions**0.5,
        beside=f"standard deviation {spread:.4f}, least {min(apart):.4f}, most {max(apart):.4f}; means: {listed}",
    )  # fmt: skip


def _division(file: str, rows: pa.Table, seed: int) -> dict[str, float]:
    """Return the metric of each representation and of all, of one division, in a process of its own."""
    task = next(each for each in (REVIEWS, EMOJI) if each.file == file)
    held = task.side(rows, seed)
    train, test = rows.filter(pa.array(~held)), rows.filter(pa.array(held))

    def metric(type: str, features: Mapping[str, Any], options: Mapping[str, Any]) -> float:
        model = ps.model("tried", type=type, label=task.label, features=features, options=options)
        return float(models.fit(model, train, judged=False).evaluate(test)[task.metric] or 0.0)

    everything = {name: each for way in task.ways.values() for name, each in way.items()}
    options = {**task.options, "seed": seed}
    networks = {**task.ways, "all": everything}
    found = {name: metric("dnn_classifier", features, options) for name, features in networks.items()}
    alone = {f"{name}, linear": metric("logistic_reg", task.ways[name], LINEAR) for name in task.linear}
    print(f"    division {seed}: {found | alone}", file=sys.stderr, flush=True)
    return {**found, **alone}
