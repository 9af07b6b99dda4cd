"""A pipeline as a picture: a box for each step, in layers from what is read to what is made, with the state of each.

The layout is that of layered graphs (Sugiyama, Tagawa and Toda, 1981): layers by the longest way, order in a layer by
the mean place of the neighbours, long edges led through the layers between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

_BOX_HEIGHT, _LAYER, _BESIDE, _EDGE, _MARGIN = 38, 74, 22, 10, 18
_LETTER, _SMALL = 7.3, 5.9  # widths of an average letter, in pixels
_SWEEPS = 8
_MOST_ALONE = 2  # of steps with one prefix: the fit and the apply of a component are two boxes


@dataclass(frozen=True, slots=True)
class _Look:
    """How a state is drawn, and what is said of a step in it, and of some of several."""

    line: str
    fill: str
    word: str
    of_some: str
    dashes: str = ""


_LOOKS = {
    "failed": _Look("#b42318", "#fdeceb", "failed", "failed"),
    "cancelled": _Look("#b42318", "#ffffff", "cancelled", "cancelled"),
    "running": _Look("#1f6fb4", "#b9d9f3", "running", "running"),
    "stale": _Look("#1f6fb4", "#e3eff9", "runs", "run"),
    "unknown": _Look("#1f6fb4", "#ffffff", "runs if need be", "run if need be"),
    "waiting": _Look("#8a5a00", "#fff8e8", "waits", "wait", "2 3"),
    "succeeded": _Look("#1a7f37", "#d3efd9", "succeeded", "succeeded"),
    "up_to_date": _Look("#2f8f4e", "#e6f4ea", "up to date", "up to date"),
    "skipped": _Look("#aab4be", "#f7f8f9", "left out", "left out", "4 3"),
}
"""In this order: of several steps that are one box, the first of their states is its state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A step as it is drawn: its state, the steps that end before it, what is told of it beside (in the box, and when
    it is pointed at), the run that lends what it gives ("run ID"), and the address that it leads to."""

    name: str
    state: str
    needs: Sequence[str] = ()
    below: str = ""
    told: str = ""
    lent: str = ""
    address: str = ""


@dataclass(slots=True)
class _Box:
    """What is drawn as one: a step, or all steps of a nested pipeline. Without a title it is a bend of an edge."""

    title: str = ""
    below: str = ""
    state: str = ""
    told: str = ""
    address: str = ""
    x: float = 0.0

    @property
    def width(self) -> float:
        return max(len(self.title) * _LETTER, len(self.below) * _SMALL) + 22 if self.title else _EDGE


def draw(title: str, steps: Sequence[Drawn]) -> str:
    """Return steps as SVG. Those of a nested pipeline are one box, and so are those of a mapped step's items."""
    whole = _wholes([step.name for step in steps])
    needs = {(whole[name], whole[step.name]) for step in steps for name in step.needs}
    edges = {(one, other) for one, other in needs if one != other}
    boxes = _boxes(whole, {step.name: step for step in steps})
    layers, ways = _layers(list(boxes), edges)
    for bend in (name for layer in layers for name in layer if name not in boxes):
        boxes[bend] = _Box()
    width = _place(layers, ways, boxes)
    return _svg(title, layers, ways, boxes, width)


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


def _boxes(whole: Mapping[str, str], steps: Mapping[str, Drawn]) -> dict[str, _Box]:
    members: dict[str, list[Drawn]] = {}
    for name, group in whole.items():
        members.setdefault(group, []).append(steps[name])
    return {group: _box(group, inside) for group, inside in members.items()}


def _box(title: str, members: Sequence[Drawn]) -> _Box:
    state = next(each for each in _LOOKS if any(step.state == each for step in members))
    inside = [step for step in members if step.name != title]
    address, lent = members[0].address, next((step.lent for step in members if step.lent), "")
    if not inside:
        (step,) = members
        below = f"as in {lent}" if lent else step.below or _LOOKS[state].word
        return _Box(title, below, state, step.told, address)
    those = sum(step.state == state for step in inside)
    below = f"{len(inside)} steps" if those in (0, len(inside)) else f"{those} of {len(inside)} {_LOOKS[state].of_some}"
    return _Box(title, f"as in {lent}" if lent else below, state, "", address)


