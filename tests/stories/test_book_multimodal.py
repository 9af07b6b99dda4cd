"""The book's seven graphs of mixed representations: each learns, is judged on rows that it has not seen, and is served
with its transforms inside.

The rows are made so that no single representation knows the label: what a test asks for is out of reach of each alone.
"""

from __future__ import annotations

import base64
import datetime
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from starlette.testclient import TestClient

import penstock as ps
from penstock import models
from penstock.core.model import Model
from penstock.models.fitting.agreement import close
from penstock.project.project import Project
from penstock.serving.application import application

DATA = Path(__file__).parents[3] / "shared" / "data"
FARES = DATA / "nyc_taxi_fares_latlon.parquet"
NETWORK = {"batch_size": 32, "learn_rate": 0.02, "max_iterations": 8}

Row = dict[str, Any]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    root = tmp_path_factory.mktemp("mixed")
    (root / "penstock.toml").write_text('[tables]\ntitles = "titles.parquet"\n[engine]\ndefault = "inline"\n')
    return ps.open(root)


def made(row: Callable[[random.Random], Row], count: int, seed: int) -> pa.Table:
    chance = random.Random(seed)
    return pa.Table.from_pylist([row(chance) for _ in range(count)])


def learned_judged_and_served(project: Project, model: Model, row: Callable[[random.Random], Row], count: int) -> Row:
    """Return how good the model is on rows held out, of which it has answered for some over REST as it does here."""
    if model.type.startswith("dnn"):
        pytest.importorskip("torch", reason="the CPU build of PyTorch is not installed here: see make setup")
    project.fit(model, made(row, count, seed=1))
    others = made(row, 200, seed=2)
    served_as_predicted(project, model.name, others.drop_columns([model.label]))
    return project.evaluate(model.name, others)


def served_as_predicted(project: Project, name: str, rows: pa.Table) -> None:
    some = rows.slice(0, 5)
    instances = [{name: _in_json(value) for name, value in row.items()} for row in some.to_pylist()]
    with TestClient(application(project, models.row_predictor)) as client:
        answer = client.post(f"/v1/models/{name}:predict", json={"instances": instances})
    assert answer.status_code == 200, answer.text
    predicted = project.predict(name, some).drop_columns(some.column_names).to_pylist()
    assert all(close(one, many, 1e-5) for one, many in zip(answer.json()["predictions"], predicted, strict=True))


def _in_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if isinstance(value, datetime.datetime) else value


_MEALS = ["breakfast", "lunch", "dinner"]
_FILLERS = ["the", "a", "of", "and", "with", "table", "window", "we", "that", "day"]


def words(chance: random.Random, *among: str) -> str:
    some = chance.choices(_FILLERS, k=chance.randint(3, 8))
    for word in among:
        some.insert(chance.randint(0, len(some)), word)
    return " ".join(some)


def picture(chance: random.Random, side: int, *, lying: bool, bright: bool = False) -> bytes:
    """Return a grey picture (PGM) with a bar somewhere, lying or standing, before a dark or a brighter ground."""
    ground = 90 if bright else 20
    pixels = bytearray(ground + chance.randrange(20) for _ in range(side * side))
    top, left = chance.randrange(side - 10), chance.randrange(side - 10)
    for step in range(10):
        for breadth in range(3):
            y, x = (top + breadth, left + step) if lying else (top + step, left + breadth)
            pixels[y * side + x] = 250
    return b"P5\n%d %d\n255\n" % (side, side) + bytes(pixels)


def test_a_text_beside_columns(project: Project) -> None:
    def meal(chance: random.Random) -> Row:
        liked, kind, total = chance.random() < 0.5, chance.randrange(3), chance.uniform(5, 60)
        text = words(chance, chance.choice(["delicious", "tasty"] if liked else ["cold", "awful"]))
        rating = 1 + 1.5 * liked + kind / 2 + total / 60 + chance.gauss(0, 0.1)
        return {"review_text": text, "meal_type": _MEALS[kind], "meal_total": total,
            "rating": rating}  # fmt: skip

    model = ps.model("meals", type="dnn_regressor", label="rating", options=NETWORK, features={
        "review": ps.col("review_text").embedding(16),
        "meal_type": ps.col("meal_type").one_hot_encoder(),
        "meal_total": ps.col("meal_total").standard_scaler(),
    })  # fmt: skip
    # The text tells seven tenths of the variance, the columns the rest.
    assert learned_judged_and_served(project, model, meal, 300)["r2_score"] > 0.85


