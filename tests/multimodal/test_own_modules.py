"""A PyTorch module of a user's own is an encoder like any other: learned, served without PyTorch, known by its code."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
import three_bits
from served_encoders import served

import penstock as ps
from penstock import models
from penstock.errors import DeclarationError, ExpressionError
from penstock.models.fitting.agreement import close
from penstock.multimodal import Branch, Head, Spec, training
from penstock.multimodal.encoders import FORMS
from penstock.multimodal.exporting import check_exported, exported
from penstock.operations import parse, text
from penstock.pipelines.fingerprint import fingerprint

torch = pytest.importorskip("torch")
pytest.importorskip("onnxscript")

PHOTO = ps.col("photo").image(16)
FEATURES = {
    "photo": PHOTO.module("towers:Seen", dim=8, width=4),
    "shades": ps.col("photo").image(2, mode="L").pixels().module("towers:Numbers", 4, given=4),
    **three_bits.COLUMNS,
}


def _model(features: dict[str, Any], iterations: int = 1) -> models.Model:
    options = {"max_iterations": iterations, "batch_size": 32}
    return ps.model("bits", type="dnn_classifier", label="label", features=features, options=options)


@dataclass(frozen=True)
class Learned:
    """A model, and its modules as PyTorch had them when it had learned, with what entered them."""

    graph: models.ModelGraph
    encoders: Any
    samples: Any


@pytest.fixture(scope="module")
def learned() -> Learned:
    """Fit once: an export takes a second, the first of a process five."""
    kept: list[Any] = []

    def check(torch: Any, spec: Spec, encoders: Any, samples: Any, weights: Any) -> None:
        kept.extend((encoders, samples))
        check_exported(torch, spec, encoders, samples, weights)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "check_exported", check)
        graph = models.fit(_model(FEATURES, 3), three_bits.rows(225))  # the last batch would be of one row
    return Learned(graph, *kept)


@pytest.fixture(scope="module")
def graph(learned: Learned) -> models.ModelGraph:
    return learned.graph


@pytest.fixture(scope="module")
def others() -> pa.Table:
    return three_bits.rows(20, seed=1)


@pytest.mark.parametrize("change", [{}, {"photo": None}])
def test_a_row_is_predicted_as_it_is_in_a_batch(
    graph: models.ModelGraph, others: pa.Table, change: dict[str, Any]
) -> None:
    some = [{**row, **change} for row in others.to_pylist()]
    batch = graph.predict(pa.Table.from_pylist(some, schema=others.schema)).to_pylist()
    predictor = models.row_predictor(graph)
    for row, known in zip(some, batch, strict=True):
        assert close(predictor.predict(row)["predicted_label_probs"], known["predicted_label_probs"], 1e-5)
    assert graph.facts["disagreements"] == []


def test_its_weights_are_learned_with_the_network(graph: models.ModelGraph) -> None:
    import safetensors.numpy

    weights = safetensors.numpy.load(graph.blobs["network.safetensors"])
    assert weights["encoders.0.module.scale"] != 1.0
    assert np.abs(weights["encoders.0.module.layers.1.running_mean"]).max() > 0.01
    assert "encoders.1.module.layers.0.weight" in weights


@pytest.mark.parametrize("at", [0, 1])
def test_what_is_served_is_what_pytorch_gives_in_its_mode_of_evaluation(learned: Learned, at: int) -> None:
    import safetensors.numpy

    spec = msgspec.json.decode(learned.graph.blobs["network.json"], type=Spec)
    branch, prefix = spec.branches[spec.encoded[at]], f"encoders.{at}."
    weights = safetensors.numpy.load(learned.graph.blobs["network.safetensors"])
    own = {name.removeprefix(prefix): array for name, array in weights.items() if name.startswith(prefix)}
    assert branch.encoder
    run = served(FORMS[branch.encoder], learned.encoders[at].eval(), dict(branch.settings), branch.shape, own)
    _check_alike(run, learned.encoders[at], learned.samples[at][:6])


def test_an_image_of_any_shape_is_served_as_pytorch_sees_it() -> None:
    """By modules whose numbers are all large, and among whose weights are some of no state."""
    chance, dim, shape = np.random.default_rng(0), 4, (16, 24, 3)
    form, settings = FORMS["module"], {"source": "towers:Attending", "dim": dim, "arguments": "{}"}
    given = (chance.normal(3, 9, (6, *shape)) % 256).astype(form.dtype)
    torch.manual_seed(0)
    module = form.module(torch, settings, shape, given)
    branch = Branch(name="it", modality="image", encoder="module", settings=settings, shape=shape)
    spec = Spec(
        branches=(branch,), numbers=(), entries=(), hidden_units=(), activation="RELU", heads=(Head(kind="value"),)
    )
    ready, constants = exported(torch, spec, [module], [given])
    module.train()
    for _ in range(3):  # what was exported had learned nothing yet
        module(torch.from_numpy(given))
    for each in module.parameters():
        torch.nn.init.normal_(each, 0, 0.5)
    module.eval()
    kept = {name.removeprefix("encoders.0."): array for name, array in constants.items()}
    _check_alike(served(form, module, dict(ready.branches[0].settings), shape, kept), module, given)


def _check_alike(run: Any, module: Any, given: np.ndarray[Any, Any]) -> None:
    with torch.no_grad():
        wanted = module(torch.from_numpy(given)).numpy()
    scale = max(float(np.abs(wanted).max()), 1.0)
    assert run(given).shape == wanted.shape
    assert np.abs(run(given) - wanted).max() <= 1e-5 * scale
    for place in range(6):
        assert np.abs(run(given[place : place + 1])[0] - wanted[place]).max() <= 1e-5 * scale


def test_nothing_of_the_machine_is_in_what_is_kept(graph: models.ModelGraph) -> None:
    for name, content in graph.blobs.items():
        for trace in (str(Path(__file__).parent), "towers.py", "site-packages", "/home", "forward"):
            assert trace.encode() not in content, f"{trace} is in {name}"


def test_a_process_that_predicts_needs_neither_pytorch_nor_the_module(
    graph: models.ModelGraph, others: pa.Table, tmp_path: Path
) -> None:
    row = {name: others.to_pylist()[0][name] for name in graph.signature.inputs.names}
    (tmp_path / "row.json").write_bytes(msgspec.json.encode({"instances": [row]}))
    code = (
        "import sys, pathlib; sys.modules['torch'] = sys.modules['onnx'] = sys.modules['towers'] = None\n"
        "import penstock as ps; from penstock.models import row_predictor\n"
        f"predictor = row_predictor(ps.load_model({str(graph.save(tmp_path / 'model'))!r}))\n"
        f"print(predictor.answer(pathlib.Path({str(tmp_path / 'row.json')!r}).read_bytes()).decode())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    [answer] = msgspec.json.decode(done.stdout)["predictions"]
    known = models.row_predictor(graph).predict(row)
    assert close(answer["predicted_label_probs"], known["predicted_label_probs"], 1e-5)


def test_a_model_is_exported_and_explained_where_the_module_is_not(
    graph: models.ModelGraph, others: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "towers", None)
    assert graph.export("onnx", tmp_path / "bits.onnx").stat().st_size > 1000
    [explained] = graph.explain(others.slice(0, 1), top=9).to_pylist()
    assert {each["feature"] for each in explained["top_feature_attributions"]} >= {"photo", "shades"}


def test_both_fronts_declare_it_alike() -> None:
    declared = FEATURES["photo"]
    written = """PENSTOCK.MODULE(PENSTOCK.IMAGE(photo, 16), 'towers:Seen', 8, '{"width": 4}')"""
    assert text(declared) == written
    assert parse(written) == declared
    again = eval(_model(FEATURES).python(), {"ps": ps})
    assert again == _model(FEATURES)
    assert ps.col("x").module("a:B", 64) == ps.col("x").module("a:B")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("towers:Wide", r"'photo'.*'towers:Wide' gives \(5, 16\) for .*\(5, 3, 16, 16\); it has to give \(5, 8\)"),
        ("towers:Mixed", "'towers:Mixed' does not give a row the same alone as among others"),
        ("towers:Drawing", "'towers:Drawing' does not give a row the same alone"),
        ("towers:Branching", r"'towers:Branching'.*ONNX.*in line \d+ \(if x.sum\(\) > -1:\): Could not guard on data"),
        ("towers:Decomposing", "'towers:Decomposing' cannot be served: ONNX .*No ONNX function found for.*linalg_svd"),
        ("towers:Failing", r"'towers:Failing' fails on .*in line \d+ \(return self.layer\(x\)\): RuntimeError"),
        ("towers:Numbers", r"cannot be made by Numbers\(\): TypeError: .*'given'"),
        ("towers:Square", "it has to be a torch.nn.Module"),
        ("towers:Sean", "'towers' has no class 'Sean'; it has: Seen, Numbers"),
        ("castles:Seen", "no module 'castles' where Python looks"),
    ],
)
def test_a_module_that_cannot_be_an_encoder_is_named(source: str, told: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DeclarationError, match=told):
        models.fit(_model({"photo": PHOTO.module(source, 8)}), three_bits.rows(40))
    assert capfd.readouterr() == ("", "")


def test_what_is_no_module_is_refused_where_it_is_declared_or_read() -> None:
    with pytest.raises(DeclarationError, match=r"width=<object.*plain values"):
        PHOTO.module("towers:Seen", width=object())
    for source in ("towers", "towers:", "towers/Seen:Seen", "__main__:Seen"):
        with pytest.raises(ExpressionError, match=r"package\.module:Class|put it into a file"):
            models.fit(_model({"photo": PHOTO.module(source)}), three_bits.rows(40))
    with pytest.raises(ExpressionError, match=r"module takes array<float64> .* it was given string$"):
        models.fit(_model({"text": ps.col("review").module("towers:Numbers")}), three_bits.rows(40))
    with pytest.raises(ExpressionError, match="a JSON object"):
        models.fit(_model({"photo": parse("PENSTOCK.MODULE(photo, 'a:B', 8, '[1]')")}), three_bits.rows(40))


TOWER = """
from torch import nn
from widths import WIDTH

