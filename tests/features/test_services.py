"""Feature services: named lists of features that pin the versions of their sets, usable wherever a list is."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import penstock as ps
from penstock.cli.group import main
from penstock.errors import DeclarationError, UnknownNameError

AT = datetime.datetime(2026, 11, 1, 12, tzinfo=datetime.UTC)


def rides(project: ps.Project, **features: Any) -> ps.FeatureSet:
    declared = ps.feature_set(
        "rides",
        entities={"driver_id": "int64"},
        timestamp="at",
        features={"fare": ps.col("fare"), "share": ps.request("amount") / ps.feature("rides:fare"), **features},
        columns={"fare": "float64"},
    )
    project.features.apply(declared)
    return declared


def pricing(*more: str) -> ps.FeatureService:
    return ps.feature_service("pricing", ["rides:fare", "rides:share", *more], owner="pricing@example.com")


def test_a_service_stands_wherever_a_list_of_features_does(project: ps.Project) -> None:
    project.features.ingest(rides(project), [{"driver_id": 7, "at": AT, "fare": 10.0}])
    applied = project.features.apply(pricing())
    assert applied.message == "feature service pricing: version 1: created"
    asked = {"driver_id": [7], "amount": [5.0]}
    for features in (["rides:fare", "rides:share"], "pricing", "pricing@1", pricing()):
        assert project.features.get_online_features(features, asked).to_pylist() == [
            {"driver_id": 7, "amount": 5.0, "fare": 10.0, "share": 0.5}
        ]
        rows = [{"driver_id": 7, "amount": 5.0, "event_timestamp": AT}]
        assert project.features.get_historical_features(rows, features).column("share").to_pylist() == [0.5]
        assert project.features.reader(features).row({"driver_id": 7, "amount": 5.0})[0] == [10.0, 0.5]


def test_the_schema_of_a_service_says_what_is_given_and_what_comes_back(project: ps.Project) -> None:
    rides(project)
    schema = project.features.apply(pricing())
    assert schema["$id"] == "urn:penstock:feature-service:pricing:1"
    assert schema["properties"] == {
        "driver_id": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
        "amount": {"type": "number"},
        "fare": {"type": ["number", "null"]},
        "share": {"type": ["number", "null"]},
    }
    assert schema["required"] == ["driver_id", "amount"]
    assert schema["x-features"] == ["rides@1:fare", "rides@1:share"]


def test_a_version_of_a_service_gives_the_same_for_ever(project: ps.Project) -> None:
    project.features.ingest(rides(project), [{"driver_id": 7, "at": AT, "fare": 10.0}])
    project.features.apply(pricing())
    rides(project, fare=ps.col("fare") * 2)
    fares = project.features.get_online_features("pricing", {"driver_id": [7], "amount": [5.0]}).column("fare")
    assert fares.to_pylist() == [10.0]
    assert project.features.get_online_features(["rides:fare"], {"driver_id": [7]}).column("fare").to_pylist() == [20.0]
    applied = project.features.apply(pricing())
    assert applied.version == 2
    assert applied.changes == ("'rides@1:fare' is 'rides@2:fare'", "'rides@1:share' is 'rides@2:share'")
    assert not applied.breaks
    assert not project.features.apply(pricing()).is_new
    for reference, fare in (("pricing", 20.0), ("pricing@1", 10.0), (pricing(), 20.0)):
        answer = project.features.get_online_features(reference, {"driver_id": [7], "amount": [5.0]})
        assert answer.column("fare").to_pylist() == [fare]


def test_what_users_of_the_version_before_miss_is_said(project: ps.Project) -> None:
    rides(project)
    project.features.apply(ps.feature_service("pricing", ["rides:fare"]))
    applied = project.features.apply(ps.feature_service("pricing", ["rides:share"]))
    assert applied.breaks == ("'rides@1:fare' (float64) is gone", "it needs 'amount' too")
    assert "not compatible" in applied.message


def test_services_are_listed(project: ps.Project) -> None:
    rides(project)
    assert list(project.features.services) == []
    project.features.apply(pricing())
    assert list(project.features.services) == ["pricing"]
    found = project.features.services["pricing"]
    assert found.service == pricing()
    assert found.features == ("rides@1:fare", "rides@1:share")
    assert list(project.features) == ["rides"]


def test_what_is_not_there_is_named(project: ps.Project) -> None:
    with pytest.raises(DeclarationError, match=r"'pricing': no feature set named 'rides'.*apply the set"):
        project.features.apply(pricing())
    rides(project)
    with pytest.raises(DeclarationError, match="no feature named 'nothing' in feature set 'rides@1'"):
        project.features.apply(pricing("rides:nothing"))
    project.features.apply(pricing())
    with pytest.raises(UnknownNameError, match=r"no feature service named 'prising'.*Did you mean 'pricing'"):
        project.features.reader("prising")
    with pytest.raises(UnknownNameError, match="no version named '3' in feature service 'pricing'"):
        project.features.reader("pricing@3")
    with pytest.raises(DeclarationError, match="declared otherwise than it was applied; apply it first"):
        project.features.reader(pricing("rides@1:*"))
    with pytest.raises(DeclarationError, match="'rides' names no feature"):
        ps.feature_service("x", ["rides"])


def test_the_command_line_lists_shows_and_reads_services(project: ps.Project) -> None:
    def said(*command: str) -> Any:
        made = CliRunner().invoke(main, ["-C", str(project.root), "features", *command])
        assert made.exit_code == 0, made.output
        return made.output

    assert "no feature services yet" in said("services")
    project.features.ingest(rides(project), [{"driver_id": 7, "at": AT, "fare": 10.0}])
    project.features.apply(pricing())
    assert "pricing" in said("services")
    assert [each["name"] for each in json.loads(said("services", "--json"))] == ["pricing"]
    assert "rides@1:share" in said("services", "pricing")
    assert json.loads(said("services", "pricing@1", "--json"))["pinned"] == ["rides@1:fare", "rides@1:share"]
    keys = ["--key", "driver_id=7", "--key", "amount=5", "--json"]
    row = {"driver_id": 7, "amount": 5.0, "fare": 10.0, "share": 0.5}
    assert json.loads(said("online", "pricing", *keys)) == [row]
    assert json.loads(said("online", "pricing@1", *keys)) == [row]
    pq.write_table(pa.table({"driver_id": [7], "amount": [5.0]}), project.root / "rows.parquet")
    assert json.loads(said("history", "pricing", str(project.root / "rows.parquet"), "--json")) == [row]
    missing = CliRunner().invoke(main, ["-C", str(project.root), "features", "online", "prizing", *keys])
    assert "no feature set named 'prizing'" in missing.output
