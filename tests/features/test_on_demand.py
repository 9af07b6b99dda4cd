"""On-demand features: the same value in every path, bit for bit; what they cannot be is said when they are applied."""

from __future__ import annotations

import datetime
import itertools
import struct
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import penstock as ps
from penstock.errors import DataError, DeclarationError, ExpressionError
from penstock.operations import parse, python, text
from penstock.operations.notation import expression_from_json, expression_to_json

numbers = itertools.count()
AT = datetime.datetime(2026, 11, 1, 12, tzinfo=datetime.UTC)
NOW = int(AT.timestamp()) * 1_000_000
HOUR = 3_600_000_000


def cards(project: ps.Project, name: str = "card", **features: Any) -> ps.FeatureSet:
    declared = ps.feature_set(
        name,
        entities={"card_id": "string"},
        timestamp="at",
        created="made",
        ttl="1d",
        features={"mean": ps.col("mean"), "country": ps.col("country"), **features},
        columns={"mean": "float64", "country": "string"},
    )
    project.features.apply(declared)
    project.features.ingest(
        declared,
        [
            {"card_id": "a", "at": AT, "made": AT, "mean": 20.0, "country": "NL"},
            {"card_id": "b", "at": AT, "made": AT, "mean": None, "country": "FR"},
            {"card_id": "old", "at": AT - datetime.timedelta(days=2), "made": AT, "mean": 5.0, "country": "FR"},
        ],
    )
    return declared


def payments(project: ps.Project) -> ps.FeatureSet:
    declared = ps.feature_set(
        "payment",
        entities={"shop_id": "int64"},
        timestamp="at",
        created="made",
        features={
            "limit": ps.col("limit"),
            "ratio": ps.request("amount") / ps.feature("card:mean"),
            "risky": (ps.feature("payment:ratio") > 2).fill_null(True)
            | (ps.request("amount") > ps.feature("payment:limit")),
            "abroad": ps.request("country", "string").ne(ps.feature("card:country")),
        },
        columns={"limit": "float64"},
    )
    project.features.apply(declared)
    project.features.ingest(declared, [{"shop_id": 1, "at": AT, "made": AT, "limit": 100.0}])
    return declared


FEATURES = ["payment:risky", "payment:ratio", "payment:limit", "payment:abroad"]
ASKED = [
    {"card_id": "a", "shop_id": 1, "amount": 50.0, "country": "NL"},
    {"card_id": "b", "shop_id": 1, "amount": 50.0, "country": "NL"},
    {"card_id": "old", "shop_id": 2, "amount": None, "country": "FR"},
    {"card_id": "?", "shop_id": 1, "amount": 1000.0, "country": None},
]


def test_it_is_worked_out_of_features_of_several_sets_and_the_request(project: ps.Project) -> None:
    cards(project)
    payments(project)
    rows = pa.Table.from_pylist([{**row, "event_timestamp": AT + datetime.timedelta(hours=1)} for row in ASKED])
    answer = project.features.get_historical_features(rows, FEATURES, statuses=True)
    assert answer.column_names[:5] == rows.column_names
    assert answer.column_names[5::2] == ["risky", "ratio", "limit", "abroad"]
    assert answer.column("ratio").to_pylist() == [2.5, None, None, None]
    assert answer.column("ratio__status").to_pylist() == ["PRESENT", "NULL_VALUE", "OUTSIDE_MAX_AGE", "NOT_FOUND"]
    assert answer.column("risky").to_pylist() == [True, True, True, True]
    assert answer.column("risky__status").to_pylist() == ["PRESENT"] * 4
    assert answer.column("limit__status").to_pylist() == ["PRESENT", "PRESENT", "NOT_FOUND", "PRESENT"]
    assert answer.column("abroad").to_pylist() == [False, True, None, None]
    reader = project.features.reader(FEATURES)
    assert reader.columns == ("risky", "ratio", "limit", "abroad")
    for row, many in zip(ASKED, answer.to_pylist(), strict=True):
        values, states = reader.row(row, now=NOW + HOUR)
        assert values == [many[name] for name in reader.columns]
        assert states == [many[f"{name}__status"] for name in reader.columns]


def test_one_may_be_asked_for_without_what_it_reads(project: ps.Project) -> None:
    cards(project)
    payments(project)
    asked = {"card_id": ["a"], "amount": [50]}
    assert project.features.get_online_features(["payment:ratio"], asked).column_names == ["card_id", "amount", "ratio"]
    assert project.features.reader(["payment:ratio"]).row({"card_id": "a", "amount": 50}, now=NOW)[0] == [2.5]


