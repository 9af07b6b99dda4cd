"""Training: the same rows, options and machine give the same weights."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.errors import DataError, MissingExtraError
from penstock.multimodal.exporting import check_exported, exported
from penstock.multimodal.losses import mean_loss
from penstock.multimodal.spec import Spec
from penstock.multimodal.tensors import Array, Batch, Columns, Ragged, batch, rows_at_once, without

_SAMPLE, _SAMPLE_NUMBERS = 10_000, 1 << 22
_LEAST_SAMPLE, _AVERAGED = 32, 512
_DENORMAL = 1e-39  # processors take ten times as long over such numbers, which the gradients of learned rows come to
_RATE = 0.003
_PATIENCE = 3  # iterations without progress, or a quarter of all
_LONGEST_GRADIENT = 5.0  # a longer one is cut: recurrent encoders meet some in which everything would be lost


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
    """The network as it is served, its weights by their names, and of each iteration the loss of the training rows,
    that of those held out, and the rate that it ended with."""

    spec: Spec
    weights: dict[str, Array]
    iterations: list[tuple[float, float | None, float]]


Told = Callable[[int, float, float | None, float], None]
"""Hears of each iteration when it has ended: its number, and what `Trained.iterations` has of it."""


def train(
    spec: Spec,
    rows: Examples,
    held_out: Examples | None,
    options: Mapping[str, Any],
    told: Told = lambda number, loss, eval_loss, rate: None,
) -> Trained:
    """Train until iterations gain too little, or as often as asked; of all iterations the best one is kept.

    The rate rises to `learn_rate` over the first tenth of the iterations and falls to nothing by the last (Smith and
    Topin 2017, "Super-Convergence"). Raises `DataError` where the loss is no number any more.
    """
    torch = _torch()
    with reproducible(torch, options["seed"], options["num_threads"]):
        return _trained(torch, spec, (rows, held_out), options, told)


def _trained(
    torch: Any, spec: Spec, parts: tuple[Examples, Examples | None], options: Mapping[str, Any], tell: Told
) -> Trained:
    from penstock.multimodal.net import Network

    rows, held_out = parts
    chance = np.random.default_rng(options["seed"])
    drawn = chance.permutation(rows.columns.rows)[:_SAMPLE]
    samples = tuple(_sample(each, drawn) for each in rows.columns.inputs)
    network = Network(spec, samples, options["dropout"])
    spec, constants = exported(torch, spec, network.encoders, samples)
    network = network.to(_device(torch, options["device"]))
    steps = _Steps(torch, network, rows, options, chance)
    scale = rows.scale**2  # losses are told of the label as it is
    told: list[tuple[float, float | None, float]] = []
    best, losses = network.state_dict(), list[float]()
    for number in range(options["max_iterations"]):
        loss = steps.iteration()
        eval_loss = None if held_out is None else judged(torch, network, held_out)
        now = loss if eval_loss is None else eval_loss
        if not math.isfinite(now):
            raise DataError(diverged(number, steps.rate))
        told.append((loss * scale, None if eval_loss is None else eval_loss * scale, steps.now))
        tell(number, *told[-1])
        if now < min(losses, default=math.inf):
            best = {name: each.detach().clone() for name, each in network.state_dict().items()}
        losses.append(now)
        if options["early_stop"] and has_settled(losses, options):
            break
    network.load_state_dict(best)
    _set_never_missing(torch, network, rows.columns, np.sort(drawn[:_AVERAGED]), options)
    weights = {name: each.cpu().numpy() for name, each in network.state_dict().items()} | constants
    check_exported(torch, spec, network.encoders, samples, weights)
    return Trained(spec=spec, weights=weights, iterations=told)


def _sample(given: Array | Ragged, drawn: Array) -> Array | Ragged:
    """Return what an encoder looks at before it learns: of what are arrays so many rows, of those drawn, as are small
    beside them all, for images may take more than there is memory."""
    if isinstance(given, Ragged):
        return given
    count = _SAMPLE_NUMBERS // max(math.prod(given.shape[1:]), 1)
    some: Array = given[np.sort(drawn[: max(count, _LEAST_SAMPLE)])]
    return some


class _Steps:
    """The steps of training, an iteration (all rows once, shuffled) at a time."""

    def __init__(
        self, torch: Any, network: Any, rows: Examples, options: Mapping[str, Any], chance: np.random.Generator
    ) -> None:
        self._torch, self._network, self._rows, self._options = torch, network, rows, options
        self._chance = chance
        self._size = options["batch_size"] or default_batch(rows.columns.rows)
        self.rate = _RATE if options["learn_rate"] is None else options["learn_rate"]
        self._optimizer = OPTIMIZERS[options["optimizer"]](torch, network.parameters(), self.rate)
        count = len(self._batches(np.arange(rows.columns.rows))) * options["max_iterations"]
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, lambda step: _share(step, count))

    @property
    def now(self) -> float:
        """The rate of the next step."""
        return float(self._schedule.get_last_lr()[0])

    def _batches(self, order: Array) -> list[Array]:
        """Return rows in batches, none of which is one row beside others: of one there is nothing to normalize by."""
        return np.split(order, range(self._size, len(order) - 1, self._size))

    def iteration(self) -> float:
        """Go through all rows; return the mean loss that was met on the way."""
        torch, spec, columns = self._torch, self._network.spec, self._rows.columns
        self._network.train()
        order = torch.randperm(columns.rows).numpy()
        total = torch.zeros((), device=_device_of(self._network))
        for some in self._batches(order):
            chosen = np.sort(some)
            given = batch(spec, columns, chosen)
            if self._options["modality_dropout"]:
                given = without(
                    spec, given, left_in(spec, self._options["modality_dropout"], len(chosen), self._chance)
                )
            self._optimizer.zero_grad()
            totals = _totals(torch, self._network, given, mixed=self._options["mixed_precision"])
            loss = _loss(torch, spec, totals, self._rows, chosen)
            total += loss.detach() * len(chosen)
            if self._options["l1_reg"] or self._options["l2_reg"]:
                loss = loss + _penalty(self._network, self._options)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self._network.parameters(), _LONGEST_GRADIENT)
            self._optimizer.step()
            self._schedule.step()
        return float(total) / len(order)


def left_in(spec: Spec, dropout: float, rows: int, chance: np.random.Generator) -> Array:
    """Return of each branch (rows, branches) whether a training step has it, 1 or 0: of each row some modalities are
    left out, each with this probability, but never all; where there is but one modality, some branches."""
    groups = [branch.modality for branch in spec.branches]
    groups = groups if len(set(groups)) > 1 else [branch.name for branch in spec.branches]
    names = list(dict.fromkeys(groups))
    kept = chance.random((rows, len(names))) >= dropout
    nothing = np.flatnonzero(~kept.any(axis=1))
    kept[nothing, chance.integers(len(names), size=len(nothing))] = True
    return kept[:, [names.index(group) for group in groups]].astype(np.float32)


def _set_never_missing(torch: Any, network: Any, columns: Columns, sample: Array, options: Mapping[str, Any]) -> None:
    """Let the absence of a branch that was always there in training mean the average: nothing was learned for it."""
    spec = network.spec
    always = [at for at, place in enumerate(spec.encoded) if columns.present[:, place].all()]
    if options["modality_dropout"] or not always:
        return
    network.eval()
    sums, height = dict.fromkeys(always, 0.0), rows_at_once(columns.inputs)
    with torch.no_grad():
        for start in range(0, len(sample), height):
            given = _tensors(torch, network, batch(spec, columns, sample[start : start + height]))
            for at in always:
                sums[at] = sums[at] + network.encoders[at](given[f"input_{at}"]).sum(0)
        for at in always:
            network.missing[at].copy_(sums[at] / len(sample))


def diverged(number: int, rate: float) -> str:
    """Return what is wrong where the loss is no number any more."""
    return (
        f"training came to a loss that is no number in iteration {number}: steps of learn_rate={rate} are too long for "
        "these rows; give a smaller one, or look for extreme values among the numbers and the label"
    )


def _share(step: int, count: int) -> float:
    """Return what share of the rate a step has: rising over the first tenth, then falling as half a cosine does."""
    rising = max(count // 10, 1)
    if step < rising:
        return (step + 1) / rising
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (step - rising) / max(count - rising, 1))))


def judged(torch: Any, network: Any, examples: Examples) -> float:
    """Return the loss of rows that the network does not learn from: of all at once, for where labels are NULL the mean
    of the losses of parts is another."""
    network.eval()
    order, height = np.arange(examples.columns.rows), rows_at_once(examples.columns.inputs)
    parts = np.split(order, range(height, len(order), height))
    with torch.no_grad():
        given = [_totals(torch, network, batch(network.spec, examples.columns, part), mixed=False) for part in parts]
        return float(_loss(torch, network.spec, torch.cat(given), examples, order))


def _loss(torch: Any, spec: Spec, totals: Any, examples: Examples, chosen: Array) -> Any:
    target, weights = (torch.from_numpy(each[chosen]).to(totals.device) for each in (examples.target, examples.weights))
    return mean_loss(torch, spec, totals, target, weights)


def _penalty(network: Any, options: Mapping[str, Any]) -> Any:
    """Return what large weights cost; constants cost nothing."""
    weights = [each for each in network.parameters() if each.dim() > 1]
    powers = ((options["l1_reg"], 1), (options["l2_reg"], 2))
    return sum(strength * (each.abs() ** power).sum() for strength, power in powers if strength for each in weights)


def _totals(torch: Any, network: Any, given: Batch, *, mixed: bool) -> Any:
    """Return the totals of some rows; in mixed precision products are of bfloat16, whose range needs no scaling."""
    with torch.autocast(_device_of(network).type, dtype=torch.bfloat16, enabled=mixed):
        return network(_tensors(torch, network, given)).to(torch.float32)


def _tensors(torch: Any, network: Any, given: Batch) -> dict[str, Any]:
    device = _device_of(network)
    return {name: torch.from_numpy(each).to(device) for name, each in given.items()}


def _device_of(network: Any) -> Any:
    return next(network.parameters()).device


def _device(torch: Any, wanted: str) -> Any:
    """Return where a network is trained; raises `DataError` for a GPU that is not there."""
    there = bool(torch.cuda.is_available())
    if wanted == "CUDA" and not there:
        raise DataError("device='CUDA', but PyTorch finds no such GPU here; leave it out, or give 'CPU'")
    return torch.device("cuda" if there and wanted != "CPU" else "cpu")


def has_settled(losses: Sequence[float], options: Mapping[str, Any]) -> bool:
    """Tell whether the last iterations, three or a quarter of all that are asked for, have together gained too little:
    of one alone chance may be the reason, and the first ones are slow."""
    waited, reached = 0, math.inf
    for now in losses:
        waited += 1
        if now <= reached * (1 - options["min_rel_progress"]):
            waited, reached = 0, now
    return waited >= max(_PATIENCE, int(options["max_iterations"]) // 4)


def default_batch(rows: int, most: int = 256) -> int:
    """Return 32 rows for few, up to `most` for many: about 50 steps an iteration, since fewer teach little."""
    return int(min(most, max(32, 2 ** round(math.log2(max(rows, 1) / 50)))))


@contextlib.contextmanager
def reproducible(torch: Any, seed: int, used: int) -> Iterator[None]:
    """Draw by the seed, with a fixed number of threads; the caller's own draws and threads are as they were after."""
    threads, flushed = torch.get_num_threads(), float(torch.tensor([_DENORMAL]) * 1.0) == 0.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        torch.set_num_threads(used)
        torch.set_flush_denormal(True)
        try:
            yield
        finally:
            torch.set_flush_denormal(flushed)
            torch.set_num_threads(threads)


OPTIMIZERS: Mapping[str, Any] = {
    "ADAM": lambda torch, weights, rate: torch.optim.Adam(weights, lr=rate, fused=True),
    "ADAGRAD": lambda torch, weights, rate: torch.optim.Adagrad(weights, lr=rate),
    "RMSPROP": lambda torch, weights, rate: torch.optim.RMSprop(weights, lr=rate),
    "SGD": lambda torch, weights, rate: torch.optim.SGD(weights, lr=rate, fused=True),
}
"""The optimizers by BigQuery ML's names; fused, they go through the weights of a large vocabulary once a step."""


def _torch() -> Any:
    try:
        import torch  # takes seconds: only when a network is trained
    except ImportError as error:
        raise MissingExtraError("torch", extra="multimodal", purpose="training a network") from error
    return torch
