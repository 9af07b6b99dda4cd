"""A pipeline as a picture: a box for each step, in layers from what is read to what is made, with what a run would do.

The layout is that of layered graphs (Sugiyama, Tagawa and Toda, 1981): layers by the longest way, order in a layer by
the mean place of the neighbours, long edges led through the layers between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Protocol

_BOX_HEIGHT, _LAYER, _BESIDE, _EDGE, _MARGIN = 38, 74, 22, 10, 18
_LETTER, _SMALL = 7.3, 5.9  # widths of an average letter, in pixels
_SWEEPS = 8
_MOST_ALONE = 2  # of steps with one prefix: the fit and the apply of a component are two boxes
_LOOKS = {
    "stale": ("#1f6fb4", "#e3eff9", ""),
    "unknown": ("#1f6fb4", "#ffffff", ""),
    "up_to_date": ("#2f8f4e", "#e6f4ea", ""),
    "skipped": ("#aab4be", "#f7f8f9", "4 3"),
}
_LENT = re.compile(r"its outputs are those of (run \S+)")
_WORDS = {"stale": "runs", "unknown": "runs if need be", "up_to_date": "up to date", "skipped": "left out"}


@dataclass(slots=True)
class _Box:
    """What is drawn as one: a step, or all steps of a nested pipeline. Without a title it is a bend of an edge."""

    title: str = ""
    below: str = ""
    state: str = ""
    x: float = 0.0

    @property
    def width(self) -> float:
        return max(len(self.title) * _LETTER, len(self.below) * _SMALL) + 22 if self.title else _EDGE


class Drawable(Protocol):
    """A step as far as it is drawn: what it is called, what a run would do with it, which steps it needs."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    @property
    def state(self) -> str:
        """What a run would do with it."""
        ...

    @property
    def reason(self) -> str:
        """Why, in words."""
        ...

    @property
    def needs(self) -> Sequence[str]:
        """The steps that end before it."""
        ...


def draw(pipeline: str, steps: Sequence[Drawable]) -> str:
    """Return the steps of a pipeline as SVG. The steps of a nested pipeline are one box, and so are a mapped one's."""
    whole = _wholes([step.name for step in steps])
    needs = {(whole[name], whole[step.name]) for step in steps for name in step.needs}
    edges = {(one, other) for one, other in needs if one != other}
    boxes = _boxes(whole, {step.name: step for step in steps})
    layers, ways = _layers(list(boxes), edges)
    for bend in (name for layer in layers for name in layer if name not in boxes):
        boxes[bend] = _Box()
    width = _place(layers, ways, boxes)
    return _svg(pipeline, layers, ways, boxes, width)


def _wholes(names: Sequence[str]) -> dict[str, str]:
    """Return for each step what it is drawn as: itself, or the nested pipeline or mapped step that it is of."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(re.split(r"[.\[]", name, maxsplit=1)[0], []).append(name)
    return {
        name: group if len(members) > _MOST_ALONE or group in members else name
        for group, members in groups.items()
        for name in members
    }


def _boxes(whole: Mapping[str, str], steps: Mapping[str, Drawable]) -> dict[str, _Box]:
    members: dict[str, list[str]] = {}
    for name, group in whole.items():
        members.setdefault(group, []).append(name)
    made = {}
    for group, names in members.items():
        found = {steps[name].state for name in names}
        # A nested pipeline runs if any of its steps does.
        state = next(each for each in _LOOKS if each in found)
        inside = [name for name in names if name != group]
        below = f"{len(inside)} steps" if inside else _WORDS[state]
        if lender := next((said[1] for name in names if (said := _LENT.search(steps[name].reason))), ""):
            below = f"as in {lender}"
        made[group] = _Box(group, below, state)
    return made


def _layers(names: Sequence[str], edges: Iterable[tuple[str, str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Return the names in layers, with a bend for each layer that an edge passes, and the way of every edge."""
    depth = dict.fromkeys(names, 0)
    ordered = sorted(edges, key=lambda edge: (names.index(edge[0]), names.index(edge[1])))
    for _ in names:  # as often as the longest way may be; no more once nothing moves
        moved = [(one, other) for one, other in ordered if depth[other] <= depth[one]]
        if not moved:
            break
        for one, other in moved:
            depth[other] = max(depth[other], depth[one] + 1)
    layers: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in names:
        layers[depth[name]].append(name)
    ways = []
    for one, other in ordered:
        bends = [f"\0{one}\0{other}\0{layer}" for layer in range(depth[one] + 1, depth[other])]
        for layer, bend in enumerate(bends, depth[one] + 1):
            layers[layer].append(bend)
        ways.append([one, *bends, other])
    return layers, ways


