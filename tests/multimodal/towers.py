"""PyTorch modules as a user writes them: some that can be an encoder, and some that cannot."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Seen(nn.Module):  # type: ignore[misc]
    """Has what training and prediction treat otherwise, a parameter that is one number, and a constant."""

    def __init__(self, dim: int, width: int = 8) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.1)
        )
        self.head = nn.Linear(2 * width, dim)
        self.scale = nn.Parameter(torch.tensor(1.0))
        self.register_buffer("shift", torch.linspace(-1, 1, dim), persistent=False)

    def forward(self, x: Any) -> Any:
        found = self.layers(x)
        both = torch.cat([found.mean((2, 3)), found.amax((2, 3))], dim=1)
        return self.head(both) * self.scale + self.shift


class Numbers(nn.Module):  # type: ignore[misc]
    """Numbers through a layer, normalized over the batch while it learns; it is always 4 wide."""

    def __init__(self, given: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(given, 4), nn.BatchNorm1d(4), nn.GELU())

    def forward(self, x: Any) -> Any:
        return self.layers(x)


class Attending(nn.Module):  # type: ignore[misc]
    """Patches of an image that look at each other, among weights that begin as drawn numbers of no state."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, dim, 8, 8)
        self.meet = nn.TransformerEncoderLayer(dim, 2, 2 * dim, batch_first=True)
        self.drawn = torch.randn(dim, dim)

    def forward(self, x: Any) -> Any:
        return self.meet(self.patches(x).flatten(2).transpose(1, 2)).mean(1) @ self.drawn


class _Means(nn.Module):  # type: ignore[misc]
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layer = nn.Linear(3, dim)

    def means(self, x: Any) -> Any:
        return self.layer(x.mean((2, 3)))


class Wide(_Means):
    """Gives another width than it was asked for."""

    def forward(self, x: Any) -> Any:
        return torch.cat([self.means(x), self.means(x)], dim=1)


class Mixed(_Means):
    """Gives a row by what other rows are."""

    def forward(self, x: Any) -> Any:
        return self.means(x) - self.means(x).mean(0)


class Drawing(_Means):
    """Draws at random where it predicts."""

    def forward(self, x: Any) -> Any:
        return nn.functional.dropout(self.means(x))


class Branching(_Means):
    """Does one thing or another by what it sees."""

    def forward(self, x: Any) -> Any:
        if x.sum() > -1:
            return self.means(x)
        return -self.means(x)


class Decomposing(_Means):
    """Does what ONNX has no operator for."""

    def forward(self, x: Any) -> Any:
        return self.means(x) + torch.linalg.svdvals(x).amax((1, 2)).unsqueeze(1)


class Failing(_Means):
    """Cannot take what enters."""

    def forward(self, x: Any) -> Any:
        return self.layer(x)


class Square:
    """Is no module."""
