"""`penstock explain`: the way from the baseline to the prediction of a row, on the screen or as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import penstock as ps
from penstock.cli import main

RIDE = '{"km": 12, "day": "2024-05-06", "carrier": "UA"}'


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explained")
    lines = [
        f"{km},2024-05-{day:02d},{carrier},{3 * km + day % 7 + 10 * (carrier == 'UA')}"
        for km in range(1, 9)
        for day in range(1, 15)
        for carrier in ("AA", "UA")
    ]
    (folder / "rides.csv").write_text("\n".join(["km,day,carrier,minutes", *lines]))
    (folder / "penstock.toml").write_text('[tables]\nrides = "rides.csv"\n')
    ps.open(folder).sql(
        "CREATE MODEL duration OPTIONS(model_type = 'linear_reg', input_label_cols = ['minutes']) AS"
        " SELECT km, day, carrier, minutes FROM rides;"
        "CREATE MODEL slow OPTIONS(model_type = 'logistic_reg', input_label_cols = ['slow'], l2_reg = 1) AS"
        " SELECT km, carrier, minutes > 20 AS slow FROM rides"
    )
    return folder


def explain(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-C", str(root), "explain", *arguments])


def test_a_row_is_explained_on_the_screen(root: Path) -> None:
    done = explain(root, "duration", RIDE, "--top", "2")
    assert done.exit_code == 0, done.output
    first, head, *cells = done.output.splitlines()
    assert first == "predicted_minutes: 52"
    assert head.split() == ["feature", "value", "attribution"]
    assert [line.split()[0] for line in cells] == ["baseline", "km", "carrier", "all", "prediction"]
    assert cells[1].split()[1] == "12"
    way = [float(line.split()[-1]) for line in cells]
    assert sum(way[:-1]) == pytest.approx(way[-1], rel=1e-4)


def test_json_is_what_python_gives(root: Path) -> None:
    [row] = json.loads(explain(root, "duration@champion", RIDE, "--json").stdout)
    graph = ps.open(root).models["duration"].load()
    rows = ps.open(root).sql("SELECT 12 AS km, DATE '2024-05-06' AS day, 'UA' AS carrier")
    [expected] = graph.explain(rows).to_pylist()
    assert row == {**expected, "day": "2024-05-06"}


@pytest.mark.parametrize("rows", ["rides", "rides.csv"])
def test_rows_are_a_table_or_a_file(root: Path, rows: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    done = explain(root, "slow", rows, "--limit", "2")
    assert done.exit_code == 0, done.output
    assert done.output.count("predicted_slow: ") == 2
    assert "(probability 0." in done.output
    assert done.output.rstrip().endswith("... 224 rows")


def test_what_cannot_be_explained_is_an_error(root: Path) -> None:
    ps.open(root).sql("CREATE OR REPLACE MODEL groups OPTIONS(model_type = 'kmeans') AS SELECT km FROM rides")
    done = explain(root, "groups", '{"km": 1}')
    assert done.exit_code != 0
    assert "has no explanations" in done.output
    assert explain(root, "duration", '{"km": 1}').exit_code == 3
