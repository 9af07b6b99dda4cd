"""Keras files with lookups of texts and whole numbers: vocabularies come over, and no TensorFlow is needed.

What TensorFlow gives was found by hand: the programs here, run with `KERAS_BACKEND=tensorflow` where Keras 3.15 and
tensorflow-cpu 2.21 are installed, use Keras' own layers, and print what stands here as expected. Without TensorFlow
Keras cannot make these layers, and the programs write the files that it would, by layers that only say what they are.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from starlette.testclient import TestClient

import penstock as ps
from penstock import models
from penstock.errors import DataError
from penstock.serving.application import application

MISSING = [name for name in ("keras", "torch", "onnxscript", "onnxruntime") if find_spec(name) is None]
needs_keras = pytest.mark.skipif(bool(MISSING), reason=f"{MISSING} not here: pip install 'penstock[keras]'")

PREAMBLE = """
import json, os, sys, zipfile
from pathlib import Path
import numpy as np, keras
from keras import layers
REAL = keras.backend.backend() == "tensorflow"

class Named(layers.Layer):
    def __init__(self, vocabulary, beside=False, name=None, **options):
        super().__init__(name=name)
        self.told = {"max_tokens": None, "num_oov_indices": 1, "mask_token": None, "output_mode": "int",
            "invert": False, "oov_token": "[UNK]" if isinstance(vocabulary[0], str) else -1, "sparse": False,
            "pad_to_max_tokens": False, "idf_weights": None, "oov_method": "floormod", "salt": None} | options
        if not isinstance(vocabulary[0], str):
            self.told["vocabulary_dtype"] = "int64"
        masked = [self.told["mask_token"]] * (self.told["mask_token"] is not None and self.told["output_mode"] == "int")
        self.lines = [*masked, *[self.told["oov_token"]] * self.told["num_oov_indices"], *vocabulary]
        self.told |= {"vocabulary": None if beside else vocabulary, "vocabulary_size": len(self.lines)}
    def get_config(self):
        return super().get_config() | self.told
    def save_assets(self, path):
        if self.told["vocabulary"] is None:
            Path(path, "vocabulary.txt").write_text("\\n".join(map(str, self.lines)), encoding="utf-8")
    def save_own_variables(self, store):
        if self.told["idf_weights"]:
            store["idf_weights"] = np.array([np.mean(self.told["idf_weights"]), *self.told["idf_weights"]], "float32")
    def compute_output_spec(self, x):
        if self.told["output_mode"] == "int":
            return keras.KerasTensor(x.shape, "int64")
        size = self.told["max_tokens"] if self.told["pad_to_max_tokens"] else len(self.lines)
        return keras.KerasTensor((*x.shape[:-1], size) if x.shape[-1] == 1 or self.told["output_mode"] != "one_hot"
            else (*x.shape, size), "float32")

class Hashed(layers.Layer):
    def __init__(self, num_bins, output_mode="int", name=None):
        super().__init__(name=name, dtype="int64" if output_mode == "int" else None)
        self.told = {"num_bins": num_bins, "output_mode": output_mode, "sparse": False}
    def get_config(self):
        return super().get_config() | self.told
    def compute_output_spec(self, x):
        plain = self.told["output_mode"] == "int"
        return keras.KerasTensor(keras.tree.flatten(x)[0].shape if plain else (None, self.told["num_bins"]), self.dtype)

def hashed(kind, num_bins, **options):
    return (getattr(layers, kind) if REAL else type(kind, (Hashed,), {}))(num_bins=num_bins, **options)

def lookup(kind, vocabulary, beside=False, **options):
    if not REAL:
        return type(kind, (Named,), {})(vocabulary, beside, **options)
    made = getattr(layers, kind)(**options) if beside else getattr(layers, kind)(vocabulary=vocabulary, **options)
    if beside:  # learned, the most frequent first
        made.adapt(np.repeat(vocabulary, range(len(vocabulary), 0, -1)))
    return made

