"""Schemas of pandera's: what they refuse is refused here too, from objects and from JSON, and back again."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

import penstock as ps
from penstock.errors import DeclarationError
from penstock.tables.rows import heed_zones
from penstock.transforms import check

pandera = pytest.importorskip("pandera.polars", reason="pandera is not here: pip install 'pandera[polars]'")
polars = pytest.importorskip("polars")
heed_zones()  # which pandera has told PyArrow to ignore, in this whole process


class Trips(pandera.DataFrameModel):
    trip: int = pandera.Field(ge=0, unique=True)
    line: str = pandera.Field(isin=["bus", "tram"], nullable=True)
    km: float = pandera.Field(in_range={"min_value": 0, "max_value": 90, "include_max": False})
    code: str = pandera.Field(str_matches="[A-Z]+", str_length={"min_value": 2, "max_value": 4})


GOOD = {"trip": [0, 1, 2], "line": ["bus", None, "tram"], "km": [0.0, 2.5, 89.5], "code": ["AB", "ABC", "Z9"]}
BAD = {
    "trip": ([0, 1, 1], "duplicates"),
    "line": (["bus", "boat", None], "out_of_domain"),
    "km": ([0.0, 1.0, 90.0], "rule"),
    "code": (["AB", "abc", "Z9"], "no_match"),
}


def kinds(expected: dict, rows: dict) -> list[str]:
    return [each["kind"] for each in ps.validate(pa.table(rows), expected, "warn").report["anomalies"]]


def test_a_model_of_panderas_is_held_to_here() -> None:
    expected = ps.from_pandera(Trips)
    assert json.loads(json.dumps(expected)) == expected
    assert kinds(expected, GOOD) == []
    for column, (values, kind) in BAD.items():
        assert kinds(expected, {**GOOD, column: values}) == [kind]


def test_the_json_of_panderas_pandas_schemas_needs_no_pandera() -> None:
    written = {
        "schema_type": "dataframe",
        "version": "0.35.0",
        "columns": {
            "trip": {"dtype": "int64", "nullable": False, "checks": {"greater_than_or_equal_to": 0}, "unique": True},
            "line": {"dtype": "str", "nullable": True, "checks": {"isin": ["bus", "tram"]}, "required": False},
            "km": {"dtype": "float64", "nullable": False,
                   "checks": [{"value": 0, "options": {"check_name": "greater_than"}},
                              {"max_value": 90, "min_value": 1, "options": {"check_name": "in_range"}}]},
        },
        "checks": None,
        "unique": ["line", "km"],
    }  # fmt: skip
    expected = ps.from_pandera(json.dumps(written))
    assert kinds(expected, {"trip": [1], "km": [2.0]}) == []  # line may be absent, and so the key that reads it
    assert kinds(expected, {"trip": [1, 2], "line": ["bus", "bus"], "km": [2.0, 2.0]}) == ["duplicates"]
    assert kinds(expected, {"trip": [-1], "line": ["bus"], "km": [0.0]}) == ["out_of_range", "out_of_range", "rule"]


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (pandera.Check.gt(1), 2, 1),
        (pandera.Check.lt(1), 0, 1),
        (pandera.Check.ge(1), 1, 0),
        (pandera.Check.le(1), 1, 2),
        (pandera.Check.eq(1), 1, 2),
        (pandera.Check.ne(1), 2, 1),
        (pandera.Check.notin([1, 2]), 3, 2),
        (pandera.Check.in_range(0, 9, include_min=False), 9, 0),
        (pandera.Check.str_startswith("a."), "a.b", "axb"),
        (pandera.Check.str_endswith("b"), "ab", "ba"),
        (pandera.Check.str_contains("b"), "abc", "ac"),
        (pandera.Check.str_length(exact_value=2), "ab", "abc"),
    ],
)
def test_each_check_refuses_here_what_it_refuses_there(check: object, good: object, bad: object) -> None:
    dtype = polars.Int64 if isinstance(good, int) else polars.String
    theirs = pandera.DataFrameSchema({"x": pandera.Column(dtype, check)})
    theirs.validate(polars.DataFrame({"x": [good]}))
    with pytest.raises(pandera.errors.SchemaError):
        theirs.validate(polars.DataFrame({"x": [bad]}))
    expected = ps.from_pandera(theirs)
    assert kinds(expected, {"x": [good]}) == []
    assert len(kinds(expected, {"x": [bad]})) == 1


def test_a_check_that_is_a_function_is_an_error_unless_it_is_left_out() -> None:
    theirs = pandera.DataFrameSchema({"x": pandera.Column(int, pandera.Check(lambda data: data, name="is_nice"))})
    with pytest.raises(DeclarationError, match="column 'x' has the check 'is_nice', which has no form here"):
        ps.from_pandera(theirs)
    assert ps.from_pandera(theirs, ignore=["is_nice"])["columns"][0]["type"] == "int64"


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pandera.Column(str, pandera.Check.unique_values_eq(["a", "b"])), "'unique_values_eq', which has no form"),
        (pandera.Column(str, regex=True), "stands for all that match it"),
    ],
)
def test_what_would_be_less_here_than_there_is_an_error(column: object, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        ps.from_pandera(pandera.DataFrameSchema({"x": column}))


@settings(deadline=None, max_examples=10)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "n": st.integers(-(2**40), 2**40) | st.none(),
                "s": st.sampled_from(["a", "b", "ü"]) | st.none(),
                "d": st.dates() | st.none(),
                "t": st.datetimes() | st.none(),
                "b": st.booleans(),
            }
        ),
        min_size=1,
        max_size=8,
    )
)
def test_what_was_inferred_goes_to_pandera_and_back(rows: list[dict]) -> None:
    table = pa.table(
        {name: pa.array([row[name] for row in rows], type) for name, type in (
            ("n", pa.int64()), ("s", pa.string()), ("d", pa.date32()), ("t", pa.timestamp("us")), ("b", pa.bool_()))}
    )  # fmt: skip
    expected = ps.schema(ps.statistics(table))
    theirs = ps.to_pandera(expected)
    theirs.validate(polars.from_arrow(table))
    assert check(table, ps.from_pandera(theirs)).findings == ()
    known = [{key: value for key, value in column.items() if value is not None} for column in expected["columns"]]
    assert ps.from_pandera(theirs)["columns"] == known


def test_rules_without_a_form_there_are_errors_and_keys_are_unique() -> None:
    expected = ps.schema(ps.statistics(pa.table(GOOD)), rules=[ps.rule(unique=["trip", "line"])])
    assert ps.to_pandera(expected).unique == ["trip", "line"]
    with pytest.raises(DeclarationError, match="the rule 'km > 0' has no form in pandera"):
        ps.to_pandera(ps.schema(ps.statistics(pa.table(GOOD)), rules=["km > 0"]))
