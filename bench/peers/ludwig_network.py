"""Ludwig over the rows of `bench.multimodal`, run by the interpreter of its own environment.

`ludwig_network.py LEARNED ASKED ROOT` trains on one file of rows, judges on another, and prints JSON.
"""

from __future__ import annotations

import io
import json
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402
import torch  # noqa: E402
from ludwig.api import LudwigModel  # noqa: E402
from PIL import Image  # noqa: E402

from bench.peers.networks import NUMBERS, RIGHT, SHAPE, asked_of, right_of  # noqa: E402


def configured(iterations: int) -> dict[str, Any]:
    """Return the network of `bench.network_by_hand` as Ludwig is told of it."""
    layers = [{"num_filters": filters} for filters in (16, 32, 64)]
    photo = {"type": "stacked_cnn", "conv_layers": layers, "filter_size": 3, "pool_size": 2, "output_size": 64}
    fill = {"normalization": "zscore", "missing_value_strategy": "fill_with_mean"}
    return {
        "input_features": [
            {"name": "photo", "type": "image", "encoder": photo, "preprocessing": {"num_processes": 1}},
            {
                "name": "review",
                "type": "text",
                "encoder": {"type": "embed", "embedding_size": SHAPE["dim"]},
                "preprocessing": {"tokenizer": "space_punct"},
            },
            *({"name": name, "type": "number", "preprocessing": fill} for name in NUMBERS),
            {"name": "city", "type": "category"},
        ],
        "output_features": [{"name": "label", "type": "category"}],
        "combiner": {"type": "concat", "num_fc_layers": 1, "output_size": SHAPE["hidden"]},
        "preprocessing": {"split": {"type": "fixed", "column": "split"}},
        "trainer": {
            "epochs": iterations,
            "batch_size": SHAPE["step"],
            "learning_rate": SHAPE["rate"],
            "early_stop": -1,
        },
    }


class Network:
    """A trained model of Ludwig, which takes pictures as tensors."""

    def __init__(self, rows: pd.DataFrame, iterations: int, root: Path) -> None:
        self._model = LudwigModel(configured(iterations), logging_level=logging.ERROR)
        places = np.where(np.arange(len(rows)) % 20 == 0, 1, 0)  # it wants rows to validate by
        self._model.train(
            dataset=with_tensors(rows).assign(split=places), output_directory=str(root), random_seed=0,
            skip_save_processed_input=True, skip_save_progress=True, skip_save_log=True,
        )  # fmt: skip

    def classes_of(self, rows: pd.DataFrame) -> list[str]:
        """Return the predicted class of each of some raw rows."""
        given = with_tensors(rows).assign(split=2)
        found, _ = self._model.predict(dataset=given, skip_save_predictions=True, batch_size=len(rows))
        return [str(each) for each in found["label_predictions"]]


def with_tensors(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows whose pictures are decoded."""
    decoded = [np.array(Image.open(io.BytesIO(content)).convert("RGB")) for content in rows["photo"]]
    return rows.assign(photo=[torch.from_numpy(each).permute(2, 0, 1).contiguous() for each in decoded])


def main(learned: str, asked: str, root: str) -> dict[str, Any]:
    """Train as briefly as gets it right, then predict."""
    torch.set_num_threads(1)
    rows, others = pd.read_parquet(learned), pd.read_parquet(asked).reset_index(drop=True)
    found: dict[str, Any] = {}
    for iterations in (3, 6, 12):
        began = time.process_time()
        network = Network(rows, iterations, Path(root))
        seconds = time.process_time() - began
        found = {"seconds": seconds, "iterations": iterations, "accuracy": right_of(network, others)}
        if found["accuracy"] >= RIGHT:
            break
    return found | asked_of(network, others)


if __name__ == "__main__":
    print("\n" + json.dumps(main(*sys.argv[1:])))
