"""What came of what a model does: firings, their runs and moved aliases, as JSON, as a page, printed."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

import penstock as ps
from penstock.cli import main
from penstock.core.trigger import Firing
from penstock.models import promote
from penstock.production import monitoring_from_json
from penstock.production.page import page

KM = ps.model("km", type="linear_reg", label="y", features={"a": ps.col("a")})
OTHER = ps.model("other", type="linear_reg", label="y", features={"a": ps.col("a")})
ROWS = pa.table({"a": [float(n) for n in range(50)], "y": [2.0 * n for n in range(50)]})
DRIFT = {"feature": "a", "metric": "PSI", "distance": 0.956, "threshold": 0.2, "version": 1}
WORSE = {"metric": "r2_score", "value": 0.31, "threshold": 0.5, "where": "a > 3", "version": 2}


def opened(folder: Path, monkeypatch: pytest.MonkeyPatch) -> ps.Project:
    (folder / "penstock.toml").write_text('[project]\nmodules = ["made_again"]\n')
    (folder / "made_again.py").write_text(
        "import penstock as ps\n@ps.step\ndef one() -> int:\n    return 1\n@ps.pipeline\ndef again():\n    one()\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "made_again", raising=False)
    return ps.open(folder)


def fired(project: ps.Project, trigger: str, moment: float, data: dict, run: str = "", reason: str = "") -> None:
    how = {"run": run, "state": "started" if run else "failed", "event": {"data": data}, "reason": reason}
    project.metadata.write(Firing(trigger=trigger, occurrence=f"{moment}", created=moment, **how))


def test_firings_their_runs_and_moved_aliases_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = opened(tmp_path, monkeypatch)
    for model in (KM, OTHER):
        project.fit(model, ROWS)
    run = project.run("again", engine="inline")
    project.on(ps.drift("km"), "again", name="changed")
    project.on(ps.degraded("km", metric="r2_score", under=0.5), "again", name="worse")
    project.on(ps.drift("other"), "again", name="another")
    fired(project, "another", 1.7e9, DRIFT)
    fired(project, "changed", 1.7e9, DRIFT, run=run.id)
    fired(project, "worse", 1.7e9 + 60, WORSE, reason="the pipeline 'again' is gone")
    fired(project, "changed", 1.7e9 + 120, {}, reason="no feature named 'c'")
    promote(project.metadata, "km", 1, by="Ada", reason="better")
    found = project.monitor("km")
    told = [(each["event"], each["trigger"], each["about"], each["run"], each["state"]) for each in found.events]
    assert told == [
        ("drift", "changed", "a: PSI 0.956, bound 0.2", run.id, "succeeded"),
        ("degraded", "worse", "r2_score 0.31 where a > 3, bound 0.5", "", "failed"),
        ("drift", "changed", "no feature named 'c'", "", "failed"),
        ("alias", "", "champion is version 1: promoted by Ada: better", "", ""),
    ]
    assert found.events[0]["time"] == "2023-11-14T22:13:20Z"
    assert monitoring_from_json(found.to_json()) == found
    shown = page(found)
    assert f'<a href="/runs/{run.id}">' in shown
    assert "r2_score 0.31 where a &gt; 3, bound 0.5" in shown
    printed = CliRunner().invoke(main, ["-C", str(tmp_path), "monitor", "km"])
    assert printed.exit_code == 0, printed.output
    assert "what came of it:" in printed.output
    assert "a: PSI 0.956, bound 0.2" in printed.output


def test_only_the_newest_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = opened(tmp_path, monkeypatch)
    project.fit(KM, ROWS)
    project.on(ps.drift("km"), "again", name="changed")
    for number in range(30):
        fired(project, "changed", 1.7e9 + number, {**DRIFT, "feature": f"f{number}"})
    found = project.monitor("km").events
    assert [each["about"].partition(":")[0] for each in found] == [f"f{number}" for number in range(10, 30)]
