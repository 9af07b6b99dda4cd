"""A cascade whose stages look features up, behind a real server: all of it by one look-up, as batch and history do."""

from __future__ import annotations

import datetime
import json
import urllib.request
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from story_projects import served

import penstock as ps
from penstock.cli import main
from penstock.models.fitting.agreement import close

START = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=10)

SHOPS = ps.feature_set(
    "shops",
    entities={"shop": "string"},
    timestamp="at",
    features={
        "last": ps.col("price"),
        "sales_1d": ps.col("price").count().over("1d"),
        "mean_7d": ps.col("price").mean().over("7d"),
        "relative": ps.request("price") / ps.feature("shops:mean_7d"),
    },
    columns={"price": "float64"},
)
OUTLET = ps.model(
    "is_outlet",
    type="logistic_reg",
    label="is_outlet",
    features={"mean": ps.feature("shops:mean_7d"), "relative": ps.feature("shops:relative")},
)
DISCOUNTED = ps.model(
    "discounted",
    type="linear_reg",
    label="returned",
    features={"relative": ps.feature("shops:relative"), "price": ps.col("price")},
)
USUAL = ps.model(
    "usual",
    type="boosted_tree_regressor",
    label="returned",
    features={"sales": ps.feature("shops:sales_1d"), "last": ps.feature("shops:last"), "price": ps.col("price")},
    options={"max_iterations": 5},
)
RETURNED = ps.cascade(
    "returned",
    label="returned",
    metric="mean_absolute_error",
    router=OUTLET,
    routes=[ps.route(when=ps.col("is_outlet") > 0.5, use=DISCOUNTED)],
    otherwise=USUAL,
    time="at",
    min_rows=20,
)


def sales(count: int, start: datetime.datetime, step: datetime.timedelta) -> pa.Table:
    shops = [number % 7 for number in range(count)]
    prices = [(4.0 if shop < 3 else 20.0) + (number * 37 % 101) / 30 for number, shop in enumerate(shops)]
    return pa.table(
        {
            "shop": [f"s{shop}" for shop in shops],
            "at": [start + number * step for number in range(count)],
            "price": prices,
            "is_outlet": [shop < 3 for shop in shops],
            "returned": [price / (2 if shop < 3 else 10) for price, shop in zip(prices, shops, strict=True)],
        }
    )


def posted(url: str, instances: list[dict[str, Any]]) -> list[dict[str, Any]]:
    path = f"{url}/v1/models/returned:predict?stages=true"
    with urllib.request.urlopen(urllib.request.Request(path, json.dumps({"instances": instances}).encode())) as answer:
        found: list[dict[str, Any]] = json.load(answer)["predictions"]
        return found


@pytest.mark.usefixtures("warm_workers")
def test_a_cascade_of_features_is_served_as_batch_and_history_have_it(tmp_path: Path) -> None:
    project = ps.open(tmp_path)
    past = sales(900, START, datetime.timedelta(minutes=15))
    project.features.apply(SHOPS)
    project.features.ingest(SHOPS, past)
    graph = project.fit(RETURNED, past)  # as of each sale: what its shop had sold before it
    assert set(graph.signature.inputs.names) == {"shop", "price"}
    asked = [{"shop": f"s{number}", "price": 4.0 + 2 * number} for number in range(8)]  # nobody knows s7
    rows, gives = pa.Table.from_pylist(asked), ["predicted_returned", "route", "stages"]
    seen = []
    with served(tmp_path) as url:
        for round in range(3):
            now = datetime.datetime.now(datetime.UTC)
            project.features.ingest(SHOPS, sales(5 + round, now, datetime.timedelta(microseconds=1)))
            answers = posted(url, asked)
            seen.append([each["predicted_returned"] for each in answers])
            assert {each["route"] for each in answers} == {"discounted", "usual"}
            assert close(answers, project.predict("returned", rows, stages=True).select(gives).to_pylist())
            at = pa.array([datetime.datetime.now(datetime.UTC)] * len(asked), pa.timestamp("us", "UTC"))
            timed = rows.append_column("at", at)
            assert close(answers, project.predict("returned", timed, stages=True).select(gives).to_pylist())
        assert len({tuple(predicted) for predicted in seen}) == 3
        verified = CliRunner().invoke(main, ["-C", str(tmp_path), "verify", "returned", "--url", url])
        assert verified.exit_code == 0, verified.output
