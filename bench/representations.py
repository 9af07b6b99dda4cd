"""What several representations are worth on real rows: each alone and all together, in the mean of some divisions.

Women's clothing reviews (is the article recommended?) and emoji (of which group is it?); where the folder with the data
is absent there are no figures. Emoji that differ by the tone of a skin stand on one side of a division.
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import penstock as ps
from bench.measure import Figure
from penstock import models

_DATA = Path(__file__).parents[2] / "shared" / "data"
_SHARE = 0.25
REVIEWS = {
    "title": {"title": ps.col("Title").embedding(32)},
    "review": {"review": ps.col("Review Text").embedding(32)},
    "words": {"words": ps.col("Review Text").tf_idf(2000)},
    "facts": {"facts": ps.col("Review Text").text_stats(), "feeling": ps.col("Review Text").sentiment()},
    "columns": {"age": ps.col("Age"), "department": ps.col("Department Name")},
}
EMOJI = {
    "image": {"image": ps.col("image").image(32).conv(), "colors": ps.col("image").color_histogram(4)},
    "annotation": {"annotation": ps.col("annotation").embedding(32)},
}


def figures() -> Iterator[Figure]:
    """Yield for each table by how much all representations together beat the best of them alone."""
    reviews = _DATA / "womens_clothing_reviews.parquet"
    if reviews.exists():
        rows = pq.read_table(reviews)
        yield _figure("recommended? of reviews", rows, "Recommended IND", REVIEWS, "roc_auc", _by_row, seeds=5)
    emoji = _DATA / "openmoji_images.parquet"
    if emoji.exists():
        rows = pq.read_table(emoji)
        yield _figure("the group of emoji", rows, "group", EMOJI, "accuracy", _by_hexcode, seeds=3)


def _figure(
    what: str,
    rows: pa.Table,
    label: str,
    ways: Mapping[str, Mapping[str, Any]],
    metric: str,
    side: Callable[[pa.Table, int], Any],
    *,
    seeds: int,
) -> Figure:
    everything = {name: each for way in ways.values() for name, each in way.items()}
    found: dict[str, list[float]] = {name: [] for name in (*ways, "all")}
    for seed in range(seeds):
        held = side(rows, seed)
        train, test = rows.filter(pa.array(~held)), rows.filter(pa.array(held))
        for name, features in {**ways, "all": everything}.items():
            model = ps.model(name, type="dnn_classifier", label=label, features=features, options={"seed": seed})
            graph = models.fit(model, train, judged=False)
            found[name].append(float(graph.evaluate(test)[metric] or 0.0))
    means = {name: statistics.mean(values) for name, values in found.items()}
    best = max(ways, key=lambda name: means[name])
    apart = [whole - alone for whole, alone in zip(found["all"], found[best], strict=True)]
    error = statistics.stdev(apart) / seeds**0.5
    listed = ", ".join(f"{name} {mean:.3f}" for name, mean in means.items())
    return Figure(
        what=f"{what}: {metric} of all representations above the best alone ({best}), {seeds} divisions",
        value=statistics.mean(apart), unit=metric, goal="> 2 standard errors", met=statistics.mean(apart) > 2 * error,
        beside=f"standard error {error:.4f}; {listed}",
    )  # fmt: skip


def _by_row(rows: pa.Table, seed: int) -> Any:
    return np.random.default_rng(seed).random(rows.num_rows) < _SHARE


def _by_hexcode(rows: pa.Table, seed: int) -> Any:
    own, base = rows["hexcode"].to_pylist(), rows["skintone_base_hexcode"].to_pylist()
    keys = [f"{seed} {tone or code}" for code, tone in zip(own, base, strict=True)]
    return np.array([hashlib.sha256(key.encode()).digest()[0] / 256 < _SHARE for key in keys])