def test_a_number_twice_raw_and_in_a_bucket(project: Project) -> None:
    def review(chance: random.Random) -> Row:
        rating = chance.uniform(1, 5)
        return {"rating": rating, "readers": 4 * rating + 8 * (rating < 3) + chance.gauss(0, 0.3)}

    ways = {"raw": ps.col("rating"), "good": ps.col("rating") > 3}
    found = {}
    for name, features in {**{name: {name: way} for name, way in ways.items()}, "twice": ways}.items():
        model = ps.model(f"rating_{name}", type="linear_reg", label="readers", features=features)
        found[name] = learned_judged_and_served(project, model, review, 400)["r2_score"]
    assert found["twice"] > 0.95
    assert max(found["raw"], found["good"]) < 0.6


def test_a_text_twice_by_the_order_of_its_words_and_by_which_they_are(project: Project) -> None:
    def title(chance: random.Random) -> Row:
        asks, python = chance.random() < 0.5, chance.random() < 0.5
        order = "how is" if asks else "is how"
        text = f"{words(chance)} {order} {words(chance, 'python' if python else 'java')}"
        return {"title": text, "kind": f"{'question' if asks else 'story'} of {'python' if python else 'java'}"}

    model = ps.model("titles_twice", type="dnn_classifier", label="kind", options=NETWORK, features={
        "order": ps.col("title").conv1d(16, filters=16, widths=[2]),
        "words": ps.col("title").bag_of_words(200),
    })  # fmt: skip
    # Which words there are tells one of two bits.
    assert learned_judged_and_served(project, model, title, 400)["accuracy"] > 0.85


TITLES = """
CREATE OR REPLACE MODEL answered
TRANSFORM(LENGTH(title) AS title_len, ARRAY_LENGTH(SPLIT(title, ' ')) AS word_count,
          ENDS_WITH(title, '?') AS ends_with_q_mark,
          ML.BAG_OF_WORDS(TEXT_ANALYZE(title), 200, 2) OVER() AS words,
          is_answered)
OPTIONS(model_type = '{type}', input_label_cols = ['is_answered'], data_split_method = 'NO_SPLIT'{options})
AS SELECT title, IF(answer_count > 0, 1, 0) AS is_answered FROM titles WHERE NOT held_out
"""


@pytest.mark.parametrize(
    ("type", "options"),
    [("boosted_tree_classifier", ""), ("dnn_classifier", ", learn_rate = 0.02, max_iterations = 12, batch_size = 32")],
)
def test_facts_about_a_text_beside_its_words(project: Project, type: str, options: str) -> None:
    if type.startswith("dnn"):
        pytest.importorskip("torch", reason="the CPU build of PyTorch is not installed here: see make setup")

    def title(chance: random.Random) -> Row:
        asks, known = chance.random() < 0.5, chance.random() < 0.5
        text = words(chance, "python" if known else "cobol") + ("?" if asks else "")
        return {
            "title": text,
            "answer_count": chance.randint(1, 9) * (asks and known),
            "held_out": chance.random() < 0.3,
        }

    pq.write_table(made(title, 800, seed=3), project.root / "titles.parquet")
    project.sql(TITLES.format(type=type, options=options))
    judged = "(SELECT title, IF(answer_count > 0, 1, 0) AS is_answered FROM titles WHERE held_out)"
    [found] = project.sql(f"SELECT * FROM ML.EVALUATE(MODEL answered, {judged})").to_pylist()
    # One title in four is answered: of those that ask, and of those of Python, one in two.
    assert found["accuracy"] > 0.95
    served_as_predicted(project, "answered", project.sql("SELECT title FROM titles WHERE held_out"))


def test_an_image_twice_by_its_pixels_and_by_what_filters_see(project: Project) -> None:
    def digit(chance: random.Random) -> Row:
        lying, bright = chance.random() < 0.5, chance.random() < 0.5
        return {"image": picture(chance, 28, lying=lying, bright=bright), "digit": 2 * lying + bright}

    options = {**NETWORK, "max_iterations": 14}
    model = ps.model("digits", type="dnn_classifier", label="digit", options=options, features={
        "pixels": ps.col("image").image(4, mode="L").pixels(),
        "tiles": ps.col("image").image(28, mode="L").conv(filters=8, layers=2, dim=16),
    })  # fmt: skip
    assert learned_judged_and_served(project, model, digit, 400)["accuracy"] > 0.85


