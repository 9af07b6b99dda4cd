"""One row: the same prediction as in a batch, for any row, and clear errors for requests that are wrong."""

from __future__ import annotations

import datetime
import json
import math
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

import penstock.models as models
from penstock.errors import DataError, RequestError
from penstock.models import row_predictor
from penstock.models.fitting.agreement import close
from penstock.operations import col
from penstock.tables import arrow_schema

LEARNING = [type for type, learner in models.LEARNERS.items() if learner.task != "imported"]
"""The types that learn; a model that comes as an ONNX file has tests of its own."""

ROW = {
    "carrier": "UA",
    "distance": 1400,
    "air_time": 227.5,
    "scheduled": datetime.datetime(2013, 1, 1, 10, 15, tzinfo=datetime.UTC),
    "weekend": False,
}
BODY = {**ROW, "scheduled": "2013-01-01T10:15:00Z"}

any_row = st.fixed_dictionaries(
    {
        "carrier": st.none() | st.sampled_from(["AA", "UA", 'é"x']) | st.text(max_size=5),
        "distance": st.integers(1, 10**12),
        "air_time": st.none() | st.floats(-500, 1e9),
        "scheduled": st.none()
        | st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2199, 1, 1), timezones=st.just(datetime.UTC)),
        "weekend": st.none() | st.booleans(),
    }
)


@pytest.mark.parametrize("type", LEARNING)
def test_one_row_is_predicted_as_in_a_batch(type, graphs):
    graph = graphs[type]
    predictor, schema = row_predictor(graph), arrow_schema(graph.signature.inputs)

    @settings(max_examples=20, deadline=None)
    @given(st.lists(any_row, min_size=1, max_size=20))
    def check(rows):
        batch = (
            graph.predict(pa.Table.from_pylist(rows, schema=schema)).select(graph.signature.outputs.names).to_pylist()
        )
        by_row = [predictor.predict(row) for row in rows]
        for one, many in zip(by_row, batch, strict=True):
            assert list(one) == list(many)
            assert close(one, many)
            if models.LEARNERS[type].method is None or models.LEARNERS[type].method.exact:
                assert one == many

    check()


def test_a_request_is_answered_from_bytes_to_bytes(graph):
    predictor = row_predictor(graph)
    answer = json.loads(predictor.answer(json.dumps({"instances": [BODY, BODY]}).encode()))
    assert list(answer) == ["predictions"]
    assert answer["predictions"] == json.loads(json.dumps([graph.predict_row(ROW)] * 2))


def test_a_request_may_say_what_each_row_is_called_and_is_answered_the_same(graph):
    predictor, named = row_predictor(graph), {"instances": [BODY, BODY], "ids": ["a", "b"]}
    assert predictor.answer(json.dumps(named).encode()) == predictor.answer(
        json.dumps({"instances": [BODY, BODY]}).encode()
    )
    with pytest.raises(RequestError, match="1 ids for 2 instances"):
        predictor.answer(json.dumps({**named, "ids": ["a"]}).encode())


def test_a_prediction_knows_its_columns(graph):
    assert tuple(graph.predict_row(ROW)) == graph.signature.outputs.names


def test_keys_that_are_no_inputs_are_passed_over_in_python(graph):
    assert graph.predict_row({**ROW, "tail": "N1"}) == graph.predict_row(ROW)


def test_no_instances_are_no_predictions(graph):
    assert row_predictor(graph).answer(b'{"instances": []}') == b'{"predictions":[]}'


def test_a_null_or_absent_input_is_null_where_training_had_nulls(graph):
    predictor = row_predictor(graph)
    absent = {name: value for name, value in BODY.items() if name != "air_time"}
    body = json.dumps({"instances": [absent, {**BODY, "air_time": None}]}).encode()
    one, other = json.loads(predictor.answer(body))["predictions"]
    assert one == other == json.loads(json.dumps(predictor.predict({**ROW, "air_time": None})))


def test_an_input_that_training_always_had_must_be_there_but_may_be_null(graph):
    predictor = row_predictor(graph)
    absent = {name: value for name, value in BODY.items() if name != "weekend"}
    with pytest.raises(DataError, match="row 1 lacks weekend; the model needs carrier, distance"):
        predictor.answer(json.dumps({"instances": [BODY, absent]}).encode())
    predictor.answer(json.dumps({"instances": [{**BODY, "weekend": None}]}).encode())


