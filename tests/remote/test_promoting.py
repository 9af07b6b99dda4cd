"""Aliases moved by hand: by the command line and over REST, with who did it and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from served_projects import serving

import penstock as ps
from penstock.cli import main
from penstock.errors import ConflictError, UnknownNameError


@pytest.fixture
def project(tmp_path: Path) -> ps.Project:
    project = ps.open(tmp_path)
    declared = ps.model("rides", type="linear_reg", label="minutes", features={"km": ps.col("km")})
    for slope in (2, 3):
        project.fit(declared, [{"km": km, "minutes": slope * km} for km in range(20)])
    return project


def call(project: ps.Project, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-C", str(project.root), *arguments])


def test_the_command_moves_an_alias_and_shows_its_history(project: ps.Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LOGNAME", "alice")
    assert call(project, "models", "promote", "rides", "1").exit_code == 0
    assert call(project, "models", "promote", "rides", "2", "--reason", "better").exit_code == 0
    done = call(project, "models", "rollback", "rides", "--reason", "too slow")
    assert "rides@champion points at version 1: rolled back from version 2 by alice: too slow" in done.output
    history = json.loads(call(project, "models", "history", "rides", "--json").output)
    assert [(each["version"], each["reason"]) for each in history][:2] == [
        (1, "rolled back from version 2 by alice: too slow"),
        (2, "promoted by alice: better"),
    ]
    assert "champion" in call(project, "models", "rides").output
    assert "Did you mean 'rides'?" in call(project, "models", "promote", "ridse", "1").output


def test_over_rest_the_alias_is_moved_in_the_name_of_who_asks(project: ps.Project):
    with serving(project) as remote:
        model = remote.models["rides"]
        model.promote(1, by="bob", reason="first")
        assert model.promote(2, by="bob").reason == "promoted by bob"
        assert model.rollback(by="carol").version == 1
        assert project.models["rides"].alias("champion").version == 1
        assert project.models["rides"].history[-1].reason == "rolled back from version 2 by carol"
        with pytest.raises(UnknownNameError, match="no version named '7'"):
            model.promote(7)
        model.promote(1, "canary")
        with pytest.raises(ConflictError, match="never pointed at another before"):
            model.rollback("canary")
        answer = remote.server.post("/v1/models/rides:promote", {"version": 2})
        assert answer["reason"] == "promoted by somebody over REST"
