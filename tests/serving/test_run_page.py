"""The page of a run: what its steps made, the figures among it, and nothing that a name could break."""

from __future__ import annotations

import re
import time

import pyarrow as pa
import pytest

import penstock as ps
from penstock.core.run import Run, StepRun
from penstock.stores import CODECS


@pytest.fixture
def run(project):
    """A run with a table, metrics, a plot and a page, and a step that failed."""
    values = {
        "rows": ("table", pa.table({"km": [1.0, 2.0]})),
        "judge": ("metrics", {"r2_score": 0.987654321}),
        "plot": ("figure", ps.svg('<svg xmlns="http://www.w3.org/2000/svg" width="96" height="48"><rect/></svg>')),
        "report": ("figure", ps.html("<p>good</p>")),
    }
    project.metadata.write(
        Run(id="r7", pipeline="rides", state="failed", params={"depth": "<8>"}, created=7.0, ended=68.0),
        StepRun(run="r7", step="fit[0]", position=9, state="failed", error="ValueError: a < b"),
        StepRun(run="r7", step="gone", position=8, state="succeeded", artifacts={"result": "d" * 64}),
    )
    digests = {}
    for position, (step, (kind, value)) in enumerate(values.items()):
        artifact = next(codec for codec in CODECS if codec.kind == kind).save(value, project.artifacts)
        made = {"artifacts": {"result": artifact.digest}, "started": 1.0, "ended": 2.5}
        project.metadata.write(artifact, StepRun(run="r7", step=step, position=position, state="succeeded", **made))
        digests[step] = artifact.digest
    return digests


def test_the_page_of_a_run_shows_the_figures_that_its_steps_made(client, run):
    page = client.get("/runs/r7")
    assert page.headers["content-type"].startswith("text/html")
    assert re.findall(r"<img [^>]*>", page.text) == [
        f'<img src="/v1/artifacts/{run["plot"]}/content" width="96" height="48" alt="plot">'
    ]
    assert "img-src 'self'" in page.headers["content-security-policy"]
    image = client.get(f"/v1/artifacts/{run['plot']}/content")
    assert image.headers["content-type"] == "image/svg+xml"
    assert f'<a href="/v1/artifacts/{run["report"]}/content">figure</a>' in page.text


def test_the_page_of_a_run_shows_pages_that_its_steps_made_and_lets_them_do_nothing(client, run):
    page = client.get("/runs/r7")
    address = f"/v1/artifacts/{run['report']}/content"
    assert f'<iframe sandbox src="{address}" title="report"></iframe>' in page.text
    assert "frame-src 'self'" in page.headers["content-security-policy"]
    content = client.get(address)
    assert (content.text, content.headers["content-security-policy"]) == ("<p>good</p>", "sandbox")


def test_the_page_of_a_run_says_what_each_step_made_and_what_failed(client, run):
    page = client.get("/runs/r7").text
    assert "2 rows" in page
    assert "r2_score=0.987654" in page
    assert '<span class="succeeded">succeeded</span> 1.5 s' in page
    assert "<pre>ValueError: a &lt; b</pre>" in page
    assert "dddddddddddd, not recorded any more" in page
    assert "depth=&lt;8&gt;" in page
    assert "1 min 1 s" in page
    for address in re.findall(r'href="([^"]*/steps/[^"]*?)"', page):
        if not address.endswith("/log"):
            assert client.get(address).status_code == 200


def test_of_very_many_steps_the_first_are_shown_and_the_others_counted(client, project, run):
    more = [StepRun(run="r7", step=f"clean[{n}]", position=100 + n, state="waiting") for n in range(1200)]
    project.metadata.write(*more)
    page = client.get("/runs/r7").text
    assert page.count("<tr><td><a") == 300
    assert '<td>and 906 more</td><td></td><td><a href="/v1/runs/r7">all, as JSON</a></td>' in page


def test_a_run_that_is_not_there_has_no_page(client):
    answer = client.get("/runs/r8")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_name")


def drawn_run(project, **run):
    steps = [("read", "succeeded", ()), ("fit", "failed", ("read",)), ("score", "skipped", ("fit",))]
    project.metadata.write(
        Run(**{"id": "r9", "pipeline": "rides", "state": "failed", "created": 7.0, "mode": "infer", **run}),
        *(
            StepRun(
                run="r9",
                step=name,
                position=place << 20,
                state=state,
                needs=needs,
                error="ValueError: <no>",
                reason=f"why {name}",
            )
            for place, (name, state, needs) in enumerate(steps)
        ),
        *(
            StepRun(run="r9", step=f"read[{n}]", position=n + 1, state="succeeded", started=1.0, ended=2.5)
            for n in range(3)
        ),
    )


def test_the_page_of_a_run_draws_it_and_each_box_leads_to_its_row(client, project):
    drawn_run(project)
    page = client.get("/runs/r9").text
    svg = page[page.index("<svg") : page.index("</svg>")]
    assert svg.count("<rect") == 3  # the items of a mapped step are one box
    assert "3 steps" in svg
    assert svg.count("<path d=") == 1 + 2  # the arrow's head
    assert "ValueError: &lt;no&gt;" in svg
    for address in re.findall(r'<a href="#([^"]*)"', svg):
        assert f'<a id="{address}" ' in page
    assert "<td>mode</td><td>infer</td>" in page
    assert '<p class="quiet">why score</p>' in page
    picture = client.get("/v1/runs/r9/graph")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert picture.text.count("<rect") == 3
    assert "href" not in picture.text


def test_the_page_of_a_run_that_goes_on_is_asked_for_again(client, project):
    drawn_run(project)
    assert "http-equiv" not in client.get("/runs/r9").text
    drawn_run(project, state="running", host="elsewhere", created=time.time())
    assert '<meta http-equiv="refresh" content="5">' in client.get("/runs/r9").text


def test_a_run_of_which_it_was_not_recorded_what_steps_need_is_not_drawn(client, run):
    assert "<svg" not in client.get("/runs/r7").text
