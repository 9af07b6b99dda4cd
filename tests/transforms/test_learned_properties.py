"""Learned operations over random columns: both forms agree after freezing, whatever the order of the rows was."""

from __future__ import annotations

import contextlib
import random

import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings, strategies as st

from penstock.core.expression import walk
from penstock.core.schema import Schema
from penstock.operations import col, struct
from penstock.operations.table import LEARNED
from penstock.tables import arrow_schema, schema_of
from penstock.transforms import apply, check_forms, freeze, freezing

SCHEMA = Schema.of(x="float64", n="int64", s="string", words="array<string>", tags="array<int64>")
_WORDS = st.sampled_from(["a", "b", "Kings Cross", "é", "", "\x1f", "👍🏽"])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "x": st.none() | st.floats(-1e9, 1e9) | st.sampled_from([0.0, -0.0, 1e300, float("inf")]),
            "n": st.none() | st.integers(-(10**6), 10**6),
            "s": st.none() | _WORDS,
            "words": st.none() | st.lists(st.none() | _WORDS, max_size=6),
            "tags": st.none() | st.lists(st.none() | st.integers(-2, 2), max_size=4),
        }
    ),
    min_size=1,
    max_size=30,
)
EXPRS = {
    "standard": col("n").standard_scaler(),
    "unit": col("x").min_max_scaler(),
    "greatest": col("n").max_abs_scaler(),
    "robust": col("n").robust_scaler([10, 80]),
    "spread": col("n").robust_scaler([25, 75], False),
    "centered": col("n").robust_scaler([25, 75], True, False),
    "mean": col("n").imputer("mean"),
    "median": col("x").imputer("median"),
    "commonest": col("s").imputer("most_frequent"),
    "bucket": col("x").quantile_bucketize(4, "bucket_ranges"),
    "json": col("n").quantile_bucketize(3, "bucket_ranges_json"),
    "label": col("s").label_encoder(3, 1),
    "one": col("s").one_hot_encoder("most_frequent", 3, 1),
    "many": col("words").multi_hot_encoder(4, 1),
    "tags": col("tags").multi_hot_encoder(4, 2),
    "bag": col("words").bag_of_words(3, 1),
    "grams": col("words").ngrams([1, 2]).bag_of_words(100, 1),
    "weights": col("words").tf_idf(4, 1),
    "places": col("words").token_ids(3, 1),
    "numbers": col("tags").fixed_length(),
    "hash": col("s").hash_bucketize(3),
    "cross": struct(a=col("s"), b=col("n").quantile_bucketize(2), c=col("s").label_encoder(2, 1)).feature_cross(3),
    "powers": struct(a=col("n").imputer("mean"), b=col("x")).polynomial_expand(2),
}


def test_every_learned_operation_is_among_them() -> None:
    assert {node.op for expr in EXPRS.values() for node in walk(expr)} >= set(LEARNED)


@settings(deadline=None, max_examples=60, derandomize=True, database=None, phases=[Phase.generate])
@given(rows=ROWS, other=ROWS, seed=st.integers(0, 9))
def test_both_forms_agree_and_the_order_of_the_rows_does_not_matter(rows: list, other: list, seed: int) -> None:
    table, shuffled = (
        pa.Table.from_pylist(each, schema=arrow_schema(SCHEMA))
        for each in (rows, random.Random(seed).sample(rows, len(rows)))
    )
    frozen = freeze(EXPRS, table)
    assert frozen == freeze(EXPRS, shuffled)
    unseen = pa.Table.from_pylist(other, schema=arrow_schema(SCHEMA))
    assert check_forms(frozen, SCHEMA, pa.concat_tables([table, unseen]), most_cases=1).cases == ()


@pytest.mark.parametrize("columns", [1, 20])
def test_the_statistics_of_all_columns_are_found_in_one_scan(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    table = pa.table({f"{kind}{place}": values for place in range(columns) for kind, values in _VALUES.items()})
    exprs = {}
    for place in range(columns):
        exprs |= {
            f"scaled{place}": col(f"x{place}").standard_scaler(),
            f"robust{place}": col(f"x{place}").robust_scaler(),
        }
        exprs |= {f"index{place}": col(f"s{place}").label_encoder(), f"bag{place}": col(f"w{place}").tf_idf()}
    scans, texts = [], []
    monkeypatch.setattr(freezing, "bound", _counting(freezing.bound, scans, texts))
    freeze(exprs, table)
    assert [sorted(names) for names in scans] == [["rows"], ["found"]]  # the rows are read once, what they gave once
    assert len(texts) == 2


def test_a_learned_operation_over_another_takes_one_more_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    scans: list[list[str]] = []
    monkeypatch.setattr(freezing, "bound", _counting(freezing.bound, scans, []))
    freeze(
        {"x": col("x0").imputer("mean").standard_scaler(), "y": col("x0").imputer("median")},
        pa.table({"x0": [1.0, 2.0]}),
    )
    assert [name for names in scans for name in names if name == "rows"] == ["rows", "rows"]


_VALUES = {"x": [1.0, 2.0, None], "s": ["a", "b", None], "w": [["a"], [], None]}


def _counting(bound, scans, texts):
    """Return `bound` with a note of the tables that are bound, and of the statements that run over them."""

    class Cursor:
        def __init__(self, cursor):
            self._cursor = cursor

        def sql(self, text):
            texts.append(text)
            return self._cursor.sql(text)

    @contextlib.contextmanager
    def counted(tables, **options):
        scans.append(list(tables))
        with bound(tables, **options) as cursor:
            yield Cursor(cursor)

    return counted


def test_a_long_vocabulary_serves_items_and_values_alike() -> None:
    words = [f"w{number}" for number in range(1000)]
    table = pa.table({"word": [*words, None], "words": [[word, "w0", None] for word in words] + [[]]})
    exprs = {"one": col("word").label_encoder(999_999, 1), "bag": col("words").bag_of_words(999_999, 1)}
    frozen = freeze(exprs, table)
    assert check_forms(frozen, schema_of(table.schema), table).cases == ()
    made = apply(frozen, table)
    assert made["one"].to_pylist() == [sorted(words).index(word) + 1 for word in words] + [0]
    assert made["bag"][0].as_py() == [{"index": 0, "value": 1.0}, {"index": 1, "value": 2.0}]
