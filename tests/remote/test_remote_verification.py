"""A model is proved over REST as it is in its folder: also one that looks features up."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from served_projects import serving

import penstock as ps

NOW = dt.datetime.now(dt.UTC)


def shops(rate: float = 1.0) -> ps.FeatureSet:
    return ps.feature_set(
        "shops",
        entities={"shop": "string"},
        timestamp="at",
        features={
            "last": ps.col("paid") * rate,
            "paid_7d": ps.col("paid").sum().over("7d"),
            "share": ps.request("amount") / ps.feature("shops:last"),
        },
        columns={"paid": "float64"},
    )


PRICE = ps.model(
    "price",
    type="linear_reg",
    label="price",
    features={
        "last": ps.feature("shops@1:last").fill_null(0.0),
        "later": ps.feature("shops@2:last").fill_null(0.0),
        "paid": ps.feature("shops@1:paid_7d").fill_null(0.0),
        "share": ps.feature("shops@2:share").fill_null(0.0),
        "amount": ps.col("amount"),
    },
)


def bought(count: int = 90) -> pa.Table:
    return pa.table(
        {
            "shop": [f"s{number % 4}" for number in range(count)],
            "asked": [NOW - dt.timedelta(hours=count - number) for number in range(count)],
            "amount": [1.0 + number * 7 % 13 for number in range(count)],
            "price": [2.0 + number * 5 % 11 for number in range(count)],
        }
    )


@pytest.fixture
def projects(tmp_path: Path) -> Iterator[tuple[ps.Project, ps.RemoteProject]]:
    project = ps.open(tmp_path)
    project.features.apply(shops())
    project.features.apply(shops(rate=2.0))
    at = [NOW - dt.timedelta(hours=number) for number in range(60)]
    rows = [{"shop": f"s{number % 3}", "at": at[number], "paid": 1.0 + number} for number in range(60)]
    project.features.ingest("shops", rows)
    with serving(project) as remote:
        yield project, remote


def test_a_model_with_features_is_fitted_and_verified_over_rest(
    projects: tuple[ps.Project, ps.RemoteProject],
) -> None:
    project, remote = projects
    graph = remote.fit(PRICE, bought(), timestamp="asked")
    assert graph.blobs == project.fit(PRICE, bought(), timestamp="asked").blobs
    found = remote.verify("price")
    assert (found.rows, found.equal, found.endpoint) == (90, True, remote.server.url)
    assert remote.verify("price", rows=bought(10)).rows == 10
    predicted = remote.predict("price", bought(), timestamp="asked")
    assert predicted.equals(project.predict("price", bought()))  # the model has the column
    assert remote.evaluate("price", bought(), timestamp="asked") == project.evaluate("price", bought())


def test_it_finds_an_online_store_that_is_behind_the_history(
    projects: tuple[ps.Project, ps.RemoteProject],
) -> None:
    project, remote = projects
    remote.fit(PRICE, bought(), timestamp="asked")
    for version in (b"shops@1", b"shops@2"):
        project.features.places.online.clear(b"f", mark=version)
    behind = remote.verify("price")
    assert not behind.equal
    assert behind.differing[0]["batch"] != behind.differing[0]["served"]
    remote.features.materialize("shops")
    assert remote.verify("price").equal


def test_a_model_without_features_is_verified_too(projects: tuple[ps.Project, ps.RemoteProject]) -> None:
    _, remote = projects
    remote.fit(ps.model("plain", type="linear_reg", label="price", features={"x": ps.col("amount").log1p()}), bought())
    assert remote.verify("plain").equal
