"""Augmentation: images changed at random while a network learns, and never where it predicts."""

from __future__ import annotations

from typing import Any

_LEAST_SIDE = 0.8  # of each side at least so much is left of a cut-out
_MOST_SHADE = 0.1  # brightness changes by so much, up or down
_STRENGTHS = (0.8, 1.2)  # contrast and saturation are multiplied by something between


def augmented(torch: Any, images: Any, kinds: tuple[str, ...]) -> Any:
    """Return images (rows, channels, height, width), from 0 to 1, each changed in its own way.

    flip: every second one, on the average, is mirrored; crop: a cut-out of 80 to 100 % of each side is stretched to the
    size; color: brightness by up to 0.1, contrast and saturation by up to a fifth. Alpha keeps its shade.
    """
    if "flip" in kinds or "crop" in kinds:
        images = _moved(torch, images, flip="flip" in kinds, crop="crop" in kinds)
    return _shaded(torch, images) if "color" in kinds else images


def _moved(torch: Any, images: Any, *, flip: bool, crop: bool) -> Any:
    """Return each image mirrored, or a part of it, or both: one look-up of pixels, with what lies between them."""
    rows = len(images)
    scale, middle = torch.ones(rows, 2), torch.zeros(rows, 2)
    if crop:
        scale = _LEAST_SIDE + (1 - _LEAST_SIDE) * torch.rand(rows, 2)
        middle = (1 - scale) * (2 * torch.rand(rows, 2) - 1)
    if flip:
        scale = scale * torch.stack([1.0 - 2.0 * (torch.rand(rows) < 0.5), torch.ones(rows)], dim=1)
    maps = torch.zeros(rows, 2, 3)
    maps[:, 0, 0], maps[:, 1, 1], maps[:, :, 2] = scale[:, 0], scale[:, 1], middle
    functional = torch.nn.functional
    grid = functional.affine_grid(maps.to(images.device), images.shape, align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _shaded(torch: Any, images: Any) -> Any:
    """Return each image in other shades: lighter or darker, with more or less contrast, more or less colour."""
    count = images.shape[1] if images.shape[1] < 4 else 3
    colours, alpha = images[:, :count], images[:, count:]
    least, most = _STRENGTHS

    def strengths() -> Any:
        return (least + (most - least) * torch.rand(len(images), 1, 1, 1)).to(images.device)

    grey = colours.mean(dim=1, keepdim=True)
    if count == 3:
        colours = grey + (colours - grey) * strengths()
    mean = grey.mean(dim=(2, 3), keepdim=True)
    shade = (_MOST_SHADE * (2 * torch.rand(len(images), 1, 1, 1) - 1)).to(images.device)
    colours = (mean + (colours - mean) * strengths() + shade).clamp(0, 1)
    return torch.cat([colours, alpha], dim=1)
