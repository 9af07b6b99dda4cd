"""What a run made, on one page of HTML that needs nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner

import penstock as ps
from penstock.cli import main

PIPELINES = """
import penstock as ps

rides = ps.model("rides", type="linear_reg", label="minutes", features={"km": ps.col("km"), "city": ps.col("city")})


@ps.step
def words(rows: ps.Table) -> str:
    return "a <script>alert(1)</script> in what a step says"


@ps.step
def drawn(rows: ps.Table) -> ps.Figure:
    return ps.svg('<svg xmlns="http://www.w3.org/2000/svg" width="20" height="10"></svg>')


@ps.pipeline
def reported(source: str = "rides.csv"):
    rows = ps.read(source)
    stats = ps.statistics(rows)
    found = ps.validate(rows, ps.schema(stats), on_anomaly="warn")
    graph = ps.fit(rides, rows)
    thresholds = {"mean_absolute_error": ps.bound(max=1.0, every_slice=True, sure=True)}
    blessing = ps.bless(graph, rows, slices=["city"], thresholds=thresholds)
    sections = {"Data": stats, "Anomalies": found[1], "Model": graph, "Blessing": blessing, "Figure": drawn(rows),
                "Words": words(rows), "Rows": rows, "Metrics": ps.evaluate(graph, rows)}
    ps.report(sections, title="Rides & more")
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> ps.Project:
    root = tmp_path_factory.mktemp("reported")
    (root / "penstock.toml").write_text('[engine]\ndefault = "inline"\n')
    (root / "pipelines.py").write_text(PIPELINES)
    rows = "".join(f"{km},{'ab'[km % 2]},{3 * km + km % 7}\n" for km in range(100))
    (root / "rides.csv").write_text("km,city,minutes\n" + rows)
    project = ps.open(root)
    run = project.run("reported")
    assert run.state == "succeeded", run.record.error
    return project


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def check_alone(text: str) -> None:
    """A page loads nothing, and runs nothing."""
    tags = Tags()
    tags.feed(text)
    assert "script" not in {tag for tag, _ in tags.found}
    for _, attributes in tags.found:
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert not re.search(r"url\((?!#)", text)  # the head of an arrow is in the page


def test_each_thing_is_shown_in_the_form_that_is_made_for_it(project: ps.Project):
    run = project.runs()[0]
    figure = run.artifact("report").load()
    text = figure.content.decode()
    check_alone(text)
    assert re.findall(r"<h2>(.*?)</h2>", text) == [
        "Data", "Anomalies", "Model", "Blessing", "Figure", "Words", "Rows", "Metrics",
    ]  # fmt: skip
    assert "<h1>Rides &amp; more</h1>" in text
    assert text.count("<rect") >= 20  # the histogram of km
    assert "no anomaly" in text
    assert "linear_reg" in text
    assert "NOT blessed" in text
    assert "city = a" in text
    assert text.count("<circle") == 2  # a slice each
    assert "data:image/svg+xml;base64," in text
    assert "&lt;script&gt;alert(1)" in text
    assert "100 rows, 3 columns" in text
    assert "mean_absolute_error" in text


def test_a_whole_run_is_written_as_a_page(project: ps.Project, tmp_path: Path):
    file = tmp_path / "pages" / "run.html"  # in a folder that is not there yet
    done = CliRunner().invoke(main, ["-C", str(project.root), "show", "latest", "--page", str(file)])
    assert done.exit_code == 0, done.output
    text = file.read_text()
    check_alone(text.replace("<iframe sandbox srcdoc=", "<iframe title="))
    run = project.runs()[0]
    assert f"run {run.id}: succeeded" in text
    assert {"Steps", "statistics", "fit", "bless", "evaluate", "drawn"} <= set(re.findall(r"<h2>(.*?)</h2>", text))
    assert run.artifact("fit").digest[:8] in text


def test_outside_a_pipeline_a_report_is_made_of_values():
    text = ps.report({"What": {"a": [1]}, "Nothing": None, "Number": 3}, title="T").content.decode()
    assert "not made in this run" in text
    assert "&quot;a&quot;" in text