def as_keras(value):
    if isinstance(value, list):
        return [as_keras(item) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {key: as_keras(item) for key, item in value.items()}
    own = value.get("class_name") in ("StringLookup", "IntegerLookup", "Hashing", "HashedCrossing")
    return kept | ({"module": "keras.layers", "registered_name": None} if own else {})

def saved(inputs, outputs):
    model = keras.Model(inputs, outputs)
    for weight in model.weights:
        weight.assign(np.sin(1.0 + np.arange(np.prod(weight.shape))).reshape(weight.shape))
    model.save("made.keras")
    with zipfile.ZipFile("made.keras") as made, zipfile.ZipFile("model.keras", "w") as written:
        for entry in made.infolist():
            content = made.read(entry)
            if entry.filename == "config.json":
                content = json.dumps(as_keras(json.loads(content))).encode()
            written.writestr(entry, content)
    if REAL:
        import tensorflow as tf
        rows = json.loads(sys.argv[1])
        width = lambda t, r: r if isinstance(r, list) else [r]
        found = model({n: tf.constant([width(t, r[n]) for r in rows], t.dtype) for n, t in inputs.items()})
        print(json.dumps(np.asarray(found).tolist() if not isinstance(found, dict) else
            {n: np.asarray(v).reshape(len(rows), -1).tolist() for n, v in found.items()}))
"""
TAXI = """
names = ["pickup_longitude", "pickup_latitude", "dropoff_longitude", "dropoff_latitude"]
inputs = {n: keras.Input((1,), name=n) for n in names}
inputs |= {"payment_type": keras.Input((1,), name="payment_type", dtype="string"),
           "passenger_count": keras.Input((1,), name="passenger_count", dtype="int64")}
scaled = [layers.Lambda(lambda x: (x + 78) / 8.0, name="scale_" + n)(inputs[n]) for n in (names[0], names[2])]
scaled += [layers.Lambda(lambda x: (x - 37) / 8.0, name="scale_" + n)(inputs[n]) for n in (names[1], names[3])]
far = layers.Lambda(lambda p: ((p[1] - p[0]) ** 2 + (p[3] - p[2]) ** 2) ** 0.5, name="euclidean")(
    [inputs[names[0]], inputs[names[2]], inputs[names[1]], inputs[names[3]]])
kinds = ["Cash", "Credit Card", "Prcard"]
paid = lookup("StringLookup", kinds, True, mask_token="", output_mode="one_hot", name="paid")
text = keras.Input((1,), name="text", dtype="string")
paying = keras.Model(text, paid(layers.Reshape((1,))(text)), name="paying")  # a model within the model
people = lookup("IntegerLookup", [1, 2, 3, 5], name="people")(inputs["passenger_count"])
people = layers.Flatten()(layers.Embedding(5, 2)(people))
latitude = layers.Normalization(mean=40.7, variance=0.01)(inputs["pickup_latitude"])
all = layers.Concatenate()([*scaled, far, latitude, paying(inputs["payment_type"]), people])
saved(inputs, layers.Dense(1, name="fare")(layers.Dense(8, activation="relu")(all)))
"""
WHERE = {"pickup_longitude": -73.98, "pickup_latitude": 40.75, "dropoff_longitude": -73.78, "dropoff_latitude": 40.64}
TRIPS = [
    {**WHERE, "payment_type": payment, "passenger_count": people}
    for payment, people in (("Cash", 1), ("Credit Card", 5), ("", 2), ("Dogecoin", 4), ("Prcard", -1))
]
TAXI_BY_TENSORFLOW = [4.06535530090332, 3.5030171871185303, 3.6473729610443115, 4.116127967834473, 3.4150726795196533]


def keras_file(folder: Path, program: str) -> str:
    """Write the Keras file of a program into a folder; return its path."""
    environment = {**os.environ, "KERAS_BACKEND": "torch", "KERAS_HOME": str(folder)}
    command = [sys.executable, "-c", PREAMBLE + program]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return str(folder / "model.keras")


@needs_keras
def test_a_taxi_model_with_lookups_is_imported_judged_served_and_verified(tmp_path: Path) -> None:
    Path(keras_file(tmp_path, TAXI)).rename(tmp_path / "taxi.keras")
    (tmp_path / "penstock.toml").write_text("[tables]\ntrips = 'trips.parquet'\n")
    project = ps.open(tmp_path)
    project.sql(
        "CREATE MODEL taxi OPTIONS(model_type = 'keras', model_path = 'taxi.keras', input_label_cols = ['fare'],"
        " run_lambdas = TRUE)"
    )
    graph = project.models["taxi"].load()
    types = {field.name: field.type for field in graph.signature.inputs}
    assert types == {**dict.fromkeys(WHERE, "float64"), "payment_type": "string", "passenger_count": "int64"}
    many = graph.predict(TRIPS).column("predicted_fare").to_pylist()
    assert many == pytest.approx(TAXI_BY_TENSORFLOW, rel=1e-5)
    assert [graph.predict_row(trip)["predicted_fare"] for trip in TRIPS] == many
    rows = pa.Table.from_pylist([{**trip, "fare": fare + 2.0} for trip, fare in zip(TRIPS, many, strict=True)])
    pa.parquet.write_table(rows, tmp_path / "trips.parquet")
    [judged] = project.sql("SELECT * FROM ML.EVALUATE(MODEL taxi, TABLE trips)").to_pylist()
    assert judged["mean_absolute_error"] == pytest.approx(2.0)
    with TestClient(application(project, models.row_predictor)) as client:
        answer = client.post("/v1/models/taxi:predict", json={"instances": TRIPS}).json()
    assert [row["predicted_fare"] for row in answer["predictions"]] == many
    command = [sys.executable, "-m", "penstock", "verify", "taxi", "--rows", "trips.parquet"]
    verified = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified.stderr


TEXTS = "'StringLookup', ['cash', 'card', 'Zürich']"
NUMBERS = "'IntegerLookup', [1, 2, 4]"
MODES: dict[str, tuple[str, str]] = {
    f"{column}_{mode}_{marked}": (column, f"{known}, output_mode='{mode}'{option}")
    for column, known, options in (
        ("texts", TEXTS, {"plain": "", "masked": ", mask_token=''"}),
        ("numbers", NUMBERS, {"plain": "", "masked": ", mask_token=0", "buckets": ", num_oov_indices=3"}),
    )
    for mode in ("int", "one_hot", "multi_hot", "count")
    for marked, option in options.items()
} | {
    "text_one_hot": ("text", f"{TEXTS}, output_mode='one_hot'"),
    "text_beside": ("text", f"{TEXTS}, True, mask_token=''"),
    "text_padded": ("text", f"{TEXTS}, output_mode='multi_hot', max_tokens=6, pad_to_max_tokens=True"),
    "text_given_whole": ("text", "'StringLookup', ['[UNK]', 'cash', 'card']"),
    "number_buckets": ("number", f"{NUMBERS}, mask_token=0, num_oov_indices=3"),
    "number_beside": ("number", f"{NUMBERS}, True, output_mode='one_hot'"),
    "number_inverted": ("number", f"{NUMBERS}, invert=True, mask_token=0, oov_token=9"),
    "texts_tf_idf": ("texts", f"{TEXTS}, output_mode='tf_idf', idf_weights=[2.0, 3.0, 4.0]"),
    "float_as_number": ("float", f"{NUMBERS}, output_mode='one_hot'"),
}
ROWS: list[dict[str, Any]] = [
    {"texts": ["cash", "card", "cash"], "numbers": [1, 1, 7], "text": "Zürich", "number": -5, "float": 2.9},
    {"texts": ["zz", "", "card"], "numbers": [0, 2, -5], "text": "", "number": 4, "float": 0.0},
    {"texts": ["[UNK]", "Zürich", ""], "numbers": [4, -1, 9], "text": "[UNK]", "number": 0, "float": -1.0},
    {"texts": ["", "", ""], "numbers": [0, 0, 0], "text": "cash", "number": 3, "float": 4.0},
]
MODES_BY_TENSORFLOW = {
    "texts_int_plain": "121 002 030 000",
    "texts_int_masked": "232 103 140 000",
    "texts_one_hot_plain": "010000100100 100010000010 100000011000 100010001000",
    "texts_one_hot_masked": "010000100100 100000000010 100000010000 000000000000",
    "texts_multi_hot_plain": "0110 1010 1001 1000",
    "texts_multi_hot_masked": "0110 1010 1001 0000",
    "texts_count_plain": "0210 2010 2001 3000",
    "texts_count_masked": "0210 1010 1001 0000",
    "numbers_int_plain": "110 020 300 000",
    "numbers_int_masked": "221 031 411 000",
    "numbers_int_buckets": "331 041 520 000",
    "numbers_one_hot_plain": "010001001000 100000101000 000110001000 100010001000",
    "numbers_one_hot_masked": "010001001000 000000101000 000110001000 000000000000",
    "numbers_one_hot_buckets": "000100000100010000 100000000010010000 000001001000100000 100000100000100000",
    "numbers_multi_hot_plain": "1100 1010 1001 1000",
    "numbers_multi_hot_masked": "1100 1010 1001 0000",
    "numbers_multi_hot_buckets": "010100 110010 101001 100000",
    "numbers_count_plain": "1200 2010 2001 3000",
    "numbers_count_masked": "1200 1010 2001 0000",
    "numbers_count_buckets": "010200 110010 101001 300000",
    "text_one_hot": "0001 1000 1000 0100",
    "text_beside": "4 0 1 2",
    "text_padded": "000100 100000 100000 010000",
    "text_given_whole": "0 0 0 1",
    "number_buckets": "2 6 0 1",
    "number_beside": "1000 0001 1000 1000",
    "number_inverted": "9 4 0 2",
    "texts_tf_idf": "0430 6030 6004 9000",
    "float_as_number": "0010 1000 1000 0001",
}
"""The numbers of each row, one after the other."""


def every_mode() -> str:
    """Return the program of a model that has a lookup of each kind."""
    shapes = {"texts": (3, "string"), "numbers": (3, "int64"), "text": (1, "string"), "number": (1, "int64")}
    shapes |= {"float": (1, "float32")}
    program = "inputs, outputs = {}, {}\n"
    for name, (width, dtype) in shapes.items():
        program += f"inputs['{name}'] = keras.Input(({width},), name='{name}', dtype='{dtype}')\n"
    for name, (column, layer) in MODES.items():
        program += f"outputs['{name}'] = layers.Flatten(name='{name}')(lookup({layer})(inputs['{column}']))\n"
    return program + "saved(inputs, outputs)\n"


HASHES = """
inputs = {n: keras.Input((w,), name=n, dtype=d) for n, w, d in
          (("word", 1, "string"), ("words", 3, "string"), ("code", 1, "int64"), ("where", 1, "float32"),
           ("side", 1, "string"))}
made = {"hashed": hashed("Hashing", 1009)(layers.Reshape((1,))(inputs["word"])),
    "each": hashed("Hashing", 97)(inputs["words"]),
    "flags": hashed("Hashing", 5, output_mode="one_hot")(inputs["word"]),
    "counts": hashed("Hashing", 5, output_mode="count")(inputs["words"]),
    "numbers": hashed("HashedCrossing", 1000003)((inputs["code"], layers.Discretization([0.0, 40.7])(inputs["where"]))),
    "crossed": hashed("HashedCrossing", 1009)((inputs["word"], inputs["code"])),
    "strict": lookup("StringLookup", ["east", "west"], num_oov_indices=0, name="sides")(inputs["side"]),
    "crossed_flags": hashed("HashedCrossing", 7, output_mode="one_hot")((inputs["word"], inputs["code"]))}
saved(inputs, {n: layers.Flatten(name=n)(t) for n, t in made.items()})
"""
HASHED_ROWS: list[dict[str, Any]] = [
    {"word": "cash", "words": ["a", "b", "a"], "code": 4611686018427387904, "where": 40.75, "side": "west"},
    {
        "word": "Zürich",
        "words": ["", "a much longer text than sixteen bytes", "b"],
        "code": -7,
        "where": -1.0,
        "side": "east",
    },
    {"word": "x" * 70, "words": ["a", "a", "a"], "code": 0, "where": 12.5, "side": "west"},
]
HASHES_BY_TENSORFLOW: dict[str, list[list[float]]] = {
    "hashed": [[207], [666], [671]],
    "each": [[53, 61, 53], [17, 26, 61], [53, 53, 53]],
    "flags": [[0, 0, 0, 0, 1], [0, 0, 0, 1, 0], [1, 0, 0, 0, 0]],
    "counts": [[0, 0, 1, 0, 2], [0, 0, 1, 2, 0], [0, 0, 0, 0, 3]],
    "numbers": [[596583], [419505], [200369]],
    "crossed": [[517], [87], [181]],
    "strict": [[1], [0], [1]],
    "crossed_flags": [[1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1, 0], [0, 0, 0, 0, 0, 1, 0]],
}


@needs_keras
def test_hashes_crosses_and_lookups_without_unknown_places_are_those_of_tensorflow(tmp_path: Path) -> None:
    options = {"model_path": keras_file(tmp_path, HASHES)}
    graph = ps.fit(ps.model("m", type="keras", options=options), None)
    assert {field.name: field.type for field in graph.signature.inputs} == {
        "word": "string", "words": "array<string>", "code": "int64", "where": "float64",
        "side": "string",
    }  # fmt: skip
    for rows in (graph.predict(HASHED_ROWS).to_pylist(), [graph.predict_row(row) for row in HASHED_ROWS]):
        for name, expected in HASHES_BY_TENSORFLOW.items():
            assert [row[name] if isinstance(row[name], list) else [row[name]] for row in rows] == expected, name
    with pytest.raises(DataError, match=r"'m': the ONNX file .*sides: a value that its vocabulary lacks"):
        graph.predict_row({**HASHED_ROWS[0], "side": "north"})


@needs_keras
@pytest.mark.slow
def test_every_mode_of_a_lookup_gives_what_tensorflow_gives(tmp_path: Path) -> None:
    path = keras_file(tmp_path, every_mode())
    graph = ps.fit(ps.model("m", type="keras", options={"model_path": path}), None)
    assert {field.name: field.type for field in graph.signature.inputs} == {
        "texts": "array<string>", "numbers": "array<int64>", "text": "string", "number": "int64", "float": "float64",
    }  # fmt: skip
    for rows in (graph.predict(ROWS).to_pylist(), [graph.predict_row(row) for row in ROWS]):
        for name, expected in MODES_BY_TENSORFLOW.items():
            made = [row[name] if isinstance(row[name], list) else [row[name]] for row in rows]
            assert " ".join("".join(f"{number:.0f}" for number in numbers) for numbers in made) == expected, name


REFUSED = {
    "salted": ("Hashing", {"salt": [1, 2]}, "'salted' of the Keras file is a Hashing.*ML.HASH_BUCKETIZE"),
    "masked": ("Hashing", {"mask_value": ""}, "'masked' .* with a salt or a mask_value"),
    "words": ("TextVectorization", {}, "'words' .* is a TextVectorization.*TEXT_ANALYZE"),
    "back": ("StringLookup", {"invert": True}, "'back' .* with invert it makes texts"),
    "more": ("StringLookup", {"num_oov_indices": 3}, "'more' .* num_oov_indices = 3 unknown values are hashed"),
    "spread": (
        "IntegerLookup", {"num_oov_indices": 3, "oov_method": "farmhash"}, "'spread' .* unknown values are hashed",
    ),
    "thin": ("IntegerLookup", {"sparse": True}, "'thin' .* sparse = False"),
    "odd": ("Lambda", {}, "'odd' of the Keras file is a Lambda.*only StringLookup, .* can read texts"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_the_same_without_tensorflow_is_refused_by_name(name: str, tmp_path: Path) -> None:
    kind, options, said = REFUSED[name]
    read = {"class_name": "__keras_tensor__", "config": {"shape": [None, 1], "dtype": "string"}}
    layer = {"class_name": kind, "config": {"name": name, **options}, "inbound_nodes": [{"args": [read], "kwargs": {}}]}
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Functional", "config": {"layers": [layer]}}))
    with pytest.raises(DataError, match=said):
        ps.fit(ps.model("m", type="keras", options={"model_path": str(tmp_path / "m.keras")}), None)
