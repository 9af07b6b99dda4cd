"""What servers have answered, as it is logged: routes in serving, and what a shadow says beside what was served."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.errors import DataError
from penstock.models.judging import metrics, several
from penstock.models.judging.scores import with_root
from penstock.production.reading import read_requests
from penstock.tables import TableLike, to_arrow

REQUESTS = "penstock.requests"
"""The table that SQL reads the log by."""

_PROBABILITIES = "_probs"
_OWN = ("request", "row")
"""Columns of the log that tell a row from any other, beside the values of its instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A version that predicted beside the one that is served, on the same live rows.

    `routes` counts rows by the route served and the shadow's; `same_routes` is the share for which they are one, None
    where the models do not route. `same_labels` is that share for predicted labels; of values, `difference` has the
    mean of shadow minus served, the mean of its size, and the largest. `metrics` are those of both on the `judged` rows
    whose truth is known. A row on which the shadow failed counts in `errors` only, by what went wrong.
    """

    model: str
    version: int
    shadow_version: int
    rows: int
    errors: Mapping[str, int]
    routes: Mapping[str, Mapping[str, int]]
    same_routes: float | None
    same_labels: float | None
    difference: Mapping[str, float] | None
    judged: int
    metrics: Mapping[str, Mapping[str, float | None]]


class Requests:
    """The log of a project's servers: `project.requests.table()`, `project.requests.shadow("distance")`."""

    def __init__(self, read: Callable[[str | None], pa.Table], rows: Callable[[TableLike], TableLike]) -> None:
        self._read, self._rows = read, rows

    def table(self, model: str | None = None) -> pa.Table:
        """Return the logged rows, of one model if it is named: what SQL reads as `penstock.requests`."""
        return self._read(model)

    def route_shares(self, model: str, *, version: int | None = None) -> dict[str, float]:
        """Return the share of each route in the rows that a cascade has served: of a version, default the newest."""
        return route_shares(self.table(model), version)

    def shadow(
        self, model: str, *, version: int | None = None, truth: TableLike | None = None, key: str | Sequence[str] = ()
    ) -> Shadow:
        """Compare what a shadow of a model has said with what was served: of a version, default the newest that is
        logged.

        `truth` has the label of rows, found by `key`: inputs of the model, or `request` and `row` of the log.
        """
        known = None if truth is None else to_arrow(self._rows(truth))
        return shadow_of(self.table(model), model, version, known, (key,) if isinstance(key, str) else tuple(key))


def route_shares(log: pa.Table, version: int | None = None) -> dict[str, float]:
    """Return the share of each route in logged rows of one model, the largest first; of one version of it."""
    routed = log.filter(pc.is_valid(log.column("route")))
    if not routed.num_rows:
        return {}
    wanted = pc.max(routed.column("version")).as_py() if version is None else version
    counts = Counter(routed.filter(pc.equal(routed.column("version"), wanted)).column("route").to_pylist())
    return {route: count / counts.total() for route, count in counts.most_common()}


def logged_shares(folder: Path, model: str, version: int) -> dict[str, float]:
    """Return the share of each route in what the log of a folder has of a version: nothing where it has none."""
    return route_shares(read_requests(folder, model), version)


def of_model(log: pa.Table, model: str | None) -> pa.Table:
    """Return the rows of one model, of all if none is named."""
    return log if model is None else log.filter(pc.equal(log.column("model"), model))


def shadow_of(log: pa.Table, model: str, version: int | None, truth: pa.Table | None, key: tuple[str, ...]) -> Shadow:
    """Return the comparison of logged rows with what a version in their shadow says; see `Requests.shadow`."""
    asked = log.filter(pc.is_valid(log.column("shadow_version")))
    wanted = version if version is not None else pc.max(asked.column("shadow_version")).as_py()
    asked = asked.filter(pc.equal(asked.column("shadow_version"), wanted)) if wanted is not None else asked
    if not asked.num_rows:
        said = "" if version is None else f" of version {version}"
        raise DataError(
            f"no logged request of model '{model}' was shown to a shadow{said}; name one in penstock.toml, [server] "
            f'shadow = {{ {model} = "challenger" }} and [monitoring] log_requests = 0.1, and serve'
        )
    served = pc.max(asked.column("version")).as_py()
    asked = asked.filter(pc.equal(asked.column("version"), served))
    there = asked.filter(pc.is_valid(asked.column("shadow_prediction")))
    pair = _predictions(there, "prediction"), _predictions(there, "shadow_prediction")
    routes = Counter(zip(there.column("route").to_pylist(), there.column("shadow_route").to_pylist(), strict=True))
    of_routes: dict[str, dict[str, int]] = {}
    for (route, other), count in routes.most_common():
        if route is not None and other is not None:
            of_routes.setdefault(route, {})[other] = count
    label, same, difference = _compared(model, *pair)
    judged = (0, {}) if truth is None else _judged(model, there, pair, label, truth, key)
    same_routes = sum(each.get(route, 0) for route, each in of_routes.items())
    return Shadow(
        model=model,
        version=served,
        shadow_version=wanted,
        rows=there.num_rows,
        errors=dict(Counter(asked.column("shadow_error").drop_null().to_pylist()).most_common()),
        routes=of_routes,
        same_routes=same_routes / there.num_rows if of_routes else None,
        same_labels=same,
        difference=difference,
        judged=judged[0],
        metrics=judged[1],
    )


