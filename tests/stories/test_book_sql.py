"""The SQL of the book's notebooks, statement for statement, over rows of our own making and, where it is, real data.

The statements are those of the notebooks of github.com/GoogleCloudPlatform/ml-design-patterns: `cascade` (folder
03_problem_representation), `feature_cross` and `simple_data_representation` (02_data_representation), in the folder
`book`; what a notebook puts into a statement with `.format` is put in here. Which rows the names stand for is what
penstock.toml says.
"""

from __future__ import annotations

import datetime
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import penstock as ps
from penstock.project import Project

pytestmark = pytest.mark.usefixtures("warm_workers")

TRIPS = "bigquery-public-data.san_francisco_bikeshare.bikeshare_trips"
NATALITY = "publicdata.samples.natality"
TAXI = "nyc-tlc.yellow.trips"
PAGES = "bigquery-samples.wikipedia_benchmark.Wiki100M"
DATA = Path(__file__).parents[3] / "shared" / "data"


INPUT_DATA = """SELECT start_date, start_station_name, subscriber_type, member_birth_year, member_gender,
  IF(duration_sec > 3600*4, 'Long', 'Typical') AS trip_type,
  ST_Distance(start_station_geom, end_station_geom) AS distance
  FROM `{}`"""
ONE_STATEMENT = f"""CREATE OR REPLACE MODEL mlpatterns.predict_distance
OPTIONS(model_type='cascade', router='mlpatterns.classify_trips',
        routes=[('Long', 'mlpatterns.predict_distance_Long', 'the long ones')],
        otherwise='mlpatterns.predict_distance_Typical', metric='median_absolute_error', min_rows=50,
        input_label_cols=['distance'])
AS {INPUT_DATA}"""


def statement(name: str) -> str:
    return (Path(__file__).parent / "book" / f"{name}.sql").read_text()


CLASSIFY = statement("cascade/classify")
TRAINING_DATA = statement("cascade/training_data")
DISTANCE_MODEL = statement("cascade/distance_model")
EVALUATE = statement("cascade/evaluate")
BABYWEIGHT = statement("feature_cross/babyweight")
BABYWEIGHT_PART = statement("feature_cross/babyweight_part")
NETWORK = statement("feature_cross/network")
CROSSED = statement("feature_cross/crossed")
RMSE = statement("feature_cross/rmse")
TAXI_DATA = statement("feature_cross/taxi_data")
TAXI_MODEL = statement("feature_cross/taxi_model")
TAXI_RMSE = statement("feature_cross/taxi_rmse")
BY_AGE = statement("simple_data_representation/by_age")
SCALED = statement("simple_data_representation/scaled")
VIEWS = statement("simple_data_representation/views")


def project_with(root: Path, **tables: pa.Table | str) -> Project:
    lines = ["[tables]"]
    for position, (name, rows) in enumerate(tables.items()):
        path = rows if isinstance(rows, str) else str(root / f"{position}.parquet")
        if isinstance(rows, pa.Table):
            pq.write_table(rows, path)
        lines.append(f'"{name}" = "{path}"')
    (root / "penstock.toml").write_text("\n".join(lines) + "\n")
    return ps.open(root)


def trips(count: int) -> pa.Table:
    """Trips with their stations' places as points, of which the long ones start late, far out, by customers."""
    draw = random.Random(5)
    start = datetime.datetime(2017, 6, 29, tzinfo=datetime.UTC)
    places = {f"Station {n}": {"longitude": -122.4 + n / 100, "latitude": 37.77 + n / 200} for n in range(12)}
    rows = []
    for _ in range(count):
        moment = start + datetime.timedelta(minutes=draw.randrange(60 * 24 * 60))
        customer = draw.random() < 0.3
        is_long = draw.random() < (0.35 if customer and moment.hour >= 18 else 0.01)
        one, other = draw.choice(list(places)), draw.choice(list(places))
        rows.append({
            "start_date": moment,
            "duration_sec": draw.randrange(14_500, 60_000) if is_long else draw.randrange(120, 3000),
            "start_station_name": one,
            "start_station_geom": places[one],
            "end_station_geom": None if draw.random() < 0.02 else places[other],
            "subscriber_type": "Customer" if customer else "Subscriber",
            "member_birth_year": None if draw.random() < 0.1 else draw.randrange(1940, 2000),
            "member_gender": draw.choice(["Male", "Female", "Other", None]),
        })  # fmt: skip
    return pa.Table.from_pylist(rows)


