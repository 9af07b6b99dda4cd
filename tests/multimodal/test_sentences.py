"""Pretrained models of sentences: a folder, found by path, by name or in a package; the same numbers everywhere, and
never those of another model."""

from __future__ import annotations

import datetime
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import penstock as ps
from penstock import models, transforms
from penstock.core.schema import Schema
from penstock.errors import CorruptArtifactError, DataError, DeclarationError, MissingExtraError
from penstock.models.declare import declared
from penstock.multimodal import sentences
from penstock.operations import compile_row, parse
from penstock.operations.tensors import Recorder
from penstock.operations.tensors.onnx_file import Port, to_bytes

pytest.importorskip("onnxruntime")
tokenizers = pytest.importorskip("tokenizers")
safetensors = pytest.importorskip("safetensors.numpy")

WORDS = ["[UNK]", "good", "fine", "bad", "awful", "food", "the"]
_X = Schema.of(x="string")


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    sentences._opened.cache_clear()
    sentences._vector.cache_clear()


def tokenizer(folder: Path) -> None:
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({word: place for place, word in enumerate(WORDS)}, "[UNK]"))
    made.normalizer = tokenizers.normalizers.Lowercase()
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(folder / "tokenizer.json"))


def onnx_model(folder: Path, seed: int = 0) -> np.ndarray[Any, Any]:
    """Write a model that looks its words up; return the vectors of its words: good ones lie on one side."""
    folder.mkdir(parents=True)
    tokenizer(folder)
    table = np.random.default_rng(seed).normal(size=(len(WORDS), 8)).astype(np.float32)
    table[1:5, 0] = [3, 2.5, -3, -2.5]
    t = Recorder()
    found = t.node("Gather", t.to("float32", t.tensor("float64", table.ravel().tolist(), table.shape)), "input_ids")
    ports = [Port(name="input_ids", type="int64", dimensions=("rows", "tokens"))]
    output = Port(name="last_hidden_state", type="float32", dimensions=("rows", "tokens", 8))
    content = to_bytes(t, name="words", inputs=ports, outputs={output: found}, metadata={})
    (folder / "model.onnx").write_bytes(content)
    return table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    onnx_model(tmp_path / "small")
    return tmp_path / "small"


def _embedded(text: str | None, model: str | Path, digest: str = "") -> Any:
    return compile_row({"v": ps.col("x").sentence_embedding(str(model), digest or None)}, _X)({"x": text})[0]


def test_a_text_is_the_mean_of_its_tokens(tmp_path: Path) -> None:
    table = onnx_model(tmp_path / "small")
    assert _embedded("Good food", tmp_path / "small") == pytest.approx(table[[1, 5]].mean(axis=0), abs=1e-6)
    assert _embedded("", tmp_path / "small") == [0.0] * 8
    assert _embedded(None, tmp_path / "small") is None


def test_many_rows_have_the_numbers_of_one(folder: Path) -> None:
    texts = ["good food", None, "", "the awful thing", "good food"]
    expr = parse(f"PENSTOCK.SENTENCE_EMBEDDING(x, '{folder}')")
    assert expr == ps.col("x").sentence_embedding(str(folder))
    found = transforms.apply({"v": expr}, pa.table({"x": texts}))["v"].to_pylist()
    assert found == [_embedded(text, folder) for text in texts]


