"""What a user does wrong is said where it is done: what is wrong, what was there, what to do."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import penstock as ps
from penstock.cli.group import main
from penstock.errors import DataError, DeclarationError, PenstockError, SqlError, UnknownNameError

NOON = dt.datetime(2026, 3, 20, 12, tzinfo=dt.UTC)
NAIVE = NOON.replace(tzinfo=None)
SHOPS = ps.feature_set(
    "shops",
    entities={"shop": "string", "floor": "int64"},
    timestamp="at",
    features={
        "paid": ps.col("paid"),
        "paid_1d": ps.col("paid").sum().over("1d"),
        "share": ps.request("amount") / ps.feature("shops:paid"),
    },
    columns={"paid": "float64"},
)
ROW = {"shop": "rex", "floor": 1, "at": NOON, "paid": 4.0}
REX = {"shop": "rex", "floor": 1}


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Any:
    project = ps.open(tmp_path_factory.mktemp("project"))
    project.features.apply(SHOPS)
    project.features.ingest(SHOPS, [ROW])
    return project.features


def declared(**changed: Any) -> ps.FeatureSet:
    given: dict[str, Any] = {"entities": {"shop": "string"}, "timestamp": "at", "features": ["paid"], **changed}
    return ps.feature_set("shops", **given)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"entities": "shop"}, r"entities='shop'; write a dict such as \{'driver_id': 'int64'\}"),
        ({"entities": ["shop"]}, r"entities=\['shop'\]; write a dict"),
        ({"tags": ["a"]}, r"tags=\['a'\]; write a dict"),
        ({"columns": ["paid"]}, r"columns=\['paid'\]; write a dict"),
        ({"timestamp": None}, "timestamp=None; name the column"),
        ({"timestamp": ""}, "timestamp=''; name the column"),
        ({"ttl": dt.timedelta(0)}, "ttl is 0.0; write a positive number"),
    ],
)
def test_a_declaration_of_another_form_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=rf"^feature set 'shops': {said}"):
        declared(**changed)


def test_a_length_of_time_may_be_a_timedelta() -> None:
    week, day = dt.timedelta(days=7), dt.timedelta(days=1)
    assert declared(ttl=week, freshness=day) == declared(ttl="7d", freshness="1d")
    assert ps.col("x").sum().over(week, hop=day) == ps.col("x").sum().over("7d", hop="1d")


def test_an_aggregate_in_a_text_is_told_how_it_is_written() -> None:
    with pytest.raises(SqlError, match=r"over a window, in a feature set: ps.col\('x'\).sum\(\).over\('7d'\)"):
        declared(features={"paid": "SUM(paid)"})


Mistake = Callable[[Any], Any]
MISTAKES: list[tuple[Mistake, type[PenstockError], str]] = [
    (lambda f: f.apply("shops"), DeclarationError, "apply takes a declaration, .* not 'shops'"),
    (lambda f: f.apply(ps.model("m", type="linear_reg", label="y")), DeclarationError, "apply .* not Model"),
    (
        lambda f: f.ingest(SHOPS, [ROW], on_bad="skip"),
        UnknownNameError,
        "no value of on_bad named 'skip'; there are: f",
    ),
    (
        lambda f: f.get_historical_features([{"shop": "rex"}], ["shops:paid"]),
        DataError,
        r"the rows have no column 'floor'; they have: shop$",
    ),
    (lambda f: f.get_historical_features([REX], ["shops"]), DeclarationError, r"'shops' names no feature.*'set:\*'"),
    (
        lambda f: f.get_historical_features([REX], ["shops:paid"], as_of=99),
        DataError,
        "has no version 99 yet; its newest is 0",
    ),
    (
        lambda f: f.get_historical_features([REX], ["shops:paid"], as_of=NAIVE),
        DataError,
        "as_of=2026-03-20 12:00:00 has no zone",
    ),
    (
        lambda f: f.get_online_features(["shops:paid"], REX),
        DataError,
        r"the entities' 'shop' is 'rex'; give a list, \['rex'\]",
    ),
    (
        lambda f: f.get_online_features(["shops:paid"], {"shop": ["rex"], "floor": 1}),
        DataError,
        r"the entities' 'floor' is 1; give a list, \[1\]",
    ),
    (
        lambda f: f.reader(["shops:paid"]).row({"shop": "rex", "floor": "1"}),
        DataError,
        "the entity's 'floor' is '1', it was declared int64",
    ),
    (
        lambda f: f.reader(["shops:paid_1d"]).row({"shop": 7, "floor": 1}),
        DataError,
        "the entity's 'shop' is 7, it was declared string",
    ),
    (lambda f: f.reader(["shops:paid"]).row({}), DataError, "the entity has no 'shop'; it has: nothing"),
    (
        lambda f: f.reader(["shops:paid_1d"]).row(REX, now=NAIVE),
        DataError,
        "now=2026-03-20 12:00:00 has no zone",
    ),
    (lambda f: f.expire("shops", before="2026-01-01"), DataError, "before=2026-01-01 is no time; write it as"),
    (lambda f: f.dead_letters.clear("shops", before=NAIVE), DataError, "before=.* has no zone"),
    (
        lambda f: f.write_historical_features("out.csv", [REX], ["shops:paid"]),
        DeclarationError,
        "'out.csv' would be Parquet.*call it 'out.parquet'",
    ),
    (lambda _: ps.feature("shops"), DeclarationError, r"feature\('shops'\) names no feature; write 'set:feature'"),
]


@pytest.mark.parametrize(("mistake", "cls", "said"), MISTAKES, ids=[said for _, _, said in MISTAKES])
def test_a_mistake_is_told(features: Any, mistake: Mistake, cls: type[PenstockError], said: str) -> None:
    with pytest.raises(cls, match=said):
        mistake(features)
    assert not Path("out.csv").exists()


def test_now_may_be_a_time(features: Any) -> None:
    later = NOON + dt.timedelta(hours=3)
    micros = int(later.timestamp()) * 1_000_000
    reader, one = features.reader(["shops:*"]), {**REX, "amount": 2.0}
    assert reader.row(one, now=later) == reader.row(one, now=micros) == ([4.0, 4.0, 0.5], ["PRESENT"] * 3)
    assert reader.rows([one], now=later) == reader.rows([one], now=micros)
    entities = {name: [value] for name, value in one.items()}
    elsewhere = later.astimezone(dt.timezone(dt.timedelta(hours=2)))
    online = features.get_online_features(["shops:*"], entities, now=elsewhere)
    assert online.equals(features.get_online_features(["shops:*"], entities, now=micros))
    assert online.column("paid_1d").to_pylist() == [4.0]


def test_the_store_says_what_it_has(features: Any, tmp_path: Path) -> None:
    assert repr(features) == "<feature store: shops>"
    assert repr(ps.open(tmp_path).features) == "<feature store: no feature sets yet>"
    assert isinstance(features.get_online_features(["shops:paid"], [REX]), pa.Table)


def test_on_the_command_line_columns_may_have_full_names(features: Any, tmp_path: Path) -> None:
    root = ["-C", str(features.places.index.parents[1])]
    pq.write_table(pa.table({name: [value] for name, value in ROW.items()}), tmp_path / "rows.parquet")
    asked = [*root, "features", "history", "shops", str(tmp_path / "rows.parquet"), "paid", "--json"]
    told = CliRunner().invoke(main, asked)
    assert told.exit_code == 3
    assert "the rows have a column 'paid' already; ask with full_feature_names=True" in told.output
    made = CliRunner().invoke(main, [*asked, "--full-feature-names"])
    assert json.loads(made.output)[0]["shops__paid"] == 4.0
    keys = ["--key", "shop=rex", "--key", "floor=1", "--json"]
    online = CliRunner().invoke(main, [*root, "features", "online", "shops:paid", *keys, "--full-feature-names"])
    assert json.loads(online.output) == [{**REX, "shops__paid": 4.0}]
