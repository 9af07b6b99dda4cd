"""The SQL front gives the same expressions as the Python front; what has no meaning is refused, with the reason."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
import sqlglot

from penstock.errors import SqlError
from penstock.operations import Expression, col, from_ast, lit, parse, struct, text

_A, _B, _T, _D = col("a"), col("b"), col("t"), col("d")

SAME = {
    "EXTRACT(HOUR FROM start_date)": col("start_date").hour(),
    "EXTRACT(DAYOFWEEK FROM t)": _T.day_of_week(),
    "CAST(EXTRACT(dayofweek from t) AS STRING)": _T.day_of_week().cast("string"),
    "EXTRACT(HOUR FROM t AT TIME ZONE 'America/New_York')": _T.hour("America/New_York"),
    "extract(hour from t at time zone 'UTC')": _T.hour(),
    "ML.STANDARD_SCALER(a) OVER()": _A.standard_scaler(),
    "ml.standard_scaler(LN(1 + a)) over ()": (1 + _A).ln().standard_scaler(),
    "ML.LABEL_ENCODER(a, 2, 5) OVER()": _A.label_encoder(2),
    "ML.IMPUTER(a, 'mean') OVER()": _A.imputer("mean"),
    "ML.QUANTILE_BUCKETIZE(a, 4) OVER()": _A.quantile_bucketize(4),
    "ML.BUCKETIZE(a, [1, 2.5], TRUE)": _A.bucketize([1, 2.5], True),
    "ML.FEATURE_CROSS(STRUCT(a, b AS c))": struct(a=_A, c=_B).feature_cross(),
    "IF(a > 1, 'x', b)": _A.gt(1).if_else("x", _B),
    "CASE WHEN a THEN 1 WHEN b THEN 2 END": _A.if_else(1, _B.if_else(2, None)),
    "CASE a WHEN 1 THEN 'x' ELSE 'y' END": _A.eq(1).if_else("x", "y"),
    "IFNULL(a, 0)": _A.fill_null(0),
    "COALESCE(a, b, 0)": _A.coalesce(_B, 0),
    "a IN (1, 2)": _A.is_in([1, 2]),
    "a NOT IN ('x')": ~_A.is_in(["x"]),
    "a IN UNNEST([1, 2])": _A.is_in([1, 2]),
    "a IN (1, b)": _A.is_in([1]) | _A.eq(_B),
    "a BETWEEN 1 AND b": _A.between(1, _B),
    "a IS NULL": _A.is_null(),
    "a IS NOT NULL": _A.is_not_null(),
    "a || 'x'": _A.concat("x"),
    "-a * -2 + 3": -_A * -2 + 3,
    "a / b = 0.5 AND NOT a <> b": (_A / _B).eq(0.5) & ~_A.ne(_B),
    "SAFE_DIVIDE(a, b)": _A.safe_divide(_B),
    "MOD(a, 3)": _A % 3,
    "SAFE_CAST(a AS FLOAT64)": _A.safe_cast("float64"),
    "ROUND(a, 0)": _A.round(),
    "LOG(a)": _A.ln(),
    "LOG(a, 2)": _A.log(2),
    "SUBSTR(a, 1, 3)": _A.substr(1, 3),
    "a LIKE 'Kings%'": _A.like("Kings%"),
    "DATE_DIFF(d, DATE '2024-05-05', WEEK(MONDAY))": _D.date_diff(datetime.date(2024, 5, 5), "isoweek"),
    "DATE_SUB(d, INTERVAL 3 DAY)": _D.date_sub(3, "day"),
    "TIMESTAMP_ADD(t, INTERVAL a HOUR)": _T.timestamp_add(_A, "hour"),
    "TIMESTAMP_TRUNC(t, HOUR)": _T.timestamp_trunc("hour"),
    "t > TIMESTAMP '2024-05-05 18:00:00+02'": _T.gt(datetime.datetime(2024, 5, 5, 16, tzinfo=datetime.UTC)),
    "DATE(t, 'Asia/Kolkata')": _T.date("Asia/Kolkata"),
    "DATE(a, b, 1)": _A.make_date(_B, 1),
    "DATETIME(t, 'Asia/Kolkata')": _T.datetime("Asia/Kolkata"),
    "DATETIME(t)": _T.cast("datetime"),
    "TIMESTAMP(d, 'Asia/Kolkata')": _D.timestamp("Asia/Kolkata"),
    "TIMESTAMP(d)": _D.cast("timestamp"),
    "TIMESTAMP_TRUNC(t, DAY, 'Asia/Kolkata')": _T.timestamp_trunc("day", "Asia/Kolkata"),
    "FORMAT_DATE('%Y-W%V', d)": _D.format_date("%Y-W%V"),
    "FORMAT_TIMESTAMP('%H %j', t, 'Asia/Kolkata')": _T.format_timestamp("%H %j", "Asia/Kolkata"),
    "PARSE_DATE('%d.%m.%Y', a)": _A.parse_date("%d.%m.%Y"),
    "SAFE.PARSE_TIMESTAMP('%d.%m.%Y', a)": _A.safe_parse_timestamp("%d.%m.%Y"),
    "LAST_DAY(d)": _D.last_day(),
    "LAST_DAY(d, WEEK(MONDAY))": _D.last_day("isoweek"),
    "SAFE.LN(a)": _A.safe_ln(),
    "SAFE.LOG(a, b)": _A.safe_log(_B),
    "SAFE.UPPER(a)": _A.upper(),
    "SAFE.DATE(a, 2, 30)": _A.safe_make_date(2, 30),
    "SAFE.DATE_ADD(d, INTERVAL 3 DAY)": _D.safe_date_add(3, "day"),
    "SAFE.DATE_SUB(d, INTERVAL 3 DAY)": _D.safe_date_add(-3, "day"),
    "SAFE.TIMESTAMP(a)": _A.safe_cast("timestamp"),
    "SAFE_ADD(a, b)": _A.safe_add(_B),
    "SAFE_NEGATE(a)": _A.safe_negate(),
    "REGEXP_CONTAINS(a, r'^\\d+$')": _A.regexp_contains(r"^\d+$"),
    "REGEXP_SUBSTR(a, 'x(y)')": _A.regexp_extract("x(y)"),
    "REGEXP_REPLACE(a, r'(.)', '\\\\1\\\\1')": _A.regexp_replace("(.)", r"\1\1"),
    "DATE_DIFF(d, d, WEEK(TUESDAY))": _D.date_diff(_D, "week(tuesday)"),
    "DATE_TRUNC(d, ISOYEAR)": _D.date_trunc("isoyear"),
    "EXTRACT(WEEK(MONDAY) FROM d)": _D.week_monday(),
    "EXTRACT(WEEK(SUNDAY) FROM d)": _D.week(),
    "EXTRACT(TIME FROM t AT TIME ZONE 'Asia/Kolkata')": _T.time("Asia/Kolkata"),
    "EXTRACT(DATETIME FROM t)": _T.datetime("UTC"),
    "TIME(t)": _T.time(),
    "TIME(a, b, 0)": _A.make_time(_B, 0),
    "TIME_ADD(a, INTERVAL 3 HOUR)": _A.time_add(3, "hour"),
    "TIME_SUB(a, INTERVAL 3 HOUR)": _A.time_add(-3, "hour"),
    "DATETIME(2024, a, 1, 0, 0, b)": lit(2024).make_datetime(_A, 1, 0, 0, _B),
    "DATETIME(d, a)": _D.date_and_time(_A),
    "DATETIME_ADD(a, INTERVAL 3 MONTH)": _A.datetime_add(3, "month"),
    "DATETIME_DIFF(a, b, ISOYEAR)": _A.datetime_diff(_B, "isoyear"),
    "[a, 1]": _A.array(1),
    "a IN UNNEST(b)": _A.in_array(_B),
    "a[ORDINAL(1)]": _A.offset(0),
    "a[SAFE_ORDINAL(b)]": _A.safe_offset(_B.safe_subtract(1)),
    "ML.BUCKETIZE(a, GENERATE_ARRAY(0, 1, 0.5))": _A.bucketize([0.0, 0.5, 1.0]),
    "GENERATE_ARRAY(a, 10)": _A.generate_array(10),
    "ARRAY_CONCAT(a, b)": _A.array_concat(_B),
    "a & b & 3": _A.bit_and(_B).bit_and(3),
    "a | (b ^ 3)": _A.bit_or(_B.bit_xor(3)),
    "~a << 2": _A.bit_not().shift_left(2),
    "(a >> b) + 1": _A.shift_right(_B) + 1,
    "RANGE_BUCKET(a, [1, 2])": _A.range_bucket([1, 2]),
    "INSTR(a, 'x', -1, 2)": _A.instr("x", -1, 2),
    "EDIT_DISTANCE(a, b, max_distance => 3)": _A.edit_distance(_B, 3),
    "NORMALIZE(a)": _A.normalize(),
    "NORMALIZE(a, NFC)": _A.normalize(),
    "a NOT LIKE 'x%'": ~_A.like("x%"),
    "a NOT BETWEEN 1 AND 2": ~_A.between(1, 2),
    "FROM_HEX(a)": _A.from_hex(),
    "FROM_HEX('00ff')": lit(b"\x00\xff"),
    "ML.LABEL_ENCODER(a, frequency_threshold => 2) OVER ()": _A.label_encoder(32000, 2),
    "ML.ROBUST_SCALER(a, [10, 90], with_median => FALSE) OVER ()": _A.robust_scaler([10, 90], False),
    "ML.ROBUST_SCALER(a) OVER ()": _A.robust_scaler(),
    "ML.QUANTILE_BUCKETIZE(a, 3, 'bucket_ranges') OVER ()": _A.quantile_bucketize(3, "bucket_ranges"),
    "ML.MULTI_HOT_ENCODER(a, 3) OVER ()": _A.multi_hot_encoder(3),
    "ML.TF_IDF(ML.NGRAMS(SPLIT(a, ' '), [1, 2])) OVER ()": _A.split(" ").ngrams([1, 2]).tf_idf(),
    "ML.BAG_OF_WORDS(TEXT_ANALYZE(a), 9, 1) OVER ()": _A.text_analyze().bag_of_words(9, 1),
    "TEXT_ANALYZE(a, analyzer => 'NO_OP_ANALYZER')": _A.text_analyze("NO_OP_ANALYZER"),
    "TEXT_ANALYZE(a, analyzer_options => '{}')": _A.text_analyze("LOG_ANALYZER", "{}"),
    "ML.BUCKETIZE(a, [1, 2], output_format => 'bucket_ranges')": _A.bucketize([1, 2], False, "bucket_ranges"),
    "ML.NORMALIZER(a, CAST('+INF' AS FLOAT64))": _A.normalizer(float("inf")),
    "ML.NGRAMS(a, 2, '#')": _A.ngrams(2, "#"),
    "ML.HASH_BUCKETIZE(a, 3)": _A.hash_bucketize(3),
    "FARM_FINGERPRINT(a)": _A.farm_fingerprint(),
    "ML.POLYNOMIAL_EXPAND(STRUCT(a, ML.IMPUTER(b, 'mean') OVER () AS m), degree => 3)": struct(
        a=_A, m=_B.imputer("mean")
    ).polynomial_expand(3),
    "ML.FEATURE_CROSS(STRUCT(a, b), 2)": struct(a=_A, b=_B).feature_cross(),
    "`a`": _A,
    "s.a": col("s").field("a"),
    "a[OFFSET(0)]": _A.offset(0),
    "CAST(NULL AS FLOAT64)": Expression("literal", (None, "float64")),
    "(a) -- a comment": _A,
}

REFUSED = {
    "FOO(a)": "no function FOO",
    "LENGHT(a)": "Did you mean LENGTH",
    "ML.STANDARD_SCALAR(a) OVER()": "Did you mean ML.STANDARD_SCALER",
    "ML.STANDARD_SCALER(a)": r"write ML.STANDARD_SCALER\(a\) OVER \(\)",
    "ML.STANDARD_SCALER(a) OVER (PARTITION BY b)": "empty OVER",
    "SUM(a) OVER ()": "a window reads other rows",
    "SUM(a)": "aggregate",
    "RAND()": "training and serving would differ",
    "CURRENT_TIMESTAMP()": "training and serving would differ",
    "CURRENT_DATE": "training and serving would differ",
    "(SELECT 1)": "subquery",
    "a IN (SELECT 1)": "subquery",
    "EXISTS(SELECT 1)": "subquery",
    "a AS b": "no alias",
    "a, b": "not one expression",
    "": "not one expression",
    "a) + (b": "not one expression",
    "a +": "cannot read",
    "a; DROP MODEL m": "cannot read",
    "*": "star",
    "LN(a, b)": r"ln takes \(x\)",
    "LN()": r"ln takes \(x\)",
    "EXTRACT(DAYOFWEAK FROM t)": "Did you mean DAYOFWEEK",
    "DATE_DIFF(d, d, FORTNIGHT)": None,
    "CAST(a AS GEOGRAPHY)": "GEOGRAPHY",
    "SAFE.FOO(a)": "no function FOO",
    "a[0]": "OFFSET",
    "DATE_ADD(d, 3)": "INTERVAL",
    "DATE_ADD(d, INTERVAL 'x' DAY)": "whole number",
    "FROM_HEX('zz')": "FROM_HEX",
    "EDIT_DISTANCE(a, b, most => 3)": "no argument most",
    "ML.BUCKETIZE(a, [1, 2], output_fromat => 'bucket_ranges')": "Did you mean output_format",
    "ML.BUCKETIZE(output_format => 'bucket_ranges', a, [1])": "by position stand before those by name",
    "ML.LABEL_ENCODER(a, top_k => 1, top_k => 2) OVER ()": "given an argument twice",
    "ML.IMPUTER(a, top_k => 1) OVER ()": "ML.IMPUTER needs strategy",
    "CONCAT('x', ML.LABEL_ENCODER(a))": r"write ML.LABEL_ENCODER\(a\) OVER \(\)",
    "ML.BUCKETIZE(a, [1, 2]) OVER ()": r"ML.BUCKETIZE takes no OVER \(\)",
    "ABS(ML.STANDARD_SCALER(a) OVER (ORDER BY b))": "only ML.* functions with an empty OVER",
    "ABS(ML.STANDARD_SCALER(a) OVER (PARTITION BY b))": "only ML.* functions with an empty OVER",
    "ML.STANDARD_SCALER((SELECT 1)) OVER ()": "a subquery reads other rows",
    "ML.STANDARD_SCALER(RAND()) OVER ()": "changes from call to call",
    "ML.LABEL_ENCODER(FORMAT_TIMESTAMP('%F', CURRENT_TIMESTAMP())) OVER ()": "changes from call to call",
    "a & b | 3": "parentheses",
    "STRUCT(a, b AS a)": "two fields of one name",
    "a IS UNKNOWN": None,
}


@pytest.mark.parametrize("sql", list(SAME))
def test_both_fronts_make_equal_expressions(sql: str) -> None:
    assert parse(sql) == SAME[sql]
    assert parse(text(SAME[sql])) == SAME[sql]


@pytest.mark.parametrize("sql", [sql for sql in SAME if "MOD" not in sql])
def test_trees_that_sqlglot_read_its_own_way_mean_the_same(sql: str) -> None:
    tree: Any = sqlglot.parse_one(f"SELECT {sql}", dialect="bigquery")
    assert from_ast(tree.expressions[0]) == SAME[sql]


@pytest.mark.parametrize("sql", [sql for sql in REFUSED if REFUSED[sql] is not None])
def test_what_has_no_meaning_is_refused_with_the_reason(sql: str) -> None:
    with pytest.raises(SqlError, match=REFUSED[sql]):
        parse(sql)


def test_a_literal_date_that_is_none_stays_a_cast() -> None:
    assert parse("CAST('2024-02-30' AS DATE)") == lit("2024-02-30").cast("date")


@pytest.mark.parametrize("name", ["a b", "order", "select", "date", "É", "x`y", "back\\slash", "9lives", "Hash"])
def test_any_column_name_reads_back(name: str) -> None:
    assert parse(text(col(name).length() + col(name).field(name))) == col(name).length() + col(name).field(name)
