"""How a network of pictures, texts and columns is measured in a peer's own environment: until it is right, then asked.

Times are the processor's, so that they hold on a machine that has other work. It imports nothing
that is not in every such environment.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any, Protocol

import pandas as pd

SHAPE = {"side": 32, "dim": 32, "words": 24, "hidden": 64, "rate": 0.003, "step": 64}
"""As `bench.network_by_hand`, which imports what these environments lack."""
NUMBERS = ["age", "price", "weekday"]
RIGHT, MOST = 0.97, 40
"""The accuracy that ends training, and after how many times through the rows it ends without."""


class Network(Protocol):
    """What a peer's network does here."""

    def classes_of(self, rows: pd.DataFrame) -> list[str]:
        """Return the predicted class of each of some raw rows."""


class Trainable(Network, Protocol):
    """One that can be trained a little further."""

    def learn(self) -> None:
        """Go through all rows once."""


def right_of(network: Network, others: pd.DataFrame) -> float:
    """Return the accuracy on other rows."""
    return float((pd.Series(network.classes_of(others)) == others["label"].reset_index(drop=True)).mean())


def learned_until(network: Trainable, others: pd.DataFrame, prepared: float) -> dict[str, Any]:
    """Go through the rows until the accuracy on others is reached; judging does not count as training."""
    seconds, right, iterations = prepared, 0.0, 0
    while right < RIGHT and iterations < MOST:
        iterations += 1
        began = time.process_time()
        network.learn()
        seconds += time.process_time() - began
        right = right_of(network, others)
    return {"seconds": seconds, "iterations": iterations, "accuracy": right}


def asked_of(network: Network, others: pd.DataFrame) -> dict[str, float]:
    """Return the median milliseconds of one raw row, and of a thousand."""
    one = others.iloc[[0]]
    return {
        "row": _milliseconds(lambda: network.classes_of(one), 10),
        "batch": _milliseconds(lambda: network.classes_of(others), 3),
    }


def _milliseconds(call: Callable[[], object], repeats: int) -> float:
    call(), call()
    taken = []
    for _ in range(repeats):
        began = time.process_time()
        call()
        taken.append(time.process_time() - began)
    return 1000 * statistics.median(taken)
