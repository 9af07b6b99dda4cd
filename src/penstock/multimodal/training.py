"""Training: the same rows, options and machine give the same weights."""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.errors import MissingExtraError
from penstock.multimodal.losses import mean_loss
from penstock.multimodal.spec import Spec
from penstock.multimodal.tensors import Array, Batch, Columns, batch

_ROWS_AT_ONCE = 1024
_SAMPLE = 10_000
_DENORMAL = 1e-39  # processors take ten times as long over such numbers, which the gradients of learned rows come to
_MOST_THREADS = 4  # more gain little on batches of this size


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Rows with what is to be predicted (rows, cells): a number that is scaled already, by which `scale`, the number of
    a class, or 0 or 1 for each of several; `weights` (rows, cells) say how much each counts."""

    columns: Columns
    target: Array
    weights: Array
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """Weights by their names, and the losses of each iteration: of the training rows, and of those held out."""

    weights: dict[str, Array]
    losses: list[tuple[float, float | None]]


def train(spec: Spec, rows: Examples, held_out: Examples | None, options: Mapping[str, Any]) -> Trained:
    """Train until iterations gain too little, or as often as asked; of all iterations the best one is kept."""
    torch = _torch()
    with _reproducible(torch, options["seed"]):
        return _trained(torch, spec, (rows, held_out), options)


def _trained(torch: Any, spec: Spec, parts: tuple[Examples, Examples | None], options: Mapping[str, Any]) -> Trained:
    from penstock.multimodal.net import Network

    rows, held_out = parts
    sample = np.sort(np.random.default_rng(options["seed"]).permutation(rows.columns.rows)[:_SAMPLE])
    samples = tuple(each[sample] if isinstance(each, np.ndarray) else each for each in rows.columns.inputs)
    network = Network(spec, samples, options["dropout"])
    optimizer = _OPTIMIZERS[options["optimizer"]](torch, network.parameters(), options["learn_rate"])
    step = options["batch_size"] or _default_batch(rows.columns.rows)
    losses: list[tuple[float, float | None]] = []
    best, best_loss, waited = network.state_dict(), np.inf, 0
    for _ in range(options["max_iterations"]):
        network.train()
        order, total = torch.randperm(rows.columns.rows).numpy(), 0.0
        for start in range(0, len(order), step):
            chosen = np.sort(order[start : start + step])
            optimizer.zero_grad()
            given = network(_tensors(torch, batch(spec, rows.columns, chosen)))
            loss = _loss(torch, spec, given, rows, chosen)
            (loss + _penalty(network, options)).backward()
            optimizer.step()
            total += float(loss.detach()) * len(chosen)
        losses.append((total / len(order), None if held_out is None else judged(torch, network, held_out)))
        now = losses[-1][0] if losses[-1][1] is None else losses[-1][1]
        waited = 0 if now <= best_loss * (1 - options["min_rel_progress"]) or not np.isfinite(best_loss) else waited + 1
        if now < best_loss:
            best, best_loss = copy.deepcopy(network.state_dict()), now
        if options["early_stop"] and waited >= _PATIENCE:
            break
    scale = rows.scale**2  # losses are told of the label as it is
    told = [(loss * scale, None if held_out is None else held_out * scale) for loss, held_out in losses]
    return Trained(weights={name: each.numpy() for name, each in best.items()}, losses=told)


_PATIENCE = 3


def judged(torch: Any, network: Any, examples: Examples) -> float:
    """Return the loss of rows that the network does not learn from."""
    network.eval()
    total = 0.0
    with torch.no_grad():
        for start in range(0, examples.columns.rows, _ROWS_AT_ONCE):
            chosen = np.arange(start, min(start + _ROWS_AT_ONCE, examples.columns.rows))
            given = network(_tensors(torch, batch(network.spec, examples.columns, chosen)))
            total += float(_loss(torch, network.spec, given, examples, chosen)) * len(chosen)
    return total / max(examples.columns.rows, 1)


def _loss(torch: Any, spec: Spec, totals: Any, examples: Examples, chosen: Array) -> Any:
    target, weights = (torch.from_numpy(each[chosen]) for each in (examples.target, examples.weights))
    return mean_loss(torch, spec, totals, target, weights)


def _penalty(network: Any, options: Mapping[str, Any]) -> Any:
    """Return what large weights cost; constants cost nothing."""
    weights = [each for each in network.parameters() if each.dim() > 1]
    powers = ((options["l1_reg"], 1), (options["l2_reg"], 2))
    return sum(strength * (each.abs() ** power).sum() for strength, power in powers if strength for each in weights)


def _tensors(torch: Any, given: Batch) -> dict[str, Any]:
    return {name: torch.from_numpy(each) for name, each in given.items()}


def _default_batch(rows: int) -> int:
    """Return 32 rows for few, up to 256 for many: about 100 steps an iteration."""
    return int(min(256, max(32, 2 ** round(np.log2(max(rows, 1) / 100)))))


@contextlib.contextmanager
def _reproducible(torch: Any, seed: int) -> Iterator[None]:
    """Draw by the seed, with a fixed number of threads; the caller's own draws and threads are as they were after."""
    threads, flushed = torch.get_num_threads(), float(torch.tensor([_DENORMAL]) * 1.0) == 0.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(min(_MOST_THREADS, os.cpu_count() or 1))
        torch.set_flush_denormal(True)
        try:
            yield
        finally:
            torch.set_flush_denormal(flushed)
            torch.set_num_threads(threads)


_OPTIMIZERS: Mapping[str, Any] = {
    "ADAM": lambda torch, weights, rate: torch.optim.Adam(weights, lr=rate),
    "ADAGRAD": lambda torch, weights, rate: torch.optim.Adagrad(weights, lr=rate),
    "RMSPROP": lambda torch, weights, rate: torch.optim.RMSprop(weights, lr=rate),
    "SGD": lambda torch, weights, rate: torch.optim.SGD(weights, lr=rate),
}


def _torch() -> Any:
    try:
        import torch  # takes seconds: only when a network is trained
    except ImportError as error:
        raise MissingExtraError("torch", extra="multimodal", purpose="training a network") from error
    return torch
