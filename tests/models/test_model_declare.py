"""Declarations of models: checked when they are written, with messages that say what to do."""

from __future__ import annotations

import pytest

import penstock.models as models
from penstock.errors import DeclarationError, PenstockError, UnknownNameError
from penstock.models import LEARNERS
from penstock.models.learning.settings import check_options
from penstock.operations import col


def declare(**changes):
    given = {"type": "linear_reg", "label": "duration", "features": {"km": col("km")}, **changes}
    return models.model(given.pop("name", "bicycle"), **given)


def test_a_text_and_an_expression_declare_the_same_model():
    assert declare(features={"hour": "EXTRACT(HOUR FROM at)"}) == declare(features={"hour": col("at").hour()})


def test_options_are_brought_to_their_names_and_types():
    spelled = declare(type="BOOSTED_TREE_REGRESSOR", options={"MAX_DEPTH": 4, "l2_reg": 2, "booster_type": "gbtree"})
    plain = declare(
        type="boosted_tree_regressor", options={"booster_type": "GBTREE", "l2_reg": 2.0, "max_tree_depth": 4}
    )
    assert spelled == plain


def test_an_unknown_type_is_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no model type named 'linear_regr'.*Did you mean 'linear_reg'"):
        declare(type="linear_regr")


def test_an_unknown_option_is_named_with_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no option named 'l2_rag' in model 'bicycle' \(linear_reg\).*'l2_reg'"):
        declare(options={"l2_rag": 1})


def test_an_option_of_another_learner_is_an_error():
    with pytest.raises(UnknownNameError, match="no option named 'subsample'"):
        declare(options={"subsample": 0.5})


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("l2_reg", -1, "it takes a number of 0 and more"),
        ("l2_reg", "much", "it takes a number"),
        ("l2_reg", True, "it takes a number"),
        ("max_iterations", 2.5, "it takes a whole number"),
        ("fit_intercept", 1, "it takes True or False"),
        ("category_encoding_method", "TARGET_ENCODING", "it takes ONE_HOT_ENCODING or DUMMY_ENCODING"),
        ("data_split_eval_fraction", 1.5, "it takes a number from 0 to 1"),
    ],
)
def test_an_option_out_of_range_is_an_error(option, value, message):
    with pytest.raises(DeclarationError, match=f"option {option}=.*{message}"):
        declare(options={option: value})


def test_an_option_given_twice_is_an_error():
    with pytest.raises(DeclarationError, match="'max_tree_depth' is given twice"):
        declare(type="boosted_tree_regressor", options={"max_depth": 3, "max_tree_depth": 4})


def test_a_comparison_that_python_made_says_what_to_write():
    with pytest.raises(DeclarationError, match=r"feature 'same' is False.*\.eq\(value\)"):
        declare(features={"same": col("a") == col("b")})


def test_a_plain_value_is_no_feature():
    with pytest.raises(DeclarationError, match=r"feature 'five' is 5, not an expression; write ps\.col"):
        declare(features={"five": 5})


def test_an_unknown_function_names_the_feature():
    with pytest.raises(PenstockError, match=r"(?s)LN_OF_WHAT"):
        declare(features={"odd": "LN_OF_WHAT(km)"})


def test_a_text_that_is_no_expression_names_the_feature():
    with pytest.raises(PenstockError, match="feature 'odd'"):
        declare(features={"odd": "km +"})


def test_a_feature_with_the_label_s_name_is_an_error():
    with pytest.raises(DeclarationError, match="feature 'duration' has the label's name"):
        declare(features={"duration": col("duration")})


def test_features_that_differ_in_case_alone_are_an_error():
    with pytest.raises(DeclarationError, match="features 'km' and 'KM' have one name in SQL"):
        declare(features={"km": col("km"), "KM": col("miles")})


def test_no_features_is_not_every_feature():
    with pytest.raises(DeclarationError, match="has no features; leave `features` out"):
        declare(features={})


@pytest.mark.parametrize("name", ["", "a@b", "a/b", " a", ".."])
def test_a_name_that_would_be_read_as_a_reference_is_an_error(name):
    with pytest.raises(DeclarationError, match="model name"):
        declare(name=name)


@pytest.mark.parametrize("learner", LEARNERS.values(), ids=LEARNERS)
def test_every_option_says_what_it_means_and_takes_its_own_default(learner):
    for name, option in learner.options.items():
        assert option.meaning
        if option.default is not None:
            check_options({name: option.default}, learner.options, within="test")
