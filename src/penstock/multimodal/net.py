"""The network in PyTorch, where it learns. It is imported when a network is trained, and by nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from penstock.multimodal.encoders import FORMS
from penstock.multimodal.fusing import EPSILON, HEADS, SIZE, owners_of_entries, places_of_numbers
from penstock.multimodal.spec import Spec

ACTIVATIONS: Mapping[str, Any] = {
    "RELU": torch.relu,
    "RELU6": nn.functional.relu6,
    "CRELU": lambda x: torch.cat([torch.relu(x), torch.relu(-x)], dim=-1),
    "ELU": nn.functional.elu,
    "SELU": torch.selu,
    "SIGMOID": torch.sigmoid,
    "TANH": torch.tanh,
}
"""The activations by BigQuery ML's names."""


class Network(nn.Module):  # type: ignore[misc]
    """Branches, their concatenation, hidden layers, totals.

    The first layer reads the concatenation of numbers, encoders' vectors and entries. Of the entries a row has few, so
    its weights for them are looked up and added, which is the same as a product with a vector of mostly zeros.
    """

    def __init__(self, spec: Spec, samples: tuple[Any, ...], dropout: float) -> None:
        super().__init__()
        self.spec, self.dropout = spec, dropout
        branches = [spec.branches[place] for place in spec.encoded]
        forms = [FORMS[branch.encoder or ""] for branch in branches]
        self.encoders = nn.ModuleList(
            form.module(torch, branch.settings, branch.shape, sample)
            for form, branch, sample in zip(forms, branches, samples, strict=True)
        )
        widths = [form.width(branch.settings, branch.shape) for form, branch in zip(forms, branches, strict=True)]
        self.missing = nn.ParameterList(nn.Parameter(torch.zeros(width)) for width in widths)
        twice = 2 if spec.activation == "CRELU" else 1
        self.fused = None if spec.fusion == "concat" else Fused(spec, widths)
        entering = len(spec.numbers) + sum(widths) if self.fused is None else len(spec.branches) * SIZE
        sizes = [entering, *spec.hidden_units, spec.outputs]
        self.layers = nn.ModuleList(
            nn.Linear(given * (twice if at else 1), made) for at, (given, made) in enumerate(itertools.pairwise(sizes))
        )
        self.entries = nn.EmbeddingBag(max(spec.entry_count, 1), sizes[1] if self.fused is None else SIZE, mode="sum")
        bound = 1 / np.sqrt(max(sizes[0] + len(spec.entries), 1))
        nn.init.uniform_(self.entries.weight, -bound, bound)

    def vectors(self, given: Mapping[str, Any]) -> list[Any]:
        """Return what each encoder makes of the rows: where a branch is not there, what was learned for that."""
        found = []
        for at, (place, encoder) in enumerate(zip(self.spec.encoded, self.encoders, strict=True)):
            there = given["present"][:, place : place + 1]
            found.append(there * encoder(given[f"input_{at}"]) + (1 - there) * self.missing[at])
        return found

    def forward(self, given: Mapping[str, Any]) -> Any:
        """Return the totals (rows, outputs)."""
        activate = ACTIVATIONS[self.spec.activation]
        vectors = self.vectors(given)
        if self.fused is not None:
            x = self.layers[0](self.fused(given, vectors, self.entries))
        else:
            x = self.layers[0](torch.cat([given["numbers"], *vectors], dim=1))
            if self.spec.entries:
                x = x + self.entries(given["entries"], per_sample_weights=given["weights"])
        for layer in self.layers[1:]:
            x = layer(nn.functional.dropout(activate(x), self.dropout, training=self.training))
        return x


class Fused(nn.Module):  # type: ignore[misc]
    """Branches as vectors of one size that meet by gates or by attention, see `fusing`."""

    def __init__(self, spec: Spec, widths: list[int]) -> None:
        super().__init__()
        self.spec = spec
        self.bias = nn.Parameter(torch.randn(len(spec.branches), SIZE) * 0.02)
        self.encoded = nn.ModuleList(nn.Linear(width, SIZE) for width in widths)
        self.places = places_of_numbers(spec)
        self.numbers = nn.ModuleDict(
            {str(owner): nn.Linear(len(places), SIZE, bias=False) for owner, places in self.places.items()}
        )
        self.register_buffer("owners", torch.from_numpy(owners_of_entries(spec)), persistent=False)
        if spec.fusion == "gated":
            self.gate = nn.Linear(len(spec.branches) * SIZE, len(spec.branches) * SIZE)
        else:
            self.query, self.key, self.value, self.out = (nn.Linear(SIZE, SIZE) for _ in range(4))
            self.norm = nn.LayerNorm(SIZE, eps=EPSILON)

    def forward(self, given: Mapping[str, Any], vectors: list[Any], entries: Any) -> Any:
        """Return the branches' vectors (rows, branches x size)."""
        rows = len(given["present"])
        parts = [bias.expand(rows, SIZE) for bias in self.bias]
        for place, layer, vector in zip(self.spec.encoded, self.encoded, vectors, strict=True):
            parts[place] = parts[place] + layer(vector)
        for owner, places in self.places.items():
            parts[owner] = parts[owner] + self.numbers[str(owner)](given["numbers"][:, places])
        for owner in dict.fromkeys(owner for owner, _ in self.spec.entries):
            mine = (self.owners[given["entries"]] == owner).to(torch.float32)
            parts[owner] = parts[owner] + entries(given["entries"], per_sample_weights=given["weights"] * mine)
        if self.spec.fusion == "gated":
            side = torch.relu(torch.cat(parts, dim=1))
            return torch.sigmoid(self.gate(side)) * side
        x = torch.stack(parts, dim=1)
        heads = (layer(x).unflatten(2, (HEADS, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value))
        seen = nn.functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
        return self.norm(x + self.out(seen)).flatten(1)