def births(count: int) -> pa.Table:
    draw = random.Random(6)
    rows = []
    for _ in range(count):
        weeks, plurality = draw.randrange(32, 43), draw.choice([1, 1, 1, 1, 2, 3])
        male = draw.random() < 0.5
        rows.append({
            "year": draw.randrange(2000, 2009),
            "month": draw.randrange(1, 13),
            "weight_pounds": 0.3 * (weeks - 32) + 5 + 0.3 * male - 1.2 * (plurality - 1) + draw.gauss(0, 0.5),
            "is_male": male,
            "mother_age": draw.randrange(14, 50),
            "plurality": plurality,
            "gestation_weeks": weeks,
            "mother_race": draw.choice([1, 2, 7, None]),
        })  # fmt: skip
    return pa.Table.from_pylist(rows)


def cascade(project: Project) -> tuple[dict[str, int], float]:
    """Run the notebook's pipeline; return how many trips each model learned from, and the error of the whole."""
    project.sql(CLASSIFY)
    learned = {}
    for segment in ("Typical", "Long"):
        project.sql(TRAINING_DATA.format(segment, "mlpatterns.classify_trips"))
        [made] = project.sql(DISTANCE_MODEL.format(segment, f"mlpatterns.{segment}_trips")).to_pylist()
        learned[segment] = made["rows"]
    names = [f"mlpatterns.{name}" for name in ("classify_trips", "predict_distance_Typical", "predict_distance_Long")]
    [judged] = project.sql(EVALUATE.format(*names)).to_pylist()
    return learned, judged["median_absolute_error"]


def test_the_cascade_notebook_runs_as_it_is(tmp_path: Path) -> None:
    project = project_with(tmp_path, **{TRIPS: trips(3000)})
    learned, error = cascade(project)
    there = project.sql(f"SELECT COUNT(*) AS n FROM `{TRIPS}` WHERE end_station_geom IS NOT NULL")["n"][0].as_py()
    assert sum(learned.values()) == there
    assert learned["Long"] > 100
    furthest = project.sql(f"SELECT MAX(ST_DISTANCE(start_station_geom, end_station_geom)) AS m FROM `{TRIPS}`")
    assert 0 < error < furthest["m"][0].as_py()


def test_one_statement_does_what_the_notebooks_pipeline_does(tmp_path: Path) -> None:
    """Ours, not BigQuery's: the models that the notebook made name the stages, and are trained anew within."""
    project = project_with(tmp_path, **{TRIPS: trips(3000)})
    cascade(project)
    whole = ONE_STATEMENT.format(TRIPS)
    [made] = project.sql(whole).to_pylist()
    assert made["model_type"] == "cascade"
    assert made["median_absolute_error"] > 0
    assert made["baseline_median_absolute_error"] > 0
    declared = project.models["mlpatterns.predict_distance"].load().declaration()
    assert declared.router.features["bucketized_age"].op == "quantile_bucketize"
    routes = project.sql(
        "SELECT route, COUNT(*) AS n, APPROX_QUANTILES(ABS(distance - predicted_distance), 10)[OFFSET(5)] AS error FROM"
        f" ML.PREDICT(MODEL mlpatterns.predict_distance, ({INPUT_DATA.format(TRIPS)})) WHERE distance IS NOT NULL"
        " GROUP BY route ORDER BY n"
    ).to_pylist()
    assert [row["route"] for row in routes] == ["the long ones", "mlpatterns.predict_distance_Typical"]
    assert all(0 < row["error"] < 20_000 for row in routes)
    project.sql(whole)
    assert {step.state for step in project.runs()[0].steps.values()} == {"up_to_date"}