class Own(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, WIDTH), nn.{act}(), nn.Linear(WIDTH, 64))

    def forward(self, x):
        return self.layers(x)  # {comment}
"""


def test_a_changed_class_is_a_changed_model_and_a_changed_comment_is_not(tmp_path: Path) -> None:
    (tmp_path / "penstock.toml").write_text('[engine]\ndefault = "inline"\n')
    (tmp_path / "widths.py").write_text("WIDTH = 3\n")
    project, rows = ps.open(tmp_path), three_bits.rows(40)
    declared = _model({"shades": ps.col("photo").image(2, mode="L").pixels().module("own_tower:Own")})
    codes, states = [], []
    for act, comment in (("ReLU", "first"), ("ReLU", "the second time"), ("Sigmoid", "and the third")):
        (tmp_path / "own_tower.py").write_text(TOWER.format(act=act, comment=comment))
        graph = project.fit(declared, rows)
        [node] = graph.of("encoder")
        codes.append(node.params["settings"]["code"])
        states.append(project.runs()[0].steps["fit"].state)
    assert codes[0] == codes[1] != codes[2]
    assert states == ["succeeded", "up_to_date", "succeeded"]


def test_its_code_is_part_of_what_a_declaration_is(tmp_path: Path) -> None:
    (tmp_path / "own_code.py").write_text("class Own:\n    width = 3\n")
    root, declared = str(tmp_path), ps.col("photo").module("own_code:Own")
    before = fingerprint(declared, root=root)
    assert any(name == "code own_code.Own" for name in before.parts)
    (tmp_path / "own_code.py").write_text("class Own:\n    width = 12\n")
    assert fingerprint(declared, root=root).digest != before.digest
    assert root not in sys.path
