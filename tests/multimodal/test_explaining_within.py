"""What each word of a text and each part of an image adds to the prediction of a row."""

from __future__ import annotations

import datetime
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import three_bits
from click.testing import CliRunner
from PIL import Image

import penstock as ps
from penstock import models
from penstock.cli import main
from penstock.errors import DataError, DeclarationError, UnknownNameError

FACTS = {
    "words": ps.col("review").text_analyze().bag_of_words(60, 1),
    "length": ps.col("review").length(),
    "age": ps.col("age"),
    "bright": ps.col("photo").image(8, mode="L").pixels(),
}
WHITE, SIDE = 255, 21


def _photo(light: float = 1.0, side: int = SIDE) -> bytes:
    """Return a black picture of which the top right third is as light as that."""
    pixels = np.zeros((side, side, 3))
    pixels[: side // 3, 2 * side // 3 :] = WHITE * light
    return three_bits.png(pixels)


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    """Rows whose label is 4 with the word good, up to 2 for the light of the photo, a little for the age."""
    chance = np.random.default_rng(4)
    found = []
    for _ in range(300):
        words = [f"word{number}" for number in chance.integers(0, 12, chance.integers(2, 14))]
        good, light, age = bool(chance.random() < 0.5), float(chance.random()), float(chance.uniform(20, 60))
        words.insert(int(chance.integers(0, len(words))), "Good," if good else "word1")
        row = {
            "review": " ".join(words),
            "photo": _photo(light),
            "age": age,
            "stars": 4.0 * good + 2 * light + age / 60,
        }
        found.append(row)
    return pa.Table.from_pylist(found)


@pytest.fixture(scope="module")
def trees(rows: pa.Table) -> models.ModelGraph:
    model = ps.model("stars", type="boosted_tree_regressor", label="stars", features=FACTS)
    return models.fit(model, rows, options={"max_iterations": 12})


ROW = {"review": "  It's a word3 (good) word4.", "photo": _photo(), "age": 30.0}


def _words(told: models.TextExplanation) -> dict[str, float]:
    return {row["word"]: row["attribution"] for row in told.words.to_pylist()}


@pytest.mark.parametrize("review", [ROW["review"], " ".join(f"word{at % 12}" for at in range(30)) + " good end"])
def test_words_lead_from_the_text_without_words_to_the_score(trees: models.ModelGraph, review: str) -> None:
    told = ps.explain_text(trees, {**ROW, "review": review}, "review")
    predicted = {text: trees.predict_row({**ROW, "review": text})["predicted_stars"] for text in ("  ", review)}
    assert told.predicted == told.score == pytest.approx(predicted[review], abs=1e-12)
    if review.startswith("  "):
        assert told.baseline == pytest.approx(predicted["  "], abs=1e-12)
    found = _words(told)
    assert sum(told.words["attribution"].to_pylist()) == pytest.approx(told.score - told.baseline, abs=1e-9)
    best = max(found, key=lambda word: found[word])
    assert best.strip("().") == "good"
    assert found[best] > 2.0
    for row in told.words.to_pylist():
        assert review[row["start"] :].startswith(row["word"])
    assert told.words == ps.explain_text(trees, {**ROW, "review": review}, "review").words  # the same each time


def test_a_long_text_is_explained_by_runs_of_words(trees: models.ModelGraph) -> None:
    review = " ".join(["word1"] * 150 + ["good"] + ["word2"] * 150)
    told = ps.explain_text(trees, {**ROW, "review": review}, "review", samples=400)
    assert told.words.num_rows <= 64
    assert " ".join(told.words["word"].to_pylist()) == review
    found = _words(told)
    assert "good" in max(found, key=lambda word: found[word])


def test_words_may_be_seen_by_some_features_alone(trees: models.ModelGraph) -> None:
    by_length = ps.explain_text(trees, ROW, "review", features=["length"])
    assert max(map(abs, _words(by_length).values())) < 0.5  # that it is good, its length does not tell
    whole = ps.explain_text(trees, ROW, "review", features=["length", "words"])
    assert whole.words == ps.explain_text(trees, ROW, "review").words


def test_parts_of_an_image_lead_from_its_mean_colour_to_the_score(trees: models.ModelGraph) -> None:
    told = ps.explain_image(trees, ROW, "photo", grid=3)
    assert told.parts.shape == (3, 3)
    assert told.parts.sum() == pytest.approx(told.score - told.baseline, abs=1e-9)
    assert told.score == pytest.approx(trees.predict_row(ROW)["predicted_stars"], abs=1e-12)
    mean = np.full((SIDE, SIDE, 3), round(WHITE / 9))
    assert told.baseline == trees.predict_row({**ROW, "photo": three_bits.png(mean)})["predicted_stars"]
    assert told.parts.argmax() == 2  # top right
    assert np.delete(told.parts.ravel(), 2).max() < told.parts[0, 2] / 2


def test_the_figures_show_what_counts(trees: models.ModelGraph) -> None:
    page = ps.explain_text(trees, {**ROW, "review": "<b> good & word3"}, "review").figure
    assert page.media_type == "text/html"
    shown = page.content.decode()
    assert "&lt;<span" in shown
    assert "<b>" not in shown
    assert "rgba(194, 87, 26, 0.750)" in shown.split(">good")[0].rsplit("<span", 1)[1]
    picture = ps.explain_image(trees, ROW, "photo", grid=3).figure
    assert picture.media_type == "image/png"
    with Image.open(io.BytesIO(picture.content)) as opened:
        pixels = np.asarray(opened.convert("RGB"), dtype=int)
    assert min(pixels.shape[:2]) >= 320
    orange = pixels[:, :, 0] - pixels[:, :, 2]
    height, width = orange.shape
    assert orange[: height // 3, 2 * width // 3 :].mean() > 50 > 10 > orange[height // 2 :, : width // 2].mean()


def test_of_a_network_words_and_parts_are_told_of_the_label_that_it_predicts() -> None:
    features = {**three_bits.TEXT, "age": ps.col("age"), "shades": ps.col("photo").image(8, mode="L").pixels().dense(4)}
    model = ps.model("bits", type="dnn_classifier", label="happy", features=features, options={"max_iterations": 12})
    table = three_bits.rows(400)
    happy = [label in ("c2", "c3", "c6", "c7") for label in table["label"].to_pylist()]
    graph = models.fit(model, table.append_column("happy", pa.array(happy)))
    row = {**table.to_pylist()[0], "review": "a lovely lamp over the road"}
    told = ps.explain_text(graph, row, "review")
    assert told.predicted is True
    found = _words(told)
    assert max(found, key=lambda word: found[word]) == "lovely"
    assert sum(found.values()) == pytest.approx(told.score - told.baseline, abs=1e-9)
    image = ps.explain_image(graph, row, "photo", grid=2)
    assert image.parts.sum() == pytest.approx(image.score - image.baseline, abs=1e-9)
    assert image.score == pytest.approx(told.score, abs=1e-4)


def test_the_command_prints_words_and_writes_the_picture(tmp_path: Path, rows: pa.Table) -> None:
    project = ps.open(tmp_path)
    model = ps.model("stars", type="boosted_tree_regressor", label="stars", features=FACTS)
    project.fit(model, rows)
    good = next(row for row in rows.to_pylist() if "Good," in row["review"])
    pa.parquet.write_table(pa.Table.from_pylist([good]), tmp_path / "row.parquet")
    arguments = ["-C", str(tmp_path), "explain", "stars", str(tmp_path / "row.parquet")]
    done = CliRunner().invoke(main, [*arguments, "--text", "review"])
    assert done.exit_code == 0, done.output
    lines = [line.rsplit(maxsplit=1) for line in done.stdout.splitlines()[2:]]
    assert [word for word, _ in lines] == ["baseline", *good["review"].split(), "score"]
    assert sum(float(value) for _, value in lines[:-1]) == pytest.approx(float(lines[-1][1]), abs=1e-3)
    out = tmp_path / "seen.png"
    done = CliRunner().invoke(main, [*arguments, "--image", "photo", "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert np.array(json.loads(done.stdout)["parts"]).shape == (7, 7)
    assert out.read_bytes().startswith(b"\x89PNG")
    assert CliRunner().invoke(main, [*arguments, "--out", str(out)]).exit_code == 2


@pytest.mark.parametrize(
    ("change", "asked", "error", "match"),
    [
        ({}, ("text", "photo"), DataError, "'photo' as bytes, not as string; columns of that: review"),
        ({}, ("image", "review"), DataError, "'review' as string, not as bytes; columns of that: photo"),
        ({}, ("text", "revew"), UnknownNameError, "Did you mean 'review'"),
        ({"review": None}, ("text", "review"), DataError, "'review' is NULL in this row"),
        ({"review": " ... "}, ("text", "review"), DataError, "there is no word in 'review'"),
        ({"photo": b"none"}, ("image", "photo"), DataError, "'photo' .*no image"),
        ({"photo": _photo(side=6)}, ("image", "photo"), DeclarationError, "grid=7: .* has 2 to 6 parts a side"),
    ],
)
def test_what_cannot_be_explained_is_named(
    trees: models.ModelGraph, change: dict[str, Any], asked: tuple[str, str], error: type[Exception], match: str
) -> None:
    explain: Any = {"text": ps.explain_text, "image": ps.explain_image}[asked[0]]
    with pytest.raises(error, match=match):
        explain(trees, {**ROW, **change}, asked[1])


def test_features_that_do_not_read_the_column_are_named(trees: models.ModelGraph) -> None:
    with pytest.raises(DataError, match="no feature of age reads 'review'"):
        ps.explain_text(trees, ROW, "review", features=["age"])
    with pytest.raises(UnknownNameError, match="no feature named 'wrds'"):
        ps.explain_text(trees, ROW, "review", features=["wrds"])
    with pytest.raises(DataError, match="one row is explained at a time; 2 are given"):
        ps.explain_text(trees, [ROW, ROW], "review")


def test_a_text_of_which_a_date_is_made_beside_it_is_explained() -> None:
    """What other features read of the row stays as it is, were it a time."""
    start = datetime.datetime(2026, 3, 1, tzinfo=datetime.UTC)
    rows = [
        {
            "review": f"{'good' if at % 2 else 'bad'} thing",
            "at": start + datetime.timedelta(hours=at),
            "y": at % 2 * 3.0,
        }
        for at in range(80)
    ]
    model = ps.model("timed", type="linear_reg", label="y", features={
        "words": ps.col("review").text_analyze().bag_of_words(10, 1), "at": ps.col("at"),
    })  # fmt: skip
    found = _words(ps.explain_text(models.fit(model, rows), rows[1], "review"))
    assert found["good"] > 1.0


def test_in_a_cascade_words_add_by_the_route_that_they_choose() -> None:
    chance, rows = np.random.default_rng(1), []
    for at in range(400):
        long, km = bool(at % 2), float(chance.uniform(0, 10))
        words = f"a {'detour' if long else 'ride'} word{at % 5}"
        rows.append({"note": words, "km": km, "long": long, "minutes": km * (6 if long else 2)})
    words = {"words": ps.col("note").text_analyze().bag_of_words(20, 1)}
    router = ps.model("is_long", type="logistic_reg", label="long", features=words, options={"l2_reg": 0.01})
    far, near = (
        ps.model(name, type="linear_reg", label="minutes", features={"km": ps.col("km")}) for name in ("far", "near")
    )
    route = ps.route(when=ps.col("is_long") > 0.5, use=far)
    metric = "mean_absolute_error"
    cascade = ps.cascade(
        "ride", label="minutes", metric=metric, router=router, routes=[route], otherwise=near, min_rows=50
    )
    graph: Any = ps.fit(cascade, rows)
    told = ps.explain_text(graph, {"note": "a detour word1", "km": 5.0}, "note")
    found = _words(told)
    assert max(found, key=lambda word: found[word]) == "detour"
    assert told.score == pytest.approx(30.0, abs=1.0)
    assert sum(found.values()) == pytest.approx(told.score - told.baseline, abs=1e-9)
    with pytest.raises(DataError, match="cascade 'ride' has no features of its own"):
        ps.explain_text(graph, {"note": "a detour word1", "km": 5.0}, "note", features=["words"])


def test_another_label_and_each_of_several_classes_are_explained_too(rows: pa.Table) -> None:
    tags = [["good"] * ("Good," in text) + ["long"] * (len(text) > 60) for text in rows["review"].to_pylist()]
    table = rows.append_column("tags", pa.array(tags)).append_column("kind", pa.array(["".join(each) for each in tags]))
    features = {"words": FACTS["words"], "length": FACTS["length"]}
    kinds = models.fit(
        ps.model("kinds", type="logistic_reg", label="kind", features=features, options={"l2_reg": 0.1}), table
    )
    told = ps.explain_text(kinds, ROW, "review", label="good")
    best = max(_words(told), key=lambda word: _words(told)[word])
    assert (told.predicted, best.strip("().")) == ("good", "good")
    against = _words(ps.explain_text(kinds, ROW, "review", label=""))
    assert min(against, key=lambda word: against[word]) == best
    with pytest.raises(UnknownNameError, match=r"no label named 'god' in model 'kinds'"):
        ps.explain_text(kinds, ROW, "review", label="god")
    several = ps.model("tags", type="dnn_classifier", label="tags", features=features, options={"max_iterations": 30})
    tagged = models.fit(several, table)
    told = ps.explain_text(tagged, ROW, "review", label="good")
    assert max(_words(told), key=lambda word: _words(told)[word]) == best
    assert sum(_words(told).values()) == pytest.approx(told.score - told.baseline, abs=1e-9)