def test_a_table_of_the_cascade_knows_what_it_comes_from(tmp_path: Path) -> None:
    project = project_with(tmp_path, **{TRIPS: trips(800)})
    cascade(project)
    above = project.repository.lineage("mlpatterns.predict_distance_Long@champion", down=False)
    graph = project.models["mlpatterns.classify_trips"].alias("champion").digest
    assert f"artifact:{graph}" in above.nodes
    assert project.repository["mlpatterns.Long_trips"].digest in {id.removeprefix("artifact:") for id in above.nodes}


def test_a_row_of_the_cascade_is_the_same_through_both_forms(tmp_path: Path) -> None:
    project = project_with(tmp_path, **{TRIPS: trips(800)})
    cascade(project)
    graph = project.models["mlpatterns.classify_trips"].load()
    rows = project.sql(f"SELECT * FROM `{TRIPS}` LIMIT 50")
    batch = graph.predict(rows).to_pylist()
    for row, expected in zip(rows.to_pylist(), batch, strict=True):
        predicted, probabilities = graph.predict_row(row).values()
        assert predicted == expected["predicted_trip_type"]
        assert [entry["prob"] for entry in probabilities] == pytest.approx(
            [entry["prob"] for entry in expected["predicted_trip_type_probs"]], rel=1e-12
        )


def babyweight(project: Project) -> None:
    project.sql(BABYWEIGHT + ";" + BABYWEIGHT_PART.format("train", "<") + ";" + BABYWEIGHT_PART.format("eval", "="))


def rmse(project: Project, query: str) -> float:
    [row] = project.sql(query).to_pylist()
    found: float = row["rmse"]
    return found


def test_the_feature_cross_notebook_learns_babies_weights(tmp_path: Path) -> None:
    project = project_with(tmp_path, **{NATALITY: births(3000)})
    babyweight(project)
    counts = project.sql(
        "SELECT (SELECT COUNT(*) FROM babyweight.babyweight_data) AS whole,"
        " (SELECT COUNT(*) FROM babyweight.babyweight_data_train) AS train,"
        " (SELECT COUNT(*) FROM babyweight.babyweight_data_eval) AS eval"
    ).to_pylist()[0]
    assert counts["whole"] == counts["train"] + counts["eval"]
    assert min(counts.values()) > 300
    project.sql(CROSSED)
    assert rmse(project, RMSE.format("natality_model_feat_eng")) == pytest.approx(0.5, abs=0.08)