def test_it_is_pooled_and_scaled_as_the_folder_says(tmp_path: Path) -> None:
    table = onnx_model(tmp_path / "small")
    (tmp_path / "small/1_Pooling").mkdir()
    (tmp_path / "small/1_Pooling/config.json").write_text(json.dumps({"pooling_mode_max_tokens": True}))
    kinds = ["Transformer", "Pooling", "Normalize"]
    (tmp_path / "small/modules.json").write_text(json.dumps([{"type": f"x.models.{kind}"} for kind in kinds]))
    (tmp_path / "small/sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 2}))
    most = table[[1, 3]].max(axis=0)
    assert _embedded("good bad food", tmp_path / "small") == pytest.approx(most / np.linalg.norm(most), abs=1e-6)


def test_a_module_that_is_not_known_is_named(folder: Path) -> None:
    (folder / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Dense"}]))
    with pytest.raises(DeclarationError, match="ends with a module Dense"):
        _embedded("good", folder)


def test_an_input_that_no_tokenizer_gives_is_named(tmp_path: Path) -> None:
    tokenizer(tmp_path)
    t = Recorder()
    ports = [Port(name=name, type="int64", dimensions=("rows", "tokens")) for name in ("input_ids", "position_ids")]
    made = t.to("float32", t.node("Unsqueeze", t.node("Add", "input_ids", "position_ids"), t.tensor("int64", [2])))
    output = Port(name="last_hidden_state", type="float32", dimensions=("rows", "tokens", 1))
    content = to_bytes(t, name="words", inputs=ports, outputs={output: made}, metadata={})
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(DeclarationError, match="reads position_ids, which a tokenizer does not give"):
        _embedded("good", tmp_path)


def _as_bert_names(layers: Any, tables: dict[str, Any], normal: Any) -> dict[str, Any]:
    """Return PyTorch's weights by the names that BERT has for them."""
    weights = {f"bert.embeddings.{name}_embeddings.weight": each.weight for name, each in tables.items()}
    weights |= {f"bert.embeddings.LayerNorm.{name}": value for name, value in normal.state_dict().items()}
    for place, each in enumerate(layers.layers):
        within = f"bert.encoder.layer.{place}"
        for part, own in (("query", 0), ("key", 1), ("value", 2)):
            rows = slice(own * normal.normalized_shape[0], (own + 1) * normal.normalized_shape[0])
            weights[f"{within}.attention.self.{part}.weight"] = each.self_attn.in_proj_weight[rows]
            weights[f"{within}.attention.self.{part}.bias"] = each.self_attn.in_proj_bias[rows]
        parts = {
            "attention.output.dense": each.self_attn.out_proj,
            "attention.output.LayerNorm": each.norm1,
            "intermediate.dense": each.linear1,
            "output.dense": each.linear2,
            "output.LayerNorm": each.norm2,
        }
        for name, part_of in parts.items():
            weights |= {f"{within}.{name}.weight": part_of.weight, f"{within}.{name}.bias": part_of.bias}
    return weights


def test_a_bert_of_safetensors_computes_what_pytorch_does(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    folder, size, heads = tmp_path / "bert", 12, 3
    folder.mkdir()
    tokenizer(folder)
    torch.manual_seed(0)
    layer = torch.nn.TransformerEncoderLayer(size, heads, 20, dropout=0, activation="gelu", batch_first=True)
    layers = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False).eval()
    for parameter in layers.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    counts = {"word": 7, "position": 9, "token_type": 2}
    tables = {name: torch.nn.Embedding(count, size) for name, count in counts.items()}
    normal = torch.nn.LayerNorm(size)
    weights = _as_bert_names(layers, tables, normal)
    kept = {name: np.ascontiguousarray(value.detach().numpy()) for name, value in weights.items()}
    (folder / "model.safetensors").write_bytes(safetensors.save(kept))
    config = {"hidden_size": size, "num_hidden_layers": 2, "num_attention_heads": heads, "layer_norm_eps": 1e-5}
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "max_position_embeddings": 9, **config}))
    ids = torch.tensor([[1, 5, 0, 6]])
    with torch.no_grad():
        x = tables["word"](ids) + tables["position"](torch.arange(4)) + tables["token_type"](torch.tensor(0))
        expected = layers(normal(x)).mean(1)[0]
    assert _embedded("good food never the", folder) == pytest.approx(expected.numpy(), abs=1e-5)
    assert len(_embedded("good " * 50, folder)) == size
    (folder / "config.json").write_text(json.dumps({"model_type": "roberta", **config}))
    with pytest.raises(DeclarationError, match=r"of type roberta.*export the model to model\.onnx"):
        _embedded("bad", folder)


