"""A trigger's parameters, with what stood for values of the event replaced by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from penstock.core.trigger import EventData
from penstock.errors import DataError, UnknownNameError
from penstock.monitor.declare import read_params


def given_params(params: Mapping[str, Any], event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a run for an event; raises `DataError` where its data lacks a value."""
    data = event.get("data")
    return {
        name: _value(data, value, name) if isinstance(value, EventData) else value
        for name, value in read_params(params).items()
    }


def inside(data: Any, path: tuple[str | int, ...]) -> Any:
    """Return the value at a path of keys and positions; raises `LookupError`."""
    for key in path:
        match data:
            case Mapping() if key in data or str(key) in data:
                data = data[key if key in data else str(key)]
            case list() if isinstance(key, int) and key < len(data):
                data = data[key]
            case _:
                raise LookupError(key)
    return data


def _value(data: Any, wanted: EventData, name: str) -> Any:
    try:
        return inside(data, wanted.path)
    except LookupError as error:
        if wanted.default:
            return wanted.default[0]
        path = ".".join(map(str, wanted.path))
        what = f"parameter '{name}' is event_data('{path}')"
        if isinstance(data, Mapping) and len(wanted.path) == 1:
            missing = UnknownNameError("value", path, map(str, data), within="the event's data")
            raise DataError(f"{what}: {missing}", field=path) from error
        raise DataError(f"{what}, which the event's data does not have; it is {_short(data)}", field=path) from error


def _short(data: Any) -> str:
    text = repr(data)
    return text if len(text) <= 200 else f"{text[:200]}..."
