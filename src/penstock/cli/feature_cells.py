"""What is shown of a feature set: its rows, its features' values, how fresh it is."""

from __future__ import annotations

from typing import Any

from penstock.cli.output import moment


def counted_rows(counted: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return what there is to say of all rows, by title."""
    if counted is None:
        return [("rows", "none yet")]
    ingests = f"{counted['ingests']:,} ingest{'s' if counted['ingests'] > 1 else ''}"
    return [
        ("rows", f"{counted['rows']:,} of {ingests}, the last {instant(counted['created'])} UTC"),
        ("events", f"{instant(counted['first_event'])} to {instant(counted['last_event'])} UTC"),
    ]


def feature_cells(feature: dict[str, Any], counted: dict[str, Any]) -> list[Any]:
    """Return the cells of a feature; numbers are told by their range and mean, texts by what is there most often."""
    rate, drift = counted.get("null_rate"), counted.get("drift")
    values = sum(count for _, count in counted.get("top", ())) + counted.get("others", 0)
    top = ", ".join(f"{value} {count / values:.0%}" for value, count in counted.get("top", ())[:3])
    shares = ["" if part is None else f"{part:.1%}" for part in (rate, drift)]
    return [
        *(feature[name] for name in ("name", "type", "kind")),
        shares[0],
        *(counted.get(name) for name in ("min", "mean", "max")),
        shares[1],
        top,
    ]


def stale_since(freshness: dict[str, Any]) -> str:
    """Return since when a set is stale, and how old its newest event is; nothing of one that is fresh."""
    if not freshness["stale"]:
        return ""
    age = freshness["age_seconds"]
    return f"since {moment(freshness['stale_since'])}: " + (
        "no rows yet" if age is None else f"the newest event is {_age(age)} old"
    )


def length(seconds: float | None) -> str:
    """Return a length of time as it is declared: `2h`."""
    if seconds is None:
        return ""
    for unit, span in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= span and not seconds % span:
            return f"{seconds / span:g}{unit}"
    return f"{seconds:g}s"


def instant(text: str | None) -> str:
    """Return an instant of JSON, to the minute."""
    return (text or "").replace("T", " ")[:16]


def _age(seconds: float) -> str:
    for unit, span in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * span:
            return f"{seconds / span:.0f} {unit}"
    return f"{seconds:.0f} s"
