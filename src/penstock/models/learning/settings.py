"""The options that a model is given, checked against those that its learner takes; and what a tuning means for them."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from penstock.core.mapping import FrozenMap
from penstock.errors import DeclarationError, UnknownNameError
from penstock.models.learning.options import ALIASES, REFUSED, TUNING, Option
from penstock.models.learning.search import Candidates, Range, Space, size, space_of

_LARGEST_GRID = 10_000


def check_options(options: Mapping[str, Any], known: Mapping[str, Option], *, within: str) -> FrozenMap[Any]:
    """Return the options by their own names, with values brought to their types (2 becomes 2.0 where it is a float).

    A search space, a value or the JSON of one, stands for an option that is to be tuned. Raises
    `UnknownNameError` for an option the learner does not take and `DeclarationError` for a value it cannot have.
    """
    checked = {}
    for given, value in options.items():
        name = ALIASES.get(given.lower(), given.lower())
        if name in REFUSED and name not in known:
            raise DeclarationError(f"{within}: option '{name}' of BigQuery is not here: {REFUSED[name]}")
        if name not in known:
            raise UnknownNameError("option", given, known, within=within)
        if name in checked:
            raise DeclarationError(f"{within}: option '{name}' is given twice")
        space = space_of(value)
        if space is not None and known[name].tuned is None:
            tunable = ", ".join(each for each, option in known.items() if option.tuned is not None)
            raise DeclarationError(
                f"{within}: {name} cannot be tuned, give it one value; these can: {tunable or 'none'}"
            )
        checked[name] = (
            _value(name, value, known[name], within) if space is None else _space(name, space, known[name], within)
        )
    return FrozenMap(sorted(checked.items()))


def settled(options: Mapping[str, Any], known: Mapping[str, Option], *, within: str) -> FrozenMap[Any]:
    """Return checked options with what `num_trials` implies, and without those that say what holds anyway.

    With it alone every hyperparameter is tuned that has a usual search space and no value of its own. Raises
    `DeclarationError` where there is something of a tuning, but no `num_trials`; or nothing to tune.
    """
    spaces, implied = spaces_in(options), dict(options)
    if "num_trials" not in options:
        odd = next((name for name in options if name in spaces or _says_something(name, options, known)), None)
        if odd is not None:
            raise DeclarationError(f"{within}: {odd} is of a tuning; say how many trials it has, such as num_trials=10")
    else:
        if options.get("data_split_method") == "AUTO_SPLIT":
            implied["data_split_method"] = "RANDOM"  # as in BigQuery, whose own split is another where it tunes
        if not spaces:
            usual = {name: option.tuned.over for name, option in known.items() if option.tuned is not None}
            spaces = {name: over for name, over in usual.items() if over is not None and name not in options}
            implied |= {name: _space(name, space, known[name], within) for name, space in spaces.items()}
        if not spaces:
            raise DeclarationError(f"{within}: num_trials without anything to tune; give an option a ps.hparam_range")
        _check_grid(implied, spaces, known, within)
    defaults = with_defaults(implied, known, given=False)
    return FrozenMap(sorted((name, value) for name, value in implied.items() if value != defaults.get(name)))


def _says_something(name: str, options: Mapping[str, Any], known: Mapping[str, Option]) -> bool:
    return name in TUNING and options[name] != known[name].default


def with_defaults(options: Mapping[str, Any], known: Mapping[str, Option], *, given: bool = True) -> dict[str, Any]:
    """Return every option: as given, or its default; with `given` false, all defaults as these options make them.

    A tuning splits the rows 80/10/10, by chance, unless an option says otherwise; where there is none, its options are
    left out.
    """
    defaults = {name: option.default for name, option in known.items()}
    if options.get("num_trials") is None:
        defaults = {name: value for name, value in defaults.items() if name not in TUNING or not given}
    elif "data_split_method" in known:
        defaults["data_split_method"] = "RANDOM"
        if options.get("data_split_method", "RANDOM") in ("RANDOM", "SEQ"):
            defaults |= {"data_split_eval_fraction": 0.1, "data_split_test_fraction": 0.1}
    return {name: options.get(name, value) if given else value for name, value in defaults.items()}


def spaces_in(options: Mapping[str, Any]) -> dict[str, Space]:
    """Return the search spaces among options, by name: what is proposed depends on their order."""
    return {name: value for name, value in sorted(options.items()) if isinstance(value, Range | Candidates)}


def _check_grid(
    options: Mapping[str, Any], spaces: Mapping[str, Space], known: Mapping[str, Option], within: str
) -> None:
    if options.get("hparam_tuning_algorithm") != "GRID_SEARCH":
        return
    sizes = {name: size(space, whole=known[name].type == "int") for name, space in spaces.items()}
    endless = next((name for name, count in sizes.items() if count == math.inf), None)
    if endless is not None:
        raise DeclarationError(
            f"{within}: GRID_SEARCH tries every value, and {endless} is any number of a range; give hparam_candidates, "
            "or the range a step"
        )
    count = math.prod(sizes.values())
    if count > _LARGEST_GRID:
        raise DeclarationError(
            f"{within}: the grid of {', '.join(spaces)} has {count:,.0f} points, at most {_LARGEST_GRID:,}; "
            "give fewer values"
        )


def _space(name: str, space: Space, option: Option, within: str) -> Space:
    """Return a search space whose every value is one that the option can have."""
    match space:
        case Candidates():
            return Candidates(tuple(_value(name, value, option, within) for value in space.values))
        case Range() if option.type in ("int", "float"):
            low, high = (
                _value(name, int(end) if option.type == "int" and end == int(end) else end, option, within)
                for end in (space.low, space.high)
            )
            if option.type == "int" and space.step is not None and space.step != int(space.step):
                raise DeclarationError(f"{within}: {name} takes whole numbers, and its range goes by {space.step:g}")
            return dataclasses.replace(space, low=low, high=high)
    raise DeclarationError(f"{within}: {name} has no range, for it takes {_takes(option)}; give hparam_candidates")


def _value(name: str, value: Any, option: Option, within: str) -> Any:
    match option.type, value:
        case ("bool", bool()) | (("column" | "time" | "text"), str()):
            return value
        case (("int" | "float"), bool()):
            pass
        case "int", int() if _in_range(value, option):
            return value
        case "float", int() | float() if _in_range(value, option):
            return float(value)
        case "choice", str() if value.upper() in option.choices:
            return value.upper()
        case "ints", tuple() | list() if value and all(type(item) is int and _in_range(item, option) for item in value):
            return tuple(value)
        case "weights", Mapping() if all(isinstance(weight, int | float) and weight >= 0 for weight in value.values()):
            return tuple((label, float(weight)) for label, weight in value.items())
        case "objectives", str() if value.lower() in option.choices:
            return (value.lower(),)
        case "objectives", [str() as one] if one.lower() in option.choices:
            return (one.lower(),)
        case "weights", tuple() | list() if all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in value):
            return _value(name, dict(value), option, within)
    raise DeclarationError(f"{within}: option {name}={value!r}; it takes {_takes(option)}")


def _in_range(value: float, option: Option) -> bool:
    return (option.least is None or value >= option.least) and (option.most is None or value <= option.most)


def _takes(option: Option) -> str:
    if option.type == "choice":
        return " or ".join(option.choices)
    if option.type == "objectives":
        return f"one of {', '.join(option.choices)}, in a list"
    if option.type == "weights":
        return "a mapping from labels to weights of 0 and more"
    if option.type == "ints":
        return f"a list of whole numbers from {option.least:g} to {option.most:g}, such as [64, 32]"
    text = {
        "bool": "True or False",
        "column": "the name of a column",
        "time": "the name of a column",
        "text": "a path",
        "int": "a whole number",
        "float": "a number",
    }[option.type]
    if option.least is not None and option.most is not None:
        return f"{text} from {option.least:g} to {option.most:g}"
    return text if option.least is None else f"{text} of {option.least:g} and more"
