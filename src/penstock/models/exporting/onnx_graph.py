"""A model graph as recorded tensors: raw columns in, features, the estimator, predicted columns out."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

from penstock.core.graph import ModelGraph
from penstock.core.schema import Schema
from penstock.errors import ExpressionError
from penstock.models.exporting.onnx_feeding import ports, received
from penstock.models.exporting.onnx_images import ImageInput, image_inputs
from penstock.models.graphs import nodes
from penstock.models.learning.lowerings.entering import entering_of, over_rows
from penstock.models.predicting.answers import HALF
from penstock.models.predicting.estimators import estimator_of, method_of, task_of
from penstock.models.predicting.outcomes import answered
from penstock.operations.tensors import Lowering, Many, Recorder, Scalar, Struct, Value
from penstock.operations.tensors.flags import either
from penstock.operations.tensors.onnx_file import Port, to_bytes
from penstock.operations.tensors.recording import TENSOR_TYPES
from penstock.operations.tensors.tables import encoded

REFUSED = "refused"
"""The output that says which rows penstock would refuse; their numbers are NaN. It is there if any may be."""


@dataclass(slots=True)
class Recorded:
    """A model while it is recorded: its inputs by raw column, its features and what enters, and its outputs."""

    graph: ModelGraph
    recorder: Recorder
    ports: dict[str, list[Port]]
    images: list[ImageInput]
    features: dict[str, Value]
    rows: str
    outputs: dict[Port, str] = field(default_factory=dict)
    refused: str | None = None

    @property
    def inputs(self) -> list[Port]:
        """The inputs, in the order of the columns, and the images."""
        images = [port for image in self.images for port in (image.pixels, image.missing)]
        return [*(port for made in self.ports.values() for port in made), *images]


def record(graph: ModelGraph) -> Recorded:
    """Record a model; raises `ExpressionError` naming the feature, and its operation, that ONNX cannot compute."""
    made = _features(graph)
    if nodes.only_transforms(graph):
        columns = {node.params["column"]: made.features[node.inputs[0]] for node in graph.of("output")}
        made.refused = _refused(made, columns.values())
        for name, value in columns.items():
            _output(made, name, value)
    else:
        _estimated(made)
    if made.refused is not None:
        flags = over_rows(made.recorder, made.refused, made.rows)
        made.outputs[Port(name=_free(REFUSED, made), type="bool", meaning="true where penstock refuses the row")] = (
            flags
        )
    return made


def file_of(made: Recorded, *, features: bool = False, told: Mapping[str, str] | None = None) -> bytes:
    """Return the ONNX file; with `features` it gives what enters the estimator as well, to be looked into. What is
    `told` stands in its metadata, beside what it takes and gives."""
    outputs = {**made.outputs, **(feature_outputs(made) if features else {})}
    metadata = {**_metadata(made), **(told or {})}
    return to_bytes(
        made.recorder, name=made.graph.name, inputs=made.inputs, outputs=outputs, metadata=metadata, text=_text(made)
    )


def feature_outputs(made: Recorded) -> dict[Port, str]:
    """Return outputs for the features that have one value a row, and for where they are NULL."""
    found: dict[Port, str] = {}
    for name, value in made.features.items():
        known = Lowering(Schema(()), {}, made.recorder).tensor(value) if name in entering_names(made.graph) else value
        if isinstance(known, Scalar) and known.type in TENSOR_TYPES:
            tensor = over_rows(made.recorder, known.data, made.rows)
            found[Port(name=f"feature: {name}", type=TENSOR_TYPES[known.type])] = tensor
            if known.null is not None:
                found[Port(name=f"null: {name}", type="bool")] = over_rows(made.recorder, known.null, made.rows)
    return found


def entering_names(graph: ModelGraph) -> tuple[str, ...]:
    """Return the nodes that enter the estimator, or that are given where there is none."""
    if nodes.only_transforms(graph):
        return tuple(node.inputs[0] for node in graph.of("output"))
    return nodes.entering_names(graph)


def _features(graph: ModelGraph) -> Recorded:
    recorder, by_field, columns, images = Recorder(), {}, {}, image_inputs(graph)
    for each in graph.signature.inputs:
        if each.type == "bytes":
            continue  # read as images alone, or `image_inputs` refuses it
        made = ports(each, graph.signature.inputs.names)
        if made is None:
            raise ExpressionError(
                f"model '{graph.name}': the column '{each.name}' is of type {each.type}, which no ONNX tensor of one "
                "value a row holds; make numbers or strings of it before the model"
            )
        by_field[each.name], columns[each.name] = made, received(recorder, each, made)
    pictures = {image.expr: image.picture for image in images}
    lowering = Lowering(nodes.inputs(graph), columns, recorder, pictures)
    first = next(port.name for port in (*chain.from_iterable(by_field.values()), *(each.pixels for each in images)))
    rows = recorder.node("Shape", first, start=0, end=1)
    features: dict[str, Value] = dict(columns)
    for name, expr in nodes.expressions(graph).items():
        if expr.op == "column" and expr not in pictures and expr.args[0] not in columns:
            continue
        try:
            features[name] = lowering.value(expr)
        except ExpressionError as error:
            raise ExpressionError(
                f"model '{graph.name}': feature '{name}' cannot be exported to ONNX: {error}"
            ) from error
    return Recorded(graph, recorder, by_field, images, features, rows)


def _refused(made: Recorded, values: object) -> str | None:
    return either(made.recorder, *(getattr(value, "refused", None) for value in values))  # type: ignore[attr-defined]


def _estimated(made: Recorded) -> None:
    graph, t = made.graph, made.recorder
    values = [made.features[name] for name in entering_names(graph)]
    made.refused = _refused(made, values)
    estimator, lower = estimator_of(graph), method_of(graph).lower
    if lower is None:
        kind = nodes.estimator(graph).params["learner"]
        raise ExpressionError(f"model '{graph.name}' is of type {kind}, which has no form in ONNX")
    estimates = lower(t, estimator, entering_of(estimator, values, made.rows))
    if made.refused is not None:
        flags = t.node("Unsqueeze", over_rows(t, made.refused, made.rows), t.tensor("int64", [1]))
        estimates = t.node("Where", flags, t.number(math.nan), estimates)
    match task_of(graph):
        case "regression" | "classification" | "multilabel" | "multioutput":
            _labels(made, estimates)
        case "clustering":
            nearest = t.node("ArgMin", estimates, axis=1, keepdims=0)
            made.outputs[_port(made, 0, "int64")] = t.node("Add", nearest, t.integer(1))
            made.outputs[_port(made, 1, "float64", "by the centroids' numbers, from 1", "centroids")] = estimates
        case _:
            for place in range(len(graph.signature.outputs)):
                made.outputs[_port(made, place, "float64")] = _column(t, estimates, place)


def _labels(made: Recorded, estimates: str) -> None:
    """Give what is predicted of each label. Classes of which several may hold are flags: ONNX has no lists."""
    t, place, start = made.recorder, 0, 0
    heads = answered(made.graph)
    for head in heads:
        if head.task == "regression":
            made.outputs[_port(made, place, "float64")] = _column(t, estimates, start)
            place, start = place + 1, start + 1
            continue
        numbers = t.tensor("int64", list(range(start, start + head.numbers)))
        own = estimates if len(heads) == 1 else t.node("Gather", estimates, numbers, axis=1)
        columns = "classes" if len(heads) == 1 else f"classes of {head.label}"
        known = ", ".join(map(str, head.classes))
        if head.task == "multilabel":
            flags = _port(made, place, "bool", f"which hold of {known}", columns)
            made.outputs[flags] = t.node("Greater", own, t.number(HALF))
        else:
            type = head.class_type
            labels = t.tensor(TENSOR_TYPES[type], [encoded(label, type) for label in head.classes])
            best = t.node("ArgMax", own, axis=1, keepdims=0)
            made.outputs[_port(made, place, TENSOR_TYPES[type])] = t.node("Gather", labels, best)
        made.outputs[_port(made, place + 1, "float64", f"probabilities of {known}", columns)] = own
        place, start = place + 2, start + head.numbers


def _column(t: Recorder, estimates: str, place: int) -> str:
    return t.node("Gather", estimates, t.integer(place), axis=1)


def _port(made: Recorded, place: int, type: str, meaning: str = "", columns: str = "") -> Port:
    """Return the port of a predicted column."""
    own = made.graph.signature.outputs.fields[place]
    return Port(
        name=own.name, type=type, dimensions=("rows", columns) if columns else ("rows",), meaning=meaning or own.type
    )


def _output(made: Recorded, name: str, value: Value) -> None:
    """Give a feature as an output, and where it is NULL."""
    t = made.recorder
    known = Lowering(Schema(()), {}, t).tensor(value)
    if isinstance(known, Struct):
        for member, each in known.members.items():
            _output(made, f"{name}.{member}", each)
        return
    if isinstance(known, Many) or not isinstance(known, Scalar):
        raise ExpressionError(f"model '{made.graph.name}' gives '{name}', an array, which ONNX has no column of")
    type, name = TENSOR_TYPES[known.type], output_name(made.graph, name)
    made.outputs[Port(name=name, type=type, meaning=known.type)] = over_rows(t, known.data, made.rows)
    if known.null is not None:
        flags = Port(name=f"{name}__is_null", type="bool", meaning=f"true where {name} is NULL")
        made.outputs[flags] = over_rows(t, known.null, made.rows)


def output_name(graph: ModelGraph, column: str) -> str:
    """Return the name of the output of a column; ONNX has no two tensors of one name."""
    return f"{column}__output" if column in graph.signature.inputs.names else column


def _free(name: str, made: Recorded) -> str:
    while name in {port.name for port in (*made.inputs, *made.outputs)}:
        name += "_"
    return name


def _metadata(made: Recorded) -> Mapping[str, str]:
    """Return what a reader of the file should know, as JSON under names of ours."""
    graph = made.graph
    told = {
        "model": graph.name,
        "type": graph.facts.get("type", ""),
        "inputs": {port.name: port.meaning for port in made.inputs},
        "outputs": {port.name: port.meaning for port in made.outputs},
        "classes": [str(label) for label in (nodes.classes(graph) or nodes.several_classes(graph))],
        "versions": dict(graph.facts.get("versions", {})),
    }
    if made.images:
        told["images"] = {image.pixels.name: image.told for image in made.images}
    return {f"penstock.{name}": json.dumps(value, ensure_ascii=False) for name, value in told.items()}


def _text(made: Recorded) -> str:
    """Return the text that viewers show."""
    lines = [f"penstock model {made.graph.name}: raw columns in, predictions out; each tensor has one value a row."]
    lines += [f"in  {port.name}: {port.meaning}" for port in made.inputs]
    lines += [f"out {port.name}: {port.meaning}" for port in made.outputs]
    return "\n".join(lines)
