"""What a representation and a modality are worth: left out and learned again, or shuffled among the rows held out."""

from __future__ import annotations

from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import three_bits
from click.testing import CliRunner

import penstock as ps
from penstock.cli import main
from penstock.errors import DataError, DeclarationError, UnknownNameError

FEATURES = {
    "words": ps.col("review").text_analyze().bag_of_words(60, 1),
    "length": ps.col("review").length(),
    "age": ps.col("age"),
    "noise": ps.col("noise"),
}
TREE = ps.model(
    "stars", type="boosted_tree_regressor", label="stars", features=FEATURES, options={"max_iterations": 15}
)


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    """Rows whose label is of the words, a little of how many they are, and of the age."""
    chance = np.random.default_rng(4)
    found = []
    for _ in range(500):
        words = [f"word{number}" for number in chance.integers(0, 20, chance.integers(3, 12))]
        good, age = bool(chance.random() < 0.5), float(chance.uniform(20, 60))
        words.insert(0, "good" if good else "bad")
        stars = 6.0 * good + 0.1 * len(words) + age / 20
        found.append({"review": " ".join(words), "age": age, "noise": float(chance.normal()), "stars": stars})
    return pa.Table.from_pylist(found)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, rows: pa.Table) -> ps.Project:
    opened: Any = ps.open(tmp_path_factory.mktemp("ablation"))
    opened.table("reviews", rows)
    return opened


def _by_variant(table: pa.Table) -> dict[str, dict[str, Any]]:
    return {row["variant"]: row for row in table.to_pylist()}


@pytest.mark.parametrize("how", ["refit", "permute"])
def test_what_the_label_is_made_of_is_worth_the_most(project: ps.Project, how: Any) -> None:
    found = _by_variant(project.ablate(TREE, "reviews", how=how, metric="mean_absolute_error"))
    worse = {name: row["difference"] for name, row in found.items() if not row["alone"] and name != "all"}
    assert list(found)[:3] == ["all", "without all texts", "without all columns"]
    assert found["without all texts"]["left_out"] == ["words", "length"]
    assert max(worse["without words"], worse["without all texts"]) > 3 * worse["without age"]
    assert worse["without age"] > 3 * found["without age"]["standard_error"] > 0
    assert abs(worse["without noise"]) < 0.1 * worse["without age"]
    for name, row in found.items():
        assert row["value"] - found["all"]["value"] == pytest.approx(row["difference"], abs=1e-12), name
    assert (how == "refit") == any(row["alone"] for row in found.values())


def test_a_feature_alone_is_judged_too(project: ps.Project) -> None:
    found = _by_variant(project.ablate(TREE, "reviews"))
    assert {row["metric"] for row in found.values()} == {"r2_score"}  # what a tuning would go by
    assert found["only words"]["value"] > 0.8 > 0.3 > found["only age"]["value"]
    assert found["only noise"]["value"] < 0.05
    assert found["only texts"] == {**found["without all columns"], "variant": "only texts", "name": "text"} | {
        "alone": True
    }


def test_it_is_one_run_of_which_nothing_is_done_twice(project: ps.Project) -> None:
    once = project.ablate(TREE, "reviews")
    assert project.ablate(TREE, "reviews") == once
    run = project.runs(pipeline="ablate stars")[0]
    assert {step.state for step in run.steps.values()} == {"up_to_date"}
    other = project.ablate(TREE, "reviews", metric="mean_squared_error")
    run = project.runs(pipeline="ablate stars")[0]
    made = [name for name, step in run.steps.items() if step.state != "up_to_date"]
    assert made == ["ablation", "plot_ablation"]
    assert other["variant"] == once["variant"]


def test_the_run_has_a_figure(project: ps.Project) -> None:
    table = project.ablate(TREE, "reviews")
    figure = project.runs(pipeline="ablate stars")[0].artifact("plot_ablation").load()
    assert figure == ps.plot_ablation(table, "stars")
    shown = unescape(figure.content.decode())
    for text in ("What features are worth: stars", "all texts", "words", "noise", "r2_score worse without it by"):
        assert text in shown


def test_several_divisions_of_the_rows_say_how_sure_it_is(project: ps.Project) -> None:
    one, three = (
        _by_variant(project.ablate(TREE, "reviews", seeds=seeds, features=["age"], alone=False)) for seeds in (1, 3)
    )
    assert set(three) == {"all", "without age"}
    assert three["without age"]["difference"] != one["without age"]["difference"]
    assert three["without age"]["difference"] < -3 * three["without age"]["standard_error"] < 0


