"""Where an input goes in an ONNX file that Keras exported: which lookups read it, and as what."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

BINS = "Bins"
"""What stands in the graph for the bin of a hash, until its operators do."""
KNOWN = "Known"
"""What stands there for the demand that a lookup knows a value."""
UNKNOWN = -1  # as long as it has no bucket, or is no error
_CARRY = ("Identity", "Cast", "Reshape", "Flatten", "Concat", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Slice")
"""Operators that hand values on as they are, texts too; a cast of texts is none, and is taken out."""
_INT64, _STRING = 7, 8  # ONNX's types of elements


def give_texts(graph: Any, names: Collection[str]) -> frozenset[str]:
    """Make inputs, exported as numbers, the texts that they are, which go into lookups alone.

    Returns those that go into hashes alone instead: they stay numbers, the fingerprints of the texts.
    """
    hashed = set()
    for port in graph.input:
        if port.name not in names:
            continue
        carriers, readers = _followed(graph, port.name)
        casts = [node for node in carriers if node.op_type == "Cast"]
        strangers = [node for node in readers if node.op_type not in ("LabelEncoder", BINS)]
        strangers += [node for node in casts if node.attribute[0].i != _INT64]
        if strangers:
            raise SystemExit(f"the texts of '{port.name}' go into {strangers[0].op_type}; only lookups can read texts")
        kinds = {node.op_type for node in readers}
        if kinds == {BINS}:
            hashed.add(port.name)
            continue
        if BINS in kinds:
            raise SystemExit(f"the texts of '{port.name}' are looked up and hashed; give the model two inputs of them")
        port.type.tensor_type.elem_type = _STRING
        for node in casts:
            node.op_type = "Identity"
            del node.attribute[:]
    return frozenset(hashed)


def keys_of(graph: Any, name: str) -> tuple[list[Any], set[Any] | None]:
    """Return what the lookups know of an input, none where something else reads it as well, and what they all take if
    some take nothing else."""
    _, readers = _followed(graph, name)
    demanded = {node.input[0] for node in graph.node if node.op_type == KNOWN}
    found: dict[Any, None] = {}
    taken: set[Any] | None = None
    for node in readers:
        keys = _keys(node)
        found |= dict.fromkeys(keys)
        if node.output[0] in demanded:
            taken = set(keys) if taken is None else taken & set(keys)
    alone = all(node.op_type in ("LabelEncoder", "Mod") for node in readers)  # Mod: buckets of unknown numbers
    return list(found) if alone else [], taken


def _keys(lookup: Any) -> list[Any]:
    for attribute in lookup.attribute:
        if attribute.name == "keys_strings":
            return [key.decode() for key in attribute.strings]
        if attribute.name == "keys_int64s":
            return list(attribute.ints)
    return []


def _followed(graph: Any, name: str) -> tuple[list[Any], list[Any]]:
    """Return the operators that hand an input on, and those that read it."""
    moved, carriers, readers = {name}, [], []
    for node in graph.node:
        if node.op_type == "Shape" or not moved & set(node.input):
            continue
        if node.op_type in _CARRY and (node.op_type == "Concat" or node.input[0] in moved):
            moved |= set(node.output)
            carriers.append(node)
        else:
            readers.append(node)
    return carriers, readers
