"""Networks: trained by PyTorch, used without it; the same numbers as PyTorch gives, for one row and many."""

from __future__ import annotations

import importlib.util
import io
import math
import subprocess
import sys

import msgspec
import numpy as np
import pyarrow as pa
import pytest

import penstock.models as models
from penstock.errors import DeclarationError, MissingExtraError
from penstock.models.fitting.agreement import close
from penstock.models.learning.network import ACTIVATIONS
from penstock.operations import col

if importlib.util.find_spec("torch") is None:
    pytest.skip("the CPU build of PyTorch is not installed here: see make setup", allow_module_level=True)

import torch

RANDOM = np.random.default_rng(4)
ROWS = 1500
KM, HOUR = RANDOM.gamma(3, 4, ROWS), RANDOM.integers(0, 24, ROWS)
ZONE = RANDOM.choice(["north", "south", "west"], ROWS)
MINUTES = 100 + 3 * np.abs(KM - 12) + 8 * np.sin(HOUR / 4) + 10 * (ZONE == "west") + RANDOM.normal(0, 1, ROWS)
TRIPS = pa.table({"km": KM, "hour": HOUR, "zone": ZONE, "minutes": MINUTES, "long": MINUTES > 120})
OPTIONS = {"hidden_units": [24, 12], "max_iterations": 60, "learn_rate": 0.01, "batch_size": 64}


def trained(type="dnn_regressor", label="minutes", rows=TRIPS, **options):
    features = {"km": col("km"), "hour": col("hour"), "zone": col("zone")}
    return models.fit(
        models.model("trips", type=type, label=label, features=features, options={**OPTIONS, **options}), rows
    )


def matrix_of(rows):
    numbers = np.column_stack([rows["km"], rows["hour"]]).astype(float)
    scaled = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0, ddof=1)
    zones = np.array(rows["zone"].to_pylist())
    unseen, null = np.zeros(len(zones)), np.zeros(len(zones))
    return np.column_stack([scaled, unseen, *(zones == name for name in np.unique(zones)), null])


def in_torch(graph, activation, matrix, *, wide=False):
    """The network's files, put into PyTorch's own layers."""
    shape = msgspec.json.decode(graph.blobs["network.json"])

    def layer(name):
        weights, constants = (
            torch.from_numpy(np.lib.format.read_array(io.BytesIO(graph.blobs[f"{name}_{part}.npy"])))
            for part in ("weights", "constants")
        )
        made = torch.nn.Linear(*weights.shape, dtype=torch.float64)
        with torch.no_grad():
            made.weight.copy_(weights.T)
            made.bias.copy_(constants)
        return made

    parts = [layer(name) for name in shape["parts"]]
    steps = [step for part in parts for step in (part, activation)][:-1]
    with torch.no_grad():
        found = torch.nn.Sequential(*steps)(torch.from_numpy(matrix))
        return (found + layer("wide")(torch.from_numpy(matrix)) if wide else found).numpy()


def test_a_network_learns_what_no_line_can():
    graph = trained()
    line = models.fit(
        models.model("line", type="linear_reg", label="minutes", features={n: col(n) for n in ("km", "hour", "zone")}),
        TRIPS,
    )
    assert graph.facts["evaluation"]["r2_score"] > 0.95
    assert line.facts["evaluation"]["r2_score"] < 0.8


def test_a_network_of_words_learns_as_it_comes():
    """Shares of words are small numbers, and few rows are few steps: in steps of all rows it would stay at chance."""
    chance = np.random.default_rng(5)
    words = np.array([f"word{at}" for at in range(60)])
    texts = [" ".join(chance.choice(words, 20)) for _ in range(ROWS)]
    liked = ["word7 " in text or "word8 " in text for text in texts]
    rows = pa.table({"text": texts, "liked": liked})
    declared = models.model("words", type="dnn_classifier", label="liked", features={"words": col("text").tf_idf(100)})
    train, test = rows.slice(0, 1200), rows.slice(1200)
    assert models.fit(declared, train, judged=False).evaluate(test)["roc_auc"] > 0.9


@pytest.mark.parametrize("features", [{}, {"zone": col("zone").embedding(2)}], ids=["plain", "beside an encoder"])
def test_how_small_shares_are_is_nothing_to_a_network(features):
    """Lists a thousand times as small are learned as well, and what was learned reads them as they are."""
    lists = [[{"index": at % 3, "value": 0.2}, {"index": 3 + at % 2, "value": 0.1}] for at in range(ROWS)]
    type = pa.list_(pa.struct({"index": pa.int64(), "value": pa.float64()}))
    rows = TRIPS.append_column("lists", pa.array(lists, type))
    small = [[{**entry, "value": entry["value"] / 1000} for entry in each] for each in lists]
    tiny = TRIPS.append_column("lists", pa.array(small, type))
    options = {**OPTIONS, "max_iterations": 3}
    declared = models.model(
        "lists", type="dnn_regressor", label="minutes", features={"lists": col("lists"), **features}, options=options
    )
    graph, other = models.fit(declared, rows), models.fit(declared, tiny)
    expected = graph.predict(rows)["predicted_minutes"].to_numpy()
    assert other.predict(tiny)["predicted_minutes"].to_numpy() == pytest.approx(expected, rel=1e-3)
    assert expected.std() > 0


