"""A table function of ML as a value: what it needs, the settings that it takes, and how its columns come to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from penstock.core.mapping import FrozenMap
from penstock.core.schema import Schema
from penstock.errors import SqlError, UnknownNameError
from penstock.models import ModelGraph


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a setting may be: `STRUCT(0.55 AS threshold)` or `threshold => 0.55`. `default` None means: not set.

    `type` is one of ours; a struct without names, as in `array<struct<string, float64>>`, comes as a tuple.
    """

    type: str
    default: Any = None
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One use of a table function in a query: the model, the columns of each input, and every setting by its name."""

    graph: ModelGraph | None
    inputs: tuple[Schema, ...]
    settings: Mapping[str, Any]

    @property
    def model(self) -> ModelGraph:
        """The model of a function that needs one."""
        assert self.graph is not None  # noqa: S101  # the binding refuses such a call without a model
        return self.graph


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFunction:
    """A table function of ML.

    `columns` says what a use gives before anything runs; it also refuses what cannot be. `table` computes the rows,
    with exactly those columns, from the rows of each input. `rows` is how many inputs it takes, at least and at most.
    `bare` names the setting that a value alone, outside of a STRUCT, sets. `tells_trials`: without rows it tells of
    every trial of a tuned model, of those too that are not kept.
    """

    columns: Callable[[Use], Schema]
    table: Callable[[Use, Sequence[pa.Table]], pa.Table]
    needs_model: bool = True
    rows: tuple[int, int] = (0, 0)
    settings: Mapping[str, Setting] = field(default_factory=lambda: FrozenMap({}))
    bare: str = ""
    tells_trials: bool = False

    def usage(self, name: str) -> str:
        """Return an example of a call, for messages."""
        arguments = ["MODEL name"] * self.needs_model + ["(SELECT ...)"] * max(self.rows[0], self.rows[1] > 0)
        return f"ML.{name}({', '.join(arguments)})"


def check_settings(function: TableFunction, given: Mapping[str, Any], *, within: str) -> dict[str, Any]:
    """Return every setting: as given, brought to its type, or its default; NULL is not set.

    Raises `UnknownNameError` for a setting that the function does not have, `SqlError` for a value it cannot take.
    """
    checked = {name: setting.default for name, setting in function.settings.items()}
    for written, value in given.items():
        name = written.lower()
        if name not in checked:
            raise UnknownNameError("setting", written, function.settings, within=within)
        if value is not None:
            checked[name] = _checked(name, value, function.settings[name], within)
    return checked


def _checked(name: str, value: Any, setting: Setting, within: str) -> Any:
    found = _of_type(value, setting.type)
    if isinstance(found, str) and setting.choices:
        found = next((choice for choice in setting.choices if choice == found.upper()), None)
    outside = isinstance(found, int | float) and not (
        (setting.least is None or found >= setting.least) and (setting.most is None or found <= setting.most)
    )
    if found is None or outside:
        raise SqlError(f"{within}: the setting {name} cannot be {value!r}; it takes {_takes(setting)}")
    return found


def _of_type(value: Any, type: str) -> Any:
    """Return a value as one of that type has it, None where it is none; a whole number does for a float64."""
    match type, value:
        case "bool", bool():
            return value
        case (("int64" | "float64"), bool()):
            return None
        case "int64", int():
            return value
        case "float64", int() | float():
            return float(value)
        case "string", str():
            return value
        case _, list() if type.startswith("array<struct<"):
            members = type.removeprefix("array<struct<").removesuffix(">>").split(", ")
            return _all([_struct(item, members) for item in value])
        case _, list() if type.startswith("array<"):
            return _all([_of_type(item, type[6:-1]) for item in value])
    return None


def _struct(value: Any, types: Sequence[str]) -> tuple[Any, ...] | None:
    if not isinstance(value, tuple) or len(value) != len(types):
        return None
    members = _all([_of_type(item, type) for item, type in zip(value, types, strict=True)])
    return None if members is None else tuple(members)


def _all(values: list[Any]) -> list[Any] | None:
    return None if any(value is None for value in values) else values


def _takes(setting: Setting) -> str:
    if setting.choices:
        return " or ".join(map(repr, setting.choices))
    if setting.least is not None and setting.most is not None:
        return f"{setting.type} from {setting.least:g} to {setting.most:g}"
    return setting.type if setting.least is None else f"{setting.type} of {setting.least:g} and more"
