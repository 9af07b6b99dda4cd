"""BigQuery ML's preprocessing functions: the documentation's examples, in queries, in TRANSFORM and in Python."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

import penstock as ps
from penstock.sql import MemoryCatalog, run
from penstock.tables import to_arrow


def hot(*pairs: tuple[int, float]) -> list[dict[str, Any]]:
    return [{"index": index, "value": value} for index, value in pairs]


_LETTERS = ["a", "b", "b", "c", "c", "c", "d", "d"]
_DOCUMENTS = [
    ["I", "like", "pie", "pie", "pie", None],
    ["yum", "yum", "pie", None],
    ["I", "yum", "pie", None],
    ["you", "like", "pie", None],
]
CASES: dict[str, tuple[list[Any], list[Any]]] = {
    "ML.STANDARD_SCALER(f) OVER ()": ([1, 2, 3, 4, 5], [-1.2649110640673518, -0.6324555320336759, 0.0,
        0.6324555320336759, 1.2649110640673518]),
    "ML.ROBUST_SCALER(f) OVER ()": ([None, -3, 1, 2, 3, 4, 5], [None, -5 / 3, -1 / 3, 0.0, 1 / 3, 2 / 3, 1.0]),
    "ML.ROBUST_SCALER(f, with_median => FALSE, with_quantile_range => FALSE) OVER ()": ([3, None], [3.0, None]),
    "ML.LABEL_ENCODER(f, 2, 2) OVER ()": ([None, *_LETTERS], [0, 0, 1, 1, 2, 2, 2, 0, 0]),
    "ML.MULTI_HOT_ENCODER(f, 3, 1) OVER ()": ([["a", "b", "b", "c", None], ["c", "c", "d", "d", None]],
        [hot((1, 1.0), (2, 1.0), (3, 1.0), (0, 1.0)), hot((3, 1.0), (0, 1.0))]),
    "ML.QUANTILE_BUCKETIZE(f, 3) OVER ()": ([1, 2, 3, 4, 5], ["bin_1", "bin_2", "bin_2", "bin_3", "bin_3"]),
    "ML.QUANTILE_BUCKETIZE(f, 3, 'bucket_ranges') OVER ()": ([1, 2, 3, 4, 5],
        ["(-inf, 2)", "[2, 4)", "[2, 4)", "[4, +inf)", "[4, +inf)"]),
    "ML.QUANTILE_BUCKETIZE(f, 3, 'bucket_ranges_json') OVER ()": ([1, 2, 3, 4, 5], [
        '{"start": "-Infinity", "end": "2"}', *['{"start": "2", "end": "4"}'] * 2,
        *['{"start": "4", "end": "Infinity"}'] * 2]),
    "ML.BUCKETIZE(f, [1, 2, 3])": ([2.5], ["bin_3"]),
    "ML.BUCKETIZE(f, [1, 2, 3], TRUE)": ([2.5], ["bin_2"]),
    "ML.BUCKETIZE(f, [1, 2, 3], FALSE, 'bucket_ranges')": ([2.5], ["[2, 3)"]),
    "ML.BUCKETIZE(f, [1, 2, 3], FALSE, 'bucket_ranges_json')": ([2.5], ['{"start": "2", "end": "3"}']),
    "ML.FEATURE_CROSS(STRUCT(f AS f1, 'b' AS f2, 'c' AS f3))": (["a"],
        [{"f1_f2": "a_b", "f1_f3": "a_c", "f2_f3": "b_c"}]),
    "ML.POLYNOMIAL_EXPAND(STRUCT(f AS f1, 3 AS f2))": ([2],
        [{"f1": 2.0, "f2": 3.0, "f1_f1": 4.0, "f1_f2": 6.0, "f2_f2": 9.0}]),
    "ML.HASH_BUCKETIZE(f, 3)": (["a", "b", "c", "d"], [0, 1, 1, 2]),
    "ML.NORMALIZER(f)": ([[4.0, 1.0, 2.0, 2.0, 0.0]], [[0.8, 0.2, 0.4, 0.4, 0.0]]),
    "ML.NGRAMS(f, [2, 3], '#')": ([["a", "b", "c"]], [["a#b", "a#b#c", "b#c"]]),
    "ML.BAG_OF_WORDS(f, 4, 2) OVER ()": ([["a", *"bbb", *"cccc", "d", "d"], ["a", "c", None]],
        [hot((0, 5.0), (1, 1.0), (2, 4.0)), hot((0, 1.0), (1, 1.0), (2, 1.0))]),
    "ML.TF_IDF(f, 3, 1) OVER ()": (_DOCUMENTS, [
        hot((0, 0.12679902142647365), (1, 0.1412163100645339), (2, 0.1412163100645339), (3, 0.29389333245105953)),
        hot((0, 0.5705955964191315), (3, 0.14694666622552977)),
        hot((0, 0.380397064279421), (1, 0.21182446509680086), (3, 0.14694666622552977)),
        hot((0, 0.380397064279421), (2, 0.21182446509680086), (3, 0.14694666622552977))]),
    "TEXT_ANALYZE(f)": (["I like pie, you like-pie, they like 2 PIEs."],
        [["i", "like", "pie", "you", "like", "pie", "they", "like", "2", "pies"]]),
}  # fmt: skip


@pytest.mark.parametrize("function", CASES)
def test_a_query_a_model_and_python_give_the_documented_values(function: str) -> None:
    column, expected = CASES[function]
    rows = pa.table({"n": range(len(column)), "f": column})
    catalog = MemoryCatalog({"t": rows})
    assert run(f"SELECT {function} AS o FROM t ORDER BY n", catalog)["o"].to_pylist() == expected
    run(f"CREATE MODEL m TRANSFORM({function} AS o) OPTIONS(model_type = 'transform_only') AS SELECT * FROM t", catalog)
    assert catalog.model("m").predict(rows)["o"].to_pylist() == expected
    graph = ps.fit(ps.model("m", type="transform_only", features={"o": function}), rows)
    assert [ps.predict(graph, [row])["o"][0].as_py() for row in rows.to_pylist()] == expected


def test_what_training_saw_holds_for_rows_that_it_did_not_see() -> None:
    rows = pa.table({"x": [float(x) for x in range(100)], "s": [f"c{x % 3}" for x in range(99)] + ["c2"]})
    catalog = MemoryCatalog({"t": rows})
    run(
        "CREATE MODEL m TRANSFORM(ML.MIN_MAX_SCALER(x) OVER () AS x, ML.LABEL_ENCODER(s, 2, 1) OVER () AS s) "
        "OPTIONS(model_type = 'transform_only') AS SELECT * FROM t",
        catalog,
    )
    asked = to_arrow([{"x": 1000.0, "s": "zzz"}, {"x": None, "s": None}, {"x": 49.5, "s": "c2"}])
    made = catalog.model("m").predict(asked)
    assert made.select(["x", "s"]).to_pylist() == [{"x": 1.0, "s": 0}, {"x": None, "s": 0}, {"x": 0.5, "s": 2}]


def test_statistics_come_from_the_part_that_is_trained_on_alone() -> None:
    rows = pa.table({"x": [1.0, 3.0, 1e6], "y": [1.0, 2.0, 3.0], "held_out": [False, False, True]})
    declared = ps.model(
        "m", type="linear_reg", label="y", features={"x": ps.col("x").min_max_scaler()},
        options={"data_split_method": "CUSTOM", "data_split_col": "held_out"},
    )  # fmt: skip
    graph = ps.fit(declared, rows)
    (feature,) = (
        node for node in graph.nodes if node.op == "expression" and "scale_min_max" in repr(node.params["expr"])
    )
    assert repr(feature.params["expr"]) == "scale_min_max(x, 1.0, 3.0)"


_SAME = ['"(learned)_1"a'] * 3


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (
            "SELECT ML.MIN_MAX_SCALER(y) OVER () AS o FROM (SELECT ML.STANDARD_SCALER(x) OVER () AS y FROM t)",
            [0.0, 0.5, 1.0],
        ),
        ("WITH e AS (SELECT * FROM t WHERE x < 3) SELECT ML.MIN_MAX_SCALER(x) OVER () AS o FROM e", [0.0, 1.0]),
        ("SELECT ML.MIN_MAX_SCALER(x) OVER () + 1 AS o FROM t WHERE x > 1 ORDER BY x DESC", [2.0, 1.0]),
        (
            "SELECT CONCAT('\"(learned)_1\"', ML.IMPUTER(s, 'most_frequent') OVER ()) AS o FROM t",
            ['"(learned)_1"a'] * 3,
        ),
        ("SELECT ML.STANDARD_SCALER(x) OVER () AS o FROM t WHERE x > 99", []),
        ("SELECT ML.MAX_ABS_SCALER(a.x * b.x) OVER () AS o FROM t AS a JOIN t AS b USING (x)", [1 / 9, 4 / 9, 1.0]),
        ("SELECT x AS o FROM t ORDER BY ML.MAX_ABS_SCALER(-x) OVER ()", [3.0, 2.0, 1.0]),
    ],
)
def test_in_a_query_a_function_learns_from_all_rows_of_that_query(query: str, expected: list[Any]) -> None:
    catalog = MemoryCatalog({"t": pa.table({"x": [1.0, 2.0, 3.0], "s": ["a"] * 3})})
    assert run(query, catalog)["o"].to_pylist() == expected
