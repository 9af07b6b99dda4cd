"""The page of a report shows every route and number, holds whatever it is called, and needs nothing from elsewhere."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pytest
from cascade_worlds import FOREST, INPUTS, distance, rentals
from test_routing import CASCADES

import penstock as ps
from penstock.cascades.drawing import drawn
from penstock.models.reporting import number, of_whole, percent

ODD = "<b>a & b<b> \"'"


class _Page(HTMLParser):
    """Gathers the texts, the tags, and what is open; a page is whole where nothing stays open."""

    VOID = ("meta", "link", "img", "br", "path", "rect")

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open += [] if tag in self.VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.texts.append(data)


def read(figure: ps.Figure) -> _Page:
    page = _Page()
    page.feed(figure.content.decode())
    assert page.open == []
    return page


@pytest.mark.parametrize("which", ["two ways", "a calibrated blend", "three labels", "a cascade in a cascade"])
def test_every_route_and_number_is_on_the_page(which: str):
    found = ps.fit(CASCADES[which], rentals()).report()
    text = "\n".join(read(ps.plot_cascade(found)).texts)
    assert found["verdict"] in text
    assert all(warning in text for warning in found["warnings"])
    assert all(number(value) in text for value in of_whole(found).values())
    for report in (found, *found["inner"].values()):
        for each in report["routes"]:
            assert each["name"] in text
            assert all(percent(share) in text for share in each["shares"].values() if share is not None)
            assert number(each["routed"][report["metric"]]) in text
            assert number(each["of_label"][report["metric"]]) in text
        assert all(f"{count:,}" in text for line in report["confusion"]["counts"] for count in line)


def test_whatever_things_are_called_stays_text():
    odd = ps.model(ODD, type="linear_reg", label="km", features={**INPUTS, "town": ps.col("town")})
    rows = rentals().append_column(
        "town", pa.array([("<script>alert(1)</script>", "Bern")[at % 2] for at in range(1200)])
    )
    found = ps.fit(distance(routes=[ps.route(when="is_long > 0.5 AND town <> '</svg>'", use=odd)]), rows).report()
    page = read(ps.plot_cascade(found))
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    assert page.tags.count("b") == ps.plot_cascade(found).content.decode().count("<b>")
    assert any("<script>alert(1)</script>" in text for text in page.texts)
    assert any(ODD in text for text in page.texts)
    drawing = ElementTree.fromstring(drawn(found))
    assert {ODD, "typical"} <= {each.text for each in drawing.iter("text")}


def test_a_ribbon_is_as_wide_as_the_share_of_its_route():
    found = ps.fit(distance(), rentals()).report()
    drawing = ElementTree.fromstring(drawn(found))
    widths = []
    for each in drawing.iter("path"):
        top = float(re.match(r"M\S+ (\S+?)C", each.get("d", ""))[1])
        bottom = float(re.search(r" (\S+?)Z$", each.get("d", ""))[1])
        widths.append(bottom - top)
    shares = [each["shares"]["judged"] for each in found["routes"]]
    assert widths[0] / widths[1] == pytest.approx(shares[0] / shares[1], abs=0.01)


def test_a_route_without_rows_is_a_dashed_line():
    found = ps.fit(distance(), rentals()).report()
    assert drawn(found).count('class="none"') == 0
    assert (
        drawn({**found, "routes": [{**found["routes"][0], "rows": 0}, found["routes"][1]]}).count('class="none"') == 1
    )


def test_equal_reports_are_equal_bytes_and_the_page_needs_nothing_else():
    found = ps.fit(distance(), rentals()).report()
    page = ps.plot_cascade(found)
    assert page == ps.plot_cascade(found)
    assert page.media_type == "text/html"
    assert not re.search(rb"https?:|url\(|@import|src=", page.content)


def test_a_run_keeps_the_report_and_its_page(tmp_path: Path):
    project = ps.open(tmp_path)
    graph = project.fit(distance(router=FOREST), rentals())
    run = project.runs()[0]
    assert run.result("report", "report") == graph.report()
    assert run.result("report", "page") == ps.plot_cascade(graph.report())
    assert graph.report()["verdict"] in run.steps["report"].log()


CHEAP = ps.model("cheap", type="logistic_reg", label="size", features={"x1": ps.col("x1")})
DEAR = ps.model("dear", type="boosted_tree_classifier", label="size", features=INPUTS, options={"max_iterations": 8})
EARLY = ps.cascade(
    "early", label="size", metric="log_loss", router=CHEAP, baseline=DEAR, min_rows=20, router_cost=1.0, budget=8.0,
    routes=[ps.route(when=ps.confidence("cheap") < ps.threshold(), use=DEAR, cost=10.0)], otherwise=CHEAP,
    otherwise_cost=0.0,
)  # fmt: skip


def test_the_page_shows_from_what_was_chosen_and_what_it_costs():
    graph = ps.fit(EARLY, rentals())
    found = graph.report()
    page = ps.plot_cascade(found).content.decode()
    text = "\n".join(read(ps.plot_cascade(found)).texts)
    assert f"Chosen from {len(graph.facts['candidates'])} candidates" in text
    assert page.count("<circle") == len([each for each in found["candidates"] if each["cost"] is not None])
    assert page.count('class="chosen"') == 1
    assert number(found["cost"]["mean"]) in text
    assert "budget 8" in text
    [best] = [each for each in found["candidates"] if each["chosen"]]
    assert f"dear {number(best['thresholds']['dear'])}" in text


def test_one_model_that_was_found_to_do_as_well_is_a_report_too():
    rows = rentals()
    noise = rows.set_column(4, "km", pa.array([float(at * 7919 % 101) for at in range(1200)]))
    found = ps.fit(distance(policy="auto"), noise).report()
    assert (found["policy"], found["declared_policy"]) == ("single_model", "auto")
    assert found["verdict"].startswith("No cascade was found to be better than one model")
    assert (found["warnings"], found["whole"]["oracle"]) == ([], None)
    assert "policy single model, found by auto" in "\n".join(read(ps.plot_cascade(found)).texts)
