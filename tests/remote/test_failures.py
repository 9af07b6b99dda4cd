"""Errors travel: between processes by pickle, between machines as JSON, and are the same errors there."""

from __future__ import annotations

import json
import pickle

import pytest

from penstock import errors
from penstock.remote.failures import error_classes, from_description

SAMPLES = [
    errors.UnknownNameError("step", "trian", ["load", "train"], within="pipeline 'p'"),
    errors.DataError("km is no number", field="km"),
    errors.RunError("it failed", run_id="r1"),
    errors.CorruptArtifactError("cut off", digest="ab"),
    errors.MissingExtraError("starlette", extra="serve", purpose="serving"),
    errors.UnauthorizedError("no token"),
    errors.UnreachableError("no answer", url="http://x"),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_described_and_read_again_is_the_same(error):
    again = from_description(json.loads(json.dumps(errors.describe(error))))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert errors.describe(again) == errors.describe(error)
    assert type(pickle.loads(pickle.dumps(again))) is type(error)


def test_an_error_of_a_class_that_is_not_known_here_keeps_its_message():
    again = from_description({"code": "of_the_future", "message": "well", "id": "a1"})
    assert (type(again), str(again), again.id) == (errors.PenstockError, "well", "a1")


def test_every_error_says_its_class():
    codes = [errors.code(cls) for cls in error_classes()]
    assert len(codes) == len(set(codes))
