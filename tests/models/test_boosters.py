"""LightGBM called directly: the numbers of its own Python package, from any thread, with its memory given back."""

from __future__ import annotations

import gc
import os
import struct
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import lightgbm
import numpy as np
import pytest

from penstock.errors import CorruptArtifactError
from penstock.models.learning.boosters import Booster, SingleRow

RANDOM = np.random.default_rng(1)
MATRIX = RANDOM.normal(size=(500, 4))
MATRIX[::7, 2] = np.nan


def train(objective: str, target: np.ndarray, **more: int) -> lightgbm.Booster:
    parameters = {"objective": objective, "verbosity": -1, "num_leaves": 7, **more}
    return lightgbm.train(parameters, lightgbm.Dataset(MATRIX, target), 10)


TRAINED = {
    "regression": (train("regression", MATRIX[:, 0] * 2 + MATRIX[:, 1]), 1),
    "binary": (train("binary", (MATRIX[:, 0] > 0).astype(int)), 1),
    "multiclass": (train("multiclass", np.digitize(MATRIX[:, 0], [-1, 1]), num_class=3), 3),
}


@pytest.fixture(params=TRAINED)
def trained(request):
    return TRAINED[request.param]


def one(single: SingleRow, row: np.ndarray) -> list[float]:
    outputs = single.outputs()
    assert single.function(single.config, struct.pack("4d", *row), single.length, outputs) == 0
    return list(outputs)


def test_a_batch_equals_lightgbm_bit_for_bit(trained):
    reference, outputs = trained
    found = Booster(reference.model_to_string().encode(), outputs=outputs).predict(MATRIX)
    assert (found == reference.predict(MATRIX).reshape(-1, outputs)).all()


def test_single_rows_equal_a_batch_bit_for_bit(trained):
    reference, outputs = trained
    booster = Booster(reference.model_to_string().encode(), outputs=outputs)
    single = SingleRow(booster, columns=4)
    assert [one(single, row) for row in MATRIX] == booster.predict(MATRIX).tolist()


def test_single_rows_from_many_threads_are_not_mixed_up(trained):
    reference, outputs = trained
    booster = Booster(reference.model_to_string().encode(), outputs=outputs)
    single, expected = SingleRow(booster, columns=4), booster.predict(MATRIX).tolist()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            assert list(pool.map(lambda row: one(single, row), MATRIX)) == expected


def test_no_rows_give_no_predictions(trained):
    reference, outputs = trained
    assert Booster(reference.model_to_string().encode(), outputs=outputs).predict(np.empty((0, 4))).shape == (
        0,
        outputs,
    )


def test_a_text_that_is_no_model_is_an_error():
    with pytest.raises(CorruptArtifactError, match="LightGBM cannot read its model"):
        Booster(b"tree\nnonsense", outputs=1)


def test_the_memory_of_a_model_is_given_back():
    script = """
import resource, sys
from penstock.models.learning.boosters import Booster, SingleRow
text = sys.stdin.buffer.read()
def use():
    SingleRow(Booster(text, outputs=1), columns=4)
for _ in range(20): use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for _ in range(300): use()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    text = TRAINED["regression"][0].model_to_string().encode()
    gc.collect()
    grown = subprocess.run([sys.executable, "-c", script], input=text, capture_output=True, check=True)
    assert int(grown.stdout) < 4000  # kibibytes; kept, 300 models would take ten times as much


def test_predicting_does_not_import_lightgbm():
    script = (
        "import sys; from penstock.models.learning.boosters import _path; _path(); print('lightgbm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "False\n"


LOADS = {
    "to predict": "from penstock.models.learning.boosters import _library; _library()",
    "to fit": "from penstock.models.learning.trees import _lightgbm; _lightgbm()",
}


@pytest.mark.skipif(sys.platform != "linux", reason="asks GNU's OpenMP what it was told")
@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS)
@pytest.mark.parametrize(("given", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "active"}, "ACTIVE")])
def test_threads_sleep_while_they_wait_unless_told_otherwise(load, given, policy):
    environment = {name: value for name, value in os.environ.items() if name != "OMP_WAIT_POLICY"} | given
    script = f"{load}; import os; print(os.environ.get('OMP_WAIT_POLICY'))"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment | {"OMP_DISPLAY_ENV": "true"}, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(given.get("OMP_WAIT_POLICY"))  # as it was, for the processes that come after
    assert f"OMP_WAIT_POLICY = '{policy}'" in done.stderr
