"""What documents and crosses do not take, they say."""

from __future__ import annotations

import pytest

from penstock.core.schema import Schema
from penstock.errors import ExpressionError
from penstock.operations import Expression, col, struct, type_of

SCHEMA = Schema.of(s="string", x="float64", words="array<string>", numbers="array<float64>", i="int64")
MANY = struct(**{f"f{place}": col("x") for place in range(11)})


@pytest.mark.parametrize(
    ("expr", "said"),
    [
        (col("s").text_analyze("LOG_ANALYSER"), "Did you mean 'LOG_ANALYZER'"),
        (col("s").text_analyze("NO_OP_ANALYZER", "{}{"), "analyzer_options: JSON is malformed"),
        (
            col("s").text_analyze("NO_OP_ANALYZER", '{"patterns": ["a"]}'),
            "takes no options, not patterns",
        ),
        (
            col("s").text_analyze("LOG_ANALYZER", '{"patterns": ["a"]}'),
            "delimiters and token_filters, not patterns",
        ),
        (col("s").text_analyze("PATTERN_ANALYZER", '{"patterns": ["(a"]}'), "missing \\)"),
        (col("s").text_analyze("PATTERN_ANALYZER", '{"patterns": ["a", "b"]}'), "patterns holds one pattern, not 2"),
        (col("s").text_analyze("LOG_ANALYZER", '{"delimiters": ["é"]}'), "ASCII texts of 1 to 16 characters, not 'é'"),
        (col("s").text_analyze("LOG_ANALYZER", '{"token_filters": [{}]}'), "either a normalizer or stop_words"),
        (col("s").text_analyze("LOG_ANALYZER", '{"token_filters": [{"normalizer": {"mode": "X"}}]}'), "'X'"),
        (col("words").ngrams([2, 1]), r"a size, or \[least, most\]"),
        (col("words").ngrams(0), "of at least 1"),
        (col("words").normalizer(), "an array of numbers, but it was given array<string>"),
        (col("numbers").normalizer(0.5), "p is 0, at least 1, or infinity"),
        (MANY.feature_cross(), "up to 10 fields, but the struct has 11"),
        (MANY.polynomial_expand(), "up to 10 fields, but the struct has 11"),
        (struct(a=col("x"), b=col("x")).feature_cross(5), "the degree is 2 to 4"),
        (struct(a=col("x")).feature_cross(), "needs more fields to combine"),
        (struct(a=col("x")).polynomial_expand(0), "the degree is 1 to 4"),
        (struct(a=col("s")).polynomial_expand(), "multiplies numbers, but a is string"),
        (struct(a=col("x"), a_a=col("x")).polynomial_expand(), "makes two fields of the name a_a"),
        (col("x").robust_scaler([75, 25]), "two percentages"),
        (col("x").quantile_bucketize(0), "at least one bucket"),
        (col("x").quantile_bucketize(2, "bucket_range"), "Did you mean 'bucket_ranges'"),
        (col("numbers").multi_hot_encoder(), "an array of strings or the like, but it was given array<float64>"),
        (col("x").bag_of_words(), "takes array<string> or string for tokenized_document, but it was given float64"),
    ],
)
def test_what_cannot_be_computed_says_why(expr: Expression, said: str) -> None:
    with pytest.raises(ExpressionError, match=said):
        type_of(expr, SCHEMA)
