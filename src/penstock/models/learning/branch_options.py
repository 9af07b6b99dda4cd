"""The options of networks whose features are branches: encoders, several labels, ways to meet."""

from __future__ import annotations

from penstock.models.learning.options import Option, Tuned

BRANCHED = {
    "num_threads": Option(
        type="int",
        default=1,
        least=1,
        most=1024,
        meaning="with encoders: threads to train in; the weights are the same for the same number",
    ),
    "device": Option(
        type="choice",
        default="AUTO",
        choices=("AUTO", "CPU", "CUDA"),
        meaning="with encoders: where to train; AUTO is a GPU where PyTorch finds one",
    ),
    "mixed_precision": Option(
        type="bool", default=False, meaning="with encoders: products of bfloat16 in training, as GPUs have them fast"
    ),
    "fusion": Option(
        type="choice",
        default="CONCAT",
        choices=("CONCAT", "GATED", "ATTENTION"),
        meaning="with encoders: features side by side, weighed by gates that see all, or attending to each other first",
        tuned=Tuned(),
    ),
    "modality_dropout": Option(
        type="float",
        default=0.0,
        least=0.0,
        most=0.9,
        meaning="with encoders: fraction of images, texts and columns each left out of a row in a step",
        tuned=Tuned(),
    ),
}
ASKS_FOR_BRANCHES = ("fusion", "modality_dropout")
"""Of these the options that only a network of branches has a meaning for: with them it is one, without encoders too."""
