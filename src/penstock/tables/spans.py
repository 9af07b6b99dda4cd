"""Spans: files whose paths say of which day (or hour, month, number) their rows are, and which of them are meant.

`in/day={date}/*.parquet@last 7` are the files of the newest seven days that there are.
"""

from __future__ import annotations

import datetime
import glob
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from penstock.errors import DataError, DeclarationError, UnknownNameError

ALL = "all"
_FIELDS = {
    "date": r"\d{4}-\d{2}-\d{2}|\d{8}",
    "year": r"\d{4}",
    "month": r"\d{2}",
    "day": r"\d{2}",
    "hour": r"\d{2}",
    "span": r"\d+",
    "version": r"\d+",
}
"""What may stand in braces in a path, and what it matches; of a span with several versions the newest counts."""
_IN_BRACES = re.compile(r"\{([^{}]*)\}")
_LAST = re.compile(r"last (\d+)")
_BOUND = re.compile(r"\d+|\d{4}-\d{2}(-\d{2}(T\d{2})?)?")

_Label: TypeAlias = str
"""What a span is called: `2013-03-07`, `2013-03`, `2013-03-07T05`, `12`."""


def has_spans(pattern: str) -> bool:
    """Tell whether a path says of which span files are; `UnknownNameError` for a field that there is not."""
    found = _IN_BRACES.findall(pattern)
    for field in found:
        if field not in _FIELDS:
            raise UnknownNameError("field", field, _FIELDS, within=f"'{pattern}'")
    if found and not {"date", "year", "span"}.intersection(found):
        raise DeclarationError(f"'{pattern}' says no span: it needs {{date}}, {{year}} or {{span}}")
    return bool(found)


def pattern_and_spans(text: str, declared: Mapping[str, Any]) -> tuple[str, str]:
    """Return a path, or the name of a table, and which of its spans are meant ("": it is a text without any)."""
    name, at, which = text.rpartition("@")
    return (name, which) if at and (name in declared or _IN_BRACES.search(name)) else (text, "")


def span_files(pattern: str, which: str, root: Path) -> list[Path]:
    """Return the files of the spans that are meant, from the oldest span to the newest."""
    folder = str(root.absolute() / Path(pattern).expanduser())
    paths = sorted(glob.glob(_IN_BRACES.sub("*", folder), recursive=True))
    found = _by_span(folder, [path for path in paths if Path(path).is_file()])
    return [Path(path) for label in _chosen(pattern, list(found), which) for path in found[label]]


def span_labels(pattern: str, uris: Iterable[str]) -> list[str]:
    """Return what the spans of files are called, from the oldest to the newest."""
    return list(_by_span(pattern, list(uris), end=True))


def _by_span(pattern: str, paths: Sequence[str], *, end: bool = False) -> dict[_Label, list[str]]:
    matches = re.compile(f"{'(?:^|.*/)' if end else ''}{_expression(pattern.removeprefix('./'))}")
    found: dict[_Label, dict[int, list[str]]] = {}
    for path in paths:
        match = matches.fullmatch(path)
        label = _label(match.groupdict()) if match else None
        if match and label is not None:
            version = int(match.groupdict().get("version") or 0)
            found.setdefault(label, {}).setdefault(version, []).append(path)
    return {label: found[label][max(found[label])] for label in sorted(found, key=_order)}


def _expression(pattern: str) -> str:
    """Return the regular expression of a path with fields; a field that stands twice says the same twice."""
    parts, seen = [], set()
    for place, part in enumerate(_IN_BRACES.split(pattern)):
        if place % 2:
            parts.append(f"(?P={part})" if part in seen else f"(?P<{part}>{_FIELDS[part]})")
            seen.add(part)
            continue
        for piece in re.split(r"(\*\*/|\*|\?|\[[^\]]*\])", part):
            known = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
            parts.append(known.get(piece) or (piece.replace("[!", "[^") if piece[:1] == "[" else re.escape(piece)))
    return "".join(parts)


def _label(fields: Mapping[str, str]) -> _Label | None:
    """Return what a span is called; None where its digits are no date."""
    if "span" in fields:
        return str(int(fields["span"]))
    text = fields.get("date", "").replace("-", "") or "".join(fields.get(part, "") for part in ("year", "month", "day"))
    try:
        day = datetime.datetime.strptime(f"{text}0101"[:8] if len(text) < 8 else text, "%Y%m%d")
    except ValueError:
        return None
    label = f"{day:%Y-%m-%d}"[: {4: 4, 6: 7}.get(len(text), 10)]
    return f"{label}T{fields['hour']}" if "hour" in fields else label


def _order(label: _Label) -> tuple[int, str]:
    """Numbers go by their value; so do years, as all of them have four digits."""
    return (int(label), "") if label.isdigit() else (0, label)


def _chosen(pattern: str, labels: Sequence[_Label], which: str) -> Sequence[_Label]:
    if not labels:
        raise DataError(f"nothing matches '{pattern}': no file is of any span")
    numbers = "{span}" in pattern
    match which:
        case "" | "all":
            return labels
        case "latest":
            return labels[-1:]
    if last := _LAST.fullmatch(which):
        return labels[-int(last[1]) :] if int(last[1]) else _none(pattern, labels, which)
    first, dots, until = which.partition("..")
    until = until if dots else first
    if not (first or until) or not all(_BOUND.fullmatch(bound) for bound in (first, until) if bound):
        raise DeclarationError(
            f"'{which}' says no spans of '{pattern}'; write latest, last 7, {labels[0]} or {labels[0]}..{labels[-1]}"
        )
    inside = [label for label in labels if _within(label, first, until, numbers)]
    return inside or _none(pattern, labels, which)


def _within(label: _Label, first: str, until: str, numbers: bool) -> bool:
    """A bound may be less exact than a span: `2013-03` are all days of March."""
    if numbers:
        return (not first or int(label) >= int(first)) and (not until or int(label) <= int(until))
    return (not first or label >= first) and (not until or label[: len(until)] <= until)


def _none(pattern: str, labels: Sequence[_Label], which: str) -> Sequence[_Label]:
    raise DataError(f"'{pattern}' has no span in '{which}'; there are {len(labels)}: {labels[0]} to {labels[-1]}")
