"""PyTorch-widedeep over the rows of `bench.multimodal`, run by the interpreter of its own environment.

`widedeep_network.py LEARNED ASKED ROOT` trains on one file of rows, judges on another, and prints JSON. It takes the
training rows as preprocessed arrays, pictures as files in a folder; what that costs counts, as it does for the others.
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
from PIL import Image  # noqa: E402
from pytorch_widedeep.models import BasicRNN, TabMlp, Vision, WideDeep  # noqa: E402
from pytorch_widedeep.preprocessing import ImagePreprocessor, TabPreprocessor, TextPreprocessor  # noqa: E402
from pytorch_widedeep.training import Trainer  # noqa: E402

from bench.peers.networks import NUMBERS, SHAPE, asked_of, learned_until  # noqa: E402


class Network:
    """What widedeep makes of rows: three preprocessors, and a network of their parts."""

    def __init__(self, rows: pd.DataFrame, root: Path) -> None:
        self.folder = root / "photos"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.middle = {name: rows[name].median() for name in NUMBERS}
        self.classes = sorted(rows["label"].unique())
        self.columns = TabPreprocessor(cat_embed_cols=["city"], continuous_cols=NUMBERS, cols_to_scale=NUMBERS)
        self.texts = TextPreprocessor(text_col="review", maxlen=SHAPE["words"], max_vocab=2000, n_cpus=1, verbose=0)
        self.images = ImagePreprocessor(
            img_col="photo", img_path=str(self.folder), width=SHAPE["side"], height=SHAPE["side"], verbose=0
        )
        self.given = self._arrays(rows, learn=True)
        self.target = rows["label"].map(self.classes.index).to_numpy()
        network = WideDeep(
            deeptabular=TabMlp(
                column_idx=self.columns.column_idx,
                cat_embed_input=self.columns.cat_embed_input,
                continuous_cols=NUMBERS,
                mlp_hidden_dims=[SHAPE["hidden"]],
            ),
            deeptext=BasicRNN(
                vocab_size=len(self.texts.vocab.itos), embed_dim=SHAPE["dim"], hidden_dim=SHAPE["dim"], n_layers=1
            ),
            deepimage=Vision(channel_sizes=[16, 32, 64], kernel_sizes=3, strides=1),
            head_hidden_dims=[SHAPE["hidden"]],
            pred_dim=len(self.classes),
        )
        adam = torch.optim.Adam(network.parameters(), SHAPE["rate"])
        self.trainer = Trainer(network, objective="multiclass", optimizers=adam, verbose=0, num_workers=0)

    def learn(self) -> None:
        """Go through all rows once."""
        self.trainer.fit(**self.given, target=self.target, n_epochs=1, batch_size=SHAPE["step"])

    def classes_of(self, rows: pd.DataFrame) -> list[str]:
        """Return the predicted class of each of some raw rows."""
        found = self.trainer.predict(**self._arrays(rows), batch_size=len(rows))
        return [self.classes[each] for each in np.atleast_1d(found)]

    def _arrays(self, rows: pd.DataFrame, *, learn: bool = False) -> dict[str, Any]:
        """Return what the trainer takes; pictures have to be files for it."""
        names = [f"{place}.png" for place in range(len(rows))]
        for name, content in zip(names, rows["photo"], strict=True):
            Image.open(io.BytesIO(content)).save(self.folder / name, compress_level=0)
        clean = rows.assign(photo=names).fillna(self.middle)
        made = {"X_tab": self.columns, "X_text": self.texts, "X_img": self.images}
        return {name: each.fit_transform(clean) if learn else each.transform(clean) for name, each in made.items()}


def main(learned: str, asked: str, root: str) -> dict[str, Any]:
    """Train until it is right, then predict."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    rows, others = pd.read_parquet(learned), pd.read_parquet(asked)
    began = time.process_time()
    network = Network(rows, Path(root))
    prepared = time.process_time() - began
    return learned_until(network, others, prepared) | asked_of(network, others)


if __name__ == "__main__":
    print("\n" + json.dumps(main(*sys.argv[1:])))
