"""How features are named: `driver_rides:trips_7d`, or of a certain version `driver_rides@2:trips_7d`."""

from __future__ import annotations

from penstock.errors import DeclarationError


def parse_reference(reference: str) -> tuple[str, int | None, str]:
    """Return the set, the version (None: the newest) and the feature that a reference names."""
    of, colon, feature = reference.partition(":")
    name, version = parse_version(of)
    if not colon or not name or not feature or version == 0:
        raise DeclarationError(
            f"{reference!r} names no feature; write 'set:feature', 'set:*' for all, or 'set@2:feature'"
        )
    return name, version, feature


def parse_version(text: str) -> tuple[str, int | None]:
    """Return the name and the version in `pricing@2`; None where there is none, 0 where it is no number."""
    name, at, number = text.partition("@")
    return name, (int(number) if number.isdigit() else 0) if at else None