def test_a_zone_in_a_request_is_the_same_instant(graph):
    predictor = row_predictor(graph)
    body = json.dumps({"instances": [BODY, {**BODY, "scheduled": "2013-01-01T12:15:00+02:00"}]}).encode()
    one, other = json.loads(predictor.answer(body))["predictions"]
    assert one == other


def instance(**changes):
    return json.dumps({"instances": [{**BODY, **changes}]})


@pytest.mark.parametrize(
    ("body", "message", "field"),
    [
        (instance(distanse=1), "unknown field 'distanse'; .*Did you mean 'distance'", "distanse"),
        (instance(distance="far"), "field 'distance' is not int64: Expected `int.*got `str`", "distance"),
        (instance(distance=1.5), "field 'distance' is not int64", "distance"),
        (instance(distance=2**70), "field 'distance' is not int64", "distance"),
        (instance(air_time=True), "field 'air_time' is not float64", "air_time"),
        (instance(weekend=1), "field 'weekend' is not bool", "weekend"),
        (instance(scheduled="yesterday"), "field 'scheduled' is not timestamp .a time with a zone", "scheduled"),
        (
            instance(scheduled="2013-01-01T10:15:00"),
            "field 'scheduled' is not timestamp .a time with a zone",
            "scheduled",
        ),
        ('{"instances": [5]}', "row 0 is not an object", None),
    ],
)
def test_a_wrong_field_is_named(graph, body, message, field):
    with pytest.raises(DataError, match=message) as caught:
        row_predictor(graph).answer(body.encode())
    assert caught.value.field == field


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"5", b"\xff\xfe", b'{"instances": {}}', b"{}", b'{"rows": []}', b"[" * 5000]
)
def test_a_body_of_another_form_is_a_request_error(graph, body):
    with pytest.raises(RequestError):
        row_predictor(graph).answer(body)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"distance": "x"}, "distance"),
        ({"scheduled": datetime.datetime(2013, 1, 1)}, "scheduled"),
        ({"carrier": 5}, "carrier"),
    ],
)
def test_a_python_value_of_a_wrong_type_is_named(graph, changes, field):
    with pytest.raises(DataError, match=f"field '{field}'") as caught:
        graph.predict_row({**ROW, **changes})
    assert caught.value.field == field


def test_a_value_that_a_feature_cannot_take_is_shown(graph):
    with pytest.raises(DataError, match=r"feature 'log_distance'.*has no value for distance=0") as caught:
        row_predictor(graph).answer(instance(distance=0).encode())
    assert caught.value.field == "distance"


def test_a_prediction_that_is_no_number_is_null_in_json(flights, declare):
    model = declare("linear_reg", features={"air_time": col("air_time")}, label="huge", target=col("delay") * 1e300)
    predictor = row_predictor(models.fit(model, flights))
    assert math.isinf(predictor.predict({"air_time": 1e308})["predicted_huge"])
    assert predictor.answer(b'{"instances": [{"air_time": 1e308}]}') == b'{"predictions":[{"predicted_huge":null}]}'
    assert math.isnan(predictor.predict({"air_time": math.nan})["predicted_huge"])


def test_inputs_may_have_almost_any_name(flights):
    odd = flights.rename_columns({"distance": "class", "air_time": "a b.c[0] ü ' `"})
    model = models.model("odd", type="boosted_tree_regressor", label="delay", options={"max_iterations": 3})
    graph = models.fit(model, odd.select(["class", "a b.c[0] ü ' `", "delay"]))
    row = {"class": 5, "a b.c[0] ü ' `": 2.5}
    assert graph.predict_row(row)["predicted_delay"] == graph.predict([row])["predicted_delay"][0].as_py()
    with pytest.raises(DataError, match="field 'a b"):
        graph.predict_row({**row, "a b.c[0] ü ' `": "x"})


def test_many_threads_get_their_own_answers(graph):
    predictor = row_predictor(graph)
    rows = [{**ROW, "distance": 100 + number, "air_time": float(number)} for number in range(200)]
    expected = [predictor.predict(row) for row in rows]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert list(pool.map(predictor.predict, rows)) == expected
