"""A model graph as files: plain JSON, readable SQL, and the estimator's own format. Nothing in them is ever run."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from blake3 import blake3

from penstock.core.expression import Expr
from penstock.core.graph import ModelGraph, Node, Signature
from penstock.core.mapping import FrozenMap
from penstock.core.schema import Field, Schema, element_type
from penstock.errors import ConflictError, CorruptArtifactError, StorageError
from penstock.operations import text
from penstock.operations.notation import expression_from_json, expression_to_json, value_from_json, value_to_json

MANIFEST = "model.json"
SQL_FILE = "transform.sql"
_FORMAT = 1


def to_files(graph: ModelGraph) -> dict[str, bytes]:
    """Return the graph as files by name. The same graph always gives the same bytes."""
    files = {**graph.blobs, SQL_FILE: _readable_sql(graph).encode()}
    content = {
        "format": _FORMAT,
        "name": graph.name,
        "label": graph.label,
        "inputs": [[field.name, field.type, field.nullable] for field in graph.signature.inputs],
        "outputs": [[field.name, field.type] for field in graph.signature.outputs],
        "nodes": [_node_to_json(graph, node) for node in graph.nodes],
        "facts": dict(graph.facts),
        "files": {name: blake3(files[name]).hexdigest() for name in sorted(files)},
    }
    return {MANIFEST: _encoded({**content, "digest": _digest(content)}), **files}


def read_files(files: Mapping[str, bytes]) -> ModelGraph:
    """Return the graph that the files hold; nothing in them is run.

    Raises `CorruptArtifactError` naming the file that is missing, changed, or not one of the graph's.
    """
    content = _manifest(files)
    _check_files(files, content["files"])
    label_type = _class_type(content["outputs"][0][1])
    return ModelGraph(
        name=content["name"],
        label=content["label"],
        signature=Signature(
            Schema(tuple(Field(*field) for field in content["inputs"])),
            Schema(tuple(Field(*field) for field in content["outputs"])),
        ),
        nodes=tuple(_node_from_json(node, label_type) for node in content["nodes"]),
        blobs=FrozenMap({name: files[name] for name in content["files"] if name != SQL_FILE}),
        facts=FrozenMap(content["facts"]),
    )


def save(graph: ModelGraph, directory: Path) -> Path:
    """Write the graph as a directory, whole or not at all; an older graph in its place is replaced.

    Raises `ConflictError` where the directory holds something else, `StorageError` where it cannot be written.
    """
    if directory.exists() and not (directory / MANIFEST).is_file():
        raise ConflictError(f"{directory} is there already and is no model; give another directory")
    files = to_files(graph)
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}-", dir=directory.parent) as scratch:
            made = Path(scratch) / "new"
            made.mkdir()
            for name, content in files.items():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                (made / name).write_bytes(content)
            _put_in_place(made, directory, aside=Path(scratch) / "old")
    except OSError as error:
        raise StorageError(f"cannot write the model to {directory}: {error.strerror or error}") from error
    return directory


def read_directory(directory: Path) -> dict[str, bytes]:
    """Return the files of a directory; raises `CorruptArtifactError` where it holds no model."""
    if not (directory / MANIFEST).is_file():
        there = "has no " + MANIFEST if directory.is_dir() else "is not there"
        raise CorruptArtifactError(f"{directory} is no model: it {there}")
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def _put_in_place(made: Path, directory: Path, *, aside: Path) -> None:
    if not directory.exists():
        made.rename(directory)
        return
    directory.rename(aside)
    try:
        made.rename(directory)
    except OSError:
        aside.rename(directory)
        raise


def _encoded(content: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n"


def _digest(content: dict[str, Any]) -> str:
    return blake3(msgspec.json.encode(content)).hexdigest()


def _manifest(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the manifest's content, if every byte of it is as it was written."""
    if MANIFEST not in files:
        raise CorruptArtifactError(f"the model has no {MANIFEST}; its files are {', '.join(sorted(files)) or 'none'}")
    try:
        content: dict[str, Any] = msgspec.json.decode(files[MANIFEST], type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptArtifactError(f"{MANIFEST} of the model is not what was written: {error}") from error
    digest = content.pop("digest", None)
    if digest != _digest(content) or _encoded({**content, "digest": digest}) != files[MANIFEST]:
        raise CorruptArtifactError(f"{MANIFEST} of the model is not what was written: a byte of it has changed")
    if content["format"] != _FORMAT:
        raise CorruptArtifactError(
            f"{MANIFEST} has format {content['format']}; this penstock reads {_FORMAT}: use the one that wrote it"
        )
    return content


def _check_files(files: Mapping[str, bytes], digests: Mapping[str, str]) -> None:
    for name, digest in digests.items():
        if name not in files:
            raise CorruptArtifactError(f"file {name} of the model is missing", digest=digest)
        if blake3(files[name]).hexdigest() != digest:
            raise CorruptArtifactError(f"file {name} of the model is not what was written", digest=digest)
    extra = sorted(files.keys() - digests.keys() - {MANIFEST})
    if extra:
        raise CorruptArtifactError(f"the model has files that are not its own: {', '.join(extra)}; remove them")


def _class_type(predicted: str) -> str:
    """Return the type of a class, given that of what is predicted: of classes that hold at once, an array."""
    return element_type(predicted) if predicted.startswith("array<") else predicted


def _node_to_json(graph: ModelGraph, node: Node) -> dict[str, Any]:
    label_type = _class_type(graph.signature.outputs.fields[0].type)
    params = {name: _param_to_json(value, label_type) for name, value in node.params.items()}
    return {"name": node.name, "op": node.op, "inputs": list(node.inputs), "params": params}


def _param_to_json(value: Any, label_type: str) -> Any:
    match value:
        case Expr():
            return {"expr": expression_to_json(value)}
        case tuple():
            return [value_to_json(item, label_type) for item in value]
    return value


def _node_from_json(node: dict[str, Any], label_type: str) -> Node:
    params = {
        name: _param_from_json(value, label_type if name == "classes" else "string")
        for name, value in node["params"].items()
    }
    return Node(name=node["name"], op=node["op"], inputs=tuple(node["inputs"]), params=FrozenMap(params))


def _param_from_json(value: Any, item_type: str) -> Any:
    match value:
        case {"expr": tree}:
            return expression_from_json(tree)
        case list():
            return tuple(value_from_json(item, item_type) for item in value)
    return value


def _readable_sql(graph: ModelGraph) -> str:
    """Return the features in BigQuery's dialect, for people; the graph itself is read from the manifest."""
    columns = [f"  {text(node.params['expr'])} AS `{node.name}`" for node in graph.of("expression")]
    body = ",\n".join(columns) if columns else "  *"
    before = "" if graph.label is None else f" before it predicts {graph.label}"
    return f"-- What model {graph.name} computes from a raw row{before}.\nSELECT\n{body}\n"
