"""One prediction for one row: a Python function generated for the graph, from raw values to predicted columns."""

from __future__ import annotations

import datetime
import math
import struct
from collections.abc import Callable, Mapping
from typing import Any, cast

import msgspec

from penstock.core.graph import ModelGraph
from penstock.errors import CorruptArtifactError
from penstock.models import nodes
from penstock.models.boosters import MODEL_FILE, Booster, SingleRow
from penstock.models.domain import FAILURES, domain_error
from penstock.models.instances import Instances
from penstock.models.weights import WEIGHTS_FILE, read_weights
from penstock.operations import row_source

_encode = msgspec.json.Encoder().encode


class RowPredictor:
    """Predicts one row at a time in a few microseconds: no table, frame, lock or database on the way.

    Safe from many threads. Equal to `predict(graph, rows)` bit for bit, except that the probabilities of a linear
    model are equal within 1e-12. `source` is the text of the generated function.
    """

    __slots__ = ("_function", "_instances", "graph", "source")

    def __init__(self, graph: ModelGraph) -> None:
        self.graph = graph
        self._instances = Instances(graph)
        self.source, names = _generate(graph)
        exec(compile(self.source, f"<row function of {graph.name}>", "exec"), names)  # noqa: S102 - our own text: see row_source
        self._function = cast("Callable[[Any], dict[str, Any]]", names["predict"])

    def predict(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the predicted columns of a row of Python values; keys that are no inputs are passed over.

        Raises `DataError` naming the field that is missing, of a wrong type, or whose value a feature cannot take.
        """
        return self._predict(self._instances.from_mapping(row))

    def decode(self, body: bytes) -> list[Any]:
        """Return the rows of `{"instances": [{...}]}`, each to be handed to `predict_decoded`.

        Raises `RequestError` where the body is not of that form, and `DataError` naming the field that is unknown,
        missing or of a wrong type.
        """
        return self._instances.from_json(body)

    def predict_decoded(self, row: Any) -> dict[str, Any]:
        """Return the predicted columns of a row that `decode` gave."""
        return self._predict(row)

    def answer(self, body: bytes) -> bytes:
        """Return `{"predictions": [...]}` for `{"instances": [...]}`, in order; NaN and infinity become null."""
        return _encode({"predictions": [self._predict(row) for row in self._instances.from_json(body)]})

    def _predict(self, row: Any) -> dict[str, Any]:
        try:
            return self._function(row)
        except FAILURES as error:
            found = domain_error(self.graph, [self._instances.to_dict(row)])
            if found is None:
                raise
            raise found from error


def row_predictor(graph: ModelGraph) -> RowPredictor:
    """Compile the graph's row function; keep the result, compiling takes some milliseconds."""
    return RowPredictor(graph)


def _generate(graph: ModelGraph) -> tuple[str, dict[str, Any]]:
    """Return the source of `predict(row)` and the globals that it needs."""
    inputs = nodes.inputs(graph)
    variables = {name: f"a{position}" for position, name in enumerate(inputs.names)}
    features = row_source(nodes.entering(graph), inputs, variables)
    names: dict[str, Any] = {**features.names, "_utc": datetime.UTC, "_nan": math.nan}
    lines = [f"{variable} = row.f{position}" for position, variable in enumerate(variables.values())]
    lines += [
        f"if {variables[field.name]} is not None: {variables[field.name]} = {variables[field.name]}.astimezone(_utc)"
        for field in inputs
        if field.type == "timestamp"
    ]
    lines += features.lines
    entering = []
    for position, source in enumerate(features.results.values()):
        lines.append(f"x{position} = {source}")
        entering.append(f"x{position}")
    estimate = _linear if nodes.form(graph) == "linear" else _trees
    lines += estimate(graph, entering, names)
    lines += _outputs(graph, names)
    return "def predict(row):\n" + "".join(f"    {line}\n" for line in lines), names


def _trees(graph: ModelGraph, entering: list[str], names: dict[str, Any]) -> list[str]:
    """Pack the features as doubles and call LightGBM; `estimate` is the array of its outputs."""
    params = nodes.concat(graph).params
    values, columns = [], 0
    for name, kind, width in zip(entering, params["kinds"], params["widths"], strict=True):
        match kind:
            case "number":
                values.append(f"_nan if {name} is None else {name}")
            case "category":
                values.append(name)
            case "sparse":
                values.append(f"*_spread({name}, {width})")
        columns += width if kind == "sparse" else 1
    classes = len(nodes.classes(graph))
    booster = Booster(graph.blobs[MODEL_FILE], outputs=classes if classes > 2 else 1)
    single = SingleRow(booster, columns=columns)
    names |= {
        "_single": single,  # keeps LightGBM's memory as long as the function lives
        "_call": single.function,
        "_outputs": single.outputs,
        "_pack": struct.Struct(f"{columns}d").pack,
        "_failed": _failed,
        "_spread": _spread,
    }
    packed = ", ".join(values)
    return [
        "outputs = _outputs()",
        f"if _call({single.config}, _pack({packed}), {single.length}, outputs): _failed()",
        "estimate = outputs[0]" if classes <= 2 else "estimate = outputs[:]",
    ]


def _linear(graph: ModelGraph, entering: list[str], names: dict[str, Any]) -> list[str]:
    """Add up weights times features, in the order in which batches do."""
    weights = read_weights(graph.blobs[WEIGHTS_FILE])
    kinds = nodes.concat(graph).params["kinds"]
    lines = []
    for output, (constant, by_feature) in enumerate(zip(weights.constants, weights.weights, strict=True)):
        total = f"t{output}"
        lines.append(f"{total} = {constant!r}")
        for position, (name, kind, values) in enumerate(zip(entering, kinds, by_feature, strict=True)):
            table = f"_w{output}_{position}"
            match kind:
                case "number":
                    lines.append(f"{total} += {values[0]!r} * {name}")
                case "category":
                    names[table] = values
                    lines.append(f"{total} += {table}[{name}] if {name} < {len(values)} else 0.0")
                case "sparse":
                    names[table] = values
                    lines.append(f"for entry in {name} or ():")
                    entry = f"{table}[entry['index']] if entry['index'] < {len(values)} else 0.0"
                    lines.append(f"    {total} += ({entry}) * entry['value']")
    names |= {"_logistic": _logistic, "_softmax": _softmax}
    outputs = len(weights.constants)
    if not nodes.classes(graph):
        return [*lines, "estimate = t0"]
    if outputs == 1:
        return [*lines, "estimate = _logistic(t0)"]
    return [*lines, f"estimate = _softmax([{', '.join(f't{output}' for output in range(outputs))}])"]


def _outputs(graph: ModelGraph, names: dict[str, Any]) -> list[str]:
    """Make the predicted columns of `estimate`: a value, the probability of the second class, or of every class."""
    known = nodes.classes(graph)
    predicted, *probabilities = graph.signature.outputs.names
    if not known:
        return [f"return {{{predicted!r}: estimate}}"]
    names["_classes"] = known
    if len(known) == 2:
        return [
            "rest = 1.0 - estimate",
            "first, second = {'label': _classes[0], 'prob': rest}, {'label': _classes[1], 'prob': estimate}",
            f"if estimate > rest: return {{{predicted!r}: _classes[1], {probabilities[0]!r}: [second, first]}}",
            f"return {{{predicted!r}: _classes[0], {probabilities[0]!r}: [first, second]}}",
        ]
    return [
        "ranked = sorted(range(len(_classes)), key=estimate.__getitem__, reverse=True)",
        f"return {{{predicted!r}: _classes[ranked[0]], {probabilities[0]!r}: "
        "[{'label': _classes[at], 'prob': estimate[at]} for at in ranked]}",
    ]


def _failed() -> None:
    raise CorruptArtifactError("LightGBM cannot predict a row with the model it was given")


def _spread(entries: list[dict[str, Any]] | None, width: int) -> list[float]:
    """Return a list of (index, value) as that many numbers."""
    numbers = [0.0] * width
    for entry in entries or ():
        if entry["index"] < width:
            numbers[entry["index"]] += entry["value"]
    return numbers


def _logistic(total: float) -> float:
    try:
        return 1.0 / (1.0 + math.exp(-total))
    except OverflowError:
        return 0.0


def _softmax(totals: list[float]) -> list[float]:
    most = max(totals)
    powers = [math.exp(total - most) for total in totals]
    whole = sum(powers)
    return [power / whole for power in powers]