def test_a_model_is_found_where_models_are_kept(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _embedded("good", folder)
    shutil.move(folder, tmp_path / "kept/small")
    with pytest.raises(DeclarationError, match=r"there is no sentence model .*small.*PENSTOCK_SENTENCE_MODELS"):
        _embedded("fine", folder)
    monkeypatch.setenv("PENSTOCK_SENTENCE_MODELS", f"{tmp_path}/nowhere:{tmp_path}/kept")
    sentences._vector.cache_clear()
    assert _embedded("good", folder) == _embedded("good", "small") == before


def test_a_model_is_found_in_a_package_that_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = onnx_model(tmp_path / "tiny_sentences/model")
    (tmp_path / "tiny_sentences/__init__.py").write_text("raise RuntimeError('a package of a model is not imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert _embedded("good", "tiny-sentences") == pytest.approx(table[1], abs=1e-6)


def test_a_missing_tokenizer_is_told_with_its_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"penstock\[sentences\]"):
        _embedded("good", folder)


def _reviews(count: int) -> pa.Table:
    chance = np.random.default_rng(0)
    kinds = chance.integers(0, 2, count)
    texts = [f"the food {WORDS[1 + 2 * int(kind) + int(chance.integers(0, 2))]}" for kind in kinds]
    return pa.table({"review": texts, "price": chance.uniform(size=count), "liked": [kind == 0 for kind in kinds]})


@pytest.mark.parametrize("type", ["logistic_reg", "boosted_tree_classifier", "dnn_classifier"])
def test_every_kind_of_model_learns_from_frozen_vectors_and_keeps_to_the_model(type: str, folder: Path) -> None:
    rows = _reviews(200)
    features = {"meant": ps.col("review").sentence_embedding(str(folder)), "price": ps.col("price")}
    if type == "dnn_classifier":
        features["own"] = ps.col("review").embedding(4)
    model = ps.model("m", type=type, label="liked", features=features, options={"max_iterations": 10})
    graph = models.fit(model, rows)
    assert graph.evaluate(rows)["accuracy"] > 0.95
    assert declared(graph) == model
    odd = [*rows.slice(0, 4).to_pylist(), {"review": None, "price": 0.5}, {"review": "", "price": 0.5}]
    batch = graph.predict(pa.Table.from_pylist(odd, schema=rows.schema))["predicted_liked"].to_pylist()
    assert [models.row_predictor(graph).predict(row)["predicted_liked"] for row in odd] == batch

    shutil.rmtree(folder)
    onnx_model(folder, seed=1)
    sentences._vector.cache_clear()
    with pytest.raises(DataError, match=r"meant.* is another .* than the one that .*PENSTOCK_SENTENCE_MODELS"):
        models.row_predictor(graph).predict(odd[0])
    with pytest.raises(DataError, match=r"is another .* than the one that was fitted with"):
        graph.predict(rows)
    [kept] = [node.params["expr"] for node in graph.of("expression") if node.name == "meant"]
    with pytest.raises(CorruptArtifactError, match="is another"):
        transforms.freeze({"meant": kept}, rows)


def test_a_fit_tells_of_a_model_that_is_not_there() -> None:
    features = {"x": ps.col("review").sentence_embedding("nowhere")}
    model = ps.model("m", type="logistic_reg", label="liked", features=features)
    with pytest.raises(DeclarationError, match="there is no sentence model 'nowhere'"):
        models.fit(model, _reviews(20))


def test_a_text_that_was_seen_is_not_computed_again(folder: Path) -> None:
    _embedded("good", folder)
    for path in folder.glob("*.onnx"):
        path.unlink()
    assert _embedded("good", folder)
    with pytest.raises(DeclarationError, match="has no weights"):
        _embedded("bad", folder)


def test_vectors_are_kept_as_features(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("deltalake")
    pytest.importorskip("lmdb")
    monkeypatch.chdir(tmp_path)
    project, at = ps.open("."), datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    vectors = ps.feature_set(
        "review_vectors",
        entities={"review_id": "int64"},
        timestamp="at",
        columns={"review": "string"},
        features={"meant": ps.col("review").sentence_embedding(str(folder))},
    )
    project.features.apply(vectors)
    rows = pa.table({"review_id": [1, 2], "at": [at, at], "review": ["good food", "awful"]})
    project.features.ingest(vectors, rows)
    known = [_embedded(text, folder) for text in rows["review"].to_pylist()]
    shutil.rmtree(folder)  # from now on they are looked up
    online = project.features.get_online_features(features=["review_vectors:meant"], entities={"review_id": [1, 2]})
    assert online["meant"].to_pylist() == known
    model = ps.model("m", type="linear_reg", label="y", features={"meant": ps.feature("review_vectors:meant")})
    later = at + datetime.timedelta(days=1)
    rated = pa.table({"review_id": [1, 2] * 10, "event_timestamp": [later] * 20, "y": [1.0, 0.0] * 10})
    project.fit(model, rated)
    good, awful = project.predict("m", [{"review_id": 1}, {"review_id": 2}])["predicted_y"].to_pylist()
    assert good > 0.9
    assert awful < 0.1