def _predictions(log: pa.Table, column: str) -> list[dict[str, Any]]:
    return [msgspec.json.decode(text) for text in log.column(column).to_pylist()]


Compared = tuple[str, float | None, dict[str, float] | None]


def _compared(model: str, served: list[dict[str, Any]], shadow: list[dict[str, Any]]) -> Compared:
    """Return the label's name, and how far two predictions of it agree: labels by the share that is the same, values by
    their differences."""
    if not served:
        return "", None, None
    given = [name for name in served[0] if name.startswith("predicted_") and not name.endswith(_PROBABILITIES)]
    predicted = given[0] if len(given) == 1 else None
    if predicted is None or predicted not in shadow[0]:
        raise DataError(
            f"model '{model}' gives {', '.join(served[0])} and its shadow {', '.join(shadow[0])}; "
            "only predictions of one label can be compared"
        )
    pairs = [(one[predicted], other[predicted]) for one, other in zip(served, shadow, strict=True)]
    label = predicted.removeprefix("predicted_")
    if predicted + _PROBABILITIES in served[0] or isinstance(pairs[0][0], str | bool):
        return label, sum(one == other for one, other in pairs) / len(pairs), None
    apart = np.array([other - one for one, other in pairs if one is not None and other is not None])
    if not len(apart):
        return label, None, None
    sizes = np.abs(apart)
    return label, None, {"mean": float(apart.mean()), "mean_size": float(sizes.mean()), "largest": float(sizes.max())}


Pair = tuple[list[dict[str, Any]], list[dict[str, Any]]]


def _judged(
    model: str, log: pa.Table, pair: Pair, label: str, truth: pa.Table, key: tuple[str, ...]
) -> tuple[int, dict[str, dict[str, float | None]]]:
    """Return how many rows have a truth, and the metrics of both on them."""
    for name in (*key, label):
        if name not in truth.column_names:
            raise DataError(
                f"the truth of '{model}' lacks the column '{name}'; it needs the label '{label}' and the key "
                f"({', '.join(key) or 'none is named: key=...'})",
                field=name,
            )
    if not key:
        raise DataError(f"name the key by which the truth of '{model}' is found: inputs of the model, or request, row")
    known = {_keyed(row, key): row[label] for row in truth.select([*key, label]).to_pylist() if row[label] is not None}
    instances = _predictions(log, "instance")
    own = log.select(list(_OWN)).to_pylist()
    keys = [_keyed({**instance, **mine}, key) for instance, mine in zip(instances, own, strict=True)]
    places = [place for place, each in enumerate(keys) if each in known]
    if not places:
        return 0, {}
    actual = [known[keys[place]] for place in places]
    of = {"served": pair[0], "shadow": pair[1]}
    return len(places), {name: _metrics(label, actual, [each[place] for place in places]) for name, each in of.items()}


def _keyed(row: Mapping[str, Any], key: tuple[str, ...]) -> bytes:
    """Return what a row is found by: the same whether it comes from JSON or from a table; whole floats as integers."""
    values = [row.get(name) for name in key]
    return msgspec.json.encode([int(v) if isinstance(v, float) and v.is_integer() else v for v in values])


def _metrics(label: str, actual: list[Any], predictions: list[dict[str, Any]]) -> dict[str, float | None]:
    listed = f"predicted_{label}{_PROBABILITIES}"
    if listed not in predictions[0]:
        predicted = np.array([each[f"predicted_{label}"] for each in predictions], dtype=np.float64)
        found = metrics.regression(np.array(actual, dtype=np.float64), predicted)
    else:
        by_label = [{each["label"]: each["prob"] for each in one[listed]} for one in predictions]
        if isinstance(actual[0], list):
            found = _several(actual, by_label)
            return {name: value if np.isfinite(value) else None for name, value in found.items()}
        classes = sorted({name for each in by_label for name in each} | {msgspec.to_builtins(each) for each in actual})
        numbers = np.array([classes.index(msgspec.to_builtins(each)) for each in actual])
        found = metrics.classification(numbers, np.array([[each.get(c, 0.0) for c in classes] for each in by_label]))
    return with_root({name: value if np.isfinite(value) else None for name, value in found.items()})


def _several(actual: list[list[Any]], by_label: list[dict[Any, float]]) -> dict[str, float]:
    """Judge classes of which several hold at once."""
    classes = sorted({name for each in by_label for name in each} | {name for each in actual for name in each})
    there = np.array([[float(name in each) for name in classes] for each in actual])
    return several.judged(there, np.array([[each.get(name, 0.0) for name in classes] for each in by_label]))
