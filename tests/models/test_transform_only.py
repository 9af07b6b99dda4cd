"""Models that only transform: their features are what they give, the constants found in the training rows."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest

import penstock.models as models
from penstock.errors import DataError, DeclarationError
from penstock.operations import col

FEATURES = {
    "carrier": col("carrier").label_encoder(10, 1),  # has the name of what it is made of
    "distance": col("distance"),  # passes as it is
    "scaled": col("distance").standard_scaler(),
    "hour": "EXTRACT(HOUR FROM scheduled)",
    "scheduled": col("scheduled"),
    "bucket": col("air_time").quantile_bucketize(3),
}


@pytest.fixture(scope="module")
def transforming(flights):
    return models.fit(models.model("prepared", type="transform_only", features=FEATURES), flights)


def test_the_features_are_what_it_gives(transforming, flights):
    found = transforming.predict(flights)
    assert found.column_names[: len(FEATURES)] == list(FEATURES)
    distance = flights["distance"].to_numpy().astype(float)
    expected = (distance - distance.mean()) / distance.std(ddof=1)
    assert np.abs(found["scaled"].to_numpy() - expected).max() < 1e-12
    assert found["distance"].equals(flights["distance"])
    assert found["scheduled"].to_pylist() == flights["scheduled"].to_pylist()


def test_a_column_with_the_name_of_a_feature_gives_way_and_others_pass(transforming, flights):
    found = transforming.predict(flights)
    assert found.column_names == [*FEATURES, *(name for name in flights.column_names if name not in FEATURES)]
    assert found["carrier"].type == pa.int64()
    assert found["delay"].equals(flights["delay"])


def test_constants_are_those_of_training(transforming, flights):
    few = flights.slice(0, 5)
    assert transforming.predict(few).equals(transforming.predict(flights).slice(0, 5))


def test_one_row_is_transformed_as_many_are(transforming, flights):
    later = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
    rows = [
        *flights.select(transforming.signature.inputs.names).slice(0, 50).to_pylist(),
        {"carrier": None, "distance": None, "scheduled": None, "air_time": None},
        {"carrier": "unseen", "distance": 10**9, "scheduled": later, "air_time": -1.0},
    ]
    schema = pa.schema([flights.schema.field(name) for name in transforming.signature.inputs.names])
    many = transforming.predict(pa.Table.from_pylist(rows, schema=schema)).select(list(FEATURES)).to_pylist()
    assert [transforming.predict_row(row) for row in rows] == many
    assert transforming.facts["disagreements"] == []


def test_it_comes_back_from_its_files(transforming, tmp_path):
    assert models.load_model(transforming.save(tmp_path / "prepared")) == transforming


def test_nodes_have_names_of_their_own(transforming):
    names = [node.name for node in transforming.nodes]
    assert len(set(names)) == len(names)


def test_it_has_nothing_to_judge(transforming, flights):
    assert transforming.facts["evaluation"] == {}
    with pytest.raises(DeclarationError, match="'prepared' only transforms rows; it predicts nothing"):
        transforming.evaluate(flights)


def test_it_takes_no_label():
    with pytest.raises(DeclarationError, match="transform_only learns without labels; leave label='delay' out"):
        models.model("prepared", type="transform_only", label="delay", features=FEATURES)


def test_other_models_need_a_label():
    with pytest.raises(DeclarationError, match="linear_reg learns to predict a label; name its column"):
        models.model("m", type="linear_reg", features=FEATURES)


def test_no_rows_are_nothing_to_learn_from(flights):
    with pytest.raises(DataError, match="nothing to learn from: there are no rows"):
        models.fit(models.model("prepared", type="transform_only", features=FEATURES), flights.slice(0, 0))


def test_its_declaration_is_written_and_read_as_sql_and_python(transforming):
    declaration = transforming.declaration()
    assert declaration.label is None
    assert "input_label_cols" not in declaration.sql()
    assert "label=" not in declaration.python()
    assert declaration == models.model("prepared", type="transform_only", features=FEATURES)


def test_describe_says_what_it_does(transforming):
    text = transforming.describe()
    assert text.startswith("model prepared: transform_only, learned from 400 rows")
    assert "estimates" not in text