@pytest.mark.parametrize("wide", [False, True])
def test_predictions_are_those_of_the_same_layers_in_torch(wide):
    graph = trained("dnn_linear_combined_regressor" if wide else "dnn_regressor")
    expected = in_torch(graph, torch.nn.ReLU(), matrix_of(TRIPS), wide=wide)[:, 0]
    assert graph.predict(TRIPS)["predicted_minutes"].to_numpy() == pytest.approx(expected, rel=1e-12)
    best = min(each["loss"] for each in graph.facts["learner"]["training"])
    assert best == pytest.approx(np.mean((expected - MINUTES) ** 2), rel=1e-4)


def test_a_training_step_is_that_of_torch():
    """One step over all rows by plain gradient descent, by hand with autograd from the same first weights."""
    options = {"hidden_units": [5], "optimizer": "SGD", "batch_size": ROWS, "max_iterations": 1, "l2_reg": 0.01}
    first, after = trained(**options, learn_rate=0.0), trained(**options, learn_rate=0.1)
    deviation, mean = MINUTES.std(), MINUTES.mean()
    weights = {
        name: torch.from_numpy(np.lib.format.read_array(io.BytesIO(content)))
        for name, content in first.blobs.items()
        if name.endswith(".npy")
    }
    weights["layer_1_weights.npy"] = weights["layer_1_weights.npy"] / deviation
    weights["layer_1_constants.npy"] = (weights["layer_1_constants.npy"] - mean) / deviation
    for each in weights.values():
        each.requires_grad_()
    x, y = torch.from_numpy(matrix_of(TRIPS)), torch.from_numpy((MINUTES - mean) / deviation)
    hidden = torch.relu(x @ weights["layer_0_weights.npy"] + weights["layer_0_constants.npy"])
    given = (hidden @ weights["layer_1_weights.npy"] + weights["layer_1_constants.npy"])[:, 0]
    cost = ((given - y) ** 2).mean() + 0.01 * sum((weights[f"layer_{at}_weights.npy"] ** 2).sum() for at in (0, 1))
    cost.backward()
    moved = weights["layer_0_weights.npy"] - 0.1 * weights["layer_0_weights.npy"].grad
    found = np.lib.format.read_array(io.BytesIO(after.blobs["layer_0_weights.npy"]))
    assert np.abs(found - moved.detach().numpy()).max() < 1e-6


@pytest.mark.parametrize("label", ["long", "zone"])
@pytest.mark.parametrize("type", ["dnn_classifier", "dnn_linear_combined_classifier"])
def test_a_classifier_tells_two_classes_apart_and_three(type, label):
    features = {"km": col("km"), "minutes": col("minutes"), "hour": col("hour")}
    graph = models.fit(models.model("trips", type=type, label=label, features=features, options=OPTIONS), TRIPS)
    assert graph.facts["evaluation"]["roc_auc"] > (0.99 if label == "long" else 0.7)
    assert graph.facts["disagreements"] == []
    for row in graph.predict(TRIPS)[f"predicted_{label}_probs"].to_pylist()[:50]:
        assert sum(entry["prob"] for entry in row) == pytest.approx(1.0)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_that_of_torch_in_both_forms(activation):
    theirs = {
        "RELU": torch.relu, "RELU6": torch.nn.functional.relu6, "ELU": torch.nn.functional.elu, "SELU": torch.selu,
        "SIGMOID": torch.sigmoid, "TANH": torch.tanh, "CRELU": lambda x: torch.cat([torch.relu(x), torch.relu(-x)], -1),
    }[activation]  # fmt: skip

    class Activation(torch.nn.Module):
        def forward(self, x):
            return theirs(x)

    graph = trained(activation_fn=activation, max_iterations=5)
    expected = in_torch(graph, Activation(), matrix_of(TRIPS))[:, 0]
    found = graph.predict(TRIPS)["predicted_minutes"].to_numpy()
    assert found == pytest.approx(expected, rel=1e-12)
    assert graph.facts["disagreements"] == []
    assert graph.facts["learner"]["training"][-1]["loss"] < graph.facts["learner"]["training"][0]["loss"]


@pytest.mark.parametrize("optimizer", ["ADAM", "ADAGRAD", "RMSPROP", "SGD"])
def test_every_optimizer_makes_the_loss_smaller(optimizer):
    losses = trained(optimizer=optimizer, max_iterations=6, early_stop=False).facts["learner"]["training"]
    assert len(losses) == 6
    assert losses[-1]["loss"] < losses[0]["loss"]


