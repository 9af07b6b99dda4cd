"""SHOW and DESCRIBE: what there is, and what it is."""

from __future__ import annotations

import pytest

from penstock.errors import SqlError, UnknownNameError
from penstock.sql import MemoryCatalog, only_reads, parse, run

HIRES = "`bigquery-public-data.london_bicycles.cycle_hire`"
CREATE = f"""CREATE MODEL ch09edu.bicycle OPTIONS(model_type='linear_reg', input_label_cols=['duration'], l2_reg=0.5)
    TRANSFORM(duration, EXTRACT(HOUR FROM start_date) AS hour, start_station_name)
    AS SELECT duration, start_date, start_station_name FROM {HIRES}"""


def test_tables_and_models_are_shown_by_name(catalog: MemoryCatalog) -> None:
    run(CREATE, catalog)
    assert run("SHOW MODELS", catalog).to_pydict() == {"model": ["ch09edu.bicycle"]}
    assert run("show tables;", catalog).column("table").to_pylist() == sorted(catalog.tables_there())


def test_a_table_is_described_by_its_columns(catalog: MemoryCatalog) -> None:
    assert run(f"DESCRIBE TABLE {HIRES}", catalog).to_pydict() == {
        "column": ["duration", "start_station_name", "start_date", "bike_id"],
        "type": ["INT64", "STRING", "TIMESTAMP", "INT64"],
    }


def test_a_model_is_described_by_what_it_takes_computes_and_gives(catalog: MemoryCatalog) -> None:
    run(CREATE, catalog)
    rows = run("DESCRIBE MODEL ch09edu.bicycle", catalog).to_pylist()
    assert {"part": "model", "name": "type", "type": "", "value": "linear_reg"} in rows
    assert {"part": "option", "name": "l2_reg", "type": "", "value": "0.5"} in rows
    assert {"part": "input", "name": "start_date", "type": "TIMESTAMP", "value": ""} in rows
    assert {"part": "feature", "name": "hour", "type": "", "value": "EXTRACT(HOUR FROM start_date)"} in rows
    assert {"part": "output", "name": "predicted_duration", "type": "FLOAT64", "value": ""} in rows
    assert next(row["name"] for row in rows if row["part"] == "metric") == "mean_absolute_error"


@pytest.mark.parametrize("text", ["SHOW MODELS", "SHOW TABLES", "DESCRIBE TABLE t", "DESCRIBE MODEL m", "SELECT 1"])
def test_what_only_reads_is_known(text: str) -> None:
    assert all(map(only_reads, parse(text)))
    assert not only_reads(parse("DROP MODEL m")[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SHOW SECRETS", "SHOW at 1:1 is not a statement"),
        ("SHOW TABLES FROM x", "SHOW at 1:1 is not a statement"),
        ("DESCRIBE hires", "DESCRIBE at 1:1 is not a statement"),
        ("DESCRIBE MODEL m n", "cannot read the SQL text"),
    ],
)
def test_what_is_not_there_is_refused(text: str, message: str) -> None:
    with pytest.raises(SqlError, match=message):
        parse(text)


def test_an_unknown_name_is_an_error_with_the_nearest(catalog: MemoryCatalog) -> None:
    with pytest.raises(UnknownNameError, match="no model named 'nothing'"):
        run("DESCRIBE MODEL nothing", catalog)
    with pytest.raises(UnknownNameError, match="no table named 'nothing'"):
        run("DESCRIBE TABLE nothing", catalog)