def _layers(names: Sequence[str], edges: Iterable[tuple[str, str]]) -> tuple[list[list[str]], list[list[str]]]:
    """Return the names in layers, with a bend for each layer that an edge passes, and the way of every edge."""
    place = {name: number for number, name in enumerate(names)}
    ordered = sorted(edges, key=lambda edge: (place[edge[0]], place[edge[1]]))
    depth = _depths(names, ordered)
    layers: list[list[str]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for name in names:
        layers[depth[name]].append(name)
    ways, bent = [], set[str]()
    for one, other in ordered:
        between = range(depth[one] + 1, depth[other]) or range(depth[one] - 1, depth[other], -1)
        bends = [f"\0{one}\0{layer}" for layer in between]  # what one box gives goes down together
        for layer, bend in zip(between, bends, strict=True):
            if bend not in bent:
                bent.add(bend)
                layers[layer].append(bend)
        ways.append([one, *bends, other])
    return layers, ways


def _depths(names: Sequence[str], edges: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Return the layer of each: below all that it needs. Nested pipelines drawn as boxes may need each other's steps;
    of such boxes the first begins, and an edge goes up."""
    waits: dict[str, set[str]] = {name: set() for name in names}
    users: dict[str, list[str]] = {name: [] for name in names}
    for one, other in edges:
        waits[other].add(one)
        users[one].append(other)
    depth: dict[str, int] = {}
    left, ready = dict.fromkeys(names), [name for name in reversed(names) if not waits[name]]
    while left:
        name = ready.pop() if ready else next(iter(left))
        del left[name]
        depth[name] = 1 + max((depth[one] for one in waits[name] if one in depth), default=-1)
        for user in users[name]:
            if user in left and not any(one in left for one in waits[user]):
                ready.append(user)
    return depth


def _place(layers: list[list[str]], ways: Sequence[Sequence[str]], boxes: Mapping[str, _Box]) -> float:
    """Order each layer by where its neighbours are, give every box its middle, and return the width of the whole."""
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for one, other in dict.fromkeys(pair for way in ways for pair in pairwise(way)):
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
    behind = [0.0]  # how far each is from the first, where all stand together
    for one, other in pairwise(layer):
        behind.append(behind[-1] + (boxes[one].width + boxes[other].width) / 2 + _BESIDE)
    groups: list[tuple[float, int]] = []  # the sum of the places that neighbours want the first at, how many they are
    for place, offset in zip(wanted, behind, strict=True):
        total, count = place - offset, 1
        while groups and total / count < groups[-1][0] / groups[-1][1]:
            total, count = total + groups[-1][0], count + groups[-1][1]
            groups.pop()
        groups.append((total, count))
    places = [total / count for total, count in groups for _ in range(count)]
    for name, place, offset in zip(layer, places, behind, strict=True):
        boxes[name].x = place + offset


def _middle(places: Sequence[float], otherwise: float) -> float:
    return sum(places) / len(places) if places else otherwise


def _svg(
    title: str,
    layers: Sequence[Sequence[str]],
    ways: Sequence[Sequence[str]],
    boxes: Mapping[str, _Box],
    width: float,
) -> str:
    at = {each: _MARGIN + number * _LAYER for number, layer in enumerate(layers) for each in layer}
    height = 2 * _MARGIN + (len(layers) - 1) * _LAYER + _BOX_HEIGHT
    lines = [_path([(boxes[each].x, at[each]) for each in way]) for way in ways]
    drawn = [_drawn(boxes[each], at[each]) for layer in layers for each in layer if boxes[each].title]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" font-family="system-ui, sans-serif" text-anchor="middle">',
        f"<title>{escape(title)}</title>",
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
    out, into = (_BOX_HEIGHT, 0) if first[1] < last[1] else (0, _BOX_HEIGHT)
    bends = ((x, y + _BOX_HEIGHT / 2) for x, y in places[1:-1])
    points = [(first[0], first[1] + out), *bends, (last[0], last[1] + into)]
    text = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x, y), (to_x, to_y) in pairwise(points):
        half = (y + to_y) / 2
        text += f"C{x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}"
    return f'<path d="{text}" marker-end="url(#end)"/>'


def _drawn(box: _Box, y: float) -> str:
    look = _LOOKS[box.state]
    left, dashed = box.x - box.width / 2, f' stroke-dasharray="{look.dashes}"' if look.dashes else ""
    ink = "#1f2933" if box.state != "skipped" else "#8a96a3"
    opening, closing = (f'<a href="{escape(box.address)}">', "</a>") if box.address else ("<g>", "</g>")
    told = f"<title>{escape(box.told)}</title>" if box.told else ""
    return (
        f'{opening}{told}<rect x="{left:.1f}" y="{y:.1f}" width="{box.width:.1f}" height="{_BOX_HEIGHT}" rx="6" '
        f'fill="{look.fill}" stroke="{look.line}"{dashed}/><text x="{box.x:.1f}" y="{y + 16:.1f}" font-size="13" '
        f'fill="{ink}">{escape(box.title)}</text><text x="{box.x:.1f}" y="{y + 30:.1f}" font-size="10" '
        f'fill="{look.line}">{escape(box.below)}</text>{closing}'
    )