def _place(layers: list[list[str]], ways: Sequence[Sequence[str]], boxes: Mapping[str, _Box]) -> float:
    """Order each layer by where its neighbours are, give every box its middle, and return the width of the whole."""
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for way in ways:
        for one, other in pairwise(way):
            below.setdefault(one, []).append(other)
            above.setdefault(other, []).append(one)
    _spread(layers, boxes)
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        near = above if down else below
        for layer in layers if down else reversed(layers):
            layer.sort(key=lambda name: _middle([boxes[each].x for each in near.get(name, ())], boxes[name].x))
        _spread(layers, boxes)
    for sweep in range(_SWEEPS):
        near = above if sweep % 2 == 0 else below
        for layer in layers:
            wanted = [_middle([boxes[each].x for each in near.get(name, ())], boxes[name].x) for name in layer]
            _settle(layer, wanted, boxes)
    left = min(boxes[name].x - boxes[name].width / 2 for layer in layers for name in layer)
    for box in boxes.values():
        box.x += _MARGIN - left
    return max(box.x + box.width / 2 for box in boxes.values()) + _MARGIN


def _spread(layers: Sequence[Sequence[str]], boxes: Mapping[str, _Box]) -> None:
    """Put the boxes of each layer side by side around one middle."""
    for layer in layers:
        x = -sum(boxes[name].width + _BESIDE for name in layer) / 2
        for name in layer:
            boxes[name].x = x + (boxes[name].width + _BESIDE) / 2
            x += boxes[name].width + _BESIDE


def _settle(layer: Sequence[str], wanted: Sequence[float], boxes: Mapping[str, _Box]) -> None:
    """Move boxes to where they want to be as far as their order and the room between them allow: neighbours that would
    overlap stand together around the mean of what they want."""
    groups: list[tuple[list[str], float, float]] = []  # names, the sum of wanted places of the first, how many
    for name, place in zip(layer, wanted, strict=True):
        names, total, count = [name], place, 1.0
        while groups and total / count < groups[-1][1] / groups[-1][2] + _length(groups[-1][0], name, boxes):
            before, sum_before, count_before = groups.pop()
            offset = _length(before, names[0], boxes)
            names, total, count = before + names, sum_before + total - offset * count, count_before + count
        groups.append((names, total, count))
    for names, total, count in groups:
        x = total / count
        for position, name in enumerate(names):
            if position:
                x += _step(names[position - 1], name, boxes)
            boxes[name].x = x


def _step(one: str, other: str, boxes: Mapping[str, _Box]) -> float:
    return (boxes[one].width + boxes[other].width) / 2 + _BESIDE


def _length(names: Sequence[str], then: str, boxes: Mapping[str, _Box]) -> float:
    """Return how far the next box is from the first of these at least."""
    return sum(_step(one, other, boxes) for one, other in pairwise([*names, then]))


def _middle(places: Sequence[float], otherwise: float) -> float:
    return sum(places) / len(places) if places else otherwise


def _svg(
    name: str,
    layers: Sequence[Sequence[str]],
    ways: Sequence[Sequence[str]],
    boxes: Mapping[str, _Box],
    width: float,
) -> str:
    at = {each: _MARGIN + number * _LAYER for number, layer in enumerate(layers) for each in layer}
    height = 2 * _MARGIN + (len(layers) - 1) * _LAYER + _BOX_HEIGHT
    lines = [_path([(boxes[each].x, at[each]) for each in way]) for way in ways]
    drawn = [_rectangle(boxes[each], at[each]) for layer in layers for each in layer if boxes[each].title]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" font-family="system-ui, sans-serif" text-anchor="middle">',
        f"<title>{escape(f'What a run of pipeline {name} would do')}</title>",
        '<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="#8a96a3"/></marker></defs>',
        '<g fill="none" stroke="#8a96a3" stroke-width="1.2">',
        *lines,
        "</g>",
        *drawn,
        "</svg>",
        "",
    ])  # fmt: skip


def _path(places: Sequence[tuple[float, float]]) -> str:
    """Return an edge from the lower side of the first box to the upper side of the last, smooth through its bends."""
    first, *_, last = places
    points = [(first[0], first[1] + _BOX_HEIGHT), *((x, y + _BOX_HEIGHT / 2) for x, y in places[1:-1]), last]
    text = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x, y), (to_x, to_y) in pairwise(points):
        half = (y + to_y) / 2
        text += f"C{x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}"
    return f'<path d="{text}" marker-end="url(#end)"/>'


def _rectangle(box: _Box, y: float) -> str:
    line, fill, dashes = _LOOKS[box.state]
    left, dashed = box.x - box.width / 2, f' stroke-dasharray="{dashes}"' if dashes else ""
    ink = "#1f2933" if box.state != "skipped" else "#8a96a3"
    middle = y + (16 if box.below else 23)
    below = f'<text x="{box.x:.1f}" y="{y + 30:.1f}" font-size="10" fill="{line}">{escape(box.below)}</text>'
    return (
        f'<rect x="{left:.1f}" y="{y:.1f}" width="{box.width:.1f}" height="{_BOX_HEIGHT}" rx="6" fill="{fill}" '
        f'stroke="{line}"{dashed}/><text x="{box.x:.1f}" y="{middle:.1f}" font-size="13" fill="{ink}">'
        f"{escape(box.title)}</text>{below if box.below else ''}"
    )