def test_an_image_beside_what_is_known_of_it(project: Project) -> None:
    weathers, places = ["rain", "snow", "fog"], ["school", "highway", "bridge", "tunnel", "market"]

    def traffic(chance: random.Random) -> Row:
        fast, place = chance.random() < 0.5, chance.choice(places)
        return {
            "picture": picture(chance, 16, lying=fast),
            "time": chance.uniform(0, 24), "visibility": chance.random(),
            "inclement_weather": chance.choice(weathers), "location": place,
            "violation": fast and place != "highway",
        }  # fmt: skip

    model = ps.model("violations", type="dnn_classifier", label="violation", options=NETWORK, features={
        "tiles": ps.col("picture").image(16, mode="L").conv(filters=6, layers=2, dim=16),
        **{name: ps.col(name) for name in ("time", "visibility", "inclement_weather")},
        "location": ps.col("location").embedding(4),
    })  # fmt: skip
    # The picture alone is right about nine rows in ten.
    assert learned_judged_and_served(project, model, traffic, 400)["accuracy"] > 0.93


RIDE = {
    "day": "CAST(EXTRACT(DAYOFWEEK FROM pickup_datetime) AS STRING)",
    "hour": "CAST(EXTRACT(HOUR FROM pickup_datetime) AS STRING)",
    "lon": "ML.BUCKETIZE(pickup_longitude, [-74.0, -73.98, -73.96])",
    "lat": "ML.BUCKETIZE(pickup_latitude, [40.72, 40.74, 40.76])",
}
CROSSES = {
    "day_hour": "ML.FEATURE_CROSS(STRUCT({day} AS day, {hour} AS hour))".format(**RIDE),
    "place": "ML.FEATURE_CROSS(STRUCT({lon} AS lon, {lat} AS lat))".format(**RIDE),
}
EMBEDDED = {
    "day_hour": "PENSTOCK.EMBEDDING(CONCAT({day}, '/', {hour}), 4)".format(**RIDE),
    "place": "PENSTOCK.EMBEDDING(CONCAT({lon}, '/', {lat}), 4)".format(**RIDE),
}


def ride(chance: random.Random) -> Row:
    at = datetime.datetime(2020, 3, 1) + datetime.timedelta(hours=chance.randrange(24 * 28))
    east, north = chance.randrange(4), chance.randrange(4)
    busy = (at.hour >= 12) != (at.weekday() >= 4)
    return {
        "pickup_datetime": at,
        "pickup_longitude": -74.01 + 0.02 * east, "pickup_latitude": 40.71 + 0.02 * north,
        "fare_amount": 8.0 + 6 * busy + 6 * ((east + north) % 2) + chance.gauss(0, 0.5),
    }  # fmt: skip


def test_crosses_of_day_and_hour_and_of_places(project: Project) -> None:
    found = {}
    for name, features in {"apart": RIDE, "crossed": CROSSES}.items():
        model = ps.model(f"fares_{name}", type="linear_reg", label="fare_amount", features=features)
        found[name] = learned_judged_and_served(project, model, ride, 3000)["r2_score"]
    assert found["crossed"] > 0.95
    assert found["apart"] < 0.2


def test_vectors_learned_for_a_cross(project: Project) -> None:
    options = {"batch_size": 128, "learn_rate": 0.05, "max_iterations": 8}
    model = ps.model("fares", type="dnn_regressor", label="fare_amount", features=EMBEDDED, options=options)
    assert learned_judged_and_served(project, model, ride, 3000)["r2_score"] > 0.9


@pytest.mark.data
@pytest.mark.skipif(not FARES.exists(), reason="the fares are not here")
def test_the_cross_of_where_real_rides_begin_and_end_tells_more_of_fares_than_the_places_apart() -> None:
    rides = pq.read_table(FARES)
    middles = {"longitude": -73.98, "latitude": 40.75}
    ends = [f"{end}_{axis}" for end in ("pickup", "dropoff") for axis in middles]
    places = {}
    for column in ends:
        points = ", ".join(f"{middles[column.partition('_')[2]] + 0.01 * step:.2f}" for step in range(-4, 5))
        places[column] = f"ML.BUCKETIZE({column}, [{points}])"
    crossed = {**places, "way": "CONCAT(" + ", '/', ".join(places.values()) + ")"}
    learning, judging = rides.slice(0, 20_000), rides.slice(20_000)
    errors = {}
    for name, features in {"apart": places, "crossed": crossed}.items():
        declared = ps.model(name, type="linear_reg", label="fare_amount", features=features, options={"l2_reg": 0.5})
        errors[name] = models.fit(declared, learning).evaluate(judging)["mean_absolute_error"]
    assert errors["crossed"] < 0.9 * errors["apart"]
