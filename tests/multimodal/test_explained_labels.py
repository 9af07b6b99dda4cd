"""Which label is explained: of several labels, of classes that may hold at once, of a classifier's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import several_rows
from click.testing import CliRunner

import penstock as ps
from penstock import models
from penstock.cli import main
from penstock.errors import DataError

FEATURES = ("x", "y", "z", "city")
LABELS = ["price", "kind", "sold", "tags"]
WAYS = ["price", "kind", "sold", "tags.hot", "kind.flat", "sold.false"]


def _rows(count: int, seed: int = 0) -> pa.Table:
    made = [
        {
            **row,
            "price": 1000 + 300 * row["x"] + 100 * row["y"],
            "kind": ["flat", "house", "castle"][int(row["x"] > 0) + int(row["y"] > 0)],
            "sold": row["z"] > 0,
        }
        for row in several_rows.rows(count, seed).to_pylist()
    ]
    return pa.Table.from_pylist(made)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    pq.write_table(_rows(400), folder / "flats.parquet")
    (folder / "penstock.toml").write_text('[tables]\nflats = "flats.parquet"\n')
    features = {name: ps.col(name) for name in FEATURES}
    options = {"max_iterations": 6, "learn_rate": 0.01, "enable_global_explain": True}
    for name, label in (("flats", LABELS), ("tagged", "tags")):
        model = ps.model(name, type="dnn_classifier", label=label, features=features, options=options)
        ps.open(folder).fit(model, "flats")
    return folder


@pytest.fixture(scope="module")
def flats(folder: Path) -> models.ModelGraph:
    return ps.open(folder).models["flats"].load()


@pytest.fixture(scope="module")
def tagged(folder: Path) -> models.ModelGraph:
    return ps.open(folder).models["tagged"].load()


@pytest.fixture(scope="module")
def others() -> pa.Table:
    return _rows(40, seed=1).select(list(FEATURES))


def _added(row: dict[str, Any]) -> float:
    assert {each["feature"] for each in row["top_feature_attributions"]} == set(FEATURES)
    added = sum(each["attribution"] for each in row["top_feature_attributions"])
    return float(row["baseline_prediction_value"] + added)


def _probabilities(answer: dict[str, Any], name: str) -> dict[str, float]:
    return {str(each["label"]).lower(): each["prob"] for each in answer[f"predicted_{name}_probs"]}


@pytest.mark.parametrize("label", WAYS)
def test_each_label_has_an_explanation_that_leads_to_what_is_predicted_of_it(
    flats: models.ModelGraph, others: pa.Table, label: str
) -> None:
    name, _, chosen = label.partition(".")
    predicted = flats.predict(others).to_pylist()
    for row, known in zip(flats.explain(others, 20, label=label).to_pylist(), predicted, strict=True):
        assert _added(row) == pytest.approx(row["prediction_value"], rel=1e-5, abs=1e-5)
        assert row[f"predicted_{name}"] == known[f"predicted_{name}"]
        if name == "price":
            assert row["prediction_value"] == pytest.approx(known["predicted_price"], rel=1e-5)
            assert "probability" not in row
            continue
        explained = chosen or str(row[f"predicted_{name}"]).lower()
        assert row["probability"] == pytest.approx(_probabilities(known, name)[explained], abs=1e-6)
        if name != "kind":  # of more than two classes the score alone is no probability
            assert 1 / (1 + np.exp(-row["prediction_value"])) == pytest.approx(row["probability"], abs=1e-5)


def test_the_classes_of_a_label_have_scores_of_which_softmax_makes_their_probabilities(
    flats: models.ModelGraph, others: pa.Table
) -> None:
    kinds = ("castle", "flat", "house")
    scores = np.array([flats.explain(others, label=f"kind.{each}")["prediction_value"].to_pylist() for each in kinds])
    shares = np.exp(scores) / np.exp(scores).sum(axis=0)
    for at, answer in enumerate(flats.predict(others).to_pylist()):
        assert [_probabilities(answer, "kind")[each] for each in kinds] == pytest.approx(shares[:, at], abs=1e-5)


def test_what_decides_a_label_is_what_its_explanation_names_first(flats: models.ModelGraph, others: pa.Table) -> None:
    for label, feature in (("price", "x"), ("sold", "z"), ("tags.hot", "y")):
        told = flats.explain(others, 1, label=label)["top_feature_attributions"].to_pylist()
        assert sum(first["feature"] == feature for [first] in told) > others.num_rows / 2, label


@pytest.mark.parametrize("label", several_rows.TAGS)
def test_of_classes_that_may_hold_at_once_each_is_explained(
    tagged: models.ModelGraph, others: pa.Table, label: str
) -> None:
    predicted = tagged.predict(others).to_pylist()
    for row, known in zip(tagged.explain(others, 20, label=label).to_pylist(), predicted, strict=True):
        assert _added(row) == pytest.approx(row["prediction_value"], abs=1e-5)
        assert row["predicted_tags"] == known["predicted_tags"]
        assert row["probability"] == pytest.approx(_probabilities(known, "tags")[label], abs=1e-6)
        assert 1 / (1 + np.exp(-row["prediction_value"])) == pytest.approx(row["probability"], abs=1e-5)


def _means(explained: pa.Table) -> dict[str, float]:
    """Return what each feature adds or takes in the mean of explanations."""
    told = [each for row in explained["top_feature_attributions"].to_pylist() for each in row]
    return {
        feature: float(np.mean([abs(each["attribution"]) for each in told if each["feature"] == feature]))
        for feature in FEATURES
    }


def _told(table: pa.Table, **where: str) -> dict[str, float]:
    rows = [row for row in table.to_pylist() if all(row[name] == value for name, value in where.items())]
    assert [row["attribution"] for row in rows] == sorted((row["attribution"] for row in rows), reverse=True)
    return {row["feature"]: row["attribution"] for row in rows}


def test_each_label_has_its_own_importance_the_mean_of_its_explanations(
    flats: models.ModelGraph, others: pa.Table
) -> None:
    table = flats.importance(others)
    assert table.column_names == ["label", "feature", "attribution"]
    assert list(dict.fromkeys(table["label"].to_pylist())) == LABELS
    for label in ("price", "kind", "sold"):
        assert _told(table, label=label) == pytest.approx(_means(flats.explain(others, 20, label=label)))
    tags = [_means(flats.explain(others, 20, label=f"tags.{each}")) for each in several_rows.TAGS]
    together = {feature: np.mean([each[feature] for each in tags]) for feature in FEATURES}
    assert _told(table, label="tags") == pytest.approx(together)


def test_importance_by_class_tells_the_classes_of_each_label_apart(
    flats: models.ModelGraph, tagged: models.ModelGraph, others: pa.Table
) -> None:
    table = flats.importance(others, by_class=True)
    assert table.column_names == ["label", "class", "feature", "attribution"]
    known = {(row["label"], row["class"]) for row in table.to_pylist()}
    kinds = {("kind", each) for each in ("flat", "house", "castle")} | {("sold", "true"), ("sold", "false")}
    assert known == kinds | {("tags", each) for each in several_rows.TAGS}
    for label, own in (("kind", "flat"), ("sold", "true"), ("tags", "hot")):
        expected = _means(flats.explain(others, 20, label=f"{label}.{own}"))
        assert _told(table, label=label, **{"class": own}) == pytest.approx(expected)
    alone = tagged.importance(others, by_class=True)
    assert alone.column_names == ["tags", "feature", "attribution"]
    assert _told(alone, tags="hot") == pytest.approx(_means(tagged.explain(others, 20, label="hot")))
    both = [_told(alone, tags=each) for each in several_rows.TAGS]
    assert _told(tagged.importance(others)) == pytest.approx(
        {feature: np.mean([each[feature] for each in both]) for feature in FEATURES}
    )


def test_sql_tells_the_importance_that_was_found_when_the_model_was_learned(
    folder: Path, flats: models.ModelGraph, tagged: models.ModelGraph
) -> None:
    project = ps.open(folder)
    for name, graph in (("flats", flats), ("tagged", tagged)):
        told = project.sql(f"SELECT * FROM ML.GLOBAL_EXPLAIN(MODEL {name})")
        assert told == graph.importance()
        apart = project.sql(f"SELECT * FROM ML.GLOBAL_EXPLAIN(MODEL {name}, STRUCT(TRUE AS class_level_explain))")
        assert apart == graph.importance(by_class=True)
    first = {row["label"]: row["feature"] for row in reversed(flats.importance().to_pylist())}
    assert (first["price"], first["sold"]) == ("x", "z")


def test_a_classifier_explains_another_class_than_it_predicts(others: pa.Table) -> None:
    model = ps.model("kinds", type="logistic_reg", label="kind", features={name: ps.col(name) for name in FEATURES})
    graph = models.fit(model, _rows(200))
    flat = graph.explain(others, 20, label="flat").to_pylist()
    as_predicted = graph.explain(others, 20).to_pylist()
    assert any(row["predicted_kind"] != "flat" for row in flat)
    for row, own in zip(flat, as_predicted, strict=True):
        assert _added(row) == pytest.approx(row["prediction_value"])
        assert (row == own) == (row["predicted_kind"] == "flat")
    number = ps.model("z", type="linear_reg", label="z", features={"x": ps.col("x")})
    with pytest.raises(DataError, match="'z' is a number; leave label='x' out"):
        models.fit(number, _rows(50)).explain(others, label="x")


def test_sql_and_the_command_line_take_the_label(folder: Path, flats: models.ModelGraph, others: pa.Table) -> None:
    given = "SELECT x, y, z, city FROM flats LIMIT 3"
    query = f"SELECT * FROM ML.EXPLAIN_PREDICT(MODEL flats, ({given}), STRUCT({{}} 9 AS top_k_features))"
    project = ps.open(folder)
    rows = project.sql(given)
    for label in ("price", "tags.hot"):
        told = project.sql(query.format(f"'{label}' AS label,")).to_pylist()
        assert told == flats.explain(rows, 9, label=label).to_pylist()
    with pytest.raises(DataError, match="say which: label='price', 'kind'"):
        project.sql(query.format(""))
    arguments = ["-C", str(folder), "explain", "flats", json.dumps(rows.to_pylist()[0])]
    done = CliRunner().invoke(main, [*arguments, "--label", "sold", "--json"], catch_exceptions=False)
    [said] = json.loads(done.stdout)
    expected = flats.explain(rows, 5, label="sold")["prediction_value"][0].as_py()
    assert said["prediction_value"] == pytest.approx(expected)
    failed = CliRunner().invoke(main, arguments)
    assert failed.exit_code != 0
    assert "say which" in failed.output + str(failed.exception)
