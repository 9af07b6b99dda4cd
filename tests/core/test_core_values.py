"""Schemas, pipelines, graphs and maps as values, and errors as they travel."""

from __future__ import annotations

import pickle

import pytest

from penstock.core.graph import ModelGraph, Node, Signature
from penstock.core.mapping import FrozenMap
from penstock.core.pipeline import Condition, Pipeline, Ref, Step, references
from penstock.core.schema import Schema, check_type, struct_fields
from penstock.errors import DeclarationError, MissingExtraError, UnknownNameError


def step(name, when=None, **inputs):
    return Step(name=name, call=print, inputs=FrozenMap(inputs), outputs=FrozenMap({"result": "any"}), when=when)


def test_a_schema_names_its_columns_once():
    schema = Schema.of(km="float64", at="timestamp")
    assert (schema.names, schema["km"].type, "at" in schema, len(schema)) == (("km", "at"), "float64", True, 2)
    with pytest.raises(UnknownNameError, match="Did you mean 'km'"):
        schema["kms"]
    with pytest.raises(DeclarationError, match="twice"):
        Schema((*schema.fields, schema["km"]))


def test_types_nest():
    type = "array<struct<name string, spans array<struct<low int64, high int64>>>>"
    assert check_type(type) == type
    assert struct_fields(type[6:-1]) == (("name", "string"), ("spans", "array<struct<low int64, high int64>>"))
    with pytest.raises(UnknownNameError, match="no type named 'int'"):
        check_type("array<int>")


def test_a_step_needs_what_its_inputs_and_its_condition_refer_to():
    report = Ref("evaluate")
    push = step("push", when=report["error"] < Ref("limit"), graph=Ref("fit"), others=[{"a": report}])
    assert push.upstream() == ("evaluate", "limit", "fit")
    assert list(references({"a": [Ref("x"), 1]})) == [Ref("x")]


def test_a_condition_is_written_as_it_was_declared():
    condition = ~((Ref("report")["mae"] < 30) & Ref("ok"))
    assert isinstance(condition, Condition)
    assert repr(condition) == "~((<report['mae']> < 30) & <ok>)"


@pytest.mark.parametrize("use", [bool, list, lambda ref: ref < 3 and ref])
def test_a_reference_has_no_value_while_the_pipeline_is_declared(use):
    with pytest.raises(DeclarationError):
        use(Ref("fit"))


def test_an_unknown_step_or_node_names_the_near_one():
    pipeline = Pipeline(name="rides", params=FrozenMap(), steps=(step("train"),))
    assert pipeline.step("train").name == "train"
    with pytest.raises(UnknownNameError, match=r"in pipeline 'rides'; there are: train\. Did you mean 'train'"):
        pipeline.step("trian")
    nodes, signature = (Node(name="km", op="input"),), Signature(Schema(()), Schema(()))
    graph = ModelGraph(name="m", label="y", signature=signature, nodes=nodes, blobs=FrozenMap(), facts=FrozenMap())
    assert graph.node("km") is graph.of("input")[0]
    with pytest.raises(UnknownNameError, match="no node named 'kn' in the graph of 'm'"):
        graph.node("kn")


def test_a_frozen_map_is_a_value():
    one = FrozenMap({"a": 1, "b": 2})
    assert one == FrozenMap([("a", 1), ("b", 2)])
    assert hash(one) == hash(FrozenMap({"a": 1, "b": 2}))
    assert one != FrozenMap({"b": 2, "a": 1})
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(AttributeError, match="cannot change"):
        one.c = 3


@pytest.mark.parametrize(
    "error",
    [
        UnknownNameError("step", "fitt", ["fit"], within="run r1"),
        MissingExtraError("lightgbm", extra="learners", purpose="boosted trees"),
    ],
)
def test_an_error_says_the_same_in_another_process(error):
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
