"""Both fronts, one value: a model written as SQL or as Python is declared the same again."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import DeclarationError
from penstock.models import fit
from penstock.sql import MemoryCatalog, to_model

ROWS = pa.table(
    {
        "duration": pa.array([float(number % 7) for number in range(40)]),
        "km": pa.array([number / 3 for number in range(40)]),
        "start date": pa.array([datetime.datetime(2024, 5, day % 28 + 1, tzinfo=datetime.UTC) for day in range(40)]),
        "station": pa.array(["Kings Cross", "Bank"] * 20),
        "part": pa.array([number % 4 == 0 for number in range(40)]),
    }
)

MODELS = {
    "every column": ps.model("plain", type="linear_reg", label="duration"),
    "features": ps.model(
        "ch09edu.bicycle",
        type="linear_reg",
        label="duration",
        features={
            "day": ps.col("start date").day_of_week().cast("string"),
            "km": "ML.STANDARD_SCALER(LN(1 + km)) OVER ()",
            "the station": ps.col("station"),
            "quote": ps.col("station").eq("King's \"X\"\n"),
        },
        options={"l2_reg": 1, "fit_intercept": False},
    ),
    "a computed label": ps.model(
        "log", type="boosted_tree_regressor", label="log_duration", target=ps.col("duration").log1p(),
        features={"km": ps.col("km")}, options={"max_depth": 3, "booster_type": "dart"},
    ),
    "a split by a column that is no feature": ps.model(
        "split", type="linear_reg", label="duration", features={"km": ps.col("km")},
        options={"data_split_method": "CUSTOM", "data_split_col": "part"},
    ),
    "tuning": ps.model(
        "tuned", type="dnn_regressor", label="duration",
        options={
            "num_trials": 4, "learn_rate": ps.hparam_range(0.001, 0.1),
            "optimizer": ps.hparam_candidates(["adam", "SGD"]),
            "hidden_units": ps.hparam_candidates([[8, 4], [8]]), "hparam_tuning_objectives": ["mean_absolute_error"],
        },
    ),
    "a tuning of what is usual": ps.model("usual", type="linear_reg", label="duration", options={"num_trials": 2}),
    "a tuning without a split": ps.model(
        "all", type="boosted_tree_regressor", label="duration",
        options={"num_trials": 2, "data_split_method": "NO_SPLIT"},
    ),
    "weights": ps.model(
        "which", type="logistic_reg", label="station", features={"km": ps.col("km")},
        options={"class_weights": {"Bank": 1, "Kings Cross": 2.5}},
    ),
}  # fmt: skip


@pytest.fixture
def catalog() -> MemoryCatalog:
    return MemoryCatalog(tables={"rows": ROWS})


@pytest.mark.parametrize("name", MODELS)
def test_sql_declares_the_same_model(name: str, catalog: MemoryCatalog) -> None:
    assert to_model(MODELS[name].sql(), catalog) == MODELS[name]


@pytest.mark.parametrize("name", MODELS)
def test_python_declares_the_same_model(name: str) -> None:
    assert eval(MODELS[name].python(), {"ps": ps, "datetime": datetime}) == MODELS[name]


@pytest.mark.parametrize("name", ["features", "a computed label", "weights"])
def test_a_fitted_graph_knows_its_declaration(name: str) -> None:
    assert fit(MODELS[name], ROWS).declaration() == MODELS[name]


def test_python_reads_as_a_person_writes_it() -> None:
    assert MODELS["features"].python() == (
        "ps.model(\n"
        '    "ch09edu.bicycle",\n'
        '    type="linear_reg",\n'
        '    label="duration",\n'
        "    features={\n"
        '        "day": ps.col("start date").day_of_week().cast("string"),\n'
        '        "km": (1 + ps.col("km")).ln().standard_scaler(),\n'
        '        "the station": ps.col("station"),\n'
        '        "quote": ps.col("station").eq(\'King\\\'s "X"\\n\'),\n'
        "    },\n"
        '    options={"fit_intercept": False, "l2_reg": 1.0},\n'
        ")\n"
    )


def test_an_option_that_is_the_default_declares_nothing_new() -> None:
    assert ps.model("m", type="linear_reg", label="y", options={"l2_reg": 0}) == ps.model(
        "m", type="linear_reg", label="y"
    )


def test_what_sql_cannot_say_is_an_error_with_a_way_out() -> None:
    odd = ps.model("m", type="linear_reg", label="y", target=ps.col("duration").log1p())
    with pytest.raises(DeclarationError, match="name its features"):
        odd.sql()
