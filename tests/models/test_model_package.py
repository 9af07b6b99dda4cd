"""Graphs as files: they come back as they were, or not at all."""

from __future__ import annotations

import datetime
import json
import math
import os
import pickle
import subprocess
import sys

import msgspec
import pytest

import penstock.models as models
from penstock.core.expression import literal
from penstock.errors import ConflictError, CorruptArtifactError, StorageError
from penstock.models import ModelCodec, from_files, load_model, save, to_files
from penstock.operations import Expression, col
from penstock.operations.notation import expression_from_json, expression_to_json
from penstock.stores import LocalArtifactStore


def test_a_graph_comes_back_equal_and_predicts_the_same(graph, flights, tmp_path):
    graph.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded == graph
    assert loaded.predict(flights).equals(graph.predict(flights))
    assert to_files(loaded) == to_files(graph)


def test_a_graph_travels_as_its_files_and_is_checked_where_it_is_opened(graph, flights):
    sent = pickle.dumps(graph.predict)
    assert pickle.loads(sent)(flights).equals(graph.predict(flights))
    assert pickle.loads(pickle.dumps(graph)) == graph
    place = sent.index(b'"label"')
    with pytest.raises(CorruptArtifactError, match="a byte of it has changed"):
        pickle.loads(sent[:place] + b'"lobel"' + sent[place + 7 :])


@pytest.mark.parametrize(
    ("value", "type"),
    [
        (0.1, "float64"), (-0.0, "float64"), (5e-324, "float64"), (math.inf, "float64"), (2**63 - 1, "int64"),
        (True, "bool"), ("é\"\\\n", "string"), (b"\x00\xff", "bytes"), (None, "string"),
        (datetime.date(2024, 2, 29), "date"), (datetime.time(1, 2, 3, 4), "time"),
        (datetime.datetime(2024, 1, 1, 5), "datetime"),
        (datetime.datetime(2024, 1, 1, 5, tzinfo=datetime.UTC), "timestamp"),
        ((1.5, None, -math.inf), "array<float64>"), ((datetime.date(1, 1, 1),), "array<date>"), ((), "array<string>"),
    ],
)  # fmt: skip
def test_a_literal_comes_back_exactly(value, type):
    expr = col("x").coalesce(literal(value, as_type=type, cls=Expression))
    again = expression_from_json(msgspec.json.decode(msgspec.json.encode(expression_to_json(expr))))
    assert again == expr


def test_the_directory_is_readable_by_people(graphs, tmp_path):
    graphs["linear_reg"].save(tmp_path / "model")
    assert sorted(path.name for path in (tmp_path / "model").iterdir()) == [
        "model.json",
        "transform.sql",
        "weights.json",
    ]
    assert "`carrier__index`" in (tmp_path / "model" / "transform.sql").read_text()
    assert json.loads((tmp_path / "model" / "model.json").read_text())["label"] == "delay"


def test_every_changed_byte_of_every_file_is_found(graph):
    files = to_files(graph)
    for name, content in files.items():
        for position in range(0, len(content), max(1, len(content) // 25)):
            changed = content[:position] + bytes([content[position] ^ 1]) + content[position + 1 :]
            with pytest.raises(CorruptArtifactError, match=name.replace(".", r"\.")):
                from_files({**files, name: changed})


def test_a_cut_file_is_found(graph):
    files = to_files(graph)
    for name, content in files.items():
        with pytest.raises(CorruptArtifactError, match=name):
            from_files({**files, name: content[:-1]})


def test_a_missing_file_is_named(graph):
    files = to_files(graph)
    for name in files:
        with pytest.raises(CorruptArtifactError, match=name):
            from_files({other: content for other, content in files.items() if other != name})


def test_a_file_that_is_not_the_model_s_is_named(graph, tmp_path):
    graph.save(tmp_path / "model")
    (tmp_path / "model" / "extra.pkl").write_bytes(b"x")
    with pytest.raises(CorruptArtifactError, match=r"not its own: extra\.pkl"):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.mkdir()])
def test_what_is_no_model_says_so(tmp_path, make):
    make(tmp_path / "model")
    with pytest.raises(CorruptArtifactError, match="is no model"):
        load_model(tmp_path / "model")


def test_saving_again_replaces_a_model(graphs, tmp_path):
    graphs["linear_reg"].save(tmp_path / "model")
    graphs["logistic_reg"].save(tmp_path / "model")
    assert load_model(tmp_path / "model") == graphs["logistic_reg"]
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_saving_never_overwrites_what_is_no_model(graph, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConflictError, match="is there already and is no model"):
        graph.save(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_save_that_fails_leaves_the_old_model_and_nothing_else(graphs, tmp_path, monkeypatch):
    save(graphs["linear_reg"], tmp_path / "model")

    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(StorageError, match="No space left on device"):
        save(graphs["logistic_reg"], tmp_path / "model")
    monkeypatch.undo()
    assert load_model(tmp_path / "model") == graphs["linear_reg"]
    assert os.listdir(tmp_path) == ["model"]


def test_the_store_gives_back_the_graph(graph, tmp_path):
    store, codec = LocalArtifactStore(tmp_path), ModelCodec()
    assert codec.accepts(graph)
    assert not codec.accepts({"model": 1})
    artifact = codec.save(graph, store)
    assert (artifact.kind, artifact.facts["label"]) == ("model", graph.label)
    assert codec.load(artifact, store) == graph
    assert codec.save(graph, store).digest == artifact.digest


def test_a_model_is_loaded_and_predicts_without_the_learners_libraries(graph, flights, tmp_path):
    graph.save(tmp_path / "model")
    script = """
import sys
for name in ("sklearn", "scipy"): sys.modules[name] = None
from penstock.models import load_model
graph = load_model(sys.argv[1])
print(graph.predict([{"carrier": "UA", "distance": 5, "air_time": 1.5, "scheduled": None, "weekend": None}]).num_rows)
print("lightgbm" in sys.modules)
"""
    schema = [{"carrier": "UA", "distance": 5, "air_time": 1.5, "scheduled": None, "weekend": None}]
    assert graph.predict(schema).num_rows == 1
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "model"], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("1\nFalse\n", "")


def test_expressions_come_back_from_the_files_as_expressions(flights, declare):
    graph = models.fit(declare("linear_reg", features={"far": (col("distance") > 1000) & col("weekend")}), flights)
    assert from_files(to_files(graph)).node("far").params["expr"] == graph.node("far").params["expr"]