def test_the_feature_cross_notebook_learns_babies_weights_with_a_network(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    project = project_with(tmp_path, **{NATALITY: births(1500)})
    babyweight(project)
    project.sql(NETWORK)
    assert rmse(project, RMSE.format("natality_model")) < 1.0


def test_the_feature_cross_notebook_learns_fares_from_800_buckets_a_side(tmp_path: Path) -> None:
    draw = random.Random(8)
    start = datetime.datetime(2015, 1, 1, tzinfo=datetime.UTC)
    rows: list[dict[str, Any]] = []
    for _ in range(3000):
        longitudes, latitudes = ([base + draw.randrange(6) / 50 for _ in "ab"] for base in (-74.01, 40.7))
        far = abs(longitudes[0] - longitudes[1]) + abs(latitudes[0] - latitudes[1])
        rows.append({
            "pickup_datetime": start + datetime.timedelta(minutes=draw.randrange(60 * 24 * 300)),
            "tolls_amount": 0.0,
            "fare_amount": 3 + 100 * far + draw.random(),
            "trip_distance": far,
            "passenger_count": draw.randrange(0, 5),
            "pickup_longitude": longitudes[0], "dropoff_longitude": longitudes[1],
            "pickup_latitude": latitudes[0], "dropoff_latitude": latitudes[1],
        })  # fmt: skip
    project = project_with(tmp_path, **{TAXI: pa.Table.from_pylist(rows)})
    project.sql(TAXI_DATA)
    assert project.sql("SELECT COUNT(*) AS n FROM mlpatterns.taxi_data")["n"][0].as_py() < 30  # one in a thousand
    project.sql(TAXI_DATA.replace("1000)) = 1", "1000)) >= 0"))
    for name, option in (("noreg", ""), ("l2reg", ", l2_reg=0.5")):
        project.sql(TAXI_MODEL.format(name, option))
    found = [rmse(project, TAXI_RMSE.format(name)) for name in ("noreg", "l2reg")]
    assert found[0] != found[1]
    assert min(found) > 0


def test_the_simple_representations_are_scaled_as_in_the_notebook(tmp_path: Path) -> None:
    project = project_with(tmp_path, **{NATALITY: births(2000)})
    by_age = project.sql(BY_AGE).to_pylist()
    assert [row["mother_age"] for row in by_age] == list(range(14, 50))
    ages = {
        column: [row[column] for row in project.sql(SCALED.format(column)).to_pylist()]
        for column in ("mother_age", "minmax_scaled", "clipped", "zeronorm")
    }
    assert (ages["minmax_scaled"][0], ages["minmax_scaled"][-1]) == (-1.0, 1.0)
    assert (ages["clipped"][0], ages["clipped"][-1], len(ages["clipped"])) == (-1.0, 1.0, 31)
    assert len(ages["zeronorm"]) == len(ages["mother_age"]) == 36


def test_skewed_counts_are_straightened_as_in_the_notebook(tmp_path: Path) -> None:
    draw = random.Random(9)
    pages = pa.table({
        "title": [f"page {draw.randrange(300)}" for _ in range(2000)],
        "language": [draw.choice(["en", "en", "de"]) for _ in range(2000)],
        "views": [int(draw.paretovariate(0.8)) for _ in range(2000)],
    })  # fmt: skip
    project = project_with(tmp_path, **{PAGES: pages})
    [raw, straight] = (project.sql(VIEWS.format(column)) for column in ("num_views", "fourthroot_log_views"))
    assert min(raw["num_views"].to_pylist()) > 10
    assert raw.num_rows > straight.num_rows
    assert sum(raw["freq"].to_pylist()) == sum(straight["freq"].to_pylist())


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="the folder of real data is not beside this checkout")
def test_the_cascade_notebook_runs_on_the_bay_areas_trips(tmp_path: Path) -> None:
    project = project_with(
        tmp_path,
        trips=str(DATA / "bayarea_bike_trips.parquet"),
        stations=str(DATA / "bayarea_bike_stations.parquet"),
    )
    places = "SELECT name, ANY_VALUE(ST_GEOGPOINT(long, lat)) AS geom FROM stations GROUP BY name"
    seen = project.sql(
        f"WITH places AS ({places}) SELECT start_date, duration AS duration_sec, start_station AS start_station_name,"
        " one.geom AS start_station_geom, other.geom AS end_station_geom, subscription_type AS subscriber_type,"
        " CAST(1950 + MOD(bike_id, 50) AS INT64) AS member_birth_year, CAST(NULL AS STRING) AS member_gender"
        " FROM trips LEFT JOIN places AS one ON start_station = one.name"
        " LEFT JOIN places AS other ON end_station = other.name WHERE MOD(trip_id, 10) = 0"
    )
    told = project_with(tmp_path, **{TRIPS: seen})
    learned, error = cascade(told)
    assert learned["Typical"] + learned["Long"] > 25_000
    assert 0 < error < 5000
    [made] = told.sql(ONE_STATEMENT.format(TRIPS)).to_pylist()
    assert 0 < made["median_absolute_error"] < 1.1 * made["baseline_median_absolute_error"]
