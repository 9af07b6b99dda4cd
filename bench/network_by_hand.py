"""The network of `bench.multimodal` as one writes it by hand: the preparation in NumPy, the rest in PyTorch or Keras.

The same layers, widths, rows a step, rates and iterations; one thread.
"""

from __future__ import annotations

import io
import math
import re
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

SIDE, DIM, WORDS, HIDDEN, RATE, STEP, ITERATIONS = 32, 32, 24, 64, 0.003, 64, 12
NUMBERS, CATEGORIES = ("age", "price", "weekday"), ("city",)
Arrays = dict[str, np.ndarray[Any, Any]]


class Prepared:
    """What is learned of the training rows before the network, and the arrays that it makes of any rows."""

    def __init__(self, rows: pa.Table) -> None:
        counts = Counter(word for text in rows["review"].to_pylist() for word in set(_words(text)))
        self.words = {word: at for at, word in enumerate(sorted(w for w, n in counts.items() if n > 1), 1)}
        self.classes = sorted(set(rows["label"].to_pylist()))
        self.values = {name: sorted(set(rows[name].to_pylist())) for name in CATEGORIES}
        numbers = self._raw(rows)
        self.mean, self.deviation = np.nanmean(numbers, axis=0), np.nanstd(numbers, axis=0)

    def arrays(self, rows: pa.Table) -> Arrays:
        """Return what enters the network, a row for each row."""
        tokens = np.zeros((rows.num_rows, WORDS), dtype=np.int64)
        for place, text in enumerate(rows["review"].to_pylist()):
            known = [self.words.get(word, 0) for word in _words(text)][:WORDS]
            tokens[place, : len(known)] = known
        numbers = np.nan_to_num((self._raw(rows) - self.mean) / self.deviation)
        hot = [np.array(rows[name].to_pylist())[:, None] == np.array(self.values[name]) for name in CATEGORIES]
        images = [np.asarray(Image.open(io.BytesIO(each)).convert("RGB")) for each in rows["photo"].to_pylist()]
        return {
            "image": np.stack(images),
            "tokens": tokens,
            "numbers": np.concatenate([numbers, *hot], axis=1).astype(np.float32),
        }

    def labels(self, rows: pa.Table) -> np.ndarray[Any, Any]:
        """Return the numbers of the classes."""
        return np.array([self.classes.index(each) for each in rows["label"].to_pylist()])

    def _raw(self, rows: pa.Table) -> np.ndarray[Any, Any]:
        return np.array([rows[name].to_pylist() for name in NUMBERS], dtype=np.float64).T


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def torch_network(vocabulary: int, numbers: int, classes: int) -> Any:
    """Return the network in PyTorch."""
    import torch
    from torch import nn

    class Network(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            layers: list[Any] = []
            for given, made in ((3, 16), (16, 32), (32, 64)):
                layers += [nn.Conv2d(given, made, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            self.image = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 16, 64), nn.ReLU())
            self.words = nn.Embedding(vocabulary + 1, DIM)
            self.head = nn.Sequential(nn.Linear(64 + DIM + numbers, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes))

        def forward(self, image: Any, tokens: Any, numbers: Any) -> Any:
            known = (tokens > 0).unsqueeze(2).float()
            text = (self.words(tokens) * known).sum(1) / known.sum(1).clamp_min(1)
            seen = self.image(image.permute(0, 3, 1, 2).float() / 255 - 0.5)
            return self.head(torch.cat([seen, text, numbers], dim=1))

    return Network()


def trained_by_torch(rows: pa.Table, iterations: int = ITERATIONS) -> tuple[Prepared, Any]:
    """Prepare and train, as by hand."""
    import torch

    torch.manual_seed(0)
    prepared = Prepared(rows)
    given = {name: torch.from_numpy(each) for name, each in prepared.arrays(rows).items()}
    target = torch.from_numpy(prepared.labels(rows))
    network = torch_network(len(prepared.words), given["numbers"].shape[1], len(prepared.classes))
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    steps = math.ceil(len(target) / STEP) * iterations
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    for _ in range(iterations):
        for chosen in torch.randperm(len(target)).split(STEP):
            optimizer.zero_grad()
            totals = network(**{name: each[chosen] for name, each in given.items()})
            torch.nn.functional.cross_entropy(totals, target[chosen]).backward()
            optimizer.step()
            schedule.step()
    return prepared, network.eval()


def torch_classes(prepared: Prepared, network: Any, rows: pa.Table) -> np.ndarray[Any, Any]:
    """Return the number of the most probable class of each row."""
    import torch

    with torch.inference_mode():
        totals = network(**{name: torch.from_numpy(each) for name, each in prepared.arrays(rows).items()})
    found: np.ndarray[Any, Any] = totals.argmax(1).numpy()
    return found


def trained_by_keras(rows: pa.Table, iterations: int = ITERATIONS) -> tuple[Prepared, Any]:
    """Prepare as by hand, and train in Keras over PyTorch."""
    import keras

    layers = keras.layers
    keras.utils.set_random_seed(0)
    prepared = Prepared(rows)
    given = prepared.arrays(rows)
    image = keras.Input((SIDE, SIDE, 3), name="image")
    tokens = keras.Input((WORDS,), dtype="int64", name="tokens")
    numbers = keras.Input((given["numbers"].shape[1],), name="numbers")
    seen = layers.Rescaling(1 / 255, -0.5)(image)
    for filters in (16, 32, 64):
        seen = layers.MaxPooling2D()(layers.Conv2D(filters, 3, padding="same", activation="relu")(seen))
    seen = layers.Dense(64, "relu")(layers.Flatten()(seen))
    read = layers.Embedding(len(prepared.words) + 1, DIM, mask_zero=True)(tokens)
    joined = layers.Concatenate()([seen, layers.GlobalAveragePooling1D()(read), numbers])
    totals = layers.Dense(len(prepared.classes))(layers.Dense(HIDDEN, "relu")(joined))
    model = keras.Model([image, tokens, numbers], totals)
    steps = math.ceil(rows.num_rows / STEP) * iterations
    rate = keras.optimizers.schedules.CosineDecay(RATE, steps)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(rate), loss)
    model.fit(given, prepared.labels(rows), epochs=iterations, batch_size=STEP, verbose=0)
    return prepared, model
