"""Real pictures and real, dirty texts: emoji by image and name, violations of restaurants by what inspectors wrote."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from PIL import Image

import penstock as ps
from penstock import models

DATA = Path(__file__).parents[3] / "shared" / "data"
EMOJI, INSPECTIONS, CODES = (
    DATA / f"{name}.parquet"
    for name in ("openmoji_images", "nyc_restaurant_inspections", "nyc_restaurant_violation_codes")
)
REAL = [pytest.mark.data, pytest.mark.slow]
BY_IMAGE = {
    "image": ps.col("image").image(16).conv(filters=8, layers=2, dim=32),
    "colors": ps.col("image").color_histogram(4),
}
BY_NAME = {"annotation": ps.col("annotation").embedding(16)}


def _emoji() -> pa.Table:
    return pq.read_table(EMOJI, columns=["hexcode", "skintone_base_hexcode", "group", "annotation", "image"])


def _made_emoji() -> pa.Table:
    """Return pictures with transparency whose group is told by the colour and, of half of them, by the name alone."""
    chance, rows = np.random.default_rng(0), []
    for number in range(400):
        warm, named = number % 2, number // 2 % 2
        pixels = np.zeros((24, 24, 4), dtype=np.uint8)
        pixels[4:20, 4:20] = [200 if warm and not named else 60, 80, 60 + chance.integers(0, 60), 255]
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        rows.append({
            "hexcode": f"{number:X}", "skintone_base_hexcode": f"{number:X}", "group": ["plants", "food"][warm],
            "annotation": ["leaf", "cake"][warm] if named else "thing", "image": file.getvalue(),
        })  # fmt: skip
    return pa.Table.from_pylist(rows)


@pytest.mark.parametrize(
    "real",
    [
        False,
        pytest.param(
            True, marks=[*REAL, pytest.mark.skipif(not EMOJI.exists(), reason="no emoji beside the checkout")]
        ),
    ],
)
def test_an_emoji_is_known_by_its_image_and_its_name_together(real: bool) -> None:
    rows = _emoji() if real else _made_emoji()
    found = [_known_by(rows, salt, real=real) for salt in (("0", "1", "2") if real else ("0",))]
    image, name, both = (float(np.mean([each[part] for each in found])) for part in ("image", "name", "both"))
    if real:  # a thousand emoji tell a difference to 0.012 (one standard error), so there are three divisions
        assert 0.5 < image < name
        assert both > name + 0.005
    else:
        assert both > max(image, name) + 0.1


def _known_by(rows: pa.Table, salt: str, *, real: bool) -> dict[str, float]:
    """Return how much of a quarter of the emoji is known by what, learned from the others."""
    # Those that differ by the tone of a skin stand on one side: else the test would be of what was seen in training.
    base = pc.coalesce(rows["skintone_base_hexcode"], rows["hexcode"]).to_pylist()
    held = pa.array([hashlib.sha256(f"{salt}{each}".encode()).digest()[0] < 64 for each in base])
    train, test = rows.filter(pc.invert(held)), rows.filter(held)
    found = {}
    for name, features in {"image": BY_IMAGE, "name": BY_NAME, "both": {**BY_IMAGE, **BY_NAME}}.items():
        options = {"learn_rate": 0.01} if real else {"batch_size": 16, "learn_rate": 0.01}
        model = ps.model(name, type="dnn_classifier", label="group", features=features, options=options)
        accuracy = models.fit(model, train, judged=False).evaluate(test)["accuracy"]
        assert accuracy is not None
        found[name] = accuracy
    return found


def _inspections() -> pa.Table:
    rows = pq.read_table(INSPECTIONS, columns=["boro", "cuisine_code", "violation_code"]).slice(0, 6000)
    found = rows.join(pq.read_table(CODES), "violation_code", join_type="inner")
    return found.select(["boro", "cuisine_code", "violation_description", "critical_flag"]).rename_columns(
        ["boro", "cuisine_code", "written", "critical"]
    )


def _made_inspections() -> pa.Table:
    texts = ["Mice\x1a seen in the food area", "Sign \x00 not posted", None, "", "evidence of MICE or live roaches"]
    rows = [
        {"written": texts[number % 5], "boro": ["Bronx", None][number % 2], "cuisine_code": number % 9,
         "critical": "Critical" if number % 5 in (0, 4) else "Not Critical"}
        for number in range(300)
    ]  # fmt: skip
    return pa.Table.from_pylist(rows)


@pytest.mark.parametrize(
    "real",
    [
        False,
        pytest.param(
            True, marks=[*REAL, pytest.mark.skipif(not CODES.exists(), reason="no inspections beside the checkout")]
        ),
    ],
)
def test_what_an_inspector_wrote_tells_whether_it_is_critical_control_characters_and_all(real: bool) -> None:
    rows = _inspections() if real else _made_inspections()
    rows = rows.take(pa.array(np.random.default_rng(0).permutation(rows.num_rows)))
    features = {
        "written": ps.col("written").embedding(16),
        "words": ps.col("written").bag_of_words(200),
        "length": ps.col("written").length(),
        "boro": ps.col("boro"),
        "cuisine": ps.col("cuisine_code"),
    }
    model = ps.model("critical", type="dnn_classifier", label="critical", features=features)
    graph = models.fit(model, rows.slice(rows.num_rows // 4), options={"max_iterations": 10})
    assert graph.facts["disagreements"] == []
    assert graph.evaluate(rows.slice(0, rows.num_rows // 4))["accuracy"] > 0.95  # type: ignore[operator]
