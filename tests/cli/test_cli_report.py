"""`penstock report`: a cascade in tables, as JSON and as a page, from what it keeps or from rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import penstock as ps
from penstock.cli import main

INPUTS = {"x": ps.col("x"), "y": ps.col("y")}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reported")
    rows = [
        {"x": at % 11, "y": at % 7, "big": at % 11 + at % 3 > 7, "km": 40 + at % 7 if at % 11 + at % 3 > 7 else at % 5}
        for at in range(900)
    ]
    lines = [f"{row['x']},{row['y']},{row['big']},{row['km']}" for row in rows]
    (folder / "rides.csv").write_text("\n".join(["x,y,big,km", *lines]))
    (folder / "penstock.toml").write_text('[tables]\nrides = "rides.csv"\n')
    big = ps.model("big", type="logistic_reg", label="big", features=INPUTS)
    far, near = (ps.model(name, type="linear_reg", label="km", features=INPUTS) for name in ("far", "near"))
    whole = ps.cascade(
        "distance", label="km", metric="mean_absolute_error", router=big, min_rows=20,
        routes=[ps.route(when="big > 0.5", use=far)], otherwise=near,
    )  # fmt: skip
    project = ps.open(folder)
    project.fit(whole, "rides")
    project.fit(near, "rides")
    return folder


def report(root: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-C", str(root), "report", *arguments])


def test_the_essentials_are_printed(root: Path) -> None:
    done = report(root, "distance")
    assert done.exit_code == 0, done.output
    found = ps.open(root).models["distance"].load().report()
    lines = done.output.splitlines()
    assert lines[0] == found["verdict"]
    told = {line.rsplit(maxsplit=1)[0].strip(): line.split()[-1] for line in lines[2:5]}
    assert float(told["this cascade"]) == pytest.approx(found["whole"]["cascade"]["mean_absolute_error"], rel=1e-3)
    assert float(told["one model of all rows"]) > float(told["this cascade"])
    far = next(line for line in lines if line.startswith("far "))
    assert f"{found['routes'][0]['shares']['judged']:.1%}" in far


def test_json_is_what_python_gives(root: Path) -> None:
    assert json.loads(report(root, "distance/1", "--json").stdout) == ps.open(root).models["distance"].load().report()


def test_rows_are_judged_beside_a_baseline_that_is_named(root: Path) -> None:
    found = json.loads(report(root, "distance", "rides", "--baseline", "near", "--slice", "y", "--json").stdout)
    assert found["rows"]["judged"] == 900
    near = ps.open(root).models["near"].load().evaluate(ps.open(root).sql("SELECT * FROM rides"))
    assert found["whole"]["baseline"]["mean_absolute_error"] == pytest.approx(near["mean_absolute_error"])
    assert [each["value"] for each in found["slices"]] == [str(value) for value in range(7)]


def test_the_page_is_written(root: Path, tmp_path: Path) -> None:
    done = report(root, "distance", "--out", str(tmp_path / "distance.html"))
    assert done.exit_code == 0, done.output
    graph = ps.open(root).models["distance"].load()
    assert (tmp_path / "distance.html").read_bytes() == ps.plot_cascade(graph.report()).content


def test_what_is_no_cascade_is_named(root: Path) -> None:
    done = report(root, "near")
    assert (done.exit_code, "no cascade" in done.output) == (2, True)
    assert report(root, "distance", "--slice", "y").exit_code == 2