def test_a_registered_model_is_judged_as_it_is(project: ps.Project, rows: pa.Table) -> None:
    graph = project.fit(TREE, rows)
    found = _by_variant(project.ablate("stars", rows, how="permute", metric="mean_absolute_error"))
    assert found["all"]["value"] == pytest.approx(graph.evaluate(rows)["mean_absolute_error"])
    noise = rows["noise"].to_pylist()
    moved = rows.set_column(2, "noise", pa.array(noise[250:] + noise[:250]))
    by_hand = graph.evaluate(moved)["mean_absolute_error"] - found["all"]["value"]
    assert found["without noise"]["difference"] == pytest.approx(by_hand, abs=3e-3)
    again = project.ablate("stars", rows, how="permute", metric="mean_absolute_error")
    assert _by_variant(again) == found
    assert project.ablate("stars", rows)["variant"][-1].as_py() == "only noise"  # its declaration learns again


def test_the_command_prints_what_is_worth_the_most_first(project: ps.Project, rows: pa.Table, tmp_path: Path) -> None:
    project.fit(TREE, rows)
    (tmp_path / "rows.json").write_text(str(rows.to_pylist()).replace("'", '"'))
    arguments = ["-C", str(project.root), "ablate", "stars", str(tmp_path / "rows.json"), "--how", "permute", "-q"]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    lines = [line.split("  ")[0] for line in done.stdout.splitlines()]
    assert lines[:2] == ["variant", "all"]
    assert {*lines[2:4]} == {"without all texts", "without words"}
    done = CliRunner().invoke(main, [*arguments, "--feature", "wrds"])
    assert done.exit_code == 2
    assert "no feature named 'wrds' in model 'stars'" in done.output
    done = CliRunner().invoke(main, ["-C", "http://127.0.0.1:9", "ablate", "stars", "reviews"])
    assert done.exit_code == 2
    assert "an ablation is done where the project is" in done.output


def test_a_network_is_ablated_by_what_its_branches_show(tmp_path: Path) -> None:
    features = {**three_bits.IMAGE, **three_bits.TEXT, "place": ps.col("city").embedding(4), "age": ps.col("age")}
    model = ps.model("bits", type="dnn_classifier", label="label", features=features, options={"max_iterations": 1})
    table = ps.open(tmp_path).ablate(model, three_bits.rows(120), how="permute", metric="log_loss", repeats=1)
    modalities = {row["name"]: row["left_out"] for row in table.to_pylist() if row["kind"] == "modality"}
    assert modalities == {"image": ["photo"], "text": ["text"], "columns": ["place", "age"]}
    assert all(row["difference"] is not None for row in table.to_pylist())


def test_what_cannot_be_tried_is_named(project: ps.Project) -> None:
    with pytest.raises(UnknownNameError, match=r"no feature named 'wrods' in model 'stars'.*Did you mean 'words'"):
        project.ablate(TREE, "reviews", features=["wrods"])
    with pytest.raises(UnknownNameError, match=r"no metric named 'accuracy'.*r2_score"):
        project.ablate(TREE, "reviews", metric="accuracy")
    alone = ps.model("one", type="linear_reg", label="stars", features={"age": ps.col("age")})
    with pytest.raises(DeclarationError, match="has one feature, age; without it there is nothing to learn from"):
        project.ablate(alone, "reviews")
    with pytest.raises(DeclarationError, match="predicts no label"):
        project.ablate(ps.model("groups", type="kmeans", features=FEATURES), "reviews")
    with pytest.raises(DeclarationError, match="'refit' or 'permute'"):
        project.ablate(TREE, "reviews", how="drop")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="lack"):
        project.ablate(TREE, [{"stars": 1.0, "age": 3.0}, {"stars": 2.0, "age": 4.0}])


def test_of_labels_side_by_side_the_metric_of_one_is_named(project: ps.Project, rows: pa.Table) -> None:
    labels = [{"stars": row["stars"], "long": len(row["review"]) > 50} for row in rows.to_pylist()]
    table = rows.drop(["stars"]).append_column("both", pa.array(labels))
    features = {"length": FEATURES["length"], "words": FEATURES["words"]}
    model = ps.model("sides", type="dnn_regressor", label="both", features=features, options={"max_iterations": 3})
    with pytest.raises(DeclarationError, match="several labels side by side; name the metric of one of them: metric='"):
        project.ablate(model, table)
    with pytest.raises(UnknownNameError, match=r"no metric named 'stars.r2'"):
        project.ablate(model, table, metric="stars.r2")
    found = _by_variant(project.ablate(model, table, how="permute", metric="stars.root_mean_squared_error", repeats=1))
    assert found["without words"]["difference"] is not None
    assert found["all"]["value"] > 0
