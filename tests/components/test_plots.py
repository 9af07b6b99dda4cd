"""The components that draw: what stands in the figures, for every kind of model, and in a run."""

from __future__ import annotations

import sys
from html import unescape
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import penstock as ps
from penstock.errors import DataError, DeclarationError, MissingExtraError


def rides(rows: int = 600, classes: int = 3) -> pa.Table:
    random = np.random.default_rng(11)
    km = random.uniform(0, 20, rows)
    minutes = 4 * km + random.normal(0, 5, rows)
    return pa.table(
        {
            "km": km,
            "hour": random.integers(0, 24, rows),
            "minutes": minutes,
            "long": minutes > 40,
            "size": [f"$size_{int(value) % classes}$" for value in km / 20 * classes],
        }
    )


def learned(label: str, type: str, rows: pa.Table) -> ps.ModelGraph:
    return ps.fit(
        ps.model("rides", type=type, label=label, features={"km": ps.col("km"), "hour of $day$": ps.col("hour")}), rows
    )


def texts(figure: ps.Figure) -> str:
    assert figure.media_type == "image/svg+xml"
    return unescape(figure.content.decode())


def test_of_two_labels_the_plot_has_the_share_in_percent_and_counts_the_rows_of_each_bin() -> None:
    rows = rides()
    graph = learned("long", "logistic_reg", rows)
    shown = texts(ps.plot_calibration(graph, rows))
    for text in ["Observed share of rows (%)", "Predicted probability (%)", "Rows", "long = True", "600 rows"]:
        assert text in shown
    table = graph.calibration(rows)
    assert f"Expected calibration error {100 * table['expected_calibration_error'][0].as_py():.1f} %" in shown
    for count in table["rows"].to_pylist():
        assert f">{count}</text>" in shown


def test_of_more_labels_each_has_a_panel_and_of_very_many_those_that_are_furthest_off() -> None:
    rows = rides()
    shown = texts(ps.plot_calibration(learned("size", "logistic_reg", rows), rows))
    assert [shown.count(f"$size_{number}$: error") for number in range(3)] == [1, 1, 1]
    many = rides(classes=12)
    shown = texts(ps.plot_calibration(learned("size", "logistic_reg", many), many))
    assert shown.count(": error ") == 9
    assert "The 9 of 12 classes whose error is the largest" in shown


def test_of_a_regression_observed_is_drawn_against_predicted() -> None:
    rows = rides()
    shown = texts(ps.plot_calibration(learned("minutes", "linear_reg", rows), rows))
    for text in ["Observed minutes", "Predicted minutes", "80 % of what was observed", "Rows"]:
        assert text in shown


def test_importance_names_what_it_measures_and_the_features_with_their_numbers() -> None:
    rows = rides()
    shown = texts(ps.plot_importance(learned("minutes", "linear_reg", rows)))
    assert "Change of predicted minutes by one standard deviation of the feature" in shown
    assert "hour of $day$" in shown
    trees = texts(ps.plot_importance(learned("minutes", "boosted_tree_regressor", rows), most=1))
    assert "Share of the gain of all splits (%)" in trees
    assert "The first 1; the other 1 count less" in trees
    assert "hour of $day$" not in trees


def test_plots_are_the_same_bytes_whatever_the_settings_are() -> None:
    import matplotlib as mpl

    rows = rides()
    graph = learned("long", "logistic_reg", rows)
    plain = ps.plot_calibration(graph, rows)
    with mpl.rc_context({"font.size": 20, "axes.facecolor": "black", "svg.fonttype": "path"}):
        assert ps.plot_calibration(graph, rows) == plain
        assert mpl.rcParams["font.size"] == 20


def test_letters_that_the_font_lacks_are_left_to_whoever_shows_the_figure() -> None:
    rows = rides().rename_columns(["km", "hour", "所要時間", "long", "size"])
    assert "Observed 所要時間" in texts(ps.plot_calibration(learned("所要時間", "linear_reg", rows), rows))


def test_what_cannot_be_plotted_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rides()
    clusters = ps.fit(ps.model("m", type="kmeans", features={"km": ps.col("km")}, options={"num_clusters": 2}), rows)
    with pytest.raises(DataError, match="predicts no label that could be observed"):
        ps.plot_calibration(clusters, rows)
    with pytest.raises(DataError, match="has no importance to rank features by"):
        ps.plot_importance(clusters)
    graph = learned("minutes", "linear_reg", rows)
    with pytest.raises(DeclarationError, match="most=0; give how many features are to be shown"):
        ps.plot_importance(graph, most=0)
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'penstock\[plots\]'"):
        ps.plot_importance(graph)


PIPELINE = """
import pyarrow as pa
import penstock as ps

@ps.step
def rows() -> ps.Table:
    return pa.table({"km": [float(n) for n in range(200)], "minutes": [3.0 * n + n % 7 for n in range(200)]})

@ps.pipeline
def plots():
    table = rows()
    graph = ps.fit(ps.model("rides", type="linear_reg", label="minutes"), table)
    ps.plot_calibration(graph, table)
    ps.plot_importance(graph)
"""


def test_plots_in_a_pipeline_are_figures_that_a_run_keeps(tmp_path: Path) -> None:
    (tmp_path / "pipelines.py").write_text(PIPELINE)
    project = ps.open(tmp_path)
    run = project.run("plots", engine="inline")
    assert run.state == "succeeded"
    for step in ("plot_calibration", "plot_importance"):
        made = run.artifact(step)
        assert (made.record.kind, made.record.facts["media_type"]) == ("figure", "image/svg+xml")
        assert made.load().content.lstrip().startswith(b"<?xml")
        assert project.repository[made.digest].load() == made.load()
    again = project.run("plots", engine="inline")
    assert {step.state for step in again.steps.values()} == {"up_to_date"}


def test_a_metric_is_shown_in_every_slice_beside_the_baseline() -> None:
    rows = rides()
    graph, other = learned("minutes", "linear_reg", rows), learned("minutes", "linear_reg", rows.slice(0, 30))
    thresholds = {"mean_absolute_error": ps.bound(max=9.0)}
    how = {"slices": ["size", "km > 19"], "baseline": other, "intervals": "bootstrap", "min_rows": 10}
    blessing = ps.bless(graph, rows, thresholds=thresholds, **how)
    shown = texts(ps.plot_slices(blessing))
    for each in blessing["slices"]:
        assert f"{each['slice']}  ({each['rows']:,})" in shown
    for text in ["mean_absolute_error by slice: rides", "All 600 rows: ", "95 % intervals", "rings: the baseline"]:
        assert text in shown
    assert "r2_score by slice" in texts(ps.plot_slices(blessing, "r2"))
    with pytest.raises(DataError, match="the blessing has no slices"):
        ps.plot_slices(ps.bless(graph, rows, thresholds=thresholds))