def test_the_schema_says_what_it_needs(project: ps.Project) -> None:
    cards(project)
    schema = project.features.apply(payments(project))
    assert schema["properties"]["ratio"] == {
        "type": ["number", "null"],
        "x-kind": "on_demand",
        "x-needs": {"features": ["card@1:mean"], "entities": ["card_id"], "request": ["amount"]},
    }
    assert schema["x-request"] == {"amount": {"type": "number"}, "country": {"type": "string"}}


def test_it_reads_the_version_that_stood_when_it_was_applied(project: ps.Project) -> None:
    cards(project)
    declared = payments(project)
    cards(project, mean=ps.col("mean") * 10)
    asked = {"card_id": ["a"], "amount": [50.0]}

    def ratio() -> list[float | None]:
        now = NOW + HOUR
        reader = project.features.reader(["payment:ratio"])
        return reader.row({name: values[0] for name, values in asked.items()}, now=now)[0]

    assert ratio() == [2.5]
    project.features.ingest(declared, [{"shop_id": 2, "at": AT, "made": AT, "limit": 1.0}])  # still what was applied
    applied = project.features.apply(declared)
    assert applied.version == 2
    assert any("card@2:mean" in change for change in applied.changes)
    assert ratio() == [0.25]


@pytest.mark.parametrize(
    ("features", "said"),
    [
        ({"x": ps.feature("s:y"), "y": ps.feature("s:z"), "z": ps.feature("s:x") + 1}, "circle: x -> y -> z -> x"),
        ({"x": ps.feature("s:x")}, "circle: x -> x"),
        ({"x": ps.col("v") / ps.request("amount")}, r"mixes the row's own 'v'.*make it a feature.*ps.feature\('s:v'\)"),
        ({"x": ps.request("amount") / ps.col("v").mean().over("1h")}, "aggregate over a window.*feature of its own"),
        ({"x": ps.feature("s:nothing") + 1}, "no feature named 'nothing' in feature set 's': feature 'x'"),
        ({"x": ps.feature("other:v") + 1}, "reads 'other:v': no feature set named 'other'.*apply that set"),
        ({"x": ps.feature("card:nothing") + 1}, "reads 'card:nothing'.*'nothing'"),
        ({"x": ps.feature("card@7:mean") + 1}, "reads 'card@7:mean'.*'7'"),
        ({"x": ps.request("a") + ps.request("a", "int64")}, "float64 here and int64 there"),
        ({"x": ps.request("id", "int64") + 1}, "'id' is a key"),
        ({"x": ps.request("a", "string") / 2}, "'x'.*string"),
    ],
)
def test_what_cannot_be_is_said_when_it_is_applied(project: ps.Project, features: dict[str, Any], said: str) -> None:
    cards(project)
    declared = ps.feature_set(
        "s", entities={"id": "int64"}, timestamp="at", features={"v": ps.col("v"), **features}, columns={"v": "float64"}
    )
    with pytest.raises(DeclarationError, match=said):
        project.features.apply(declared)
    assert list(project.features) == ["card"]


def test_a_value_of_the_request_that_is_missing_or_of_another_type_is_named(project: ps.Project) -> None:
    cards(project)
    payments(project)
    with pytest.raises(DataError, match="no column 'amount', a value of the request"):
        project.features.get_online_features(["payment:ratio"], {"card_id": ["a"]})
    with pytest.raises(DataError, match="'amount' is string, it was declared float64"):
        project.features.get_online_features(["payment:ratio"], {"card_id": ["a"], "amount": ["50"]})
    with pytest.raises(DataError, match="no 'amount'"):
        project.features.reader(["payment:ratio"]).row({"card_id": "a"})


def test_a_value_that_an_operation_refuses_is_told_in_every_path(project: ps.Project) -> None:
    cards(project, log=ps.request("amount").ln())
    with pytest.raises(ExpressionError, match=r"'log'.*request:amount"):
        project.features.reader(["card:log"]).row({"card_id": "a", "amount": -1.0})
    with pytest.raises(ExpressionError, match=r"'log'.*request:amount"):
        project.features.get_online_features(["card:log"], {"card_id": ["a"], "amount": [-1.0]})


