"""What a network is wrong by: for each of its heads a loss, of which it makes the sum small."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from penstock.multimodal.spec import Spec


def mean_loss(torch: Any, spec: Spec, totals: Any, target: Any, weights: Any) -> Any:
    """Return the mean loss of some rows, in the mean over the heads.

    `target` and `weights` (rows, cells) have for each head the cells that `Head.cells` tells of. A weight says how much
    a cell counts; one that is 0 teaches nothing, as where a label is NULL.
    """
    losses, total_at, cell_at = [], 0, 0
    for head in spec.heads:
        given = totals[:, total_at : total_at + head.outputs]
        cells = slice(cell_at, cell_at + head.cells)
        each = _LOSSES[head.kind](torch.nn.functional, given, target[:, cells])
        counts = weights[:, cells]
        losses.append((each * counts).sum() / counts.sum().clamp_min(1e-12) / head.unit)
        total_at, cell_at = total_at + head.outputs, cell_at + head.cells
    return sum(losses) / len(losses)


def _squares(functional: Any, given: Any, target: Any) -> Any:
    return (given - target) ** 2


def _log_losses(functional: Any, given: Any, target: Any) -> Any:
    return functional.binary_cross_entropy_with_logits(given, target, reduction="none")


def _of_classes(functional: Any, given: Any, target: Any) -> Any:
    return functional.cross_entropy(given, target[:, 0].long(), reduction="none")[:, None]


_LOSSES: Mapping[str, Callable[[Any, Any, Any], Any]] = {
    "value": _squares,
    "two": _log_losses,
    "classes": _of_classes,
    "several": _log_losses,
}