def test_unseen_and_null_values_are_no_entry():
    graph = trained(max_iterations=5)
    strange = [
        {"km": None, "hour": None, "zone": None},
        {"km": 5.0, "hour": 3, "zone": "never seen"},
        {"km": math.nan, "hour": 3, "zone": "west"},
        {"km": 1e300, "hour": 3, "zone": "west"},
    ]
    schema = pa.schema([("km", pa.float64()), ("hour", pa.int64()), ("zone", pa.string())])
    many = graph.predict(pa.Table.from_pylist(strange, schema=schema)).select(["predicted_minutes"]).to_pylist()
    assert all(map(close, [graph.predict_row(row) for row in strange], many))
    mean = graph.predict_row({"km": float(KM.mean()), "hour": 3, "zone": "never seen"})
    assert close(mean, graph.predict_row({"km": None, "hour": 3, "zone": "never seen"}))


def test_the_seed_decides_and_the_callers_draws_and_threads_do_not(declare):
    torch.manual_seed(1)
    one, threads = models.to_files(trained(dropout=0.2, max_iterations=3)), torch.get_num_threads()
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    assert models.to_files(trained(dropout=0.2, max_iterations=3)) == one
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    assert trained(dropout=0.2, max_iterations=3, seed=5).blobs != trained(dropout=0.2, max_iterations=3).blobs


def test_training_stops_by_the_rows_held_out():
    split = {"data_split_method": "RANDOM"}
    graph = trained(**split, max_iterations=200, min_rel_progress=0.05)
    training = graph.facts["learner"]["training"]
    assert 1 < len(training) < 200
    best = min(each["eval_loss"] for each in training)
    assert best == pytest.approx(graph.facts["evaluation"]["mean_squared_error"], rel=1e-4)


def test_weights_of_classes_count():
    rows = TRIPS.set_column(4, "long", pa.array(np.quantile(MINUTES, 0.9) < MINUTES))
    features = {"hour": col("hour"), "zone": col("zone")}
    options = {**OPTIONS, "hidden_units": [4]}
    plain, heavy = (
        models.fit(
            models.model("m", type="dnn_classifier", label="long", features=features, options={**options, **more}), rows
        )
        for more in ({}, {"auto_class_weights": True})
    )
    assert heavy.evaluate(rows)["recall"] > plain.evaluate(rows)["recall"] + 0.3


def test_l1_and_dropout_reach_the_training():
    plain = trained(max_iterations=10)
    small = trained(max_iterations=10, l1_reg=0.1)

    def size(graph):
        read = np.lib.format.read_array(io.BytesIO(graph.blobs["layer_0_weights.npy"]))
        return np.abs(read).sum()

    assert size(small) < size(plain) / 2
    assert trained(max_iterations=10, dropout=0.5).blobs != plain.blobs


def test_without_hidden_units_there_is_one_layer_by_the_rows():
    options = {name: value for name, value in OPTIONS.items() if name != "hidden_units"}
    features = {"km": col("km"), "hour": col("hour"), "zone": col("zone")}
    model = models.model("m", type="dnn_regressor", label="minutes", features=features, options=options)
    assert models.fit(model, TRIPS).facts["learner"]["hidden_units"] == [18]  # 1500 / (10 * (7 + 1))


def test_a_graph_predicts_without_torch(tmp_path):
    trained("dnn_linear_combined_regressor", max_iterations=2).save(tmp_path / "graph")
    script = (
        "import sys; sys.modules['torch'] = None; import penstock.models as models\n"
        f"graph = models.load_model({str(tmp_path / 'graph')!r}); row = dict(km=3.0, hour=5, zone='west')\n"
        "print(graph.predict_row(row)['predicted_minutes'], graph.predict([row])['predicted_minutes'][0].as_py())"
    )
    one, many = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert float(one) == pytest.approx(float(many), rel=1e-12)


def test_training_without_torch_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'penstock\[deep\]'"):
        trained()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden_units": []}, r"option hidden_units=\[\]; it takes a list of whole numbers from 1 to 65536, such as"),
        ({"hidden_units": [8, 0]}, "it takes a list of whole numbers from 1"),
        ({"hidden_units": 64}, "it takes a list of whole numbers"),
        ({"optimizer": "FTRL"}, "option optimizer='FTRL'; it takes ADAM or ADAGRAD or RMSPROP or SGD"),
        ({"activation_fn": "GELU"}, "it takes RELU or RELU6"),
        ({"dropout": 1.0}, "it takes a number from 0 to 0.99"),
    ],
)
def test_an_option_that_cannot_be_is_named(options, message):
    with pytest.raises(DeclarationError, match=message):
        trained(**options)