A, B, C, D = ps.feature("{set}:f"), ps.feature("{set}:i"), ps.feature("{set}:s"), ps.feature("{set}:t")
X, Y, Z, T = ps.request("x"), ps.request("y", "int64"), ps.request("z", "string"), ps.request("w", "timestamp")
EXPRESSIONS = [
    X / A,
    X * A - B,
    (X + A).floor(),
    Y / B,
    (X > A) & (Y < B),
    X.fill_null(A),
    Z.concat(C),
    Z.eq(C).if_else(X, A),
    Z.upper().length() + B,
    T.hour() + D.hour(),
    T.timestamp_diff(D, "minute"),
    A.is_null() | Z.is_null(),
    C.fill_null("?"),
    (A * 1e10).cast("string").concat(Z),
    (X - A).abs(),
    ps.feature("{set}:g") / X,
    ps.feature("{set}:g").is_null(),
]
FLOATS = st.one_of(st.none(), st.floats(allow_nan=True), st.sampled_from([0.0, -0.0, 1.5, -3.0, 1e308, 5e-324]))
INTS = st.one_of(st.none(), st.integers(-9, 9), st.integers(-(2**53), 2**53))
TEXTS = st.one_of(st.none(), st.text(max_size=3))
TIMES = st.one_of(st.none(), st.integers(0, 10**15).map(lambda us: AT + datetime.timedelta(microseconds=us // 7)))


def bits(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return struct.pack("<d", value) if isinstance(value, float) and value == value else repr(value)


def placed(expr: Any, name: str) -> Any:
    """The expression over the features of a set of that name."""
    if expr.op == "feature":
        return type(expr)("feature", (expr.args[0].format(set=name),))
    return type(expr)(expr.op, tuple(placed(a, name) if isinstance(a, type(expr)) else a for a in expr.args))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_row_many_rows_and_history_agree_bit_for_bit(shared: ps.Project, data: st.DataObject) -> None:
    name = f"d{next(numbers)}"
    chosen = data.draw(st.lists(st.sampled_from(range(len(EXPRESSIONS))), min_size=3, max_size=6, unique=True))
    types = {"f": "float64", "i": "int64", "s": "string", "t": "timestamp"}
    declared = ps.feature_set(
        name,
        entities={"id": "int64"},
        timestamp="at",
        created="made",
        ttl=data.draw(st.sampled_from([None, 3600])),
        features={
            **{column: ps.col(column) for column in types},
            "g": placed(A, name) * 3 + X,
            **{f"e{at}": placed(EXPRESSIONS[at], name) for at in chosen},
        },
        columns=types,
    )
    shared.features.apply(declared)
    ages = st.integers(0, 2).map(lambda hours: AT - datetime.timedelta(hours=hours))
    event = st.fixed_dictionaries({"at": ages, "f": FLOATS, "i": INTS, "s": TEXTS, "t": TIMES})
    events = [{"id": id, "made": AT, **data.draw(event)} for id in range(4)]
    shared.features.ingest(
        declared,
        pa.Table.from_pylist(events, _schema({"id": "int64", "made": "timestamp", "at": "timestamp", **types})),
    )
    request = st.fixed_dictionaries({"x": FLOATS, "y": INTS, "z": TEXTS, "w": TIMES})
    asked = [{"id": id % 5, **data.draw(request)} for id in range(8)]
    reader = shared.features.reader([f"{name}:{each}" for each in declared.features])
    rows = pa.Table.from_pylist(
        asked, _schema({"id": "int64", "x": "float64", "y": "int64", "z": "string", "w": "timestamp"})
    )
    singles: list[Any] = []
    for row in asked:
        try:
            singles.append(reader.row(row, now=NOW))
        except ExpressionError:
            singles.append(None)
    sound = [at for at, single in enumerate(singles) if single is not None]
    online = reader.table(rows.take(sound), now=NOW, statuses=True)
    timed = rows.take(sound).append_column("event_timestamp", pa.array([AT] * len(sound), pa.timestamp("us", "UTC")))
    past = shared.features.get_historical_features(timed, [f"{name}:*"], statuses=True)
    for place, at in enumerate(sound):
        for column, value, status in zip(reader.columns, *singles[at], strict=True):
            for table in (online, past):
                found = table.column(column)[place].as_py()
                assert bits(found) == bits(value), (column, asked[at])
                assert table.column(f"{column}__status")[place].as_py() == status


def _schema(types: dict[str, str]) -> pa.Schema:
    arrow = {
        "int64": pa.int64(),
        "float64": pa.float64(),
        "string": pa.string(),
        "timestamp": pa.timestamp("us", "UTC"),
    }
    return pa.schema([(name, arrow[type]) for name, type in types.items()])


def test_written_as_text_or_as_python_it_comes_back() -> None:
    expr = ps.request("amount") / ps.feature("card@2:mean") + ps.request("country", "string").length()
    assert parse(text(expr)) == expr
    assert eval(python(expr), {"ps": ps}) == expr
    assert expression_from_json(expression_to_json(expr)) == expr
