"""Triggers on what deployed models do: that what they see or say changes, and that they are worse than they may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from penstock.core.mapping import FrozenMap
from penstock.core.units import seconds
from penstock.errors import DeclarationError
from penstock.monitor.when import When, one_of

_DISTANCES = ("PSI", "JENSEN_SHANNON_DIVERGENCE", "L_INFTY", "KS")
_AGAINST = ("training", "before")


class NamedModel(Protocol):
    """A model or a cascade."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...


def drift(
    model: NamedModel | str,
    *,
    over: float = 0.2,
    metric: str = "PSI",
    against: str = "training",
    lag: int = 1,
    window: float | str = "1d",
    features: Sequence[str] = (),
    thresholds: Mapping[str, float] | None = None,
    minimum: int = 500,
    consecutive: int = 1,
    cooldown: float | str = 0.0,
) -> When:
    """Fire when what a served model is asked, or what it says, is no more what it was: in a window of the log of
    requests that has ended, with at least `minimum` rows, the distance of some feature is `over` that (or its own of
    `thresholds`), and was so in so many `consecutive` windows; again only when the window ends after a `cooldown`.

    `metric` is "PSI", "JENSEN_SHANNON_DIVERGENCE", "L_INFTY" or "KS". `against` is "training", what the version that
    answered has learned from, or "before", the window `lag` windows earlier. The event's data has `model`, `version`,
    `feature`, `distance`, `threshold` of what is farthest beyond, all of them in `features`, `rows`, `window_start`,
    `window_end`.
    """
    own = {name: _threshold(value, name, "drift") for name, value in (thresholds or {}).items()}
    spec = {
        "model": _model(model, "drift"),
        "over": _threshold(over, "over", "drift"),
        "metric": one_of(metric, _DISTANCES, "distance"),
        "against": one_of(against, _AGAINST, "against"),
        "lag": _whole(lag, "lag", "drift"),
        "features": [features] if isinstance(features, str) else list(features),
        "thresholds": own,
    }
    return When(kind="drift", spec=FrozenMap(spec | _repeated(window, minimum, consecutive, cooldown, "drift")))


def degraded(
    model: NamedModel | str,
    *,
    metric: str,
    over: float | None = None,
    under: float | None = None,
    where: str = "",
    window: float | str = "1d",
    minimum: int = 100,
    consecutive: int = 1,
    cooldown: float | str = 0.0,
) -> When:
    """Fire when a served model is worse than it may be: in a window of the log of requests that has ended, a metric of
    the rows whose labels are there (at least `minimum`) is `over` a bound, or `under` one.

    `where` is a condition in our dialect, for a part of the rows: "carrier = 'UA'". Labels may come late: the newest
    window counts that has enough of them. `consecutive` and `cooldown`: as of `drift`. The event's data has `model`,
    `version`, `metric`, `value`, `threshold`, `rows`, `labelled`, `window_start`, `window_end`.
    """
    if (over is None) == (under is None):
        raise DeclarationError(f"degraded(metric={metric!r}): give the bound, over= or under=, and not both")
    bounds = {"over": over, "under": under}
    spec = {
        "model": _model(model, "degraded"),
        "metric": metric,
        **{name: None if value is None else _number(value, name, "degraded") for name, value in bounds.items()},
        "where": where,
    }
    return When(kind="degraded", spec=FrozenMap(spec | _repeated(window, minimum, consecutive, cooldown, "degraded")))


def _repeated(
    window: float | str, minimum: int, consecutive: int, cooldown: float | str, within: str
) -> dict[str, Any]:
    length = seconds(window, f"the window of {within}()")
    if length < 1:
        raise DeclarationError(f"{within}(window={window!r}): the shortest window is a second")
    return {
        "window_seconds": length,
        "minimum": _whole(minimum, "minimum", within),
        "consecutive": _whole(consecutive, "consecutive", within),
        "cooldown_seconds": seconds(cooldown, f"the cooldown of {within}()") if cooldown else 0.0,
    }


def _model(model: NamedModel | str, within: str) -> str:
    name = model if isinstance(model, str) else getattr(model, "name", None)
    if not isinstance(name, str) or not name:
        raise DeclarationError(f"{within}({model!r}): give a model, or its name, as in {within}('flights')")
    return name


def _whole(value: int, name: str, within: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise DeclarationError(f"{within}({name}={value!r}): give a whole number, 1 or more")
    return value


def _number(value: float, name: str, within: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise DeclarationError(f"{within}({name}={value!r}): give a number")
    return float(value)


def _threshold(value: float, name: str, within: str) -> float:
    if _number(value, name, within) < 0:
        raise DeclarationError(f"{within}({name}={value!r}): a distance is never below 0")
    return float(value)
