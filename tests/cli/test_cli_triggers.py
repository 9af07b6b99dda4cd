"""`penstock trigger`."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from penstock.cli import main

TRIGGERS = {
    "regularly": ('ps.every("15m")', "15 min 00 s"),
    "nightly": ('ps.cron("0 3 * * *", zone="Europe/Zurich")', "0 3 * * * (Europe/Zurich)"),
    "arrivals": ('ps.new_file("in/*.csv")', "in/*.csv"),
    "orders": ('ps.event("com.shop.*")', "com.shop.*"),
    "after": ('ps.run_finished("other")', "other"),
    "renewed": ('ps.new_artifact("duration")', "duration"),
    "refresh": ('ps.stale("stations")', "stations"),
    "changed": ('ps.drift("duration", over=0.3)', "PSI of duration over 0.3"),
    "worse": ('ps.degraded("duration", metric="r2_score", under=0.5)', "r2_score of duration under 0.5"),
}


@pytest.fixture
def listed(tmp_path):
    """What `penstock trigger list` says of a project with a trigger of each kind."""
    declared = "".join(f"{name} = ps.on({when}, p)\n" for name, (when, _) in TRIGGERS.items())
    (tmp_path / "pipelines.py").write_text(
        "import penstock as ps\n\n\n@ps.step\ndef one() -> int:\n    return 1\n\n\n"
        f"@ps.pipeline\ndef p():\n    one()\n\n\n@ps.pipeline\ndef other():\n    one()\n\n\n{declared}"
    )
    result = CliRunner().invoke(main, ["-C", str(tmp_path), "trigger", "list"])
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("name", TRIGGERS)
def test_a_trigger_of_every_kind_is_listed_with_what_it_waits_for(listed, name):
    (line,) = [line for line in listed.splitlines() if line.startswith(f"{name} ")]
    assert f" {TRIGGERS[name][1]} " in line
